"""What stands around a benchmark: leakage policy, choice, intervals, slices, SQL, and data that is hard to learn from."""

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from mlflow import MlflowClient
from tests.support.commands import run_in
from tests.support.projects import ONE_CANDIDATE, Project, Trained, place_store

from tabtrail import pipeline
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.data.warehouse import query
from tabtrail.errors import ConfigError, DataError, LeakageError, UsageError
from tabtrail.project.summary import Summary

pytestmark = pytest.mark.usefixtures("one_picture")


def test_the_binned_target_is_found_and_its_worth_is_stated(trained: Trained) -> None:
    board = trained.report.leaderboard
    (finding,) = board.findings
    assert (finding.column, finding.kind) == ("DEALSIZE", "binned")
    assert finding.cv_rmse_with is not None
    assert finding.cv_rmse_without is not None
    assert finding.cv_rmse_with < 0.9 * finding.cv_rmse_without
    uri = trained.config.mlflow.tracking_uri
    client = MlflowClient(uri, uri)
    parent = client.get_run(board.parent_run_id)
    assert parent.data.tags["tabtrail.leakage"] == "DEALSIZE: binned"
    assert "**Leakage** `DEALSIZE` binned" in parent.data.tags["mlflow.note.content"]
    path = client.download_artifacts(board.parent_run_id, "leakage.json")
    assert json.loads(Path(path).read_text()) == [finding.to_dict()]


def test_the_findings_stand_at_the_top_of_the_report(trained: Trained) -> None:
    done = run_in(trained.project, "train")
    assert "\nLEAKAGE  DEALSIZE: binned (RMSE " in "\n".join(done.stdout.splitlines()[:5])


def test_the_policy_error_stops_before_anything_is_fitted_and_drop_leaves_the_column_out(project: Project) -> None:
    with pytest.raises(LeakageError, match=r"leakage.policy is error, and 1 finding stands .* DEALSIZE: binned") as caught:
        pipeline.run(project.config("leakage.policy=error", *ONE_CANDIDATE), report=False)
    assert caught.value.exit_code == 4
    assert list(project.config().paths.models_dir.iterdir()) == []
    report = pipeline.run(project.config("leakage.policy=drop", *ONE_CANDIDATE), report=False)
    bundle = load_bundle(project.config().paths.models_dir, "sales_regressor")
    assert "DEALSIZE" not in bundle.schema.names
    assert [finding.column for finding in report.leaderboard.findings] == ["DEALSIZE"]


def test_dropping_the_last_column_is_a_config_error(project: Project) -> None:
    only = [
        "model.numeric_features=[]",
        "model.derived_features={}",
        "model.categorical_features=[DEALSIZE]",
        "intervals.by=null",
    ]
    with pytest.raises(ConfigError, match="no column is left for the model"):
        pipeline.run(
            project.config("leakage.policy=drop", "intervals.coverage_by=[]", "candidates={LinearRegression: {}}", *only)
        )


def test_every_candidate_has_its_difference_to_the_best_with_an_interval(trained: Trained) -> None:
    board = trained.report.leaderboard
    for row in board.candidates:
        assert row.difference_low <= row.difference <= row.difference_high
        assert row.difference == pytest.approx(row.cv["rmse"] - board.candidates[0].cv["rmse"], abs=0.001)
    assert board.best == board.candidates[0].candidate


def test_the_rule_best_takes_the_best_and_one_standard_error_the_smallest_near_it(project: Project) -> None:
    settings = [
        "candidates={RandomForest_12: {n_estimators: 12}, RandomForest_6: {n_estimators: 6}}",
        "split.folds=3",
        "engine.kind=serial",
        "explain.max_rows=20",
    ]
    boards = {
        rule: pipeline.run(project.config(f"choice.rule={rule}", *settings), report=False).leaderboard
        for rule in ("best", "one_standard_error")
    }
    assert [board.best for board in boards.values()] == ["RandomForest_12"] * 2
    assert {rule: board.champion for rule, board in boards.items()} == {
        "best": "RandomForest_12",
        "one_standard_error": "RandomForest_6",
    }


def test_both_baselines_are_in_the_table_and_no_model_hides_behind_them(trained: Trained) -> None:
    rows = {row.candidate: row for row in trained.report.leaderboard.candidates}
    champion = trained.report.leaderboard.champion_row
    assert champion.cv["rmse"] < rows["FormulaBaseline"].cv["rmse"] < rows["MeanBaseline"].cv["rmse"]


def test_an_answer_has_the_interval_of_its_stratum(trained: Trained) -> None:
    bundle = load_bundle(trained.config.paths.models_dir, "sales_regressor")
    predictor = Predictor(bundle)
    row = {**bundle.schema.example, "PRICEEACH": 100.0}
    capped, free = predictor.predict([row, {**row, "PRICEEACH": 90.0}])
    for answer in (capped, free):
        assert answer.interval is not None
        assert answer.interval.level == 0.9
        assert answer.interval.low <= answer.value <= answer.interval.high
    assert capped.interval is not None
    assert free.interval is not None
    assert free.interval.high - free.interval.low < (capped.interval.high - capped.interval.low) / 2


def test_intervals_cover_about_what_they_promise_in_every_stratum(trained: Trained) -> None:
    coverage = {row.value: row for row in trained.report.leaderboard.coverage}
    assert sum(row.rows for row in coverage.values() if row.by == "stratum") == coverage["all rows"].rows
    assert {"price_at_cap", "price_below_cap", "Classic Cars"} <= set(coverage)
    for name in ("price_at_cap", "price_below_cap"):
        assert 0.84 <= coverage[name].coverage <= 0.96  # three standard errors of 260 rows


def test_slices_tell_where_the_champion_errs_and_leave_small_ones_out(trained: Trained) -> None:
    slices = pl.read_parquet(trained.config.paths.output_dir / "metrics" / "error_slices.parquet")
    assert slices["rows"].min() >= 30  # type: ignore[operator]
    assert slices["share_of_squared_error"].is_sorted(descending=True)
    assert {"PRODUCTLINE", "COUNTRY", "MSRP", "ORDERDATE", "stratum"} <= set(slices["column"])
    strata = slices.filter(pl.col("column") == "stratum")
    assert sorted(strata["slice"]) == ["price_at_cap", "price_below_cap"]
    assert strata["share_of_squared_error"].sum() == pytest.approx(1)
    cap = slices.row(by_predicate=(pl.col("slice") == "price_at_cap"), named=True)
    assert cap["share_of_squared_error"] > 0.9
    assert abs(cap["bias"]) <= cap["mae"] <= cap["rmse"]


def test_the_runs_can_be_asked_in_sql(trained: Trained) -> None:
    names, rows = query(trained.config.paths.duckdb_file, "SELECT candidate, cv_rmse FROM runs ORDER BY 2")
    assert names == ["candidate", "cv_rmse"]
    assert rows == [(row.candidate, row.cv["rmse"]) for row in trained.report.leaderboard.candidates]
    _, folds = query(trained.config.paths.duckdb_file, "SELECT candidate, avg(rmse) FROM folds GROUP BY 1 ORDER BY 2, 1")
    assert dict(folds) == pytest.approx(dict(rows), rel=1e-6)
    (parameters,) = query(trained.config.paths.duckdb_file, "SELECT params FROM runs WHERE candidate = 'CatBoost'")[1][0]
    assert json.loads(parameters)["iterations"] == trained.config.candidates["CatBoost"]["iterations"]
    assert query(trained.config.paths.duckdb_file, "SELECT count(*) FROM sales")[1] == [(trained.report.manifest.rows_kept,)]
    assert query(trained.config.paths.duckdb_file, "SELECT count(*) FROM error_slices")[1][0][0] > 20


def test_sql_prints_a_table_or_json(trained: Trained) -> None:
    asked = "SELECT candidate, champion, NULL AS nothing FROM runs ORDER BY cv_rmse LIMIT 1"
    table, as_json = run_in(trained.project, "sql", asked), run_in(trained.project, "sql", asked, "--format=json")
    best = trained.report.leaderboard.best
    assert best in table.stdout
    assert json.loads(as_json.stdout)[0]["candidate"] == best
    assert json.loads(as_json.stdout)[0]["nothing"] is None


@pytest.mark.parametrize("empty", ["", " ;\n"])
def test_sql_without_a_statement_is_a_usage_error(trained: Trained, empty: str) -> None:
    done = run_in(trained.project, "sql", empty)
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no SQL in that")


def test_sql_does_not_let_the_data_steer_the_terminal(trained: Trained) -> None:
    assert "\x1b" not in run_in(trained.project, "sql", "SELECT chr(27) || '[31mred' AS text").stdout


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE runs",
        "CREATE TABLE x AS SELECT 1",
        "SELECT * FROM read_csv('/etc/passwd')",
        "COPY runs TO 'out.csv'",
        "ATTACH 'other.duckdb'",
        "SET enable_external_access = true",
        "SELEKT 1",
    ],
)
def test_sql_changes_nothing_and_reads_nothing_else(trained: Trained, statement: str) -> None:
    before = trained.project.tree()
    with pytest.raises(UsageError, match=r"the SQL cannot be run|is not a question"):
        query(trained.config.paths.duckdb_file, statement)
    assert trained.project.tree() == before


def test_sql_without_a_database_or_on_a_damaged_one_is_one_message(project: Project) -> None:
    with pytest.raises(DataError, match=r"there is no database .* run `tabtrail run`"):
        query(project.config().paths.duckdb_file, "SELECT 1")
    project.config().paths.duckdb_file.parent.mkdir()
    project.config().paths.duckdb_file.write_bytes(b"not a database" * 1000)
    with pytest.raises(DataError, match=r"cannot be opened .*`tabtrail eda --force` rebuilds it"):
        query(project.config().paths.duckdb_file, "SELECT 1")


def test_training_keeps_the_summaries_fresh_and_eda_keeps_the_runs(trained: Trained, tmp_path: Path) -> None:
    project = trained.copy(tmp_path)
    config = project.config()
    pipeline.run_stage("eda", config, force=True)
    with duckdb.connect(str(config.paths.duckdb_file), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (11,)


# --- data that is hard to learn from -----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, empty_store: Path) -> Path:
    """A folder with an empty MLflow store, which takes seconds to make."""
    place_store(empty_store, tmp_path / "mlruns" / "mlflow.db")
    return tmp_path


def small_project(folder: Path, rows: list[dict[str, Any]], config: str) -> Project:
    pl.DataFrame(rows).write_csv(folder / "data.csv")
    (folder / "config_v2.yaml").write_text(f"version: 2\npaths: {{raw_csv: data.csv}}\n{config}")
    return Project(folder)


MODEL = "model: {target: y, numeric_features: [a, b], categorical_features: [c], derived_features: {r: a / b}}\n"
SPLIT = "split: {kind: random, folds: 2}\nengine: {kind: serial}\n"


def rows_of(count: int, **columns: Any) -> list[dict[str, Any]]:
    random = np.random.default_rng(0)
    a, b, noise = random.normal(5, 1, count), random.uniform(1, 2, count), random.normal(0, 0.1, count)
    rows = [{"a": a[i], "b": b[i], "c": "xyz"[i % 3], "y": 3 * a[i] + b[i] + noise[i]} for i in range(count)]
    return [{**row, **{name: value(index) for name, value in columns.items()}} for index, row in enumerate(rows)]


def train(
    folder: Path,
    rows: list[dict[str, Any]],
    candidates: str = "{LinearRegression: {}}",
    model: str = MODEL,
    *,
    page: bool = True,
) -> Summary:
    project = small_project(folder, rows, f"{model}{SPLIT}candidates: {candidates}\n")
    return pipeline.run(project.config(), report=page)


def test_ten_rows_are_fitted_without_intervals_or_refused_with_numbers(folder: Path) -> None:
    board = train(folder, rows_of(10)).leaderboard
    assert board.coverage == ()
    assert board.champion_row.interval_coverage is None
    assert any(note.startswith("no intervals: 8 training rows are too few for a level of 0.9") for note in board.notes)
    assert "the test part has 2 rows: its figures are an anecdote" in board.notes


def test_a_level_that_the_rows_do_not_carry_is_said(folder: Path) -> None:
    high = MODEL.replace("model:", "intervals: {level: 0.999}\nmodel:", 1)
    board = train(folder, rows_of(300), model=high, page=False).leaderboard
    assert any(note.startswith("no intervals: ") for note in board.notes)


def test_a_target_beyond_all_sense_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"the target y is beyond 1e\+100 in some rows, .* set contract.columns bounds"):
        train(folder, rows_of(60, y=lambda index: 1e308 if index == 7 else float(index)))


def test_a_derived_column_that_is_null_everywhere_is_said(folder: Path) -> None:
    board = train(folder, rows_of(60, b=lambda index: 0), page=False).leaderboard
    assert "the derived feature r is null in every training row and tells nothing" in board.notes


def test_a_column_that_is_null_everywhere_and_one_category_are_said(folder: Path) -> None:
    rows = rows_of(60, a=lambda index: None, b=float, c=lambda index: "same", y=lambda index: 3.0 * index)
    board = train(folder, rows).leaderboard
    assert "a is null in every training row and tells nothing" in board.notes
    assert "c has one category only and tells nothing" in board.notes


def test_ten_thousand_categories_share_columns_and_that_is_said(folder: Path) -> None:
    rows = rows_of(20_000, c=lambda index: f"C{index % 10_000:05}")
    # The page of so many categories is a test of test_report.
    board = train(folder, rows, "{LinearRegression: {}, LightGBM: {n_estimators: 20}}", page=False).leaderboard
    (note,) = [note for note in board.notes if note.startswith("c has ")]
    assert re.fullmatch(r"c has [89],\d{3} categories: the [89],\d{3} rarest share one column \(model.max_categories\)", note)


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        ("log1p", r"candidates.LinearRegression: the target is below zero in \d+ rows, so that target_transform log1p"),
        ("log_ratio(r)", r"the target is zero or below in \d+ rows"),
    ],
)
def test_a_target_without_a_logarithm_is_refused_with_its_rows(folder: Path, transform: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        train(folder, rows_of(60, y=lambda index: index - 30), f"{{LinearRegression: {{target_transform: {transform}}}}}")


def test_a_reference_that_is_missing_everywhere_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="missing or not above zero in every training row"):
        train(folder, rows_of(60, b=lambda index: 0), "{LinearRegression: {target_transform: ratio(r)}}")


def test_rows_without_a_reference_are_predicted_all_the_same(folder: Path) -> None:
    rows = rows_of(80, b=lambda index: 0 if index % 10 == 0 else 1 + index % 3, y=lambda index: 20 / (1 + index % 3))
    train(folder, rows, "{LinearRegression: {target_transform: log_ratio(r)}}", page=False)
    bundle = load_bundle(Project(folder).config().paths.models_dir, Project(folder).config().model.name)
    answers = Predictor(bundle).predict([{name: value for name, value in row.items() if name != "y"} for row in rows])
    for row, answer in zip(rows, answers, strict=True):
        assert answer.value == pytest.approx(row["y"], abs=12), row  # targets are 7 to 20; a missing reference costs accuracy


def test_a_blend_of_nothing_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"candidates\.Blend blends the other candidates, and there are none but baselines"):
        train(folder, rows_of(60), "{Blend: {}}")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            "model.derived_features={x: PRICEACH * 2}",
            r"derived_features.x: 'PRICEACH' is not a declared column; did you mean 'PRICEEACH'",
        ),
        ("model.derived_features={x: SALES * 2}", r"computed from the target SALES, which a prediction does not know"),
        ("model.derived_features={MSRP: PRICEEACH * 2}", r"there is already a column of this name"),
        ("model.derived_features={x: COUNTRY * 2}", r"arithmetic on numbers, and this takes text"),
        ("model.derived_features={a name: MSRP * 2}", r"a name has letters, digits, '_', '-' and '.', and begins with"),
        ("model.derived_features={x: month(MSRP)}", r"'month' takes a date column, not number"),
        ("model.derived_features={x: MSRP > 1 and PRICEEACH > 1}", r"'and' does not give a number; multiply comparisons instead"),
        ("model.derived_features={x: 1 + 2}", r"is the same for every row"),
        ("model.derived_features={x: __import__('os')}", r"is not part of the expression language"),
        ("model.derived_features={x: y * 2, y: MSRP}", r"'y' is a derived feature that is defined below this one; move it above"),
        ("candidates={XGBoost: {target_transform: sqrt}}", r"write none, log, log1p, ratio\(COLUMN\) or log_ratio\(COLUMN\)"),
        ("candidates={XGBoost: {target_transform: ratio(LINE_TOTAL)}}", r"did you mean 'LINE_TOTAL_APPROX'\?"),
        ("candidates={Blend: {rnds: 3}}", r"Blend has no such parameter; did you mean 'rounds'\?"),
        ("intervals.by=PRODUCT_LINE", r"write strata or a text column of the model; did you mean 'PRODUCTLINE'\?"),
        ("duckdb.table=runs", r"tables of results are called runs, folds, error_slices"),
    ],
)
def test_what_cannot_be_meant_is_a_config_error_with_the_nearest_name(project: Project, settings: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        pipeline.run(project.config(settings))


def test_a_date_goes_into_the_model_as_text_and_comes_out_the_same_everywhere(project: Project) -> None:
    dates = "model.derived_features={m: month(ORDERDATE), s: season(ORDERDATE), LINE_TOTAL_APPROX: QUANTITYORDERED * PRICEEACH}"
    pipeline.run(project.config(dates, *ONE_CANDIDATE), report=False)
    predictor = Predictor(load_bundle(project.config().paths.models_dir, "sales_regressor"))
    example = predictor.schema.example
    assert isinstance(example["ORDERDATE"], str)
    assert len(predictor.predict([example])) == 1
    assert predictor.predict([{**example, "ORDERDATE": "2004-1-1"}])[0].inputs["ORDERDATE"] == "2004-01-01"  # as in a source
    for wrong in ("2004-02-30", "24.12.2004", 5, "20040101"):
        (problem,) = predictor.problems({**example, "ORDERDATE": wrong})
        assert str(problem) == "ORDERDATE: must be a date, written %m/%d/%Y %H:%M or %m/%d/%Y or YYYY-MM-DD"
    late = predictor.predict([{**example, "ORDERDATE": "2031-08-01"}])[0]
    assert any(text.startswith("ORDERDATE: outside the training range 2003-") for text in late.warnings)
