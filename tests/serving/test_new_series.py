"""A product that is new is answered like its kind, which its static columns say, by every way in."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.commands import run_in
from tests.support.demand import CONFIG, demand_rows, write_project
from tests.support.projects import Project, Trained, once, serving

from tabtrail import pipeline

STATIC = CONFIG.replace("  series: [", "  static: [category, size]\n  series: [").replace(
    "    units:", "    category: {dtype: string}\n    size: {dtype: int}\n    units:"
)
SMALL = STATIC[: STATIC.index("  candidates:")] + "  candidates: {LinearRegression: {scale: level}}\n"
KNOWN = {"date": "2023-07-22", "store_id": "STORE_001", "product_id": "PROD_C", "price": 12.0, "promotion": 0}
NEW = {**KNOWN, "product_id": "007 🍝"}
LARGE = {**NEW, "category": "large", "size": 2}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    with once(tmp_path_factory, "demand_static") as root:
        project = Project(root)
        if not project.config_file.is_file():
            root.mkdir(parents=True)
            kind = pl.col("product_id").replace_strict(
                {"PROD_A": "small", "PROD_B": "small", "PROD_C": "large", "PROD_D": "large"}
            )
            size = pl.when(kind == "large").then(2).otherwise(1)
            write_project(root, demand_rows(products=4).with_columns(category=kind, size=size), SMALL)
        return Trained(project, pipeline.run(project.config(), report=False))


@pytest.fixture(scope="module")
def client(trained: Trained) -> Iterator[httpx.Client]:
    with serving(trained.project, door=False) as found:
        yield found


def test_a_new_product_is_forecast_like_its_kind_with_a_warning_and_a_wider_interval(client: httpx.Client) -> None:
    large, small = (client.post("/predict", json=row).json() for row in (LARGE, {**LARGE, "category": "small", "size": 1}))
    assert large["prediction"] > small["prediction"] + 1, "PROD_C and PROD_D sell more than PROD_A and PROD_B"
    assert any("new" in each for each in large["warnings"])
    assert client.post("/predict", json={**KNOWN, "date": "2023-07-10"}).json()["warnings"]
    counted = client.get("/metrics").text
    assert 'tabtrail_unseen_categories_total{column="product_id"}' in counted
    assert 'tabtrail_unseen_categories_total{column="category"}' not in counted, "what known series leave out is not new"
    known = client.post("/predict", json=KNOWN).json()
    assert known["warnings"] == []
    assert "category" not in known["inputs"], "it was not sent"
    assert _width(large) > _width(known)
    for size in (2, 2.0, "2", "002"):
        said = client.post("/predict", json={**KNOWN, "category": "large", "size": size})
        assert said.json()["prediction"] == known["prediction"], "a whole number is one text, however it is written"


def _width(answer: dict[str, Any]) -> float:
    return float((answer["interval"]["high"] - answer["prediction"]) / answer["prediction"] ** 0.5)


@pytest.mark.parametrize(
    ("row", "column", "told"),
    [
        (NEW, "category", "send its category, size too"),
        ({**NEW, "category": "large"}, "size", "send its size too"),
        ({**LARGE, "category": None}, "category", "send its category too"),
        ({**LARGE, "category": "tiny", "size": 9}, "category", "neither is one like it (by category, size)"),
        ({**KNOWN, "category": "small"}, "category", "never changes; leave it out"),
        ({**KNOWN, "category": "large", "size": "two"}, "size", "must be a number"),
        ({**KNOWN, "colour": "red"}, "colour", "unknown column"),
    ],
)
def test_what_is_not_said_of_a_series_is_a_422_that_names_it(
    client: httpx.Client, row: dict[str, Any], column: str, told: str
) -> None:
    answer = client.post("/predict", json=row)
    assert answer.status_code == 422
    ((found, message),) = [(each["column"], each["message"]) for each in answer.json()["errors"]]
    assert (found, told in message) == (column, True), message


@pytest.mark.parametrize("row", [KNOWN, LARGE], ids=["known", "new"])
def test_every_way_in_answers_a_series_alike(client: httpx.Client, trained: Trained, tmp_path: Path, row: dict[str, Any]) -> None:
    wanted = client.post("/predict", json=row).json()
    assert client.post("/predict/batch", json=[row]).json()["predictions"][0]["interval"] == wanted["interval"]
    assert client.post("/invocations", json={"dataframe_records": [row]}).json()["predictions"] == [wanted["prediction"]]
    kinds = {int: "INT64", float: "FP64", str: "BYTES"}
    texts = {**row, "size": "2"} if "size" in row else row
    tensors = [{"name": name, "shape": [1], "data": [each], "datatype": kinds[type(each)]} for name, each in texts.items()]
    infer = client.post("/v2/models/shop_demand/infer", json={"inputs": tensors}).json()
    assert infer["outputs"][0]["data"] == [wanted["prediction"]]
    body = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([row]), body)
    answer = client.post("/predict/batch", content=body.getvalue(), headers={"Content-Type": "application/vnd.apache.parquet"})
    assert pq.read_table(io.BytesIO(answer.content))["high"].to_pylist() == [wanted["interval"]["high"]]
    by_command = run_in(trained.project, "predict", "--json", json.dumps(row), "--format", "json")
    assert json.loads(by_command.stdout)["intervals"] == wanted["intervals"]
    for ending in ("csv", "parquet", "ndjson"):
        _write(tmp_path / f"plan.{ending}", row)
        out = tmp_path / f"{ending}.parquet"
        done = run_in(
            trained.project, "predict", "--input", str(tmp_path / f"plan.{ending}"), "--output", str(out), "--intervals"
        )
        assert done.returncode == 0, done.stderr
        assert pl.read_parquet(out).select("prediction", "high").rows() == [(wanted["prediction"], wanted["interval"]["high"])]


def _write(path: Path, row: dict[str, Any]) -> None:
    frame = pl.DataFrame([row])
    write = {".csv": frame.write_csv, ".parquet": frame.write_parquet, ".ndjson": frame.write_ndjson}[path.suffix]
    write(path)


def test_a_plan_of_known_and_new_series_sets_aside_the_rows_that_do_not_say_their_kind(trained: Trained, tmp_path: Path) -> None:
    rows = [{**KNOWN, "category": None, "size": None}, LARGE, {**NEW, "category": None, "size": None}]
    pl.DataFrame(rows).write_csv(tmp_path / "plan.csv")
    done = run_in(trained.project, "predict", "--input", str(tmp_path / "plan.csv"), "--output", str(tmp_path / "out.csv"))
    assert "3 rows, 2 scored; 1 rejected" in done.stderr
    (rejected,) = pl.read_csv(tmp_path / "out_rejects.csv").rows()
    assert rejected[0] == 3
    assert "send its category, size too" in rejected[1]


def test_a_new_series_is_ordered_and_the_schema_says_what_may_be_left_out(client: httpx.Client, trained: Trained) -> None:
    key = {name: LARGE[name] for name in ("store_id", "product_id", "category", "size")}
    plan = [{"date": f"2023-07-{day}", "price": 12.0, "promotion": 0} for day in range(21, 26)]
    found = client.post("/order", json={**key, "plan": plan})
    assert found.status_code == 200, found.text
    assert found.json()["order_quantity"] > found.json()["sum"]
    schema = client.get("/schema").json()
    assert [each["name"] for each in schema["features"] if each["optional"]] == ["category", "size"]
    assert set(schema["json_schema"]["required"]) == set(schema["example"]) == set(KNOWN)
    shown = run_in(trained.project, "predict", "--show-schema").stdout
    assert "text or left out" in next(line for line in shown.splitlines() if line.startswith("category"))
