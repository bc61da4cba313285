"""A SQLite store whose folder was copied or moved: MLflow notes absolute addresses, which lead to where it was.

The addresses in it are changed to where it lies now, so that a copy writes into itself and not into the original. This needs no
MLflow, so that what takes the project's lock can do it.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tabtrail.tracking import sqlite_file

_SCHEME = "file://"
_EXPERIMENTS = ("experiments", "artifact_location", "experiment_id")
_LATER = (
    ("runs", "artifact_uri", "run_uuid"),
    ("logged_models", "artifact_location", "model_id"),
    ("model_versions", "source", "rowid"),
    ("model_versions", "storage_location", "rowid"),
)


def left_folder(path: Path) -> Path | None:
    """Return the folder that a store was copied or moved from, by the addresses in it; None for one that was not moved.

    A folder without a store of this name that is still there was chosen for the artifacts by somebody, and stays.
    """
    if not path.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            return next(_left_folders(connection, path), None)
    except sqlite3.DatabaseError:
        return None  # not a store, or damaged: opening it says so


def take_over(path: Path) -> Path | None:
    """Let the addresses of a store that was copied or moved lead to its own folder, and return the folder that it left.

    Callers hold the lock of the store. Files that stayed behind where they still are (the database alone was copied) keep their
    addresses; what is written from now on lies beside the store.
    """
    first = left_folder(path)
    if first is None or not os.access(path, os.W_OK):
        return None
    with closing(sqlite3.connect(path, timeout=sqlite_file.LOCKED_SECONDS)) as connection, connection:
        for left in list(_left_folders(connection, path)):
            for table, column, key in (_EXPERIMENTS, *_LATER):
                _replace(connection, (table, column, key), str(left), str(path.parent))
    return first


def _left_folders(connection: sqlite3.Connection, path: Path) -> Iterator[Path]:
    """Yield the folders in which the store made experiments, `<folder>/<id>`, before it was here."""
    made: dict[Path, list[str]] = {}
    for key, location in connection.execute("SELECT experiment_id, artifact_location FROM experiments"):
        folder = Path(str(location).removeprefix(_SCHEME))
        if folder.is_absolute() and folder.name == str(key) and folder.parent != path.parent:
            made.setdefault(folder.parent, []).append(str(key))
    for folder, keys in made.items():
        original = folder / path.name
        if original.exists():
            if not original.samefile(path):  # else it is the same folder by another name, through a link or a mount
                yield folder
        elif not folder.exists() and (_lie_here(path, keys) or not _have_runs(connection, keys)):
            yield folder


def _lie_here(path: Path, keys: list[str]) -> bool:
    return any((path.parent / key).is_dir() for key in keys)


def _have_runs(connection: sqlite3.Connection, keys: list[str]) -> bool:
    counts = [connection.execute("SELECT count(*) FROM runs WHERE experiment_id = ?", (key,)).fetchone()[0] for key in keys]
    return any(counts)


def _replace(connection: sqlite3.Connection, where: tuple[str, str, str], left: str, here: str) -> None:
    table, column, key = where
    if column not in {str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})")}:
        return  # a store of an older MLflow
    for scheme in ("", _SCHEME):
        begins = f"{scheme}{left}/"
        rows = connection.execute(f"SELECT {key}, {column} FROM {table} WHERE substr({column}, 1, ?) = ?", (len(begins), begins))  # noqa: S608
        for identity, address in rows.fetchall():
            own = here + str(address)[len(begins) - 1 :]
            stayed = table != _EXPERIMENTS[0] and Path(f"{left}/{address[len(begins) :]}").exists() and not Path(own).exists()
            if not stayed:
                connection.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (scheme + own, identity))  # noqa: S608
