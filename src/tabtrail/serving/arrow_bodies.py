"""Batches as Arrow IPC streams or Parquet. Imported with the first such body: pyarrow is an optional extra."""

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tabtrail.bundle.predictor import Prediction
from tabtrail.bundle.rows import Row
from tabtrail.contract.schema import ModelSchema
from tabtrail.serving.body import PARQUET
from tabtrail.serving.models import Served
from tabtrail.serving.packed_sizes import parquet_size, stream_size
from tabtrail.serving.problems import Refused

_MOST_UNPACKED = 64_000_000  # bytes: a small body may unpack to any size
_VIEW_INTS = 4  # 32-bit integers of a view of a text, of which the first is its length (Arrow's columnar format)
_PLAIN = (
    pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean, pa.types.is_null, pa.types.is_string,
    pa.types.is_large_string, pa.types.is_string_view, pa.types.is_date, pa.types.is_timestamp,
)  # fmt: skip


def read_rows(body: bytes, media: str, schema: ModelSchema, most: int) -> list[Row]:
    """Return the rows of a body. Raises `Refused`: 413 for too many rows, 422 for a body that cannot be read."""
    try:
        table = _parquet(body, most) if media == PARQUET else _stream(body, most)
        if table.num_rows == 0:
            raise Refused(422, "there are no rows; give at least one")
        names = [name for name in table.column_names if name in schema.names]
        if len(names) < table.num_columns or len(set(names)) < len(names):
            raise Refused(422, "the columns are not those of the model, each once; GET /schema lists them")
        columns = [_plain(table.column(name)).to_pylist() for name in names]
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError):
        raise Refused(
            422, f"the body is not {'Parquet' if media == PARQUET else 'an Arrow IPC stream'} that can be read"
        ) from None
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def write_answer(served: Served, predictions: list[Prediction], media: str, models: list[Served] | None = None) -> bytes:
    """Return prediction, low, high and warnings as columns, with the model's name and run in the schema's metadata.

    `models` are those of the rows, where the traffic is parted: then there are columns of their names and runs, too.
    """
    trace = {"model_name": served.model, "mlflow_run_id": served.run_id, "currency": str(served.metadata["currency"])}
    schema = pa.schema(
        [("prediction", pa.float64()), ("low", pa.float64()), ("high", pa.float64()), ("warnings", pa.list_(pa.string()))], trace
    )
    bounds = [(each.interval.low, each.interval.high) if each.interval else (None, None) for each in predictions]
    columns = [
        [each.value for each in predictions],
        [low for low, _ in bounds],
        [high for _, high in bounds],
        [list(each.warnings) for each in predictions],
    ]
    ahead = [each.forecast for each in predictions if each.forecast is not None]
    if len(ahead) == len(predictions):
        schema = schema.append(pa.field("horizon", pa.int64())).append(pa.field("as_of", pa.string()))
        columns += [[each.horizon for each in ahead], [each.as_of for each in ahead]]
    if models is not None:
        schema = schema.append(pa.field("model_name", pa.string())).append(pa.field("mlflow_run_id", pa.string()))
        columns += [[each.model for each in models], [each.run_id for each in models]]
    table = pa.table([pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)], schema=schema)
    sink = io.BytesIO()
    if media == PARQUET:
        pq.write_table(table, sink, compression="zstd")
    else:
        with pa.ipc.new_stream(sink, schema) as writer:
            writer.write_table(table)
    return sink.getvalue()


def _parquet(body: bytes, most: int) -> Any:
    file = pq.ParquetFile(io.BytesIO(body), thrift_string_size_limit=1_000_000, thrift_container_size_limit=100_000)
    _require_plain(file.schema_arrow)
    if file.metadata.num_rows > most or parquet_size(body, file.metadata) > _MOST_UNPACKED:
        raise Refused(413, f"there are more than {most:,} rows, or they unpack to more than {_MOST_UNPACKED:,} bytes")
    texts = [field.name for field in file.schema_arrow if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
    source = io.BytesIO(body)
    packed = pq.ParquetFile(
        source, read_dictionary=texts, thrift_string_size_limit=1_000_000, thrift_container_size_limit=100_000
    )
    return packed.read(use_threads=False)


def _stream(body: bytes, most: int) -> Any:
    if stream_size(body) > _MOST_UNPACKED:
        raise Refused(413, f"the columns unpack to more than {_MOST_UNPACKED:,} bytes")
    batches, rows = [], 0
    with pa.ipc.open_stream(pa.BufferReader(body)) as reader:
        _require_plain(reader.schema)
        for batch in reader:
            batch.validate(full=True)
            batches.append(batch)
            rows += batch.num_rows
            if rows > most:
                raise Refused(413, f"there are more than {most:,} rows")
        return pa.Table.from_batches(batches, reader.schema)


def _require_plain(schema: Any) -> None:
    """Raise `Refused` (422) for a column of lists, structures, runs or bytes: no column of a model is of these types."""
    kinds = [field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in schema]
    if not all(any(fits(kind) for fits in _PLAIN) for kind in kinds):
        raise Refused(422, "a column is of another type than numbers, texts, truth values, dates or points in time")


def _plain(column: Any) -> Any:
    """Return a column of numbers, texts or dates."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        if sum(map(_unpacked_size, column.chunks)) > _MOST_UNPACKED:
            raise Refused(413, f"the texts of a column unpack to more than {_MOST_UNPACKED:,} bytes")
        return _plain(column.cast(kind.value_type))
    if pa.types.is_string_view(kind) and sum(map(_text_size, column.chunks)) > _MOST_UNPACKED:
        raise Refused(413, f"the texts of a column unpack to more than {_MOST_UNPACKED:,} bytes")
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us", kind.tz), safe=False)  # Python has no nanoseconds
    if pa.types.is_floating(kind):
        return pa.chunked_array([chunk.cast(pa.float64()) for chunk in column.chunks], pa.float64())
    return column


def _unpacked_size(chunk: Any) -> int:
    """Return the bytes that the values of a dictionary take once each row has its own: one text can stand for all rows."""
    values = chunk.dictionary
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        return len(chunk) * (values.type.bit_width // 8 if pa.types.is_primitive(values.type) else _MOST_UNPACKED + 1)
    total: int | None = pc.sum(pc.binary_length(values).take(chunk.indices)).as_py()
    return total or 0


def _text_size(chunk: Any) -> int:
    """Return the bytes of the texts of a chunk of views, many of which may be of one text."""
    sizes = np.frombuffer(chunk.buffers()[1], np.int32)[::_VIEW_INTS][chunk.offset : chunk.offset + len(chunk)]
    return int(sizes.sum(dtype=np.int64))
