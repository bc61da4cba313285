"""A server that is down, refuses, is slow or goes away: one message, nothing lost, and the next training goes on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from tests.support.commands import Done, run_in
from tests.support.flaky import CUT, Fate, Flaky, flaky
from tests.support.projects import Project
from tests.support.servers import Servers
from tests.support.small_project import CANDIDATES, small


@pytest.fixture
def proxy(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flaky]:
    """One try again at once, of a second each."""
    for name, value in {"MAX_RETRIES": "1", "BACKOFF_FACTOR": "0", "BACKOFF_JITTER": "0", "TIMEOUT": "1"}.items():
        monkeypatch.setenv(f"MLFLOW_HTTP_REQUEST_{name}", value)
    with flaky(servers.proxied.uri) as made:
        yield made


@pytest.fixture
def project(tmp_path: Path, empty_store: Path, proxy: Flaky) -> Project:
    """Rows that are read, and a model and an experiment that the server has not seen."""
    name = tmp_path.name.replace("[", "_").replace("]", "")
    model = {"name": name, "target": "y", "numeric_features": ["a"], "categorical_features": ["b"]}
    made = small(tmp_path, empty_store, model=model, mlflow={"tracking_uri": proxy.uri, "experiment": name})
    assert run_in(made, "ingest").returncode == 0
    return made


def refused(done: Done, reason: str) -> None:
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    errors = [line for line in done.stderr.splitlines() if not line.startswith("train: ")]
    assert len(errors) == 1, errors
    assert errors[0].startswith("error: the MLflow store http://127.0.0.1:")
    assert reason in errors[0]


@pytest.mark.parametrize(
    ("fate", "reason"),
    [
        (401, "does not know who asks (401); set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
        (403, "does not let this user do that (403); ask who runs it"),
        (500, "fails (500); look into its log"),
        (503, "fails (503); look into its log"),
        (404, "is not an MLflow server, or one of another version; look at mlflow.tracking_uri"),
        (200, "is not an MLflow server, or one of another version"),
        (CUT, "cut the connection; is it being stopped?"),
        (5.0, "does not answer in time; MLFLOW_HTTP_REQUEST_TIMEOUT says how many seconds are waited for"),
    ],
)
def test_a_server_that_does_not_serve_is_one_message_after_one_try_again(
    tmp_path: Path, empty_store: Path, proxy: Flaky, fate: Fate, reason: str
) -> None:
    proxy.fate = lambda number, path: fate
    refused(run_in(small(tmp_path, empty_store, mlflow={"tracking_uri": proxy.uri}), "history"), reason)
    assert len(proxy.seen) <= 2


def test_a_server_that_refuses_does_so_before_anything_is_fitted(project: Project, proxy: Flaky) -> None:
    proxy.fate = lambda number, path: 401
    refused(run_in(project, "train"), "does not know who asks (401)")
    assert not (project.root / "output" / "metrics").exists()


def test_a_server_that_is_not_there_is_one_message(tmp_path: Path, empty_store: Path, proxy: Flaky) -> None:
    done = run_in(small(tmp_path, empty_store, mlflow={"tracking_uri": "http://127.0.0.1:9"}), "history")
    refused(done, "cannot be reached (connection refused); is it running?")


def test_doctor_says_what_a_server_answers_and_goes_on_with_the_rest(project: Project, proxy: Flaky) -> None:
    proxy.fate = lambda number, path: 403
    done = run_in(project, "doctor")
    assert done.returncode == 1
    assert "does not let this user do that (403)" in done.stdout
    assert "bundle" in done.stdout


@pytest.mark.parametrize("share", [0.15, 0.5, 0.9])
def test_a_server_that_goes_away_in_mid_run_loses_nothing(project: Project, proxy: Flaky, whole: int, share: float) -> None:
    last = round(whole * share)
    proxy.fate = lambda number, path: CUT if number > last else None
    refused(run_in(project, "train"), "cut the connection")
    proxy.fate = lambda number, path: None
    done = run_in(project, "train")
    assert done.returncode == 0, done.stderr
    runs = finished_runs(project)
    assert sorted(runs) == sorted([f"benchmark {project.config().model.name}", "MeanBaseline", *CANDIDATES])
    assert versions(project) == ["1"]


def test_a_version_that_the_registry_refuses_leaves_no_empty_model_and_no_run_that_looks_finished(
    project: Project, proxy: Flaky
) -> None:
    proxy.fate = lambda number, path: 403 if "model-versions/create" in path else None
    refused(run_in(project, "train"), "does not let this user do that (403)")
    proxy.fate = lambda number, path: None
    with pytest.raises(MlflowException, match="not found"):
        client(project).get_registered_model(project.config().model.name)
    assert f"benchmark {project.config().model.name}" not in finished_runs(project)
    assert run_in(project, "train").returncode == 0
    assert versions(project) == ["1"]


@pytest.fixture(scope="module")
def whole(servers: Servers, tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> int:
    """How many requests a training makes."""
    with flaky(servers.proxied.uri) as made:
        root = tmp_path_factory.mktemp("whole")
        project = small(root, empty_store, mlflow={"tracking_uri": made.uri, "experiment": root.name})
        assert run_in(project, "ingest").returncode == 0
        before = len(made.seen)
        assert run_in(project, "train").returncode == 0
        return len(made.seen) - before


def client(project: Project) -> MlflowClient:
    uri = project.config().mlflow.tracking_uri
    return MlflowClient(uri, uri)


def finished_runs(project: Project) -> list[str]:
    found = client(project).search_experiments(filter_string=f"name = '{project.config().mlflow.experiment}'")
    runs = client(project).search_runs([each.experiment_id for each in found])
    assert not [run for run in runs if run.info.status == "FINISHED" and run.data.tags.get("tabtrail.complete") != "true"]
    return [str(run.info.run_name) for run in runs if run.info.status == "FINISHED"]


def versions(project: Project) -> list[str]:
    return [str(each.version) for each in client(project).search_model_versions(f"name = '{project.config().model.name}'")]
