"""`tabtrail doctor` finds each kind of damage, and what it says mends it."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from tests.support.commands import Done, overrides, run_in
from tests.support.projects import Project, close_stores, make_project, put_back

from tabtrail import pipeline
from tabtrail.project.check import Check
from tabtrail.project.doctor import examine
from tabtrail.project.lock import project_lock
from tabtrail.project.status import status
from tabtrail.system.temporary import TEMPORARY

pytestmark = pytest.mark.usefixtures("one_picture")

FAST = ["candidates={LinearRegression: {}}", "engine.kind=serial", "explain.max_rows=20", "report.learning_curve_folds=0"]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, sample_csv: Path) -> tuple[Project, Path]:
    """A trained project, and a copy of all that it holds, to put back in place after each damage."""
    root = tmp_path_factory.mktemp("doctor")
    project = make_project(root, sample_csv, repeats=1)
    pipeline.run(project.config(*FAST))
    copy = tmp_path_factory.mktemp("copy") / "project"
    shutil.copytree(root, copy)
    return project, copy


@pytest.fixture
def healthy(template: tuple[Project, Path]) -> Project:
    project, copy = template
    put_back(project, copy)
    return project


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What other processes left in the machine's is none of these projects."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))


def checks(project: Project, *settings: str) -> dict[str, Check]:
    return {check.name: check for check in examine(project.config(*FAST, *settings), pipeline.STAGES)}


def broken(project: Project, *settings: str) -> set[str]:
    return {name for name, check in checks(project, *settings).items() if check.state == "broken"}


def tabtrail(project: Project, *words: str) -> Done:
    close_stores()  # what was damaged is read again
    return run_in(project, *words, *overrides(*FAST))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_healthy_project_is_called_so_and_left_as_it_was(healthy: Project) -> None:
    before = healthy.tree()
    found = checks(healthy)
    assert {name for name, check in found.items() if check.state != "ok"} <= {"extras"}
    assert "chain of hashes holds" in found["history"].found
    assert healthy.tree() == before


def test_a_project_in_which_nothing_ran_is_healthy(project: Project) -> None:
    assert broken(project) == set()
    assert not (project.root / "output").exists()


def part(project: Project) -> Path:
    return next(project.config().paths.processed_dir.rglob("*.parquet"))


def store(project: Project) -> Path:
    return project.root / "mlruns" / "mlflow.db"


def foreign_database(path: Path) -> None:
    path.unlink()
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE theirs AS SELECT 1")


def foreign_store(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")


DAMAGE: dict[str, tuple[Callable[[Project], None], set[str], list[str]]] = {
    "corrupted Parquet part": (lambda p: flip(part(p)), {"dataset", "stages"}, ["ingest", "--force"]),
    "vanished Parquet part": (lambda p: part(p).unlink(), {"dataset", "stages"}, ["ingest", "--force"]),
    "truncated database": (lambda p: truncate(p.root / "duckdb" / "sales.duckdb"), {"database"}, ["eda", "--force"]),
    "foreign database": (
        lambda p: foreign_database(p.root / "duckdb" / "sales.duckdb"),
        {"database"},
        ["eda", "--force"],
    ),
    "text for a database": (
        lambda p: (p.root / "duckdb" / "sales.duckdb").write_text("no") and None,
        {"database"},
        ["eda", "--force"],
    ),
    "altered bundle": (lambda p: flip(p.root / "models" / "sales_regressor.onnx"), {"bundle"}, ["train"]),
    "altered leaderboard": (
        lambda p: (p.root / "output" / "metrics" / "sales_regression_metrics.json").write_text("{}") and None,
        {"stages"},
        ["run"],
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found_and_the_command_that_is_named_mends_it(healthy: Project, name: str) -> None:
    damage, expected, command = DAMAGE[name]
    damage(healthy)
    found = checks(healthy)
    assert {each for each, check in found.items() if check.state == "broken"} == expected
    assert " ".join(["tabtrail", *command]) in {check.remedy for check in found.values()}
    assert tabtrail(healthy, *command).returncode == 0
    assert broken(healthy) == set()


@pytest.mark.parametrize("damage", [truncate, foreign_store, lambda path: path.write_bytes(b"no database" * 500)])
def test_a_damaged_store_is_refused_with_what_mends_it_and_all_else_stays(
    healthy: Project, damage: Callable[[Path], None]
) -> None:
    damage(store(healthy))
    before = healthy.tree()
    found = checks(healthy)["store"]
    assert found.state == "broken"
    assert f"mv {store(healthy)} " in found.remedy
    done = tabtrail(healthy, "train", "--force")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"mv {store(healthy)} " in done.stderr
    assert healthy.tree() == before
    if damage is truncate:
        store(healthy).rename(store(healthy).with_name("aside"))
        assert tabtrail(healthy, "train").returncode == 0


def test_a_journal_that_a_kill_left_is_no_damage(healthy: Project) -> None:
    ending = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('PRAGMA cache_size = 1');"
        "c.execute('CREATE TABLE many (x)'); c.commit();"
        "c.executemany('INSERT INTO many VALUES (?)', [('y' * 900,)] * 3000); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", ending, str(store(healthy))], check=False)
    assert store(healthy).with_name("mlflow.db-journal").exists()
    found = checks(healthy)["store"]
    assert (found.state, found.remedy) == ("note", "tabtrail run")


def test_what_cannot_be_read_is_a_finding_and_no_traceback(healthy: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "/somewhere/it is")

    monkeypatch.setattr("tabtrail.project.doctor.status", refuse)
    found = checks(healthy)["stages"]
    assert (found.state, found.found) == ("broken", "'/somewhere/it is' cannot be read: Permission denied")


def test_the_page_of_an_older_run_is_no_damage(healthy: Project) -> None:
    (healthy.root / "output" / "report.html").write_text("that of another run")
    found = checks(healthy)["stages"]
    assert (found.state, found.remedy) == ("note", "tabtrail report")


def test_a_deployed_bundle_that_is_gone_is_broken(healthy: Project) -> None:
    shutil.rmtree(healthy.root / "models")
    assert broken(healthy) == {"bundle"}


def test_a_damaged_store_makes_training_stale(healthy: Project) -> None:
    truncate(store(healthy))
    stale = {each.stage: each.reasons for each in status(healthy.config(*FAST), pipeline.STAGES).stages if not each.fresh}
    assert "the MLflow store is damaged" in str(stale["train"][0])


def test_an_altered_history_is_found(healthy: Project) -> None:
    entry = next(each for each in (healthy.root / "mlruns").rglob("000001-*.json"))
    flip(entry)
    assert "was altered" in checks(healthy)["history"].found


def test_a_missing_input_and_a_full_disk_are_told(healthy: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    healthy.csv.unlink()
    usage = shutil.disk_usage(healthy.root)
    monkeypatch.setattr("tabtrail.project.surroundings.shutil.disk_usage", lambda path: usage._replace(free=10_000_000))
    assert {"input", "space"} <= broken(healthy)


def test_what_killed_processes_left_is_listed_and_a_lock_that_is_held_is_named(healthy: Project) -> None:
    torn = healthy.root / f".models{TEMPORARY}abc"
    torn.mkdir()
    found = checks(healthy)["leftovers"]
    assert found.state == "note"
    assert str(torn) in found.remedy
    with project_lock(healthy.config(), "tune"):
        assert f"`tabtrail tune` (process {os.getpid()} on " in checks(healthy)["lock"].found


def test_the_command_ends_with_one_where_something_is_broken(healthy: Project) -> None:
    done = tabtrail(healthy, "doctor")
    assert (done.returncode, done.stdout.splitlines()[-1], done.stderr) == (0, "healthy", "")
    truncate(store(healthy))
    done = tabtrail(healthy, "doctor", "--format=json")
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert not said["healthy"]
    assert [each["name"] for each in said["checks"] if each["state"] == "broken"] == ["store"]
