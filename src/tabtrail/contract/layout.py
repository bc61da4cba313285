"""How a table lies in a file: what stands above its rows, how fields are parted, and what its columns are called."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tabtrail.contract.texts import trim

UNNAMED = "unnamed_"
"""How a column without a name is called until it is dropped: this and its place, from 1."""


@dataclass(frozen=True)
class Layout:
    """The layout of a text file. What is said of rows goes for a workbook, too (`sheet` is its sheet), and what is said of names
    for any table.

    `skip_rows` lines stand above the header and `skip_after_header` below it, before the first row. Lines that begin with
    `comment` are no rows. `rename` gives columns of the file other names; with `fold_header` names are found without regard to
    case, blanks and underscores. Columns without a name are refused or dropped.
    """

    encoding: str = "auto"
    delimiter: str = ","
    skip_rows: int = 0
    skip_after_header: int = 0
    comment: str | None = None
    sheet: str | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    fold_header: bool = False
    unnamed: Literal["refuse", "drop"] = "refuse"


def name_columns(written: Sequence[str], layout: Layout, known: Iterable[str]) -> tuple[str, ...]:
    """Return what the columns of a file are called, from the names that are written in it.

    `known` are the names that somebody asks for. Two columns may come out with one name: the caller refuses that.
    """
    rename = dict(layout.rename)
    known = list(known)
    if layout.fold_header:
        rename = {fold_name(name): name for name in known} | {fold_name(old): new for old, new in rename.items()}
    named = [rename.get(fold_name(name) if layout.fold_header else name, name) for name in written]
    if layout.unnamed == "drop":
        named = [f"{UNNAMED}{place}" if is_nameless(name) and name not in known else name for place, name in enumerate(named, 1)]
    return tuple(named)


def is_nameless(name: str) -> bool:
    """Whether a column has no name, or the one that pandas gives to an index without one in Parquet."""
    return not name.strip() or re.fullmatch(r"__index_level_\d+__", name) is not None


def unnamed_columns(written: Sequence[str], layout: Layout) -> tuple[str, ...]:
    """Return the names that `name_columns` gives to columns without one, which are dropped."""
    drop = layout.unnamed == "drop"
    return tuple(f"{UNNAMED}{place}" for place, name in enumerate(written, 1) if drop and is_nameless(name))


def fold_name(name: str) -> str:
    """Return the name of a column without case, blanks and underscores."""
    return "".join(unicodedata.normalize("NFKC", trim(name)).casefold().replace("_", " ").split())


def look_alike(name: str) -> str:
    """Return what two names have in common that a person, or DuckDB, takes for one: all but case and blanks around."""
    return trim(name).casefold()
