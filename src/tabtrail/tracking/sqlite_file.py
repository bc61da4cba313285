"""MLflow's SQLite file, read without MLflow: importing that takes seconds, and opening a store through it makes one."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tabtrail.errors import StoreError

HISTORY_SUFFIX = "_promotions"
"""Ends the name of the experiment in which the histories of promotions are."""
_TABLES = {"experiments", "runs", "alembic_version"}
LOCKED_SECONDS = 5.0  # a write of MLflow takes milliseconds


@dataclass(frozen=True)
class Inspection:
    """What was found in a file: `ok` with its number of runs, or what is wrong with it and why.

    `journal` is what a killed process left, which the next one that writes plays back.
    """

    state: Literal["ok", "journal", "unreadable", "damaged", "foreign"]
    reason: str = ""
    runs: int = 0


def lock_file(path: Path) -> Path:
    """The lock of a store's file, which who makes or mends it holds."""
    return path.with_name(path.name + ".lock")


def inspect(path: Path) -> Inspection:
    """Read every page of a store's file, and say what it is."""
    try:
        with _opened(path) as connection:
            said = str(connection.execute("PRAGMA integrity_check").fetchone()[0])
            missing = sorted(_TABLES - _tables(connection))
            runs = 0 if missing else int(connection.execute("SELECT count(*) FROM runs").fetchone()[0])
    except sqlite3.Error as error:
        journal = any(Path(f"{path}{part}").exists() for part in ("-journal", "-wal"))
        return Inspection("journal" if journal and isinstance(error, sqlite3.OperationalError) else "unreadable", str(error))
    if said != "ok":
        return Inspection("damaged", said.splitlines()[0])
    if missing:
        return Inspection("foreign", f"it has no table {', '.join(missing)}")
    return Inspection("ok", runs=runs)


def complaint(path: Path) -> str:
    """Return what is wrong with a store at a glance; empty where it seems sound, or that cannot be known."""
    if not path.is_file():
        return "the MLflow store is gone"
    try:
        with _opened(path) as connection:
            connection.execute("SELECT count(*) FROM runs").fetchone()
    except sqlite3.OperationalError as error:
        # Another reason is the journal of a killed process, which the next one that writes plays back.
        return "the MLflow store has no runs" if "no such table" in str(error) else ""
    except sqlite3.DatabaseError as error:
        return f"the MLflow store is damaged ({error}); `tabtrail doctor` says what to do"
    return ""


def settle(path: Path) -> None:
    """Let SQLite remove the journal that a killed process left, by a write that changes nothing; one at work keeps its own."""
    if not Path(f"{path}-journal").exists():
        return
    with suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=LOCKED_SECONDS, isolation_level=None)) as connection:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        connection.execute(f"PRAGMA user_version = {version}")


def tables(path: Path) -> set[str]:
    """Return the names of the tables in a file. Raises `sqlite3.DatabaseError` for one that is not a database."""
    with _opened(path) as connection:
        return _tables(connection)


def has_experiment(path: Path, name: str) -> bool:
    """Tell whether there is a store with an experiment of this name, as far as it can be read."""
    if not path.is_file():
        return False
    try:
        with _opened(path) as connection:
            return bool(connection.execute("SELECT count(*) FROM experiments WHERE name = ?", (name,)).fetchone()[0])
    except sqlite3.DatabaseError as error:
        return "no such table" not in str(error)  # whatever else it is, opening the store mends or names it


def runs_of(path: Path, experiment: str, model: str) -> dict[str, tuple[str, dict[str, str]]]:
    """Return the runs of a model in an experiment, the first that began first: run id → address of its files, and parameters.

    Raises `StoreError` where the file cannot be read.
    """
    own = (
        "SELECT r.run_uuid, r.artifact_uri FROM runs r JOIN experiments e USING (experiment_id) JOIN tags t USING (run_uuid)"
        " WHERE e.name = ? AND r.lifecycle_stage = 'active' AND t.key = 'tabtrail.model' AND t.value = ? ORDER BY r.start_time"
    )
    try:
        with _opened(path) as connection:
            runs = connection.execute(own, (experiment, model)).fetchall()
            read = "SELECT key, value FROM params WHERE run_uuid = ?"
            return {str(run): (str(address), dict(connection.execute(read, (run,)).fetchall())) for run, address in runs}
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be read: {error}") from None


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a file that nothing is written to. sqlite3's own context manager leaves the connection open."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        yield connection
