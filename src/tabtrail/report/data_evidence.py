"""What is known of the data and of later rows, and how a page shows it: apart from the evidence on a model, which is heavy."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from tabtrail.data.profile import ColumnProfile, Profile

_SAME = 1 - 1e-9  # a correlation of 1 as it comes out of sums of floats
_WINDOWS = 20  # checked windows on the page; the table of the database has all


@dataclass(frozen=True)
class PageSettings:
    """What the config says about a page.

    `inputs` are the model's columns, `labels` has name and unit of columns that have one. At most `points` rows are drawn one by
    one, and the `top` columns have a dependence plot. `ewma_decay` is that of the forecasts' volatility. `store` is the address
    of the MLflow store, empty where that is not a file.
    """

    inputs: tuple[str, ...]
    labels: Mapping[str, str]
    points: int
    top: int
    ewma_decay: float
    store: str

    def label(self, column: str) -> str:
        """Name and unit of a column, its name where no more is known."""
        return self.labels.get(column, column)


@dataclass(frozen=True)
class DataEvidence:
    """What is known of the data (None: no profile was made), whose column is the target, and how it is shown."""

    profile: Profile | None
    target: str
    settings: PageSettings


def same_columns(profile: Profile) -> dict[str, str]:
    """Return the number columns that repeat an earlier one in every row, each with that one: a year of a partition beside the
    year of the source. A correlation of 1 between equal distributions says so.
    """
    found: dict[str, str] = {}
    for place, column in enumerate(profile.columns):
        same = (each.column for each in profile.columns[:place] if each.column not in found and _repeats(profile, column, each))
        if (first := next(same, None)) is not None:
            found[column.column] = first
    return found


def _repeats(profile: Profile, column: ColumnProfile, other: ColumnProfile) -> bool:
    names = profile.correlated
    if column.numbers is None or not {column.column, other.column} <= set(names):
        return False
    r = profile.correlations[names.index(column.column)][names.index(other.column)]
    alike = (column.numbers, column.histogram, column.missing, column.distinct) == (
        *(other.numbers, other.histogram, other.missing, other.distinct),
    )
    return alike and r is not None and r > _SAME


def each_once(profile: Profile) -> Profile:
    """Return the profile without columns that repeat another."""
    left_out = same_columns(profile)
    kept = [place for place, name in enumerate(profile.correlated) if name not in left_out]
    return replace(
        profile,
        columns=tuple(each for each in profile.columns if each.column not in left_out),
        outliers=tuple(each for each in profile.outliers if each.column not in left_out),
        correlated=tuple(profile.correlated[place] for place in kept),
        correlations=tuple(tuple(profile.correlations[row][column] for column in kept) for row in kept),
    )


@dataclass(frozen=True)
class CheckedWindow:
    """A window that was checked for drift, and the columns that drift."""

    window: str
    reference: str
    created: str
    rows: int
    alarm: bool
    columns: tuple[str, ...]


def checked_windows(table: Path) -> list[CheckedWindow]:
    """Return the newest windows of the table `drift`, the newest first; none where nothing was checked."""
    if not table.is_file():
        return []
    keys = ["window", "reference", "created", "rows", "alarm"]
    own = pl.read_parquet(table).group_by(keys).agg(pl.col("column").filter("column_alarm"))
    newest = own.sort("created", "window", descending=True).head(_WINDOWS)
    return [
        CheckedWindow(**{key: row[key] for key in keys}, columns=tuple(row["column"])) for row in newest.iter_rows(named=True)
    ]
