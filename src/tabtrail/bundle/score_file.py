"""Files of any size: rows in, predictions out as Parquet, in their order and in bounded memory."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tabtrail.bundle.arrow_columns import ColumnReader, texts_to_arrow, to_arrow
from tabtrail.bundle.cell_columns import CellReader
from tabtrail.bundle.columnar import CodedTexts, Columns, ColumnScorer
from tabtrail.bundle.input_blocks import Block, Blocks, InputFile
from tabtrail.bundle.predictor import Predictor
from tabtrail.errors import DataError, UsageError
from tabtrail.system.files import atomic_file

_REJECTS = pa.schema([("row", pa.int64()), ("reason", pa.string())])


@dataclass
class ScoredFile:
    """What became of a file: rows read, scored, rejected, and rows with something that the model has not seen."""

    rows: int = 0
    scored: int = 0
    rejected: int = 0
    warned: int = 0
    encoding: str = ""
    rejects: Path | None = None
    first_reason: str = ""
    notes: tuple[str, ...] = ()


def score_file(
    predictor: Predictor,
    file: InputFile,
    output: Path,
    *,
    intervals: bool,
    report: Callable[[int], None] = lambda rows: None,
) -> ScoredFile:
    """Predict every row of a file; refused rows go to `<output>_rejects.parquet` with their number and the reason.

    Output: `row` (from 1), the kept columns, `prediction`, `low` and `high` (with `intervals`), `warnings` (null where there
    are none). `report` takes the rows done after each block. Raises `UsageError` for files that cannot be used, `DataError`
    when no row at all can be scored.
    """
    _check_paths(file, output)
    found, rejects = ScoredFile(), rejects_path(output)
    blocks = Blocks(file, predictor.schema.features)
    score = _BlockScorer(predictor, file.keep, intervals=intervals and predictor.calibrated is not None)
    with ExitStack() as files:
        rejected, scored = _Writer(files, rejects), _Writer(files, output)
        for block in blocks:
            table, refused = score(block)
            scored.write(table)
            found.rows += len(block.numbers) + len(block.broken)
            found.scored += table.num_rows
            found.rejected += len(refused)
            found.warned += table.num_rows - table.column("warnings").null_count
            if refused:
                found.first_reason = found.first_reason or f"row {refused[0][0]}: {refused[0][1]}"
                rejected.write(_reject_table(refused))
            report(found.rows)
        found.encoding, found.notes = blocks.encoding, tuple(blocks.notes)
        if not found.scored:
            reason = f"; {found.first_reason}" if found.first_reason else ": it has none"
            raise DataError(f"no row of {file.path.name} can be scored{reason}")
        found.rejects = rejects if found.rejected else None
    if not found.rejected:
        rejects.unlink(missing_ok=True)
    return found


def rejects_path(output: Path) -> Path:
    """Path of the file for the refused rows."""
    return output.with_name(f"{output.stem}_rejects.parquet")


def _check_paths(file: InputFile, output: Path) -> None:
    if not file.path.is_file():
        what = "is not a file" if file.path.exists() else "is not there"
        raise UsageError(f"--input {file.path} {what}")
    for path in (output, rejects_path(output)):
        if path.is_dir():
            raise UsageError(f"--output: {path} is a folder; name a file that can be written there")
    if output.suffix.lower() != ".parquet":
        raise UsageError(f"--output {output}: predictions of a file are Parquet; the name must end in .parquet")
    if output.exists() and output.samefile(file.path):
        raise UsageError("--output is --input; name another file")
    taken = {"row", "prediction", "low", "high", "warnings"} & set(file.keep)
    if taken:
        raise UsageError(f"--id {taken.pop()}: the output has a column of its own by this name")


class _Writer:
    """A Parquet file that is created with its first rows, and is whole or absent."""

    def __init__(self, files: ExitStack, path: Path) -> None:
        self._files, self._path = files, path
        self._writer: Any = None

    def write(self, table: Any) -> None:
        if self._writer is None:
            temporary = self._files.enter_context(atomic_file(self._path))
            self._writer = self._files.enter_context(pq.ParquetWriter(temporary, table.schema, compression="zstd"))
        self._writer.write_table(table)


class _BlockScorer:
    """Turns a block into the table of its predictions, and the number and reason of each refused row, in order."""

    def __init__(self, predictor: Predictor, keep: Sequence[str], *, intervals: bool) -> None:
        self._scorer, self._read = ColumnScorer(predictor), ColumnReader(predictor.schema.features)
        self._read_cells = CellReader(predictor.schema.features)
        self._keep, self._intervals = keep, intervals
        self._names = ["row", *keep, "prediction", *(("low", "high") if intervals else ()), "warnings"]

    def __call__(self, block: Block) -> tuple[Any, list[tuple[int, str]]]:
        columns: Columns
        columns, unread = self._read(block.batch) if block.cells is None else self._read_cells(block.cells)
        refused = self._scorer.refused(columns, unread)
        batch, numbers = block.batch, block.numbers
        if refused:
            good = np.ones(len(numbers), dtype=bool)
            good[list(refused)] = False
            rows = np.flatnonzero(good)
            columns = {
                name: column.take(rows) if isinstance(column, CodedTexts) else column[rows] for name, column in columns.items()
            }
            batch, numbers = batch.take(pa.array(rows)), numbers[rows]
        columns = self._scorer.filled(columns)
        scores = self._scorer.score(columns, intervals=self._intervals)
        warnings = texts_to_arrow(self._scorer.warnings(columns), len(numbers))
        bounds = (to_arrow(bound) for bound in (scores.low, scores.high) if bound is not None)
        kept = (batch.column(name) for name in self._keep)
        table = pa.table([to_arrow(numbers), *kept, to_arrow(scores.values), *bounds, warnings], names=self._names)
        reasons = [(int(block.numbers[index]), reason) for index, reason in refused.items()]
        finite = np.isfinite(scores.values)
        if not finite.all():
            reasons += [(int(number), "the prediction is not finite; the values are too large") for number in numbers[~finite]]
            table = table.filter(pa.array(finite))
        return table, sorted(reasons + block.broken)


def _reject_table(refused: list[tuple[int, str]]) -> Any:
    numbers = np.array([number for number, _ in refused], dtype=np.int64)
    reasons = np.array([reason for _, reason in refused], dtype=object)
    return pa.table([pa.array(numbers), pa.array(reasons, pa.string())], schema=_REJECTS)
