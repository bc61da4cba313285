"""A real MLflow store on SQLite, read back with MLflow's own client."""

import json
import logging
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import mlflow
import numpy as np
import polars as pl
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from tests.support.projects import Project, Trained

from tabtrail import pipeline
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.config.operation import Mlflow
from tabtrail.data.dataset import scan_dataset
from tabtrail.errors import StoreError
from tabtrail.modeling.problem import problem_of
from tabtrail.modeling.table import load_table
from tabtrail.project.paths import Artifacts
from tabtrail.project.training import BENCHMARK_SECTIONS
from tabtrail.tracking import sqlite_file
from tabtrail.tracking.history import Place, read_history
from tabtrail.tracking.process import quiet_mlflow
from tabtrail.tracking.store import open_store


@pytest.fixture(scope="module")
def client(trained: Trained) -> MlflowClient:
    uri = trained.config.mlflow.tracking_uri
    return MlflowClient(uri, uri)


@pytest.fixture(scope="module")
def runs(client: MlflowClient) -> list[Run]:
    experiment = client.get_experiment_by_name("sales_regression")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id]))


def test_one_finished_parent_has_a_finished_child_for_every_candidate(runs: list[Run], trained: Trained) -> None:
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert [run.info.run_id for run in parents] == [trained.report.leaderboard.parent_run_id]
    assert len(runs) == 12
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert all(run.data.tags["tabtrail.complete"] == "true" for run in runs)
    assert {run.data.tags.get("mlflow.parentRunId") for run in runs} == {None, parents[0].info.run_id}


def test_the_json_mlflow_and_the_report_agree_to_the_last_digit(client: MlflowClient, trained: Trained) -> None:
    stored = json.loads(Artifacts.of(trained.config).leaderboard.read_text())
    assert stored == json.loads(json.dumps(trained.report.leaderboard.to_dict()))
    assert len(stored["candidates"]) == 11
    for row in stored["candidates"]:
        metrics = client.get_run(row["run_id"]).data.metrics
        assert metrics["cv_root_mean_squared_error"] == row["cv_rmse"]
        assert metrics["cv_root_mean_squared_error_std"] == row["cv_rmse_std"]
        assert metrics["test_root_mean_squared_error"] == row["test_rmse"]
        assert metrics["test_mean_absolute_error"] == row["test_mae"]
        assert metrics["test_root_mean_squared_error.price_at_cap"] == row["test_by_stratum"]["price_at_cap"]["rmse"]
        assert metrics["cv_mean_absolute_error.price_at_cap"] == row["cv_by_stratum"]["price_at_cap"]["mae"]
        folds = client.get_metric_history(row["run_id"], "fold_root_mean_squared_error")
        assert sorted(metric.step for metric in folds) == list(range(10))
        assert np.mean([metric.value for metric in folds]) == pytest.approx(row["cv_rmse"], rel=1e-6)


def test_the_champion_beats_the_baseline_three_times_over(trained: Trained) -> None:
    rows = {row.candidate: row for row in trained.report.leaderboard.candidates}
    board = trained.report.leaderboard
    assert rows[board.baseline].cv["rmse"] / rows[board.champion].cv["rmse"] >= 3


def test_every_run_says_what_it_was_made_from(runs: list[Run], client: MlflowClient, trained: Trained) -> None:
    for run in runs:
        assert run.data.tags["tabtrail.data_sha256"] == trained.report.manifest.data_sha256
        dataset = run.inputs.dataset_inputs[0].dataset
        assert trained.report.manifest.data_sha256.startswith(dataset.digest)
    parent = next(run for run in runs if run.data.tags["tabtrail.kind"] == "benchmark")
    assert "\n\n# sales_regressor\n\n" in parent.data.tags["mlflow.note.content"]
    made_from = json.loads(Path(client.download_artifacts(parent.info.run_id, "provenance.json")).read_text())
    assert made_from["config_sha256"] == trained.config.digest(*BENCHMARK_SECTIONS)
    assert made_from["libraries"]["scikit-learn"] == version("scikit-learn")
    metadata = json.loads(trained.report.artifacts["bundle"].read_text())
    deployed = {f"{kind}_sha256": metadata["files"][kind]["sha256"] for kind in ("onnx", "joblib")}
    assert made_from["made"] == {**deployed, "twin_onnx_sha256": metadata["refit"]["twin_sha256"]}


def test_the_tags_of_a_run_are_what_people_search_by(runs: list[Run]) -> None:
    """And three hashes that vouch for artifacts, which would not if they lay among these."""
    shared = {"kind", "version", "data_sha256", "complete"}
    of_parent = {"key", "champion", "leakage", "synthetic", "bundle_sha256", "registered_version"}
    of_candidate = {"candidate", "family", "deployable", "model_sha256", "predictions_sha256"}
    for run in runs:
        own = of_candidate if "mlflow.parentRunId" in run.data.tags else of_parent
        found = {name.removeprefix("tabtrail.") for name in run.data.tags if not name.startswith("mlflow.")}
        assert found == shared | own


def test_config_leaderboard_and_bundle_are_artifacts_of_the_parent(client: MlflowClient, trained: Trained) -> None:
    names = {item.path for item in client.list_artifacts(trained.report.leaderboard.parent_run_id)}
    assert {"config.json", "sales_regression_metrics.json", "shap_global_importance.json", "bundle"} <= names


def test_artifacts_lie_beside_the_store_and_nothing_in_the_working_folder(client: MlflowClient, trained: Trained) -> None:
    experiment = client.get_experiment_by_name("sales_regression")
    assert experiment is not None
    assert Path(experiment.artifact_location).parent == trained.project.root / "mlruns"


def test_the_registered_champion_loads_and_predicts_what_the_bundle_predicts(client: MlflowClient, trained: Trained) -> None:
    registered = client.get_model_version_by_alias("sales_regressor", "champion")
    champion = trained.report.leaderboard.champion_row
    assert registered.run_id == champion.run_id
    model = mlflow.pyfunc.load_model(registered.source)
    assert model.metadata.signature.inputs.input_names() == [*trained.config.model.inputs]
    types = model.metadata.metadata["columns"]
    assert types["QUANTITYORDERED"] == "int"
    assert types["COUNTRY"] == "string"
    assert len(model.input_example) == 1
    rows = model.input_example.to_dict("records")
    served = Predictor(load_bundle(trained.config.paths.models_dir, "sales_regressor")).predict(rows)
    assert list(model.predict(model.input_example)["prediction"]) == [answer.value for answer in served]


def test_the_model_of_every_candidate_is_saved_small_and_loads(client: MlflowClient, trained: Trained, runs: list[Run]) -> None:
    found = client.search_logged_models([runs[0].info.experiment_id])
    models = [model for model in found if model.name != trained.config.model.name]  # the registered bundle
    rows = {row.candidate: row for row in trained.report.leaderboard.candidates}
    assert {model.name for model in models} == set(rows)
    table = load_table(problem_of(trained.config), scan_dataset(trained.config.dataset).collect())
    predictions = pl.read_parquet(trained.config.paths.output_dir / "metrics" / "predictions.parquet")
    test = np.isin(table.row, predictions.filter(part="test")["row"])
    for model in models:
        folder = Path(model.artifact_location)
        assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 20e6
        requirements = (folder / "requirements.txt").read_text().splitlines()
        assert any(line.startswith("scikit-learn==") for line in requirements)
        assert any(line.startswith("tabtrail[train]==") for line in requirements)
        missed = mlflow.sklearn.load_model(str(folder)).predict(table.x[test]) - table.y[test]
        assert np.sqrt(np.mean(missed**2)) == pytest.approx(rows[model.name].test["rmse"], rel=1e-6)


# Forked, once the libraries are loaded: four times their imports take eight seconds.
FOUR = """
import os, sys
from tabtrail.config.operation import Mlflow
from tabtrail.tracking.store import open_store
begin, go = os.pipe()
children = []
for _ in range(4):
    child = os.fork()
    if child == 0:
        os.close(go)
        os.read(begin, 1)  # all begin at once, when the pipe is closed
        try:
            os.write(1, (open_store(Mlflow(tracking_uri=sys.argv[1], experiment="x")).experiment_id + "\\n").encode())
        finally:
            os._exit(sys.exc_info()[0] is not None)
    children.append(child)
os.close(go)
sys.exit(any(os.waitpid(child, 0)[1] for child in children))
"""


def test_four_processes_make_one_store(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/s/mlflow.db"
    done = subprocess.run([sys.executable, "-c", FOUR, uri], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "1\n" * 4), done.stderr


def test_a_damaged_store_is_a_message(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"not a database, surely" * 100)
    with pytest.raises(StoreError, match=r"MLflow store .* cannot be read \(file is not a database\)"):
        open_store(Mlflow(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db", experiment="x"))


def test_a_server_that_does_not_answer_is_a_message_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with pytest.raises(
        StoreError, match=r"the MLflow store http://…@127.0.0.1:9 cannot be reached \(connection refused\); is it running"
    ) as caught:
        open_store(Mlflow(tracking_uri="http://user:s3cret@127.0.0.1:9", experiment="x"))
    assert "s3cret" not in str(caught.value)


def test_a_command_sets_what_mlflow_reads_from_the_environment_and_a_library_leaves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("MLFLOW_DISABLE_TELEMETRY", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "MLFLOW_HTTP_REQUEST_MAX_RETRIES")
    for name in names:
        monkeypatch.setenv(name, "as it was")
        monkeypatch.delenv(name)
    levels = {name: logging.getLogger(name).level for name in ("mlflow", "alembic", "urllib3")}
    command = "import tabtrail.workflows.train, os, logging; print([os.environ.get(n) for n in {}])"
    done = subprocess.run([sys.executable, "-c", command.format(names)], capture_output=True, text=True, check=True)
    assert done.stdout == "[None, None, None]\n"
    try:
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "9")
        quiet_mlflow()
        assert [os.environ[name] for name in names] == ["true", "false", "9"], "what is set stands"
        assert not logging.getLogger("mlflow.store.db.utils").isEnabledFor(logging.ERROR), "it would log a traceback of its own"
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def test_reading_the_history_of_a_project_without_one_makes_nothing(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    assert read_history(Place(Mlflow(tracking_uri=uri, experiment="x"), "model")) == []
    assert list(tmp_path.iterdir()) == []
    open_store(Mlflow(tracking_uri=uri, experiment="x"))
    before = sqlite_file.tables(tmp_path / "mlruns" / "mlflow.db")
    assert read_history(Place(Mlflow(tracking_uri=uri, experiment="x"), "model")) == []
    assert not sqlite_file.has_experiment(tmp_path / "mlruns" / "mlflow.db", "x_promotions")
    assert sqlite_file.tables(tmp_path / "mlruns" / "mlflow.db") == before


def test_a_model_that_cannot_be_logged_fails_the_run_loudly(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A swallowed log_model error: the run would look finished and hold no model."""

    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("disk full")

    config = project.config("candidates={LinearRegression: {}}", "engine.kind=serial")
    pipeline.run_stage("ingest", config)
    monkeypatch.setattr(mlflow.sklearn, "save_model", broken)
    with pytest.raises(RuntimeError, match="disk full"):
        pipeline.run_stage("train", config)
    uri = config.mlflow.tracking_uri
    found = MlflowClient(uri, uri).search_runs(["1"])
    assert {run.info.status for run in found} == {"FAILED"}
    assert not any("tabtrail.complete" in run.data.tags for run in found)
    assert not any(config.paths.models_dir.iterdir())
