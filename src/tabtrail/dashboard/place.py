"""Where a dashboard looks: the project, and its files read once for as long as they stay what they are.

Everything is read only. No lock of the project is taken, so a run that is under way never waits for a reader.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import duckdb
import polars as pl
import pyarrow as pa
import streamlit as st

from tabtrail.config.dataset import Database
from tabtrail.config.tree import Config
from tabtrail.data.warehouse import open_rows, quoted
from tabtrail.errors import DataError
from tabtrail.project.paths import Artifacts
from tabtrail.system.files import read_json

Stamp = tuple[int, int]
"""Time of the last change in nanoseconds, and size in bytes."""
Value = str | int | float | bool | None
_LOOKS = 3  # a run may exchange the dataset's folder while it is read, and another one after it


@dataclass(frozen=True)
class Place:
    """The project that a dashboard shows, by its config, and whether it may train."""

    config: Config
    allow_train: bool = False

    @property
    def artifacts(self) -> Artifacts:
        """The files of the model of rows, of that of series where there is no other."""
        return Artifacts.of(self.config)

    @property
    def demand_artifacts(self) -> Artifacts:
        """The files of the model of series."""
        return Artifacts.of(self.config.for_demand())

    @property
    def database(self) -> Database:
        return self.config.database

    @property
    def table(self) -> str:
        """The dataset's table as it is written in SQL."""
        return quoted(self.config.duckdb.table)

    @property
    def has_rows(self) -> bool:
        """Whether there is a dataset to look at."""
        return stamp_of(self.config.paths.manifest) is not None

    def command(self, *words: str) -> str:
        """Return a command of `tabtrail` about this project, as it is typed."""
        return shlex.join(("tabtrail", *words, *self.config.words))

    def json(self, path: Path) -> dict[str, Any] | None:
        """Return what a JSON file holds, None where there is none."""
        stamp = stamp_of(path)
        return None if stamp is None else _read_json(str(path), stamp)

    def frame(self, path: Path) -> pl.DataFrame | None:
        """Return what a small Parquet file holds, None where there is none that can be read."""
        stamp = stamp_of(path)
        return None if stamp is None else _read_frame(str(path), stamp)

    def ask(self, sql: str, bound: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """Return what a question about the dataset's table gives; values are bound by name (`$since`), columns come quoted.

        The answer is kept until the rows change. Raises `DataError` where there are no rows, or none that this config fits.
        """
        found: pl.DataFrame = _ask_once(self._stamped, sql, dict(bound or {}))
        return found

    def fetch(self, sql: str, bound: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """Return what `ask` does, for answers too large to be kept."""
        return _fetch(self.database, sql, dict(bound or {}))

    @property
    def _stamped(self) -> "_Stamped":
        paths = self.config.paths
        return _Stamped(self.database, (stamp_of(paths.manifest), stamp_of(paths.duckdb_file)))


@dataclass(frozen=True)
class _Stamped:
    """A database, and the stamps of its files: what was asked of others is asked again."""

    database: Database
    stamps: tuple[Stamp | None, ...]

    @classmethod
    def key(cls, each: Self) -> tuple[str, str, tuple[Stamp | None, ...]]:
        return str(each.database.file), str(each.database.dataset.folder), each.stamps


def stamp_of(path: Path) -> Stamp | None:
    """Return by what a change of a file is seen, None where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


@st.cache_data(max_entries=64, show_spinner=False)
def _read_json(path: str, stamp: Stamp) -> dict[str, Any] | None:  # noqa: ARG001 - the stamp is part of the cache's key
    return read_json(Path(path))


@st.cache_data(max_entries=16, show_spinner=False)
def _read_frame(path: str, stamp: Stamp) -> pl.DataFrame | None:  # noqa: ARG001
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError):
        return None


@st.cache_data(max_entries=200, show_spinner=False, hash_funcs={_Stamped: _Stamped.key})
def _ask_once(stamped: _Stamped, sql: str, bound: dict[str, Any]) -> pl.DataFrame:
    return _fetch(stamped.database, sql, bound)


def _fetch(database: Database, sql: str, bound: dict[str, Any]) -> pl.DataFrame:
    folder = database.dataset.folder
    for look in range(_LOOKS):
        try:
            with open_rows(database) as connection:
                return _frame(connection.sql(sql, params=bound or None).to_arrow_table())
        except duckdb.IOException as error:  # another process exchanged the folder meanwhile
            if look == _LOOKS - 1:
                raise DataError(f"{folder} cannot be read: {error}") from None
        except duckdb.Error as error:
            what = str(error).splitlines()[0]
            raise DataError(f"the rows in {folder} do not fit this config ({what}); `tabtrail run` makes them anew") from None
    raise AssertionError("unreachable")


def _frame(table: pa.Table) -> pl.DataFrame:
    """Return a result as a frame; a sum of whole numbers, which SQL gives 38 digits, as a double."""
    found = pl.from_arrow(table)
    assert isinstance(found, pl.DataFrame)  # noqa: S101 - a table of Arrow is no series
    return found.with_columns(pl.selectors.decimal().cast(pl.Float64))
