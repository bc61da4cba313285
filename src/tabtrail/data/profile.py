"""What the data looks like, as values: every column, outliers, groups, correlations, and the rows that a picture needs."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from tabtrail.data.manifest import Manifest
from tabtrail.data.result_files import PROFILE_TABLES, profile_files
from tabtrail.errors import DataError
from tabtrail.system.files import atomic_file, read_json, write_json


@dataclass(frozen=True)
class Numbers:
    """Statistics of a number column over its known values, in its own units; `std` has ddof 1 (None for one row)."""

    mean: float
    std: float | None
    min: float
    p05: float
    q1: float
    median: float
    q3: float
    p95: float
    max: float


@dataclass(frozen=True)
class Histogram:
    """`counts` rows between neighbouring `edges` (one more than counts), each bin closed on the left, the last on both sides."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class ColumnProfile:
    """One column: rows, missing values of the source and how many of them were filled, distinct values of the dataset; its most
    frequent values (text, rows) or its numbers.
    """

    column: str
    dtype: str
    rows: int
    missing: int
    distinct: int
    first: str | None
    last: str | None
    top: tuple[tuple[str, int], ...] = ()
    numbers: Numbers | None = None
    histogram: Histogram | None = None
    filled: int = 0


@dataclass(frozen=True)
class OutlierReport:
    """Rows outside a column's fences, of all rows; `sequential`: of those that the columns before it leave."""

    column: str
    q1: float
    q3: float
    low: float
    high: float
    below: int
    above: int
    sequential: int


@dataclass(frozen=True)
class Group:
    """Statistics of `measure` over the rows in which `by` has this value."""

    measure: str
    by: str
    value: str
    rows: int
    numbers: Numbers


@dataclass(frozen=True)
class Profile:
    """The data as a person wants to see it. `sample` holds up to `profile.points` rows of the scatter plots, by column.

    `dropped` are the columns of the source that the dataset does not have, with their missing values; `findings` what
    ingest found that a person should look at.
    """

    rows: int
    columns: tuple[ColumnProfile, ...]
    outlier_factor: float
    outlier_action: str
    outliers: tuple[OutlierReport, ...]
    groups: tuple[Group, ...]
    groups_left_out: dict[str, int]
    correlated: tuple[str, ...]
    correlations: tuple[tuple[float | None, ...], ...]
    scatter: tuple[tuple[str, str], ...]
    boxes: tuple[tuple[str, str], ...]
    sample: dict[str, tuple[float, ...]]
    dropped: dict[str, int] = field(default_factory=dict)
    findings: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> "Profile":
        """Rebuild a profile from its JSON form."""
        columns = tuple(_column_from(each) for each in value["columns"])
        groups = tuple(Group(**{**each, "numbers": Numbers(**each["numbers"])}) for each in value["groups"])
        return cls(
            **{
                **value,
                "columns": columns,
                "groups": groups,
                "outliers": tuple(OutlierReport(**each) for each in value["outliers"]),
                "scatter": tuple((x, y) for x, y in value["scatter"]),
                "boxes": tuple((x, y) for x, y in value["boxes"]),
                "findings": tuple(value.get("findings", ())),
                "correlated": tuple(value["correlated"]),
                "correlations": tuple(map(tuple, value["correlations"])),
                "sample": {name: tuple(values) for name, values in value["sample"].items()},
            }
        )


def with_account(profile: Profile, manifest: Manifest) -> Profile:
    """Return the profile with what the dataset does not show of its source: missing values before filling, dropped columns."""
    columns = tuple(
        replace(each, missing=manifest.nulls[each.column], filled=manifest.nulls[each.column] - each.missing)
        for each in profile.columns
    )
    dropped = {name: nulls for name, nulls in manifest.nulls.items() if name not in manifest.schema}
    return replace(profile, columns=columns, dropped=dropped, findings=tuple(manifest.findings))


def write_profile(profile: Profile, output_dir: Path) -> None:
    """Write `summary/profile.json`, and as CSV and Parquet the statistics of number columns, the outliers and the groups."""
    folder = output_dir / "summary"
    write_json(folder / "profile.json", asdict(profile))
    for name, frame in _tables(profile).items():
        with atomic_file(folder / f"{name}.csv") as temporary:
            frame.write_csv(temporary)
        with atomic_file(folder / f"{name}.parquet") as temporary:
            frame.write_parquet(temporary, compression="zstd")


def read_profile(output_dir: Path) -> Profile:
    """Return the last description of the data. Raises `DataError` where there is none."""
    path = profile_files(output_dir)[0]
    value = read_json(path)
    if value is None:
        raise DataError(f"there is no profile {path}; run `tabtrail profile` first")
    return Profile.from_dict(value)


def _tables(profile: Profile) -> dict[str, pl.DataFrame]:
    numbers = [
        {"column": each.column, "count": each.rows - each.missing, "missing": each.missing, "distinct": each.distinct}
        | asdict(each.numbers)
        for each in profile.columns
        if each.numbers is not None
    ]
    groups = [
        {name: getattr(each, name) for name in ("measure", "by", "value", "rows")} | asdict(each.numbers)
        for each in profile.groups
    ]
    outliers = [asdict(each) | {"factor": profile.outlier_factor} for each in profile.outliers]
    frames = (pl.DataFrame(rows, infer_schema_length=None) for rows in (numbers, outliers, groups))
    return dict(zip(PROFILE_TABLES, frames, strict=True))


def _column_from(value: dict[str, Any]) -> ColumnProfile:
    numbers, histogram = value["numbers"], value["histogram"]
    return ColumnProfile(
        **{
            **value,
            "top": tuple((text, rows) for text, rows in value["top"]),
            "numbers": None if numbers is None else Numbers(**numbers),
            "histogram": None if histogram is None else Histogram(tuple(histogram["edges"]), tuple(histogram["counts"])),
        }
    )
