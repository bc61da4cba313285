"""Predictions of rows that the champion did not learn from, with the columns of the dataset to choose rows by."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Self

import polars as pl

from tabtrail.config.dataset import Dataset
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.manifest import read_manifest
from tabtrail.errors import DataError
from tabtrail.modeling.leaderboard import Leaderboard

Part = Literal["test", "cv"]
_TARGET, _KEPT = "\0target", "\0kept"  # the names of no columns
_SAME = 1e-5  # the leaderboard has seven significant digits
_BLOCK = 200_000  # rows of the dataset that are held at once
_MOST_ROWS = 200_000  # about 110 MB with 15 columns to choose by; the page says how many are left out


@dataclass(frozen=True)
class Judged:
    """Predictions of one part: those of rows out of fold (`cv`) and those of the test part (`test`) are never together.

    `predictions` has a row for each: row (its place in the dataset, ascending), actual, predicted, low, high, date, group. `rows`
    are the same rows with the dataset's columns, in the same order; where they could not be found, `missing` says why and what
    mends it, and `rows` has the date alone. `left_out` counts predictions that were not read. `days` are the different dates of
    both parts, so that what can be chosen does not change with the part.
    """

    part: Part
    predictions: pl.DataFrame
    rows: pl.DataFrame
    missing: str = ""
    left_out: int = 0
    days: pl.Series = field(default_factory=lambda: pl.Series([], dtype=pl.Date))

    def where(self, condition: pl.Expr) -> Self:
        """Return the rows that keep a condition over `rows`; unknown is not kept."""
        return self.keep(self.mask(condition))

    def mask(self, condition: pl.Expr) -> pl.Series:
        """Tell of each row whether it keeps a condition over `rows`."""
        return self.rows.with_columns(condition.fill_null(value=False).alias(_KEPT)).get_column(_KEPT)

    def keep(self, mask: pl.Series) -> Self:
        """Return the rows of which the mask tells so."""
        return replace(self, predictions=self.predictions.filter(mask), rows=self.rows.filter(mask))


@dataclass(frozen=True)
class RowColumns:
    """What rows are chosen by: `names` of the dataset's columns, that of the target and, where there is one, that of the date."""

    names: Sequence[str]
    target: str
    date: str | None


def read_judged(table: Path, part: Part, board: Leaderboard, dataset: Dataset, columns: RowColumns) -> Judged:
    """Return the champion's predictions of one part with the columns of their rows.

    A row is found by its place in the dataset: only where that is the one that the run learned from (by its hash), and every
    actual value stands at its place. Raises `DataError` for predictions that are missing, or of another run than the leaderboard.
    """
    try:
        scan = pl.scan_parquet(table)
        _require_own(scan, board)
        predictions, left_out = _read(scan.filter(pl.col("part") == part))
        days = scan.select(pl.col("date").drop_nulls().unique()).collect().to_series().sort()
    except (OSError, pl.exceptions.PolarsError):
        raise DataError(f"there is no {table.name} that can be read; `tabtrail train --force` writes it again") from None
    missing = _complaint(board, dataset)
    rows = None if missing else _rows(predictions, dataset, columns)
    if rows is None:
        missing = missing or (
            "the run learned from a sample of the dataset, so the places of its rows are not known; rows are chosen by date alone"
        )
        rows = predictions.select(pl.col("date").alias(columns.date or "date"))
    return Judged(part, predictions, rows, missing, left_out, days)


def _read(scan: pl.LazyFrame) -> tuple[pl.DataFrame, int]:
    """Return the predictions, of more than 200,000 those of every second, third … row of the dataset, and how many were left
    out.
    """
    rows = scan.select(pl.len()).collect().item()
    every = max(1, -(-rows // _MOST_ROWS))
    found = scan.drop("part").filter(pl.col("row") % every == 0).collect(engine="streaming").sort("row")
    return found, rows - found.height


def _require_own(scan: pl.LazyFrame, board: Leaderboard) -> None:
    """Raise `DataError` where the test predictions do not make the figures of the leaderboard: they are of another run.

    The RMSE alone does not tell: where the mean error is near zero, a shift of all predictions hardly changes it.
    """
    error, stated = pl.col("predicted") - pl.col("actual"), board.champion_row.test
    figures = {"rmse": (error**2).mean().sqrt(), "bias": error.mean()}
    own = scan.filter(pl.col("part") == "test").select(pl.len(), **figures).collect().row(0, named=True)
    near = _SAME * abs(own["rmse"] or 0.0) + 1e-12
    same = [
        own[name] is None if known is None else own[name] is not None and abs(own[name] - known) <= near
        for name in figures
        if (known := stated.get(name)) is not None or name == "rmse"
    ]
    if own["len"] != board.test_rows or not all(same):
        raise DataError(
            "the stored predictions are of another run than the leaderboard: a training may be writing them; try again, or run"
            " `tabtrail train --force`"
        )


def _complaint(board: Leaderboard, dataset: Dataset) -> str:
    """Say why the dataset cannot be the one that the run learned from; "" where it is."""
    try:
        own = read_manifest(dataset).data_sha256
    except DataError:
        return "the dataset is not there, so rows are chosen by date alone; `tabtrail ingest` makes it"
    if own != board.data_sha256:
        return "the dataset has changed since the run, so rows are chosen by date alone; `tabtrail train` learns from it"
    return ""


def _rows(predictions: pl.DataFrame, dataset: Dataset, columns: RowColumns) -> pl.DataFrame | None:
    """Return the dataset's columns of each prediction, None where an actual value is not at its place. Only these rows are held
    in memory, their texts as codes.
    """
    scan = scan_dataset(dataset)
    schema = scan.collect_schema()
    wanted = [*columns.names, *([columns.date] if columns.date else [])]
    names = [name for name in dict.fromkeys(wanted) if name in schema]
    own = [pl.col(name).cast(pl.Categorical) if schema[name] == pl.String else pl.col(name) for name in names]
    chosen = scan.select(*own, pl.col(columns.target).cast(pl.Float64).alias(_TARGET))
    parts = list(_at_places(chosen, predictions.get_column("row")))
    if not parts:
        return chosen.head(0).collect()
    found = pl.concat(parts)
    same = found.get_column(_TARGET).equals(predictions.get_column("actual"), check_names=False)
    return found if same else None


def _at_places(scan: pl.LazyFrame, places: pl.Series) -> Iterator[pl.DataFrame]:
    """Yield the rows at ascending places, block by block of the dataset, so that no more than a block is held beside them."""
    last = -1 if places.is_empty() else int(places[-1])
    for start in range(0, last + 1, _BLOCK):
        own = places.filter((places >= start) & (places < start + _BLOCK)) - start
        block = scan.slice(start, _BLOCK).collect()
        yield block[own.filter(own < block.height)]
