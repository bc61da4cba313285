"""Rows of a frame in memory, as columns of Arrow: read, checked and predicted by what does the same for a file of Parquet."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tabtrail.bundle.input_blocks import InputFile, require_types
from tabtrail.bundle.predictor import Predictor
from tabtrail.bundle.score_file import BlockScorer
from tabtrail.bundle.wide_blocks import Block
from tabtrail.contract.schema import Feature
from tabtrail.errors import DataError, nearest

_ROWS = 16_384  # of a block, as of a file
_LABEL = "the frame"


@dataclass(frozen=True)
class ScoredFrame:
    """What became of a frame: a table with a row for each of its rows (`prediction`, `low` and `high` where the model has
    intervals, `warnings`; all null for a refused row), why rows are refused by their index from 0, and notes on the whole.
    """

    table: Any
    refused: Mapping[int, str]
    notes: tuple[str, ...]


def score_frame(predictor: Predictor, frame: Any) -> ScoredFrame:
    """Predict the rows of a table of Arrow, whose texts are no views; columns that the model does not take are left out.

    Raises `DataError` for a table without a column of the model, with one of another type, or whose dates are in a format that
    the training disproved.
    """
    score = BlockScorer(predictor, InputFile(Path(_LABEL)), None, intervals=True)
    frame = _own_columns(frame, predictor.schema.features)
    tables, refused = [], dict[int, str]()
    for block in _blocks(frame):
        table, _, wrong = score(block)
        tables.append(table)
        refused |= {number - 1: reason for number, reason in wrong}
    notes = (*score.file_dates.notes, *score.notes())
    return ScoredFrame(_with_gaps(tables, frame.num_rows), refused, notes)


def _own_columns(frame: Any, features: tuple[Feature, ...]) -> Any:
    """Return the columns of the model. Raises `DataError`."""
    there = frame.column_names
    missing = [each.name for each in features if each.name not in there and not each.optional]
    if missing:
        named = ", ".join(f"'{name}'{nearest(name, there)}" for name in missing[:20])
        raise DataError(f"{_LABEL} lacks the column{'s' if len(missing) > 1 else ''} {named}")
    own = [each for each in features if each.name in there]
    for each in own:
        if there.count(each.name) > 1:
            raise DataError(f"{_LABEL} has two columns '{each.name}'")
    columns = {each.name: frame.column(each.name) for each in own}
    table = pa.table(columns)
    require_types(_LABEL, [(each, each.name) for each in own], table.schema)
    return table


def _blocks(frame: Any) -> Iterator[Block]:
    start = 0
    for batch in frame.combine_chunks().to_batches(_ROWS):
        yield Block(np.arange(start + 1, start + batch.num_rows + 1), batch)
        start += batch.num_rows


def _with_gaps(tables: list[Any], rows: int) -> Any:
    """Return the answers in a row each, with gaps for the rows that have none."""
    if not tables:
        names = {"prediction": pa.float64(), "low": pa.float64(), "high": pa.float64(), "warnings": pa.string()}
        return pa.schema(list(names.items())).empty_table()
    found = pa.concat_tables(tables)
    place = np.full(rows, -1)
    place[found.column("row").to_numpy() - 1] = np.arange(found.num_rows)
    which = pa.array(place, mask=place < 0)
    columns = {name: found.column(name).take(which) for name in found.column_names if name != "row"}
    if pa.types.is_dictionary(columns["warnings"].type):
        columns["warnings"] = columns["warnings"].cast(pa.string())
    return pa.table(columns)
