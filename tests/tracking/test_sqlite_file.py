"""MLflow's SQLite file, looked at without MLflow."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tabtrail.config.operation import Mlflow
from tabtrail.tracking import sqlite_file
from tabtrail.tracking.store import open_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    store = open_store(Mlflow(tracking_uri=f"sqlite:///{path}", experiment="known"))
    store.client.create_run(store.experiment_id)
    return path


def test_a_sound_store_is_counted_and_its_experiments_are_known(store: Path) -> None:
    assert sqlite_file.inspect(store) == sqlite_file.Inspection("ok", runs=1)
    assert sqlite_file.complaint(store) == ""
    assert sqlite_file.has_experiment(store, "known")
    assert not sqlite_file.has_experiment(store, "unknown")


def test_what_is_wrong_is_told_apart(store: Path, tmp_path: Path) -> None:
    truncated, foreign, text = tmp_path / "truncated", tmp_path / "foreign", tmp_path / "text"
    truncated.write_bytes(store.read_bytes()[: store.stat().st_size // 2])
    text.write_bytes(b"not a database" * 500)
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    assert sqlite_file.inspect(truncated).state in ("damaged", "unreadable")
    assert sqlite_file.inspect(text).state == "unreadable"
    found = sqlite_file.inspect(foreign)
    assert (found.state, found.reason) == ("foreign", "it has no table alembic_version, experiments, runs")
    assert sqlite_file.complaint(foreign) == "the MLflow store has no runs"
    assert sqlite_file.complaint(tmp_path / "gone") == "the MLflow store is gone"
    assert "is damaged" in sqlite_file.complaint(text)
    assert not sqlite_file.has_experiment(foreign, "known")
    assert not sqlite_file.has_experiment(tmp_path / "gone", "known")


def test_looking_writes_nothing_and_imports_no_mlflow(store: Path) -> None:
    before = store.read_bytes()
    command = (
        "import sys; from pathlib import Path; from tabtrail.tracking import sqlite_file;"
        " print(sqlite_file.inspect(Path(sys.argv[1])).runs, 'mlflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", command, str(store)], capture_output=True, text=True, check=True)
    assert done.stdout == "1 False\n"
    assert store.read_bytes() == before
