"""Learned from before one day, tested until another, held out from there: on the sales file and on visits of customers."""

import json
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.support.commands import run_in
from tests.support.projects import Project, make_store
from tests.support.small_project import small

from tabtrail.bundle.load import read_metadata
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.ingest import ingest
from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.modeling.problem import problem_of
from tabtrail.modeling.table import load_table, needed_columns, split_table
from tabtrail.project.paths import Artifacts
from tabtrail.tracking.store import open_store

pytestmark = pytest.mark.usefixtures("one_picture")

BOUNDS = (date(2023, 1, 1), date(2023, 7, 1), date(2023, 10, 1), date(2024, 1, 1))
DAYS = ("split.train_before=2004-07-01", "split.evaluate_before=2005-01-01")


@pytest.mark.parametrize("kind", ["time", "group_time"])
def test_the_sales_are_cut_at_the_days_that_the_config_names(real_project: Project, kind: str) -> None:
    config = real_project.config(f"split.kind={kind}", *DAYS)
    ingest(config)
    problem = problem_of(config)
    data = scan_dataset(config.dataset).select(needed_columns(problem)).collect()
    table = load_table(problem, data)
    found = split_table(problem, table)
    assert found.held_out is not None
    dates = data["ORDERDATE"].gather(table.row).cast(pl.Date)
    first, last = problem.split.train_before, problem.split.evaluate_before
    assert np.array_equal(found.train, (dates < first).to_numpy())
    assert np.array_equal(found.test, ((dates >= first) & (dates < last)).to_numpy())
    assert np.array_equal(found.held_out, (dates >= last).to_numpy())
    assert found.train.sum() + found.test.sum() + found.held_out.sum() == 2823


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """200 visits of 80 customers over 2023, cut in July and October: of a customer all rows count by the last visit."""
    root = tmp_path_factory.mktemp("visits")
    make_store(root / "store" / "mlflow.db")
    split = {
        "kind": "group_time",
        "group_key": "customer",
        "folds": 2,
        "train_before": "2023-07-01",
        "evaluate_before": "2023-10-01",
    }
    columns = {"customer": {"dtype": "string"}, "day": {"dtype": "date"}, **{name: {"dtype": "float"} for name in ("a", "y")}}
    project = small(
        root,
        root / "store" / "mlflow.db",
        split=split,
        cleaning={"date_column": "day", "date_formats": ["%Y-%m-%d"]},
        contract={"columns": {**columns, "b": {"dtype": "string"}}},
    )
    random = np.random.default_rng(3)
    start = np.datetime64("2023-01-01") + random.integers(0, 330, 80)
    customer = random.integers(0, 80, 200)
    day = np.minimum(start[customer] + random.integers(0, 30, 200), np.datetime64("2023-12-31"))
    rows = pl.read_csv(root / "rows.csv").with_columns(
        pl.Series("customer", [f"c{number}" for number in customer]), pl.Series("day", day.astype(str))
    )
    rows.write_csv(root / "rows.csv")
    done = run_in(project, "run", "--verbose")
    assert done.returncode == 0, done.stderr
    (root / "said.txt").write_text(done.stdout)
    return project


def board_of(project: Project) -> Leaderboard:
    return Leaderboard.from_dict(json.loads(Artifacts.of(project.config()).leaderboard.read_text()))


def test_what_is_chosen_on_what_is_reported_and_what_is_touched_once_are_told_apart(trained: Project) -> None:
    board = board_of(trained)
    held = board.held_out
    assert held is not None
    last = pl.read_csv(trained.root / "rows.csv", try_parse_dates=True).with_columns(pl.col("day").max().over("customer"))["day"]
    counts = [int(((last >= low) & (last < high)).sum()) for low, high in pairwise(BOUNDS)]
    assert [board.train_rows, board.test_rows, held.rows] == counts
    assert board.refit is not None
    assert board.refit.rows == 200
    assert board.champion_row.test["rmse"] != held.metrics["rmse"]
    said = " ".join((trained.root / "said.txt").read_text().split())
    assert "tested from 2023-07-01 until before 2023-10-01, from 2023-10-01 on held out to the end" in said
    assert f"held out: {held.rows} rows from 2023-10-01 on, on which the champion alone was scored: RMSE" in said
    page = (trained.root / "output" / "report.html").read_text()
    assert "rows from 2023-10-01 on, held out to the end" in " ".join(page.split())
    metadata = read_metadata(trained.config().paths.models_dir, "m")
    assert metadata["held_out"]["rows"] == held.rows
    run = open_store(trained.config().mlflow).client.get_run(board.parent_run_id)
    assert run.data.metrics["held_out_root_mean_squared_error"] == held.metrics["rmse"]


def test_customers_on_both_sides_of_a_day_are_counted_among_the_notes(trained: Project) -> None:
    rows = pl.read_csv(trained.root / "rows.csv", try_parse_dates=True)
    first, last = pl.col("day").min().over("customer"), pl.col("day").max().over("customer")
    notes = board_of(trained).notes
    for name, day in (("train_before", "2023-07-01"), ("evaluate_before", "2023-10-01")):
        at = pl.lit(day).str.to_date()
        both = rows.filter((first < at) & (last >= at))
        earlier = both.filter(pl.col("day") < at)
        groups = both["customer"].n_unique()
        said = f"{groups} groups of one customer have rows before and from {day} on (split.{name}): they count, whole,"
        (note,) = [each for each in notes if said in each]
        assert f"{earlier.height} earlier row" in note
        assert earlier.height > 0


def test_no_row_after_a_day_outside_the_data_is_an_error_with_exit_code_3_that_keeps_what_was_there(trained: Project) -> None:
    before = {path: path.read_bytes() for path in (Path(trained.root) / "models").iterdir()}
    done = run_in(trained, "train", "--set", "split.evaluate_before=2025-01-01")
    assert done.returncode == 3
    assert "split.evaluate_before: no row is from 2025-01-01 on, the rows are of 2023-01-" in done.stderr
    assert "Traceback" not in done.stderr
    assert {path: path.read_bytes() for path in (Path(trained.root) / "models").iterdir()} == before
