"""Predictions that a page shows: whose they are, of which rows, and that the figures of any choice are those of SQL."""

import random
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest
from tests.support.projects import Project

from tabtrail.dashboard.filters import Filters, Selection, read_filters
from tabtrail.dashboard.judged import Judged, Part, RowColumns, read_judged
from tabtrail.dashboard.overview import read_board
from tabtrail.dashboard.place import Place
from tabtrail.dashboard.selection import Picked, by_value, columns_to_read, coverage_of, drawn, scores_of, trend
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.result_files import benchmark_table_files
from tabtrail.errors import DataError
from tabtrail.modeling.leaderboard import Leaderboard

COMBINATIONS = 200
PARTS: tuple[Part, ...] = ("test", "cv")


def board(project: Project) -> Leaderboard:
    found = read_board(Place(project.config()))
    assert found is not None
    return found


def predictions_file(project: Project) -> Path:
    return benchmark_table_files(project.config().paths.output_dir)["predictions"]


def columns(filters: Filters) -> RowColumns:
    return RowColumns(columns_to_read(filters), "SALES", "ORDERDATE")


@pytest.fixture(scope="module")
def filters(small: Project) -> Filters:
    return read_filters(Place(small.config()))


@pytest.fixture(scope="module")
def judged(small: Project, filters: Filters) -> dict[Part, Judged]:
    return {
        part: read_judged(predictions_file(small), part, board(small), small.config().dataset, columns(filters)) for part in PARTS
    }


def choices(filters: Filters, dice: random.Random) -> Picked:
    values = tuple(
        (each.column, tuple(dice.sample(each.values, dice.randint(1, min(4, len(each.values))))))
        for each in dice.sample(filters.choices, dice.randint(0, 2))
    )
    strata = tuple(text for _, text in dice.sample(filters.strata, dice.randint(0, len(filters.strata))))
    since = date(2003, dice.randint(1, 12), 5) if dice.random() < 0.3 else None
    until = date(2005, dice.randint(1, 5), 20) if dice.random() < 0.3 else None
    years = tuple(dice.sample([2003, 2004, 2005], dice.randint(0, 2)))
    months = tuple(dice.sample(range(1, 13), dice.choice([0, 0, 5])))
    return Picked(Selection(values, "ORDERDATE", since, until, strata), years, months)


def test_the_metrics_of_200_random_choices_equal_sql_on_the_same_rows(
    small: Project, judged: dict[Part, Judged], filters: Filters
) -> None:
    data = scan_dataset(small.config().dataset).with_row_index("place").collect()
    table, dice, some = predictions_file(small), random.Random(18), 0
    with duckdb.connect() as judge:
        judge.register("data", data.to_arrow())
        joined = f"read_parquet('{table}') AS p JOIN data ON data.place = p.row"
        for _ in range(COMBINATIONS):
            picked, part = choices(filters, dice), dice.choice(PARTS)
            where, bound = picked.selection.where()
            terms = [f"p.part = '{part}'", f"({where})"]
            terms += [f"year(ORDERDATE) IN {(*picked.years, 0)}"] if picked.years else []
            terms += [f"month(ORDERDATE) IN {(*picked.months, 0)}"] if picked.months else []
            error = "(p.predicted - p.actual)"
            sql = (
                f"SELECT count(*), avg(abs({error})), sqrt(avg({error} * {error})), sum(abs({error})) / sum(abs(p.actual)),"
                f" avg({error}), avg((p.actual BETWEEN p.low AND p.high)::INT) FROM {joined} WHERE {' AND '.join(terms)}"
            )
            rows, *right, covered = judge.execute(sql, bound or None).fetchall()[0]
            chosen = picked.of(judged[part])
            found = scores_of(chosen.predictions)
            assert chosen.predictions.height == rows, picked
            if rows:
                assert found is not None
                assert [found[name] for name in ("mae", "rmse", "wape", "bias")] == pytest.approx(right, rel=1e-6, abs=1e-6)
            coverage = coverage_of(chosen.predictions)
            assert (None if coverage is None else coverage[1].value) == pytest.approx(covered)
            some += rows > 0
    assert some > COMBINATIONS / 4


def test_out_of_fold_and_test_predictions_are_never_in_one_answer_and_no_row_has_both(
    judged: dict[Part, Judged], small: Project
) -> None:
    folds, test = judged["cv"], judged["test"]
    stored = pl.read_parquet(predictions_file(small))
    for part, own in (("cv", folds), ("test", test)):
        assert own.predictions["row"].to_list() == sorted(stored.filter(part=part)["row"])
    assert not set(folds.predictions["row"]) & set(test.predictions["row"])
    assert folds.predictions.height == board(small).train_rows
    assert test.predictions.height == board(small).test_rows
    assert coverage_of(folds.predictions) is None  # those rows made the intervals as wide as they are


def test_the_whole_test_part_has_the_figures_of_the_leaderboard(judged: dict[Part, Judged], small: Project) -> None:
    found = scores_of(judged["test"].predictions)
    assert found is not None
    assert {name: found[name] for name in ("rmse", "mae", "wape")} == pytest.approx(
        {name: board(small).champion_row.test[name] for name in ("rmse", "mae", "wape")}, rel=1e-6
    )


def test_rows_of_a_dataset_that_has_changed_since_are_chosen_by_date_alone_and_it_is_said(
    small: Project, filters: Filters
) -> None:
    other = replace(board(small), data_sha256="0" * 64)
    found = read_judged(predictions_file(small), "test", other, small.config().dataset, columns(filters))
    assert "the dataset has changed since the run" in found.missing
    assert found.rows.columns == ["ORDERDATE"]
    chosen = Picked(Selection((), "ORDERDATE", date(2004, 1, 1), date(2004, 12, 31)), (), ()).of(found)
    assert set(chosen.predictions["date"].dt.year()) == {2004}


def test_rows_that_do_not_stand_where_the_predictions_say_are_not_taken_for_theirs(
    small: Project, filters: Filters, tmp_path: Path
) -> None:
    shifted = tmp_path / "predictions.parquet"
    pl.read_parquet(predictions_file(small)).with_columns(row=(pl.col("row") + 1) % 2000).write_parquet(shifted)
    found = read_judged(shifted, "cv", board(small), small.config().dataset, columns(filters))
    assert "sample of the dataset" in found.missing
    assert found.rows.columns == ["ORDERDATE"]


@pytest.mark.parametrize("change", [pl.col("predicted") + 1, pl.col("actual") * 2], ids=["other predictions", "other rows"])
def test_predictions_of_another_run_than_the_leaderboard_are_refused(
    small: Project, filters: Filters, tmp_path: Path, change: pl.Expr
) -> None:
    table = tmp_path / "predictions.parquet"
    pl.read_parquet(predictions_file(small)).with_columns(change).write_parquet(table)
    with pytest.raises(DataError, match="of another run than the leaderboard"):
        read_judged(table, "test", board(small), small.config().dataset, columns(filters))


def test_predictions_that_are_missing_or_damaged_are_said_to_be(small: Project, filters: Filters, tmp_path: Path) -> None:
    table = tmp_path / "predictions.parquet"
    for content in (None, b"PAR1 half of a file"):
        if content is not None:
            table.write_bytes(content)
        with pytest.raises(DataError, match=r"no predictions\.parquet that can be read"):
            read_judged(table, "test", board(small), small.config().dataset, columns(filters))


def test_a_trend_shows_every_period_of_the_chosen_rows_and_marks_those_that_are_selected(judged: dict[Part, Judged]) -> None:
    own = judged["cv"]
    picked = Picked(Selection((("PRODUCTLINE", ("Classic Cars",)),), "ORDERDATE"), (2004,), ())
    rows = picked.of_any_period(own)
    frame = trend(rows.predictions, picked.in_period(rows), "1y")
    assert frame["from"].dt.year().to_list() == [2003, 2004, 2005]
    assert frame["chosen"].to_list() == [0, frame["rows"][1], 0]
    assert frame["rows"].sum() == rows.predictions.height
    assert (frame["actual"] * frame["rows"]).sum() == pytest.approx(rows.predictions["actual"].sum())
    by_month = trend(rows.predictions, picked.in_period(rows), "1mo")
    assert by_month.filter(pl.col("chosen") > 0)["from"].dt.year().unique().to_list() == [2004]


def test_rows_without_a_date_are_in_the_whole_but_in_no_period() -> None:
    predictions = pl.DataFrame({"actual": [1.0, 2.0], "predicted": [1.0, 3.0], "date": [None, date(2004, 5, 1)]})
    own = Judged("cv", predictions, predictions.select(pl.col("date").alias("D")))
    assert Picked(Selection(), (), ()).of(own).predictions.height == 2
    assert Picked(Selection(), (2004,), ()).of(own).predictions["actual"].to_list() == [2.0]
    assert trend(predictions, pl.Series([True, True]), "1y")["rows"].to_list() == [1]


def test_errors_by_value_add_up_to_those_of_all_rows_and_missing_values_are_a_group() -> None:
    predictions = pl.DataFrame({"actual": [10.0, 20.0, 30.0, 40.0], "predicted": [11.0, 18.0, 30.0, 44.0]})
    found = by_value(predictions, pl.Series(["a", None, "a", "b"]))
    assert found["value"].to_list() == ["b", None, "a"]
    assert found["rows"].to_list() == [1, 1, 2]
    assert found["share_of_squared_error"].to_list() == pytest.approx([16 / 21, 4 / 21, 1 / 21])
    assert found["rmse"][2] == pytest.approx(np.sqrt(0.5))
    assert by_value(predictions, pl.Series(["a"] * 4), most=1)["share_of_squared_error"].to_list() == pytest.approx([1.0])


def test_a_picture_of_many_rows_has_the_largest_errors_and_the_same_rows_each_time(judged: dict[Part, Judged]) -> None:
    rows = judged["cv"].predictions
    few = drawn(rows, 100)
    worst = (rows["predicted"] - rows["actual"]).abs().max()
    assert few.height <= 100
    assert (few["predicted"] - few["actual"]).abs().max() == worst
    assert drawn(rows, 100).equals(few)
    assert drawn(rows, rows.height).equals(rows)
