"""What is said of the rows of a file is what is said of each row, and is found once for all rows of which the same holds."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.support.demand import demand_project
from tests.support.projects import Project

from tabtrail.bundle.demand.history import History
from tabtrail.bundle.input_blocks import InputFile
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.outputs import output_at
from tabtrail.bundle.predictor import Predictor
from tabtrail.bundle.score_file import score_file


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    paths = demand_project(tmp_path_factory).project.config().paths
    return Predictor(load_bundle(paths.models_dir, "shop_demand"))


def written(predictor: Predictor, rows: list[dict[str, Any]], folder: Path) -> list[str | None]:
    file, output = folder / "rows.parquet", folder / "out.parquet"
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(file)
    score_file(predictor, InputFile(file), output_at(output, None), intervals=False)
    return list(pl.read_parquet(output)["warnings"])


def one_by_one(predictor: Predictor, rows: list[dict[str, Any]]) -> list[str | None]:
    return ["; ".join(predictor.warnings(row)) or None for row in predictor.check(rows)]


def plan(count: int) -> list[dict[str, Any]]:
    """Rows within the history and after it, of known and new products, with usual, odd and missing values of the plan."""
    chance = np.random.default_rng(3)
    days = pl.date_range(pl.date(2023, 7, 10), pl.date(2023, 7, 27), eager=True).to_list()
    return [
        {
            "date": chance.choice(days),
            "store_id": f"STORE_{chance.integers(2):03d}",
            "product_id": chance.choice(["PROD_A", "PROD_B", "PROD_new"], p=[0.5, 0.4, 0.1]),
            "price": chance.choice([10.0, 0.5, 99.0, None], p=[0.7, 0.1, 0.1, 0.1]),
            "promotion": int(chance.integers(2)),
        }
        for _ in range(count)
    ]


def test_rows_of_a_plan_are_told_what_each_is_told_alone(predictor: Predictor, tmp_path: Path) -> None:
    demand, rows = predictor.demand, plan(400)
    assert demand is not None
    rows = [row for row in rows if row["price"] is not None or row["product_id"] != "PROD_new"]
    rows = [row for row in rows if not predictor.problems(row)]
    said = written(predictor, rows, tmp_path)
    assert said == one_by_one(predictor, rows)
    assert {each.split(": ")[0] for words in said if words for each in words.split("; ")} >= {
        "price",
        "the date lies within the history",
    }
    assert any(words and "new" in words and "price" in words and "history" in words for words in said)
    assert None in said


def test_days_that_the_plan_has_as_closed_are_told_alike(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demand = predictor.demand
    assert demand is not None
    shut = np.zeros((demand.history.series, 7), dtype=bool)
    shut[0, 2] = shut[1, 5] = True
    closed = History(**{**vars(demand.history), "shut": shut})
    monkeypatch.setattr(demand, "history", closed)
    rows = [row for row in plan(300) if row["price"] is not None and not predictor.problems(row)]
    said = written(predictor, rows, tmp_path)
    assert said == one_by_one(predictor, rows)
    assert sum("closed" in (words or "") for words in said) > 2


def test_rows_of_a_table_are_told_what_each_is_told_alone(small: Project, tmp_path: Path) -> None:
    predictor = Predictor(load_bundle(small.config().paths.models_dir, "sales_regressor"))
    frame = pl.read_parquet(small.root / "data" / "processed" / "sales_parquet" / "**" / "*.parquet")
    rows = frame.select(predictor.schema.names).head(60).to_dicts()
    changes: list[dict[str, Any]] = [
        {"PRODUCTLINE": "Airships"},
        {"QUANTITYORDERED": 900},
        {"DEALSIZE": None},
        {"MSRP": 9000},
        {},
    ]
    chance = np.random.default_rng(5)
    for row in rows:
        for change in chance.choice(np.array(changes), 2):
            row.update(change)
    rows = [row for row in rows if not predictor.problems(row)]
    said = written(predictor, rows, tmp_path)
    assert said == one_by_one(predictor, rows)
    assert len(set(said)) > 4


def test_words_are_found_once_for_all_rows_that_they_hold_of(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    find = predictor.warnings
    monkeypatch.setattr(predictor, "warnings", lambda row: asked.append(row) or find(row))
    rows = [row for row in plan(600) if row["price"] is not None and not predictor.problems(row)]
    said = written(predictor, rows, tmp_path)
    assert len(asked) == len(set(said)) < 20
