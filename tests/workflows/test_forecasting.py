"""Forecasts as a user makes them: the door, the sweep, the files, MLflow."""

import json
import socket
from pathlib import Path

import jsonschema
import mlflow
import polars as pl
import pytest
from tests.support.commands import Done, overrides, run_door, run_here
from tests.support.projects import Project, Trained

from tabtrail import pipeline
from tabtrail.bundle.stored_forecasts import look_up
from tabtrail.data.sample import write_sample
from tabtrail.data.warehouse import query
from tabtrail.errors import ConfigError, DataError, NotTrainedError, UsageError
from tabtrail.forecast.result import SegmentResult, result_schema
from tabtrail.project.training import BENCHMARK_SECTIONS
from tabtrail.tracking.runs import start_run
from tabtrail.tracking.store import open_store
from tabtrail.tracking.tags import PROCESS
from tabtrail.workflows.forecast import forecast_all, forecast_segment, measure_error_over_time

QUICK = ["risk.sarima=[]", "risk.models=[]", "risk.sweep_plots=1"]
SEGMENT = ["--product-line", "Classic Cars", "--country", "USA"]


def door(project: Project, *words: str) -> Done:
    return run_door("src.train_sales_timeseries_risk", *words, "--config", str(project.config_file))


@pytest.fixture
def ingested(project: Project) -> Project:
    pipeline.run_stage("ingest", project.config())
    return project


def test_the_users_command_writes_json_and_pictures_and_says_three_lines(real_project: Project) -> None:
    pipeline.run_stage("ingest", real_project.config())
    done = door(real_project, *SEGMENT, "--forecast-steps", "6", "--garch-horizon", "6")
    assert done.returncode == 0, done.stderr
    found, trust, sarima = done.stdout.splitlines()
    assert found.startswith("Classic Cars · USA, 27 months 2003-03 to 2005-05: next month")
    assert trust.startswith("trust: error 0.")
    assert sarima.startswith("SARIMA ")
    folder = real_project.root / "output" / "timeseries"
    stem = "sales_ts_risk_Classic_Cars_USA"
    assert {path.name for path in folder.iterdir()} == {
        f"{stem}.json",
        *(f"{stem}_{each}.png" for each in ("forecast", "volatility", "returns")),
    }
    stored = json.loads((folder / f"{stem}.json").read_text(encoding="utf-8"))
    jsonschema.validate(stored, result_schema())
    result = SegmentResult.model_validate(stored)
    assert result.series is not None
    assert (result.series.start, result.series.end, result.series.length) == ("2003-03-01", "2005-05-01", 27)
    assert result.forecast is not None
    assert result.forecast.periods[0] == "2005-06-01"
    assert len(result.forecast.mean) == 6
    assert result.risk is not None
    assert (result.risk.grade, result.risk.returns.undefined) == ("indicative", 2)
    assert (
        look_up(real_project.root / "output", {"product_line": "Classic Cars", "country": "USA"}, 6)["mean"]
        == result.forecast.mean
    )
    client = mlflow.MlflowClient(real_project.config().mlflow.tracking_uri)
    run = client.get_run(str(result.run_id))
    assert run.data.tags["tabtrail.complete"] == "true"
    assert run.data.tags["tabtrail.segment"] == "Classic Cars · USA"
    assert client.get_experiment(run.info.experiment_id).name == "sales_risk"
    assert run.data.metrics["outer_mase"] == result.outer.chosen.mase if result.outer else False
    assert {each.path for each in client.list_artifacts(run.info.run_id)} == {path.name for path in folder.iterdir()}


def test_a_sweep_has_a_status_for_every_segment_a_table_and_sums_that_are_compared(ingested: Project) -> None:
    config = ingested.config(*QUICK, "engine.kind=serial")
    pipeline.run_stage("eda", config)
    results, sweep = forecast_all(config, ["product_line"])
    assert len(results) == 8
    assert results[0].segment == {}
    (reconciled,) = sweep.reconciliation
    parts = [each.forecast.mean for each in results[1:] if each.forecast]
    assert reconciled.bottom_up == pytest.approx([sum(step) for step in zip(*parts, strict=True)], rel=1e-6)
    assert results[0].forecast is not None
    assert reconciled.difference[0] == pytest.approx(reconciled.bottom_up[0] - results[0].forecast.mean[0], abs=0.1)
    folder = config.paths.output_dir / "timeseries"
    table = pl.read_parquet(folder / "sales_ts_risk_ranking.parquet")
    assert table.equals(pl.read_csv(folder / "sales_ts_risk_ranking.csv", schema=table.schema))
    assert table.get_column("forecast_total").is_sorted(descending=True)
    assert query(config.paths.duckdb_file, "SELECT count(*) FROM segment_risks")[1] == [(8,)]
    assert not pipeline.run_stage("eda", config), "the sweep's table made the database stale"
    client = mlflow.MlflowClient(config.mlflow.tracking_uri)
    experiment = client.get_experiment_by_name("sales_risk")
    assert experiment is not None
    children = client.search_runs([experiment.experiment_id], f"tags.`mlflow.parentRunId` = '{sweep.run_id}'")
    assert {run.info.run_id for run in children} == {each.run_id for each in results}
    assert all(run.data.tags["tabtrail.complete"] == "true" for run in children)


def test_the_run_of_a_forecast_that_was_killed_is_ended_by_the_next(ingested: Project) -> None:
    config = ingested.config(*QUICK)
    store = open_store(config.mlflow.of(config.risk.experiment))
    killed = start_run(store, "forecast", {PROCESS: f"{socket.gethostname()}:{2**22 - 1}:1"})
    forecast_segment(config, {})
    assert store.client.get_run(killed).info.status == "KILLED"


def test_processes_and_one_process_forecast_the_same(ingested: Project) -> None:
    found = []
    for kind in ("serial", "processes"):
        results, _ = forecast_all(ingested.config(*QUICK, f"engine.kind={kind}"), ["product_line"])
        found.append([each.model_dump(exclude={"run_id", "created"}) for each in results])
    assert found[0] == found[1]


def test_any_segment_column_can_be_named_and_all_rows_are_one(ingested: Project) -> None:
    config = ingested.config(*QUICK, "risk.segments={deal: DEALSIZE}", "risk.value=QUANTITYORDERED", "risk.frequency=W")
    written = forecast_segment(config, {"DEALSIZE": "Small"})
    assert written.path.name == "sales_ts_risk_Small.json"
    assert written.result.columns == {"deal": "DEALSIZE"}
    assert written.result.series is not None
    assert (written.result.series.unit, written.result.series.frequency) == ("QUANTITYORDERED", "W")
    assert forecast_segment(config, {}).result.label == "all"


def test_a_segment_is_named_by_any_spelling_that_is_read_as_its_text(project: Project) -> None:
    spelled = ["cleaning.fold_case=[COUNTRY]", "cleaning.aliases={COUNTRY: {States: usa}}"]
    config = project.config(*QUICK, *spelled)
    pipeline.run_stage("ingest", config)
    found = [forecast_segment(config, {"country": text}).result for text in ("usa", "states")]
    assert [each.segment for each in found] == [{"country": "USA"}] * 2


def test_the_synthetic_sample_is_said_to_be_synthetic(project: Project) -> None:
    write_sample(project.csv, force=True)
    pipeline.run_stage("ingest", project.config())
    done = door(project, *overrides(*QUICK))
    assert done.stdout.startswith("THE DATA IS SYNTHETIC")


@pytest.mark.parametrize("horizon", ["0", "-1", "10000", "many"])
@pytest.mark.parametrize("option", ["--forecast-steps", "--garch-horizon"])
def test_a_horizon_that_cannot_be_is_a_usage_error(option: str, horizon: str) -> None:
    done = run_door("src.train_sales_timeseries_risk", option, horizon)
    assert done.returncode == 2
    assert option in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--product-line", "Clasic Cars"], "did you mean 'Classic Cars'"),
        (["--segment", "city=Paris"], "risk.segments has no 'city'"),
        (["--segment", "Paris"], "write NAME=VALUE"),
        (["--by", "country"], "--by goes with --all"),
        (["--all", "--country", "USA"], "--all takes every segment"),
        (["--all", "--by", "contry"], "did you mean 'country'"),
    ],
)
def test_a_segment_that_cannot_be_is_one_clear_message(ingested: Project, words: list[str], message: str) -> None:
    done = door(ingested, *words, "--quiet")
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, "")
    assert message in done.stderr


def test_an_unknown_forecaster_is_refused_with_its_place_and_the_nearest_name(ingested: Project) -> None:
    with pytest.raises(
        ConfigError, match=r"--set risk.models: risk.models.1: unknown forecaster 'ets_dampd'; did you mean 'ets_damped'"
    ):
        forecast_segment(ingested.config("risk.models=[ets, ets_dampd]"), {})


def test_without_a_dataset_the_command_says_what_to_run_first(project: Project) -> None:
    with pytest.raises(DataError, match="run `tabtrail ingest` first"):
        forecast_segment(project.config(), {})


def test_a_config_without_segments_has_all_rows_and_no_sweep(ingested: Project) -> None:
    config = ingested.config(*QUICK, "risk.segments={}")
    with pytest.raises(UsageError, match=r"risk.segments is empty"):
        forecast_all(config)
    assert forecast_segment(config, {}).path.name == "sales_ts_risk_all.json"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("risk.segments={a: COUNTY}", "'COUNTY' is not a declared column; did you mean 'COUNTRY'"),
        ("risk.segments={a: SALES}", "neither text nor int"),
        ("risk.segments={a: COUNTRY, b: COUNTRY}", "named twice"),
        ("risk.value=COUNTRY", "is not a number"),
        ("risk.frequency=M", "risk.frequency"),
        ("duckdb.table=segment_risks", "choose another name"),
    ],
)
def test_a_risk_section_that_does_not_hold_is_refused(project: Project, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        project.config(override)


def test_the_risk_section_is_of_no_account_for_the_benchmark(project: Project) -> None:
    one, other = project.config(), project.config("risk.forecast_steps=9")
    assert one.digest(*BENCHMARK_SECTIONS) == other.digest(*BENCHMARK_SECTIONS)
    assert one.digest("risk") != other.digest("risk")


def test_the_schema_of_a_result_is_printed() -> None:
    done = run_here("forecast", "--schema")
    assert json.loads(done.stdout) == result_schema()


def test_the_champions_error_over_time_has_a_trend_and_the_period_by_which_a_retrain_was_due(
    trained: Trained, tmp_path: Path
) -> None:
    project = trained.copy(tmp_path)
    table = pl.read_parquet(project.root / "output" / "metrics" / "predictions.parquet")
    assert table.get_column("row").n_unique() == table.height == 2823
    assert set(table.get_column("part")) == {"cv", "test"}
    row = trained.report.leaderboard.champion_row
    test = table.filter(pl.col("part") == "test")
    rmse = ((test.get_column("predicted") - test.get_column("actual")) ** 2).mean()
    assert rmse == pytest.approx(row.test["rmse"] ** 2, rel=1e-5)
    done = door(project, "--champion", "--format=json")
    found = json.loads(done.stdout)
    assert found["status"] == "ok"
    assert sum(found["rows"]) <= 2823
    assert found["honest"] is False
    assert len(found["cusum"]) == len(found["error"]) == len(found["periods"])
    assert (project.root / "output" / "timeseries" / "sales_champion_error.png").is_file()
    assert query(project.config().paths.duckdb_file, "SELECT count(*) FROM predictions")[1] == [(2823,)]


def test_without_a_champion_there_is_no_error_over_time(ingested: Project) -> None:
    with pytest.raises(NotTrainedError, match="run `tabtrail train --force` first"):
        measure_error_over_time(ingested.config())
