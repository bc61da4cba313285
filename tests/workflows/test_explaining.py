"""Why one prediction is what it is: `tabtrail explain`, from the deployed bundle."""

import hashlib
import json
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.support.commands import run_in
from tests.support.fitting import CATEGORICAL, NUMERIC, fit, make_rows, pickle_of_a_moved_class
from tests.support.projects import Trained

from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.bundle.rows import PayloadError
from tabtrail.config.tree import Config
from tabtrail.errors import BundleError, TabtrailError, UsageError
from tabtrail.explain.effects import partial_dependence
from tabtrail.explain.shapley import explain, from_shap_table, shap_table
from tabtrail.export.pickles import pickled
from tabtrail.progress import Progress, quarters
from tabtrail.project.paths import Artifacts
from tabtrail.system.files import read_json, write_json
from tabtrail.workflows.explain import LocalExplanation, explain_row
from tabtrail.workflows.explained_rows import fetch_explained_rows
from tabtrail.workflows.pipelines import load_pipeline

INPUTS = [*NUMERIC, *CATEGORICAL]


@pytest.fixture(scope="module")
def example(reported: Trained) -> dict[str, object]:
    return load_bundle(reported.config.paths.models_dir, "sales_regressor").schema.example


def explained(config: Config, row: object) -> LocalExplanation:
    bundle = load_bundle(config.paths.models_dir, config.model.name)
    return explain_row(bundle, row, Artifacts.of(config), partial(fetch_explained_rows, config.mlflow))


def test_base_value_and_contributions_make_the_served_prediction(reported: Trained, example: dict[str, object]) -> None:
    found = explained(reported.config, example)
    served = Predictor(load_bundle(reported.config.paths.models_dir, "sales_regressor")).predict([example])[0].value
    assert found.prediction == served
    assert found.base_value + sum(found.contributions.values()) == pytest.approx(served, rel=1e-6)
    assert set(found.contributions) == set(example)
    sizes = [abs(value) for value in found.contributions.values()]
    assert sizes == sorted(sizes, reverse=True)
    table = pl.read_parquet(Artifacts.of(reported.config).shap)
    assert found.base_value == pytest.approx(table["base_value"][0], rel=1e-9)


def test_the_command_prints_a_table_that_adds_up_and_draws_a_waterfall(
    reported: Trained, example: dict[str, object], tmp_path: Path
) -> None:
    plot = tmp_path / "why.png"
    done = run_in(reported.project, "explain", "--json", json.dumps(example), "--plot", str(plot))
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines() if line.strip()]
    base = next(line for line in lines if line[:2] == ["base", "value"])
    added = [line[-1] for line in lines if line[0] in example]
    total = next(line for line in lines if line[0] == "prediction:")
    amounts = [float(text.replace(",", "")) for text in (base[-1], *added)]
    assert len(added) == len(example)
    assert sum(amounts) == pytest.approx(float(total[1].replace(",", "")), abs=0.01 * len(amounts))
    assert plot.read_bytes().startswith(b"\x89PNG")
    asked = run_in(reported.project, "explain", "--json", json.dumps(example), "--format", "json")
    assert json.loads(asked.stdout)["prediction"] == pytest.approx(sum(amounts), abs=0.2)


def test_a_payload_that_breaks_the_contract_is_refused_without_its_values(reported: Trained, example: dict[str, object]) -> None:
    with pytest.raises(PayloadError, match="QUANTITYORDERED: must be at least 1"):
        explained(reported.config, {**example, "QUANTITYORDERED": -30})
    with pytest.raises(UsageError, match="one row is explained at a time"):
        explained(reported.config, [example])


def test_contributions_that_miss_the_served_prediction_are_an_error(
    reported: Trained, example: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    served = Predictor.outputs
    monkeypatch.setattr(Predictor, "outputs", lambda self, feed: (served(self, feed)[0] * 1.001, None))
    with pytest.raises(TabtrailError, match=r"base value and contributions make .* the served prediction is"):
        explained(reported.config, example)


def test_rows_of_another_run_are_left_for_the_deployed_models(
    reported: Trained, example: dict[str, object], tmp_path: Path
) -> None:
    config = reported.copy(tmp_path).config(*reported.overrides)
    before, known = explained(config, example), read_json(Artifacts.of(config).importance)
    assert known is not None
    write_json(Artifacts.of(config).importance, {**known, "run_id": "another"})
    assert explained(config, example) == before
    Artifacts.of(config).shap.unlink()
    assert explained(config, example) == before


def test_an_altered_pipeline_is_never_unpickled(reported: Trained, tmp_path: Path) -> None:
    config = reported.copy(tmp_path).config(*reported.overrides)
    folder = config.paths.models_dir
    metadata = load_bundle(folder, "sales_regressor").metadata
    (folder / "sales_regressor.joblib").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(BundleError, match="was altered"):
        load_pipeline(folder, metadata)


def test_a_pipeline_whose_classes_have_moved_is_refused_with_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = pickle_of_a_moved_class(monkeypatch, pickled)
    (tmp_path / "m.joblib").write_bytes(data)
    metadata = {"files": {"joblib": {"name": "m.joblib", "sha256": hashlib.sha256(data).hexdigest()}}}
    with pytest.raises(BundleError, match=r"m\.joblib cannot be opened: .*tabtrail\.expressions.*run `tabtrail train --force`"):
        load_pipeline(tmp_path, metadata)


def test_a_table_of_shapley_values_is_read_back_as_it_was() -> None:
    x, _ = make_rows(40, seed=3)
    found = explain(fit("LinearRegression"), x[INPUTS], x[INPUTS], seed=0)
    again, rows = from_shap_table(shap_table(found, x[INPUTS]))
    assert again.columns == found.columns
    assert np.array_equal(again.values, found.values)
    assert rows[NUMERIC].equals(x[NUMERIC].reset_index(drop=True))


def test_partial_dependence_of_a_linear_model_is_its_line() -> None:
    pipeline = fit("LinearRegression")
    x, _ = make_rows(100, seed=4)
    effect = partial_dependence(pipeline.predict, x[INPUTS], ["a"])[0]
    slopes = np.diff(effect.mean) / np.diff(np.array(effect.grid, dtype=float))
    assert slopes == pytest.approx(slopes[0], rel=1e-3)
    assert np.mean(effect.lines, axis=0).shape == (len(effect.grid),)


def test_a_log_has_a_line_each_quarter_of_what_takes_long_and_none_for_the_rest() -> None:
    said: list[str] = []
    advance = quarters(said.append)
    for done in range(1, 41):
        advance(done, 40)
    for done in range(1, 6):
        advance(done, 5, "pictures")
    for done in (3, 27, 29, 70, 98, 100):
        advance(done, 100, "MB")
    assert said == ["10 of 40 fits", "20 of 40 fits", "30 of 40 fits", "27 of 100 MB", "70 of 100 MB", "98 of 100 MB"]
    Progress().advance(1, 2)
