"""The examples of demand are whole problems: their configs load, the cheap ones run, and answer what their READMEs ask."""

import json
import re
from pathlib import Path

import pytest
from tests.support.projects import REAL_CSV, REPO

from tabtrail import pipeline
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.data.demand_sample import DemandSize, write_demand_sample

pytestmark = pytest.mark.usefixtures("one_picture")

EXAMPLES = ("category_sales", "pasta_demand", "store_demand")
CHEAP = ["demand.candidates={LinearRegression: {scale: level}}", "demand.origins=2", "demand.choice.deploy_unless_beaten=true"]


def example(name: str, folder: Path, *overrides: str) -> Config:
    """The config of an example, in a folder of its own."""
    path = folder / "config.yaml"
    path.write_bytes((REPO / "examples" / name / "config.yaml").read_bytes())
    return load_config(path, overrides)


def answer(config: Config) -> float:
    """The forecast for the row that the bundle shows as its example."""
    predictor = predictor_of(config)
    return predictor.predict([predictor.schema.example])[0].value


def predictor_of(config: Config) -> Predictor:
    assert config.demand is not None
    return Predictor(load_bundle(config.paths.models_dir, config.demand.name))


def asked_in_readme(name: str) -> dict[str, object]:
    """The row that an example's README asks for a forecast of."""
    text = (REPO / "examples" / name / "README.md").read_text(encoding="utf-8")
    found = re.search(r"--json '(\{.*\})'", text)
    assert found is not None
    row: dict[str, object] = json.loads(found[1])
    return row


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_config_of_an_example_loads_and_its_readme_names_it(name: str, tmp_path: Path) -> None:
    assert example(name, tmp_path).is_demand_only
    assert f"examples/{name}/config.yaml" in (REPO / "examples" / name / "README.md").read_text(encoding="utf-8")


def test_stores_are_forecast_from_the_sample(tmp_path: Path) -> None:
    config = example("store_demand", tmp_path, *CHEAP)
    write_demand_sample(config.paths.raw_csv, DemandSize(stores=2, products=4, days=200))
    report = pipeline.run(config)
    assert report.manifest.synthetic
    assert report.demand is not None
    account = report.demand["account"]
    assert account["series"] == 8
    assert min(account["closed"], account["stockout"], account["without_row"], account["planned"]) > 0
    assert 0 <= answer(config) < 100
    predictor = predictor_of(config)
    # The sample of this test ends earlier than that of the README.
    day = {"date": predictor.schema.example["date"]}
    assert predictor.predict([{**asked_in_readme("store_demand"), **day}])[0].value >= 0


def test_categories_are_forecast_from_transactions(tmp_path: Path) -> None:
    source = REAL_CSV.with_name("retail_sales_dataset.csv")
    if not source.is_file():
        pytest.skip(f"{source} is missing: the example is not run")
    config = example("category_sales", tmp_path, f"paths.raw_csv={source}", *CHEAP)
    report = pipeline.run(config)
    assert report.demand is not None
    account = report.demand["account"]
    # 1,000 transactions on 655 days of a category: the others are zero.
    assert (account["rows"], account["series"], account["duplicates"]) == (1000, 3, 345)
    assert account["without_row"] + 655 == account["cells"]
    assert answer(config) >= 0
    assert predictor_of(config).predict([asked_in_readme("category_sales")])[0].value >= 0
