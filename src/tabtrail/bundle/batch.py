"""Files of any size: rows in from CSV or Parquet, predictions out as Parquet, in blocks of a bounded size and in their order."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from tabtrail.bundle.columnar import Array, Column, ColumnScorer, Texts
from tabtrail.bundle.predictor import Predictor
from tabtrail.contract.schema import Feature
from tabtrail.errors import DataError, UsageError, nearest
from tabtrail.system.files import atomic_file

_BLOCK_BYTES = 4 << 20
_BLOCK_ROWS = 65_536
_NUMBER = r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"
_REJECTS = pa.schema([("row", pa.int64()), ("reason", pa.string())])


@dataclass
class Outcome:
    """What became of a file: rows read, scored, rejected, and rows with something that the model has not seen."""

    rows: int = 0
    scored: int = 0
    rejected: int = 0
    warned: int = 0
    encoding: str = ""
    rejects: Path | None = None
    first_reason: str = ""


@dataclass(frozen=True)
class Source:
    """A file to score: its CSV dialect is used for CSV alone. `keep` are columns that the output repeats, such as an id."""

    path: Path
    delimiter: str = ","
    encoding: str = "utf-8"
    keep: tuple[str, ...] = ()


@dataclass
class Block:
    """Consecutive rows: their numbers from 1, the columns as they were read, and the rows that are no rows, with the reason."""

    numbers: Array
    batch: Any
    broken: list[tuple[int, str]] = field(default_factory=list)


def score_file(predictor: Predictor, source: Source, output: Path, *, intervals: bool) -> Outcome:
    """Predict every row of a file; refused rows go to `<output>_rejects.parquet` with their number and the reason.

    Output: `row` (from 1), the kept columns, `prediction`, `low` and `high` (with `intervals`), `warnings` (null where there
    are none). Raises `UsageError` for files that cannot be used, `DataError` when no row at all can be scored.
    """
    _check_paths(source, output)
    scorer, outcome, progress = ColumnScorer(predictor), Outcome(), _Progress()
    features = predictor.schema.features
    rejects = rejects_path(output)
    fields = [("row", pa.int64()), *((name, None) for name in source.keep), ("prediction", pa.float64())]
    fields += [("low", pa.float64()), ("high", pa.float64())] if intervals and predictor.calibrated else []
    names = [*(name for name, _ in fields), "warnings"]
    with ExitStack() as files:
        rejected = _Writer(files, rejects)
        scored = _Writer(files, output)
        for block in _blocks(source, features, outcome):
            table, refused = _score_block(scorer, features, block, names, source.keep)
            outcome.rows += len(block.numbers) + len(block.broken)
            outcome.scored += table.num_rows
            outcome.rejected += len(refused)
            outcome.warned += table.num_rows - table.column("warnings").null_count
            scored.write(table)
            if refused:
                outcome.first_reason = outcome.first_reason or f"row {refused[0][0]}: {refused[0][1]}"
                rejected.write(_rejects(refused))
            progress.show(outcome.rows)
        if not outcome.scored:
            reason = f"; {outcome.first_reason}" if outcome.first_reason else ": it has none"
            raise DataError(f"no row of {source.path.name} can be scored{reason}")
        outcome.rejects = rejects if outcome.rejected else None
    if not outcome.rejected:
        rejects.unlink(missing_ok=True)
    return outcome


def rejects_path(output: Path) -> Path:
    """Return where the refused rows of a file go."""
    return output.with_name(f"{output.stem}_rejects.parquet")


# Arrays are made from their buffers: `pa.array`, `pa.scalar` and `to_numpy` import pandas where there is one, which takes 0.2 s.
def _column(values: Array) -> Any:
    """Return whole numbers or doubles as Arrow has them, not copied."""
    kind = pa.int64() if values.dtype.kind == "i" else pa.float64()
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def _strings(texts: dict[int, str], rows: int) -> Any:
    """Return texts by row, null where there is none."""
    known, lengths, data = np.zeros(rows, dtype=bool), np.zeros(rows + 1, dtype=np.int32), []
    for index in sorted(texts):
        data.append(texts[index].encode())
        known[index], lengths[index + 1] = True, len(data[-1])
    buffers = [np.packbits(known, bitorder="little"), np.cumsum(lengths, dtype=np.int32), b"".join(data)]
    return pa.Array.from_buffers(pa.string(), rows, [pa.py_buffer(buffer) for buffer in buffers])


def _rejects(refused: list[tuple[int, str]]) -> Any:
    numbers, reasons = (
        np.array(column, dtype=kind) for column, kind in zip(zip(*refused, strict=True), (np.int64, object), strict=True)
    )
    return pa.table([pa.array(numbers), pa.array(reasons, pa.string())], schema=_REJECTS)


class _Writer:
    """A Parquet file that is made with its first rows, and is whole or not there."""

    def __init__(self, files: ExitStack, path: Path) -> None:
        self._files, self._path = files, path
        self._writer: Any = None

    def write(self, table: Any) -> None:
        if self._writer is None:
            temporary = self._files.enter_context(atomic_file(self._path))
            self._writer = self._files.enter_context(pq.ParquetWriter(temporary, table.schema, compression="zstd"))
        self._writer.write_table(table)


def _score_block(
    scorer: ColumnScorer, features: Sequence[Feature], block: Block, names: list[str], keep: Sequence[str]
) -> tuple[Any, list[tuple[int, str]]]:
    columns, garbled = _columns(features, block.batch)
    refused = scorer.refused(columns, garbled)
    good = np.ones(len(block.numbers), dtype=bool)
    good[list(refused)] = False
    batch, numbers = block.batch, block.numbers
    if refused:
        rows = np.flatnonzero(good)
        columns = {name: column.take(rows) if isinstance(column, Texts) else column[rows] for name, column in columns.items()}
        batch, numbers = batch.take(pa.array(rows)), numbers[rows]
    scores = scorer.score(columns, intervals="low" in names)
    warnings = _strings(scorer.warnings(columns), len(numbers))
    bounds = (_column(bound) for bound in (scores.low, scores.high) if bound is not None)
    kept = (batch.column(name) for name in keep)
    table = pa.table([_column(numbers), *kept, _column(scores.values), *bounds, warnings], names=names)
    finite = np.isfinite(scores.values)
    reasons = [(int(block.numbers[index]), reason) for index, reason in refused.items()]
    if not finite.all():
        reasons += [(int(number), "the prediction is not finite; the values are too large") for number in numbers[~finite]]
        table = table.filter(pa.array(finite))
    return table, sorted(reasons + block.broken)


def _columns(features: Sequence[Feature], batch: Any) -> tuple[dict[str, Column], dict[int, dict[str, str]]]:
    """Return the columns, and by row the texts that stand where a number should (the column then has NaN)."""
    columns: dict[str, Column] = {}
    garbled: dict[int, dict[str, str]] = {}
    for feature in features:
        values = batch.column(feature.name)
        if feature.kind != "numeric":
            columns[feature.name] = _texts(feature, values)
        elif not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
            columns[feature.name] = _doubles(values)
        else:
            trimmed = pc.utf8_trim_whitespace(values)
            numeric = pc.match_substring_regex(trimmed, _NUMBER)
            columns[feature.name] = _doubles(pc.if_else(numeric, trimmed, None))
            for index in np.flatnonzero(_array(pc.equal(numeric, False).cast(pa.int8()), 0)):
                garbled.setdefault(int(index), {})[feature.name] = values[int(index)].as_py()
    return columns, garbled


def _texts(feature: Feature, values: Any) -> Texts:
    if feature.kind == "date" and not pa.types.is_dictionary(values.type) and not pa.types.is_string(values.type):
        values = values.cast(pa.date32()).cast(pa.string())
    encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    distinct = (*encoded.dictionary.to_pylist(), None)
    return Texts(distinct, _array(encoded.indices, len(distinct) - 1))


def _doubles(values: Any) -> Array:
    return _array(values.cast(pa.float64()), np.nan)


def _array(values: Any, missing: float) -> Array:
    """Return values, not copied, with `missing` for null."""
    if values.null_count:
        values = values.fill_null(pa.array(np.array([missing])).cast(values.type)[0])
    array: Array = np.from_dlpack(values)
    return array


def _blocks(source: Source, features: Sequence[Feature], outcome: Outcome) -> Iterator[Block]:
    try:
        if source.path.suffix.lower() == ".parquet":
            yield from _parquet_blocks(source, features)
        else:
            outcome.encoding = _encoding(source)
            yield from _csv_blocks(source, features, outcome.encoding)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0][:200] if isinstance(error, pa.ArrowInvalid) else type(error).__name__
        raise UsageError(f"{source.path} cannot be read: {reason}") from None


def _parquet_blocks(source: Source, features: Sequence[Feature]) -> Iterator[Block]:
    with pq.ParquetFile(source.path) as file:
        wanted = _wanted(source, features, file.schema_arrow.names)
        _require_types(source, features, file.schema_arrow)
        start = 1
        for batch in file.iter_batches(_BLOCK_ROWS, columns=wanted):
            yield Block(np.arange(start, start + batch.num_rows), batch)
            start += batch.num_rows


def _require_types(source: Source, features: Sequence[Feature], schema: Any) -> None:
    """Raise `DataError` for a column that holds neither numbers nor texts nor dates where they belong; texts are no numbers."""
    for feature in features:
        kind = schema.field(feature.name).type
        inner = kind.value_type if pa.types.is_dictionary(kind) else kind
        text = pa.types.is_string(inner) or pa.types.is_large_string(inner)
        taken = {
            "numeric": not pa.types.is_dictionary(kind) and (pa.types.is_integer(kind) or pa.types.is_floating(kind)),
            "categorical": text,
            "date": text or pa.types.is_date(kind) or pa.types.is_timestamp(kind),
        }
        if not (taken[feature.kind] or pa.types.is_null(kind)):
            wanted = {"numeric": "numbers", "categorical": "texts", "date": "dates"}[feature.kind]
            raise DataError(f"{source.path}: the column '{feature.name}' is {kind}; it must be {wanted}")


def _csv_blocks(source: Source, features: Sequence[Feature], encoding: str) -> Iterator[Block]:
    """Yield blocks with numbers read as such, and from the first block with a number that is none, as texts."""
    done = 0
    try:
        for block in _read_csv(source, features, encoding, typed=True):
            yield block
            done = int(block.numbers[-1]) if len(block.numbers) else done
    except pa.ArrowInvalid:
        for block in _read_csv(source, features, encoding, typed=False):
            later = block.numbers > done
            if later.any():
                broken = [each for each in block.broken if each[0] > done]
                yield Block(block.numbers[later], block.batch.filter(pa.array(later)), broken)


def _read_csv(source: Source, features: Sequence[Feature], encoding: str, *, typed: bool) -> Iterator[Block]:
    wanted = _wanted(source, features, _header(source, encoding))
    broken: list[tuple[int, str]] = []

    def skip(row: Any) -> str:
        broken.append((row.number - 1, f"has {row.actual_columns} fields instead of {row.expected_columns}"))
        return "skip"

    types = {feature.name: _csv_type(feature, typed=typed) for feature in features}
    types.update({name: pa.string() for name in source.keep if name not in types})
    reader = pcsv.open_csv(
        source.path,
        read_options=pcsv.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False, encoding=encoding),
        parse_options=pcsv.ParseOptions(delimiter=source.delimiter, newlines_in_values=True, invalid_row_handler=skip),
        convert_options=pcsv.ConvertOptions(
            column_types=types,
            include_columns=wanted,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    start = 1
    with reader:
        for batch in reader:
            numbers = np.arange(start, start + batch.num_rows + len(broken))
            numbers = numbers[~np.isin(numbers, [number for number, _ in broken])][: batch.num_rows]
            start = int(numbers[-1]) + 1 if len(numbers) else start
            now = [each for each in broken if each[0] < start]
            broken[:] = [each for each in broken if each[0] >= start]
            yield Block(numbers, batch, now)
        if broken:
            yield Block(np.arange(0), pa.RecordBatch.from_pylist([], schema=reader.schema), list(broken))


def _csv_type(feature: Feature, *, typed: bool) -> Any:
    if feature.kind == "numeric":
        return pa.float64() if typed else pa.string()
    return pa.dictionary(pa.int32(), pa.string())


def _header(source: Source, encoding: str) -> list[str]:
    import csv

    with source.path.open(encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline="") as file:
        return next(csv.reader(file, delimiter=source.delimiter), [])


def _wanted(source: Source, features: Sequence[Feature], found: Sequence[str]) -> list[str]:
    wanted = list(dict.fromkeys([*(feature.name for feature in features), *source.keep]))
    if not found:
        raise DataError(f"{source.path} is empty")
    missing = [f"'{name}'{nearest(name, list(found))}" for name in wanted if name not in found]
    if missing:
        which = "the column" if len(missing) == 1 else "the columns"
        raise DataError(f"{source.path} lacks {which} {', '.join(missing)}; is its delimiter that of the config?")
    if len(set(found)) < len(found):
        raise DataError(f"{source.path} has two columns of one name")
    return wanted


def _encoding(source: Source) -> str:
    """Return `utf-8` for a file that is, else the encoding that the config names for the data."""
    import codecs

    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with source.path.open("rb") as file:
            while block := file.read(1 << 20):
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return source.encoding
    return "utf-8"


def _check_paths(source: Source, output: Path) -> None:
    if not source.path.is_file():
        what = "is no file" if source.path.exists() else "is not there"
        raise UsageError(f"--input {source.path} {what}")
    for path in (output, rejects_path(output)):
        if path.is_dir():
            raise UsageError(f"--output: {path} is a folder; name a file that can be written there")
    if source.path.suffix.lower() not in (".csv", ".parquet"):
        raise UsageError(f"--input {source.path}: the name must end in .csv or .parquet")
    if output.suffix.lower() != ".parquet":
        raise UsageError(f"--output {output}: predictions of a file are Parquet; the name must end in .parquet")
    if output.exists() and output.samefile(source.path):
        raise UsageError("--output is --input; name another file")
    taken = {"row", "prediction", "low", "high", "warnings"} & set(source.keep)
    if taken:
        raise UsageError(f"--id {taken.pop()}: the output has a column of its own by this name")


class _Progress:
    """Says on a terminal, at most twice a second, how far it is."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def show(self, rows: int) -> None:
        if sys.stderr.isatty() and time.monotonic() - self._last > 0.5:
            self._last = time.monotonic()
            print(f"\r{rows:,} rows", end="", file=sys.stderr, flush=True)  # noqa: T201
