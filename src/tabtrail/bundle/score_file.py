"""Files of any size: rows in, predictions out, in their order and in bounded memory."""

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tabtrail.bundle.arrow_arrays import bounds_to_arrow, coded_to_arrow, texts_to_arrow, to_arrow
from tabtrail.bundle.arrow_columns import ColumnReader
from tabtrail.bundle.cell_columns import CellReader
from tabtrail.bundle.columnar import Array, CodedTexts, Columns, ColumnScorer, respell_columns
from tabtrail.bundle.file_dates import FileDates
from tabtrail.bundle.input_blocks import Blocks, InputFile
from tabtrail.bundle.metadata import date_column_of, melted_of
from tabtrail.bundle.outputs import Output, OutputFile, OutputFiles
from tabtrail.bundle.predictor import MISSING, Predictor
from tabtrail.bundle.wide_blocks import Block
from tabtrail.contract.schema import Feature
from tabtrail.errors import DataError, UsageError

_UNSEEN = ("the model has not seen", "outside the training range")
_REJECTS = pa.schema([("row", pa.int64()), ("reason", pa.string())])


@dataclass
class ScoredFile:
    """What became of a file: rows read, scored, rejected, and rows with a warning, in all and by what it is about; the
    columns that were written, and those of the file that neither the model nor the output takes.
    """

    rows: int = 0
    scored: int = 0
    rejected: int = 0
    warned: int = 0
    warned_of: Counter[str] = field(default_factory=Counter)
    encoding: str = ""
    rejects: Path | None = None
    first_reason: str = ""
    notes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    not_repeated: tuple[str, ...] = ()


def score_file(
    predictor: Predictor,
    file: InputFile,
    output: Output,
    *,
    intervals: bool,
    report: Callable[[int], None] = lambda rows: None,
) -> ScoredFile:
    """Predict every row of a file; refused rows go to `<output>_rejects` with their number and the reason.

    Output: `row` (from 1), the kept columns, `prediction`, `low` and `high` (with `intervals`), `warnings` (null where there
    are none); by period, a row whose date is missing goes to `without_date`. `report` takes the rows done after each block.
    Raises `UsageError` for files that cannot be used, `DataError` when no row at all can be scored, or the dates of one can
    only be in a format that the training disproved.
    """
    _check_paths(file, output)
    found = ScoredFile()
    score = BlockScorer(predictor, file, _dates(predictor, output), intervals=intervals)
    blocks = Blocks(file, score.features, melted_of(predictor.metadata))
    with ExitStack() as files:
        rejected, scored = OutputFile(files, output.rejects), OutputFiles(files, output)
        for block in blocks:
            table, days, refused = score(block)
            scored.write(table, days)
            found.columns = tuple(table.column_names)
            found.rows += len(block.numbers) + len(block.broken)
            found.scored += table.num_rows
            found.rejected += len(refused)
            found.warned += table.num_rows - table.column("warnings").null_count
            if refused:
                found.first_reason = found.first_reason or f"row {refused[0][0]}: {refused[0][1]}"
                rejected.write(_reject_table(refused))
            report(found.rows)
        found.warned_of, found.not_repeated = score.warned_of, blocks.not_repeated
        found.encoding, found.notes = blocks.encoding, (*blocks.notes, *score.file_dates.notes, *score.notes())
        if not found.scored:
            reason = f"; {found.first_reason}" if found.first_reason else ": it has none"
            raise DataError(f"no row of {file.path.name} can be scored{reason}")
        found.rejects = output.rejects if found.rejected else None
    if not found.rejected:
        output.rejects.unlink(missing_ok=True)
    return found


def _dates(predictor: Predictor, output: Output) -> Feature | None:
    """Return the column by which the output is parted, None for one file. Raises `UsageError` where there is no such column."""
    if output.by is None:
        return None
    found = date_column_of(predictor.metadata)
    if found is None:
        raise UsageError(f"--by {output.by}: the model knows no date column; set cleaning.date_column and train again")
    return found


def _check_paths(file: InputFile, output: Output) -> None:
    if not file.path.is_file():
        what = "is not a file" if file.path.exists() else "is not there"
        raise UsageError(f"--input {file.path} {what}")
    for path in (*((output.path,) if output.by is None else ()), output.rejects):
        if path.is_dir():
            raise UsageError(f"--output: {path} is a folder; name a file that can be written there")
    if output.by is not None and output.path.exists() and not output.path.is_dir():
        raise UsageError(f"--output: {output.path} is not a folder, which --by needs")
    if output.path.exists() and output.path.samefile(file.path):
        raise UsageError("--output is --input; name another file")
    taken = {"row", "prediction", "low", "high", "warnings"} & set(file.keep)
    if taken:
        raise UsageError(f"--id {taken.pop()}: the output has a column of its own by this name")


class BlockScorer:
    """Turns a block into the table of its predictions, the day of each row (with a column of `dates`), and the number and
    reason of each refused row, in order. `features` are the columns that it reads.
    """

    def __init__(self, predictor: Predictor, file: InputFile, dates: Feature | None, *, intervals: bool) -> None:
        own, keep = predictor.schema.features, file.keep
        self.file_dates = FileDates(file.path.name, predictor.metadata.get("last_dates", {}))
        self._model_takes = predictor.schema.names
        self._dated = [feature for feature in own if feature.kind == "date"]
        self.features = own if dates is None or dates.name in predictor.schema.names else (*own, dates)
        self._scorer, self._read, self._read_cells = ColumnScorer(predictor), ColumnReader(own), CellReader(own)
        self._aliases, self._respelled = predictor.schema.aliases, Counter[str]()
        self.warned_of = Counter[str]()
        self._dates = dates
        self._keep, self._intervals = keep, intervals and predictor.interval_level is not None

    def __call__(self, block: Block) -> tuple[Any, Array, list[tuple[int, str]]]:
        columns: Columns
        read, unread = self._read(block.batch) if block.cells is None else self._read_cells(block.cells)
        self._respelled.update(respell_columns(read, self._aliases))
        columns = read
        self.file_dates.see(block, self._dated, columns, unread)
        refused = self._scorer.refused(columns, unread)
        days = self._days(block, refused)
        batch, numbers = block.batch, block.numbers
        if refused:
            good = np.ones(len(numbers), dtype=bool)
            good[list(refused)] = False
            rows = np.flatnonzero(good)
            columns = {
                name: column.take(rows) if isinstance(column, CodedTexts) else column[rows] for name, column in columns.items()
            }
            batch, numbers, days = batch.take(to_arrow(rows)), numbers[rows], days[rows]
        columns = self._scorer.filled(columns)
        scores = self._scorer.score(columns, intervals=self._intervals)
        found = self._scorer.warnings(columns)
        self.warned_of.update(kinds_of_warnings(found))
        warnings = coded_to_arrow(found)
        bounds = [bounds_to_arrow(bound) for bound in (scores.low, scores.high) if bound is not None]
        keep = (*self._keep, *(name for name in block.made if name not in self._keep))
        names = ["row", *keep, "prediction", *(("low", "high") if len(bounds) else ()), "warnings"]
        kept = (batch.column(name) for name in keep)
        table = pa.table([to_arrow(numbers), *kept, to_arrow(scores.values), *bounds, warnings], names=names)
        reasons = [(int(block.numbers[index]), reason) for index, reason in refused.items()]
        finite = np.isfinite(scores.values)
        if not finite.all():
            reasons += [(int(number), "the prediction is not finite; the values are too large") for number in numbers[~finite]]
            table = table.filter(to_arrow(finite))
            days = days[finite]
        return table, days, sorted(reasons + block.broken)

    def notes(self) -> list[str]:
        """Say how many texts were read as the ones that they are another spelling of."""
        counts = self._respelled + self._read.respelled + self._read_cells.respelled
        return [f"{name}: {count:,} texts are another spelling, read by the model's aliases" for name, count in counts.items()]

    def _days(self, block: Block, refused: dict[int, str]) -> Array:
        """Return the day of each row (None for none), and add the rows whose date cannot be read to those that are refused."""
        if self._dates is None:
            return np.full(len(block.numbers), None)
        dates = [self._dates]
        columns, unread = ColumnReader(dates)(block.batch) if block.cells is None else CellReader(dates)(block.cells)
        if self._dates.name not in self._model_takes:
            self.file_dates.see(block, dates, columns, unread)
        for index, wrong in unread.items():
            refused.setdefault(index, f"{self._dates.name}: {wrong[self._dates.name].message}")
        column = columns[self._dates.name]
        assert isinstance(column, CodedTexts)  # noqa: S101 - so dates are read
        return column.map(lambda day: day, object)


def kinds_of_warnings(warnings: CodedTexts) -> Counter[str]:
    """Return how many rows have a warning of a missing value, and of one that training has not seen; a row can have both."""
    counts = Counter[str]()
    for text, rows in zip(warnings.values, np.bincount(warnings.codes, minlength=len(warnings.values)).tolist(), strict=True):
        if text is not None:
            counts["a missing value"] += rows if MISSING in text else 0
            counts["a value that the model has not seen"] += rows if any(each in text for each in _UNSEEN) else 0
    return counts


def _reject_table(refused: list[tuple[int, str]]) -> Any:
    numbers = np.array([number for number, _ in refused], dtype=np.int64)
    reasons = [reason for _, reason in refused]
    return pa.table([to_arrow(numbers), texts_to_arrow(reasons)], schema=_REJECTS)
