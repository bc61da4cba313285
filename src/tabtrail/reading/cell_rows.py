"""Rows of typed cells, as a reader of workbooks or JSON lines hands them on."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Malformed:
    """A row that is not one of the table: why, and what stands there."""

    reason: str
    text: str | None


@dataclass(frozen=True)
class CellRows:
    """Consecutive rows: the values of each column, None for an empty cell, in the order of the header; the line of each row.

    Values are texts, numbers, truth values, dates and datetimes. `malformed` are the rows between them that have no values, by
    line; `size` is about how many bytes were read for all of them.
    """

    columns: list[list[Any]]
    lines: list[int]
    malformed: dict[int, Malformed] = field(default_factory=dict)
    size: int = 0
