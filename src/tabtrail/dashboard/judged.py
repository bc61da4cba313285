"""Predictions of rows that the champion did not learn from, with the columns of the dataset to choose rows by."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

import numpy as np
import polars as pl

from tabtrail.config.dataset import Dataset
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.manifest import read_manifest
from tabtrail.errors import DataError
from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.modeling.metrics import METRICS

Part = Literal["test", "cv"]
_TARGET, _KEPT = "\0target", "\0kept"  # the names of no columns
_SAME = 1e-5  # the leaderboard has seven significant digits
_MOST_ROWS = 1_000_000  # of a part: about 100 MB with ten columns to choose by; the page says how many are left out


@dataclass(frozen=True)
class Judged:
    """`predictions` has a row for each prediction: part (`cv`: out of fold; `test`), row (its place in the dataset), actual,
    predicted, low, high, date, group. `rows` are the same rows with the dataset's columns, in the same order; where they could
    not be found, `missing` says why and what mends it, and `rows` has the date alone. `left_out` counts predictions that were
    not read.
    """

    predictions: pl.DataFrame
    rows: pl.DataFrame
    missing: str = ""
    left_out: int = 0

    def part(self, name: Part) -> Self:
        """Return the predictions of one part: the two are never shown together."""
        return self.keep(self.predictions.get_column("part") == name)

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


def read_judged(table: Path, board: Leaderboard, dataset: Dataset, columns: RowColumns) -> Judged:
    """Return the champion's predictions with the columns of their rows.

    A row is found by its place in the dataset: only where that is the one that the run learned from (by its hash), and every
    actual value stands at its place. Raises `DataError` for predictions that are missing, or of another run than the leaderboard.
    """
    predictions, left_out = _read(table)
    _require_own(predictions, board)
    missing = _complaint(board, dataset)
    rows = None if missing else _rows(predictions, dataset, columns)
    if rows is None:
        missing = missing or (
            "the run learned from a sample of the dataset, so the places of its rows are not known; rows are chosen by date alone"
        )
        rows = predictions.select(pl.col("date").alias(columns.date or "date"))
    return Judged(predictions, rows, missing, left_out)


def _read(table: Path) -> tuple[pl.DataFrame, int]:
    """Return the predictions, of more than a million out of fold every second, third … one, and how many were left out."""
    try:
        scan = pl.scan_parquet(table)
        rows = scan.select(pl.len()).collect().item()
        every = -(-rows // _MOST_ROWS)
        test, folds = scan.filter(pl.col("part") == "test"), scan.filter(pl.col("part") == "cv")
        found = pl.concat([folds.gather_every(every), test]).collect()
    except (OSError, pl.exceptions.PolarsError):
        raise DataError(f"there is no {table.name} that can be read; `tabtrail train --force` writes it again") from None
    return found, rows - found.height


def _require_own(predictions: pl.DataFrame, board: Leaderboard) -> None:
    """Raise `DataError` where the test predictions do not make the figure of the leaderboard: they are of another run."""
    test, stated = predictions.filter(pl.col("part") == "test"), board.champion_row.test["rmse"]
    found = None
    if test.height == board.test_rows and test.height:
        found = METRICS["rmse"].compute(test["actual"].to_numpy(), test["predicted"].to_numpy())
    if stated is not None and (found is None or not np.isclose(found, stated, rtol=_SAME, atol=1e-12)):
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
    """Return the dataset's columns of each prediction, None where an actual value is not at its place."""
    scan = scan_dataset(dataset)
    there = scan.collect_schema().names()
    wanted = [*columns.names, *([columns.date] if columns.date else [])]
    names = [name for name in dict.fromkeys(wanted) if name in there]
    data = scan.select(*names, pl.col(columns.target).cast(pl.Float64).alias(_TARGET)).collect()
    places = predictions.get_column("row")
    if places.len() and int(places.max()) >= data.height:  # type: ignore[arg-type]
        return None
    found = data[places]
    same = found.get_column(_TARGET).equals(predictions.get_column("actual"), check_names=False)
    return found if same else None
