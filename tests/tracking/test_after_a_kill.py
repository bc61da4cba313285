"""What a killed process leaves in the store: taken up, ended or removed by the next one."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from tests.support.projects import close_stores, place_store
from tests.support.small_project import LINEAR

from tabtrail.config.operation import Mlflow
from tabtrail.contract.schema import ModelSchema
from tabtrail.tracking import registry
from tabtrail.tracking.entries import Deployed
from tabtrail.tracking.history import Change, Place, append_entry, read_history
from tabtrail.tracking.models import BundleFiles, LoggedModel
from tabtrail.tracking.registry import CHALLENGER, CHAMPION, Registration, register_challenger, set_champion
from tabtrail.tracking.runs import close_dead_runs, running, start_run
from tabtrail.tracking.store import Store, open_store
from tabtrail.tracking.tags import PROCESS

UPLOADING = ".artifact.uploading.x1y2"  # as MLflow names what it is copying


@pytest.fixture
def uri(tmp_path: Path, empty_store: Path) -> Iterator[str]:
    place_store(empty_store, tmp_path / "mlruns" / "mlflow.db")
    yield f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    close_stores()


@pytest.fixture
def store(uri: str) -> Store:
    return open_store(Mlflow(tracking_uri=uri, experiment="x"))


def an_ended_process() -> str:
    code = "from tabtrail.system.process import this_process; print(this_process())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def folder_of(store: Store, run_id: str) -> Path:
    return Path(store.client.get_run(run_id).info.artifact_uri.removeprefix("file://"))


def aliases(store: Store) -> dict[str, str]:
    return {name: str(version) for name, version in store.client.get_registered_model("m").aliases.items()}


def test_a_model_is_registered_once_however_often_a_benchmark_is_written_out(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "log_bundle", lambda store, run, *words: LoggedModel(run, str(tmp_path / run), "sha256"))
    bundle = BundleFiles("m", {}, ModelSchema("y", ()), [])
    first, other = (Registration(start_run(store, name, {}), bundle, LINEAR) for name in ("first", "other"))
    assert [register_challenger(store, each) for each in (first, first, other, first)] == ["1", "1", "2", "1"]
    assert aliases(store) == {CHALLENGER: "1"}
    set_champion(store, "m", "1")
    assert aliases(store) == {CHAMPION: "1"}


def test_runs_of_a_killed_process_end_as_killed_without_half_copied_files(store: Store) -> None:
    run_id = start_run(store, "forecast", {PROCESS: an_ended_process()})
    store.client.log_text(run_id, "whole", "folder/whole.txt")
    (folder_of(store, run_id) / "folder" / UPLOADING).write_bytes(b"ha")
    assert close_dead_runs(store) == 1
    assert store.client.get_run(run_id).info.status == "KILLED"
    assert [path.name for path in folder_of(store, run_id).rglob("*") if path.is_file()] == ["whole.txt"]


def test_a_run_that_is_taken_up_again_has_no_half_copied_files_of_the_process_that_ended_it(store: Store) -> None:
    with running(store, "train", {}) as run_id:
        store.client.log_text(run_id, "whole", "folder/whole.txt")
    (folder_of(store, run_id) / UPLOADING).write_bytes(b"ha")
    with running(store, "train", {}, resumed=run_id):
        assert [path.name for path in folder_of(store, run_id).rglob("*") if path.is_file()] == ["whole.txt"]


def test_an_entry_of_the_history_is_there_whole_or_not_at_all(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place, model = Place(Mlflow(tracking_uri=uri, experiment="x"), "m"), Deployed("LinearRegression", "r", "1", "s")
    append_entry(place, Change("first", None, model, "there was none"))

    def killed(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(LocalArtifactRepository, "_publish_staged_artifact", killed)
        patch.setattr(LocalArtifactRepository, "_cleanup_staged_artifact", lambda *args: None)
        append_entry(place, Change("promote", model, model, "cut short"))
    assert [entry.action for entry in read_history(place)] == ["first"]
    append_entry(place, Change("promote", model, model, "again"))
    assert [entry.reason for entry in read_history(place)] == ["there was none", "again"]
    assert not list(Path(uri.removeprefix("sqlite:///")).parent.rglob(".artifact.uploading.*"))


@pytest.mark.parametrize("left", [b"", bytes(512)])
def test_a_journal_that_holds_nothing_is_removed_when_the_store_is_opened(uri: str, store: Store, left: bytes) -> None:
    run_id = start_run(store, "known", {})
    close_stores()
    journal = Path(uri.removeprefix("sqlite:///") + "-journal")
    journal.write_bytes(left)
    assert open_store(Mlflow(tracking_uri=uri, experiment="x")).client.get_run(run_id).info.run_name == "known"
    assert not journal.exists()


def test_a_journal_of_unfinished_changes_is_played_back(uri: str, store: Store, tmp_path: Path) -> None:
    run_id = start_run(store, "known", {})
    close_stores()
    database = Path(uri.removeprefix("sqlite:///"))
    # The copy is what a kill in the middle of a transaction leaves: pages already written, and a journal of what they were.
    code = """
import shutil, sqlite3, sys
from pathlib import Path
database, target = map(Path, sys.argv[1:])
connection = sqlite3.connect(database)
connection.execute("PRAGMA cache_size = 1")
connection.execute("PRAGMA cache_spill = 1")
connection.execute("UPDATE runs SET name = 'half-written'")
connection.execute("CREATE TABLE pages AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 2000)"
                   " SELECT x, hex(randomblob(500)) AS y FROM n")
target.mkdir()
for part in ("", "-journal"):
    shutil.copy(f"{database}{part}", target)
"""
    subprocess.run([sys.executable, "-c", code, str(database), str(tmp_path / "killed")], check=True)
    for part in ("", "-journal"):
        shutil.copy(tmp_path / "killed" / f"mlflow.db{part}", f"{database}{part}")
    assert open_store(Mlflow(tracking_uri=uri, experiment="x")).client.get_run(run_id).info.run_name == "known"
    assert not Path(f"{database}-journal").exists()
