"""A Parquet file as a source: its columns, and its rows in batches of a bounded number."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tabtrail.errors import DataError
from tabtrail.reading.compressed import SourceFile, readable
from tabtrail.system.hashes import sha256_file

_BLOCK_ROWS = 65_536
_TAKEN = (
    pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal128,
    pa.types.is_date, pa.types.is_timestamp, pa.types.is_time,
    pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null,
)  # fmt: skip


class ParquetTable:
    """The columns of a Parquet file, read row group by row group. Columns of `dropped` may hold what is no cell."""

    encoding, replaced, notes = "parquet", 0, ()

    def __init__(self, file: SourceFile, dropped: frozenset[str] = frozenset()) -> None:
        self.file, self.name = file, file.name
        self.size, self.done = file.size, 0
        self.sha256 = self.content_sha256 = sha256_file(file.local)
        with self._opened() as opened:
            schema = opened.schema_arrow
        self.columns = tuple(schema.names)
        self._unread = frozenset(name for name, kind in zip(schema.names, schema.types, strict=True) if not is_cell(kind))
        for name in schema.names:
            if name in self._unread - dropped:
                kind = schema.field(name).type
                raise DataError(
                    f"{self.name}: the column '{name}' is {kind}, which is no number, text or date;"
                    " write it as one, or drop it (cleaning.drop_columns)"
                )

    def batches(self) -> Iterator[tuple[int, Any]]:
        """Yield record batches, each with the number of its first row, from 1. What is no cell is left out."""
        wanted = [name for name in self.columns if name not in self._unread]
        with self._opened() as opened:
            rows, done = max(1, opened.metadata.num_rows), 0
            for batch in opened.iter_batches(_BLOCK_ROWS, columns=wanted):
                yield done + 1, batch
                done += batch.num_rows
                self.done = self.size * done // rows

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        try:
            with readable(self.file), pq.ParquetFile(self.file.local) as opened:
                yield opened
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.name} is a damaged Parquet file: {str(error).splitlines()[0][:200]}") from None


def is_cell(kind: Any) -> bool:
    """Tell whether values of an Arrow type are single numbers, texts, truth values, dates or times."""
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return any(test(inner) for test in _TAKEN)
