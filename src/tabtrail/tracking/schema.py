"""The version of a database's tables against that of the installed MLflow, read without importing MLflow (seconds)."""

import re
import sqlite3
from contextlib import closing
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from tabtrail.system.addresses import without_passwords

_REVISION = re.compile(r"^(revision|down_revision)(?:\s*:[^=]+)?\s*=\s*[\"']([0-9a-f]+)[\"']", re.MULTILINE)
_OUTDATED = re.compile(r"out-of-date database schema \(found version (\w+)")


def outdated(path: Path) -> str:
    """Return what is wrong with the version of a SQLite store, and the remedy; empty where it is MLflow's of today."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.DatabaseError:
        return ""  # not a store, or one at work, which other checks name
    return "" if row is None or row[0] == _newest() else explain(str(row[0]), f"sqlite:///{path}")


def outdated_in(message: str, address: str) -> str:
    """Return the same of what MLflow said when it was given the store at an address; empty where that was something else."""
    found = _OUTDATED.search(message)
    return "" if found is None else explain(found[1], address)


def explain(version: str, address: str) -> str:
    """Say of which MLflow a store with tables of this version is, and what to do."""
    if version not in _revisions():
        return f"its tables are of a newer MLflow (version {version}): upgrade MLflow here (pip install --upgrade mlflow)"
    shown = without_passwords(address)
    return f"its tables are of an older MLflow (version {version}): make a backup, then: mlflow db upgrade {shown}"


def _newest() -> str:
    revisions = _revisions()
    return next(iter(set(revisions) - set(revisions.values())), "")


@cache
def _revisions() -> dict[str, str]:
    """Return each version of the tables that the installed MLflow knows, with the one before it ("" before the first)."""
    spec = find_spec("mlflow")
    folders = [] if spec is None else spec.submodule_search_locations or []
    found = {}
    for folder in folders:
        for file in (Path(folder) / "store" / "db_migrations" / "versions").glob("*.py"):
            said = dict(_REVISION.findall(file.read_text(encoding="utf-8")))
            if "revision" in said:
                found[said["revision"]] = said.get("down_revision", "")
    return found
