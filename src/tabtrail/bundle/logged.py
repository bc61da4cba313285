"""The prediction log as it lies on the disk: files of predictions with their inputs, and files of labels that came later.

A file of predictions holds rows of one model. A file of labels names the rows that it labels by the file of predictions and the
place in it, so that neither file ever changes: both are written whole, and read in the order of their names.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tabtrail.bundle.arrow_arrays import to_arrow
from tabtrail.bundle.arrow_columns import ColumnReader
from tabtrail.bundle.columnar import Array, CodedTexts, Column
from tabtrail.contract.expressions import days_of
from tabtrail.contract.schema import Feature
from tabtrail.errors import DataError
from tabtrail.system.files import atomic_file

TIME, REQUEST, ROW, RUN, INPUT = "time", "request_id", "row", "mlflow_run_id", "input."
WATCH_STATE, RETRAINING_STATE = "drift-state.json", "retraining.json"
"""Files beside the log: the state of its watch, and the trainings that alarms of it asked for."""
OTHER_RUN, OTHER, KEY = "other_run_id", "other_prediction", "key"
_LABELS = ["file", "place", RUN, "prediction", "actual"]
_BLOCK = 65_536  # rows of labels at a time, which take a few MB
_DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True)
class LoggedRows:
    """Rows of one file of predictions, in their order: inputs as `input_values` has them, days since 1970-01-01 (UTC, with the
    time as a fraction), predictions and the bounds of their intervals, NaN where there is none.
    """

    file: str
    values: Mapping[str, Array]
    days: Array
    predicted: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class Labels:
    """Actual values [rows] of logged rows: the file of predictions of each, its place in that, the run of the model, and what
    that predicted.
    """

    files: Array
    places: Array
    runs: Array
    predicted: Array
    actual: Array

    def of(self, run_id: str) -> "Labels":
        """Return the labels of the rows that one model predicted."""
        mask = self.runs == run_id
        return Labels(*(getattr(self, each.name)[mask] for each in fields(self)))

    def by_file(self) -> dict[str, tuple[Array, Array]]:
        """Return places and actual values by file of predictions."""
        codes: dict[str, int] = {}
        coded = np.fromiter((codes.setdefault(file, len(codes)) for file in self.files.tolist()), np.int64, len(self.files))
        order = np.argsort(coded, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(coded[order])) + 1)
        return {file: (self.places[part], self.actual[part]) for file, part in zip(codes, parts, strict=True)} if codes else {}


@dataclass(frozen=True)
class LoggedKeys:
    """What finds the rows of one file of predictions: columns of keys [rows], with the model's run and what it predicted."""

    file: str
    run_id: str
    keys: Mapping[str, Array]
    predicted: Array


@dataclass(frozen=True)
class Pairs:
    """Rows of one file of predictions [rows] that both models predicted: the run that answered and its prediction, run and
    prediction of the other, the hash of the key that parts the traffic (None where there is none), the places in the file.
    """

    run_id: str
    other_runs: Array
    predicted: Array
    other: Array
    keys: Array
    places: Array


def log_files(folder: Path) -> list[Path]:
    """Return the files of predictions, oldest first."""
    return sorted(folder.glob("predictions-*.parquet"))


def label_files(folder: Path) -> list[Path]:
    """Return the files of labels, oldest first."""
    return sorted(folder.glob("labels-*.parquet"))


def file_name(kind: str, number: int) -> str:
    """Return a name for a new file of `predictions` or `labels`: later ones come after earlier ones, and no two are the same."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    return f"{kind}-{stamp}-{os.getpid()}-{number:06d}.parquet"


def run_of(path: Path) -> str | None:
    """Return the run of the model that predicted the rows of a file of either kind, None for a file without rows."""
    found = _read(path, [RUN])
    return found.column(RUN)[0].as_py() if found.num_rows else None


def read_logged(path: Path, features: Sequence[Feature]) -> LoggedRows:
    """Read the rows of a file of predictions. Raises `DataError` for a damaged file, and for one that lacks an input."""
    names = [TIME, "prediction", "low", "high", *(INPUT + each.name for each in features)]
    table = _read(path, names)
    numbers = {name: _doubles(table.column(name)) for name in ("prediction", "low", "high")}
    return LoggedRows(
        file=path.name,
        values=_inputs(table, features),
        days=_doubles(table.column(TIME).cast(pa.int64())) / _DAY,
        predicted=numbers["prediction"],
        low=numbers["low"],
        high=numbers["high"],
    )


def read_keys(path: Path, features: Sequence[Feature], names: Sequence[str]) -> LoggedKeys | None:
    """Read columns of a file of predictions that find its rows: `request_id`, `row`, or inputs. None for a file without rows, and
    for one of a model without one of the inputs.
    """
    inputs = [each for each in features if each.name in names and each.name not in (REQUEST, ROW)]
    written = set(_names(path))
    if not {INPUT + each.name for each in inputs} <= written:
        return None
    if ROW in names and ROW not in written:
        raise DataError(
            f"{path} was logged by an earlier version, without `{ROW}`; leave that out of the key, or move the file away"
        )
    own = [name for name in (REQUEST, ROW) if name in names]
    table = _read(path, [RUN, "prediction", *own, *(INPUT + each.name for each in inputs)])
    if not table.num_rows:
        return None
    keys: dict[str, Array] = _inputs(table, inputs)
    keys |= {REQUEST: np.array(table.column(REQUEST).to_pylist(), dtype=object)} if REQUEST in own else {}
    keys |= {ROW: _doubles(table.column(ROW))} if ROW in own else {}
    return LoggedKeys(path.name, str(table.column(RUN)[0].as_py()), keys, _doubles(table.column("prediction")))


def read_pairs(path: Path) -> Pairs | None:
    """Return the rows of a file of predictions that both models predicted, None where the traffic was not parted."""
    if OTHER not in _names(path):
        return None
    table = _read(path, [RUN, OTHER_RUN, "prediction", OTHER, KEY])
    both = np.flatnonzero(np.array(table.column(OTHER).is_valid().to_numpy()))
    if not len(both):
        return None
    found = table.take(both)
    texts = {name: np.array(found.column(name).to_pylist(), dtype=object) for name in (OTHER_RUN, KEY)}
    numbers = {name: _doubles(found.column(name)) for name in ("prediction", OTHER)}
    run_id = str(found.column(RUN)[0].as_py())
    return Pairs(run_id, texts[OTHER_RUN], numbers["prediction"], numbers[OTHER], texts[KEY], both)


def read_labels(path: Path) -> Labels:
    """Read a file of labels. Raises `DataError` for a damaged one."""
    return _labels_of(_read(path, _LABELS))


def label_blocks(path: Path) -> Iterator[Labels]:
    """Yield a file of labels in blocks, which take little memory however many it has. Raises `DataError` for a damaged one."""
    with _opened(path, _LABELS) as opened:
        for batch in opened.iter_batches(_BLOCK, columns=_LABELS, use_threads=False):
            yield _labels_of(pa.Table.from_batches([batch]))


def _labels_of(table: Any) -> Labels:
    texts = {name: _texts(table.column(name)) for name in ("file", RUN)}
    places = _doubles(table.column("place")).astype(np.int64)
    return Labels(texts["file"], places, texts[RUN], _doubles(table.column("prediction")), _doubles(table.column("actual")))


def write_labels(folder: Path, labels: Labels) -> Path:
    """Write labels as a file of their own, whole or not at all, and return it."""
    path = folder / file_name("labels", 1)
    columns = {
        "file": pa.array(labels.files.tolist(), pa.string()).dictionary_encode(),
        "place": to_arrow(labels.places.astype(np.int64)),
        RUN: pa.array(labels.runs.tolist(), pa.string()).dictionary_encode(),
        "prediction": to_arrow(labels.predicted),
        "actual": to_arrow(labels.actual),
    }
    with atomic_file(path) as temporary:
        pq.write_table(pa.table(columns), temporary, compression="zstd", row_group_size=_BLOCK)
    return path


def input_values(feature: Feature, column: Column) -> Array:
    """Return an input [rows] as statistics take it: doubles with NaN, days since 1970-01-01, or texts with None."""
    if not isinstance(column, CodedTexts):
        return column
    if feature.kind == "categorical":
        return column.map(lambda text: text or None, object)
    return column.map(lambda day: np.nan if day is None else float(days_of(day)), np.float64)


def _inputs(table: Any, features: Sequence[Feature]) -> dict[str, Array]:
    own = [Feature(each.name, each.kind, each.rule) for each in features]  # what is logged has been read
    arrays = [_whole(table.column(INPUT + each.name)) for each in own]
    batch = pa.RecordBatch.from_arrays(arrays, names=[each.name for each in own])
    columns, _ = ColumnReader(own)(batch)
    return {each.name: input_values(each, columns[each.name]) for each in own}


def _names(path: Path) -> list[str]:
    try:
        return list(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read ({type(error).__name__}); move it away") from None


@contextmanager
def _opened(path: Path, columns: list[str]) -> Iterator[Any]:
    """Yield a file that has the columns. Raises `DataError` for a damaged one, and for one without them."""
    try:
        with pq.ParquetFile(path) as opened:
            missing = set(columns) - set(opened.schema_arrow.names)
            if missing:
                raise DataError(f"{path} lacks {', '.join(sorted(missing))}, so it is no file of this model's log; move it away")
            yield opened
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read ({type(error).__name__}); move it away") from None


def _read(path: Path, columns: list[str]) -> Any:
    with _opened(path, columns) as opened:
        return opened.read(columns=columns)


def _whole(column: Any) -> Any:
    combined = column.combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined


def _texts(column: Any) -> Array:
    """Return texts as objects, one object for all equal ones: of a million labels few files and runs are named."""
    coded = _whole(column.cast(pa.string())).dictionary_encode()
    found: Array = np.array(coded.dictionary.to_pylist(), dtype=object)[np.array(coded.indices.to_numpy())]
    return found


def _doubles(column: Any) -> Array:
    """Return numbers as doubles, NaN for null."""
    array = pc.fill_null(_whole(column).cast(pa.float64(), safe=False), np.nan)
    found: Array = np.from_dlpack(array)
    return found
