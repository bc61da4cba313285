"""Where the rows of a window come from: a file in any format, or a table of PostgreSQL."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import polars as pl

from tabtrail.bundle.input_blocks import Blocks, InputFile
from tabtrail.bundle.metadata import layout_of
from tabtrail.bundle.wide_blocks import Block
from tabtrail.config.data import Source
from tabtrail.data.table_rows import parse_rows
from tabtrail.errors import DataError, UsageError
from tabtrail.reading.postgres import Relation, opened_table
from tabtrail.storage.postgres import Server
from tabtrail.workflows.drift_rows import RowReader, Rows


def file_rows(path: Path, reader: RowReader) -> Iterator[Rows]:
    """Yield the rows of a file, read as files to score are. Errors as `score_file`."""
    if not path.is_file():
        raise UsageError(f"--input {path} {'is not a file' if path.exists() else 'is not there'}")
    file = InputFile(path, layout_of(reader.predictor.metadata))
    yield from reader.read(Blocks(file, reader.features))


def table_rows(table: str, source: Source, reader: RowReader) -> Iterator[Rows]:
    """Yield the rows of a table. Raises `ConfigError`, `DataError` or `DatabaseError`."""
    relation = Relation(Server(source.address_variable, "source.address_variable"), table, None, ())
    yield from reader.read(_table_blocks(relation, reader))


def _table_blocks(relation: Relation, reader: RowReader) -> Iterator[Block]:
    own = {each.name for each in reader.features}
    required = {each.name for each in reader.features if not each.optional}
    doubles = {each.name for each in reader.features if each.kind == "numeric"}
    with opened_table(relation) as table:
        if missing := sorted(required - set(table.columns)):
            raise DataError(f"{relation.name} lacks {', '.join(missing)}, which the model takes")
        with closing(table.blocks()) as blocks:
            for first, rows, block in blocks:
                frame = parse_rows(table, block, table.columns, rows=rows, doubles=doubles).frame
                frame = frame.select([name for name in frame.columns if name in own])
                start = first
                for batch in frame.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches():
                    yield Block(np.arange(start, start + batch.num_rows), batch)
                    start += batch.num_rows
