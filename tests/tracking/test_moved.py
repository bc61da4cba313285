"""A project folder that was copied, moved or linked, and its SQLite store with MLflow's absolute addresses."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from tests.support.commands import run_in
from tests.support.projects import Project, close_stores, place_store
from tests.support.small_project import LINEAR, WEAK, small

from tabtrail.config.operation import Mlflow
from tabtrail.errors import StoreError
from tabtrail.tracking.moved import left_folder
from tabtrail.tracking.runs import start_run
from tabtrail.tracking.store import Store, find_store, open_store


def at(folder: Path) -> Mlflow:
    return Mlflow(tracking_uri=f"sqlite:///{folder}/mlflow.db", experiment="x")


def run_with_file(store: Store, text: str) -> str:
    run_id = start_run(store, text, {})
    store.client.log_text(run_id, text, "said.txt")
    return run_id


def said(store: Store, run_id: str) -> str:
    return Path(store.client.download_artifacts(run_id, "said.txt")).read_text()


def files(folder: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def original(tmp_path: Path, empty_store: Path) -> Path:
    """The folder of a store with one run, which said "first"."""
    (tmp_path / "one").mkdir()
    place_store(empty_store, tmp_path / "one" / "mlruns" / "mlflow.db")
    run_with_file(open_store(at(tmp_path / "one" / "mlruns")), "first")
    close_stores()
    return tmp_path / "one" / "mlruns"


@pytest.mark.parametrize("opened", [open_store, find_store])
def test_a_copy_reads_and_writes_its_own_files(original: Path, tmp_path: Path, opened: object) -> None:
    before = files(original)
    copy = tmp_path / "two" / "mlruns"
    shutil.copytree(original, copy)
    assert left_folder(copy / "mlflow.db") == original
    store = opened(at(copy))  # type: ignore[operator]
    old = store.client.search_runs([store.experiment_id])[0].info.run_id
    new = run_with_file(store, "second")
    assert (said(store, old), said(store, new)) == ("first", "second")
    assert all(run.info.artifact_uri.startswith(str(copy)) for run in store.client.search_runs([store.experiment_id]))
    assert (files(original), left_folder(copy / "mlflow.db")) == (before, None)
    assert len(list(copy.rglob("said.txt"))) == 2


def test_a_store_that_was_moved_goes_on_where_it_is(original: Path, tmp_path: Path) -> None:
    original.parent.rename(tmp_path / "new")
    store = open_store(at(tmp_path / "new" / "mlruns"))
    assert said(store, store.client.search_runs([store.experiment_id])[0].info.run_id) == "first"
    run_with_file(store, "second")
    assert not original.exists()


def test_a_folder_by_another_name_is_the_same_folder(original: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(original.parent)
    store = open_store(at(tmp_path / "link" / "mlruns"))
    assert store.artifacts.startswith(str(original)), "both names work, so that nothing is rewritten at each change of the name"


def test_a_database_that_was_copied_alone_still_finds_the_old_files_and_writes_new_ones_beside_itself(
    original: Path, tmp_path: Path
) -> None:
    (tmp_path / "two").mkdir()
    shutil.copy(original / "mlflow.db", tmp_path / "two" / "mlflow.db")
    before = files(original)
    store = open_store(at(tmp_path / "two"))
    old = store.client.search_runs([store.experiment_id])[0].info.run_id
    new = run_with_file(store, "second")
    assert (said(store, old), said(store, new)) == ("first", "second")
    assert files(original) == before


def test_a_folder_that_somebody_chose_for_the_artifacts_stays(tmp_path: Path, empty_store: Path) -> None:
    place_store(empty_store, tmp_path / "mlruns" / "mlflow.db")
    chosen = at(tmp_path / "mlruns").model_copy(update={"artifact_location": str(tmp_path / "chosen")})
    store = open_store(chosen)
    run_with_file(store, "first")
    assert open_store(chosen).artifacts == str(tmp_path / "chosen" / store.experiment_id)
    close_stores()
    (tmp_path / "chosen").rename(tmp_path / "away")  # as a disk that is not there for a while
    with pytest.raises(StoreError, match=r"lie in .*chosen, which is gone: was it moved, or is its disk not there"):
        open_store(chosen)


def test_what_a_copied_project_does_leaves_the_original_as_it_was(tmp_path: Path, empty_store: Path) -> None:
    (tmp_path / "one").mkdir()
    one = small(tmp_path / "one", empty_store, candidates={LINEAR: {}})
    assert run_in(one, "ingest").returncode == 0
    assert run_in(one, "train").returncode == 0
    close_stores()
    shutil.copytree(one.root, tmp_path / "two")
    before, two = files(one.root), Project(tmp_path / "two")
    checks = {each["name"]: each for each in json.loads(run_in(two, "doctor", "--format=json").stdout)["checks"]}
    assert (checks["store"]["state"], checks["history"]["state"]) == ("note", "note")
    assert f"copied or moved from {one.root / 'mlruns'}" in checks["store"]["found"]
    weak = ("--set", f"candidates={{{WEAK}: {{n_estimators: 2, max_depth: 1}}}}")
    done = run_in(two, "train", *weak)
    assert done.returncode == 0, done.stderr
    assert f"its addresses, which led to {one.root / 'mlruns'}, lead to its own files now" in done.stderr
    assert run_in(two, "promote", "2", "--force", "--reason", "to try").returncode == 0
    assert run_in(two, "rollback").returncode == 0
    assert files(one.root) == before
