"""Texts that differ by blanks, invisible signs, composition or case alone: found in the dataset, and mended as rows come in."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import polars as pl

from tabtrail.contract.cells import CellReading
from tabtrail.contract.texts import fold_case, trim
from tabtrail.data.dataset import scan_folder

_SHOWN = 3
_SIGN = "is also written"


def spelled(column: pl.Series, reading: CellReading) -> pl.Series:
    """Return texts in the spelling of a column, as `CellReading.spell` has it: plain ASCII in bulk, each other text once."""
    plain = column.str.strip_chars(" ") if reading.trim else column
    plain = plain.str.to_uppercase() if reading.fold_case else plain
    odd = column.str.contains(r"[^ -~]|  " if reading.trim else r"[^\x00-\x7f]")
    if not odd.any():
        return plain
    distinct = column.filter(odd).unique()
    texts = pl.Series([reading.spell(text) for text in distinct], dtype=pl.String)
    return plain.zip_with(~odd.fill_null(False), column.replace_strict(distinct, texts, default=None, return_dtype=pl.String))


def find_spellings(folder: Path, keys: Mapping[str, str], names: Sequence[str], nulls: Mapping[str, Sequence[str]]) -> list[str]:
    """Return, for columns of a dataset, the texts that differ by their spelling alone, or so from a word for a missing value (the
    empty text, or one of `nulls` by column), with their rows.
    """
    rows = scan_folder(folder, keys)
    counted = pl.collect_all(
        [rows.select(pl.col(name).alias("text")).group_by("text").len().drop_nulls() for name in names], engine="streaming"
    )
    texts = (
        {**dict.fromkeys(("", *nulls.get(name, ())), 0), **dict(counts.iter_rows())}
        for name, counts in zip(names, counted, strict=True)
    )
    found = (_finding(name, rows) for name, rows in zip(names, texts, strict=True))
    return [finding for finding in found if finding is not None]


def is_spelling(finding: str, names: Iterable[str]) -> bool:
    """Whether this is a finding on the spellings of one of these columns, which further rows may change."""
    return _SIGN in finding and any(finding.startswith(f"{name}: ") for name in names)


def _finding(name: str, rows: Mapping[str, int]) -> str | None:
    """Return what was found in a column; words for a missing value have no rows."""
    groups: dict[str, list[str]] = {}
    for text in sorted(rows, key=lambda text: (rows[text] > 0, -rows[text], not _is_composed(text), text)):
        groups.setdefault(fold_case(trim(text)), []).append(text)
    several = [each for each in groups.values() if len(each) > 1 and rows[each[-1]]]
    several.sort(key=lambda texts: -sum(map(rows.__getitem__, texts)))
    if not several:
        return None
    shown = "; ".join(_described(texts, rows) for texts in several[:_SHOWN])
    more = f"; and {len(several) - _SHOWN:,} more" if len(several) > _SHOWN else ""
    return f"{name}: {shown}{more}: to take them for one, {_advice(name, several, rows)}"


def _described(texts: list[str], rows: Mapping[str, int]) -> str:
    most, *others = texts
    count = f"{rows[most]:,} {'row' if rows[most] == 1 else 'rows'}" if rows[most] else "a missing value"
    first = f"{_shown(most)} ({count})"
    others = [f"{_shown(text)} ({rows[text]:,})" for text in others]
    return f"{first} {_SIGN} {', '.join(others[:_SHOWN])}" + (" …" if len(others) > _SHOWN else "")


def _is_composed(text: str) -> bool:
    return unicodedata.is_normalized("NFC", text)


def _shown(text: str) -> str:
    return repr(text) if _is_composed(text) else ascii(text)


def _advice(name: str, several: Iterable[list[str]], rows: Mapping[str, int]) -> str:
    """Return the edit: what `init` and `profile --suggest-aliases` offer, and words for a missing value."""
    words = [text for texts in several if not rows[texts[0]] for text in texts if rows[text]]
    keys = [f"name them in source.null_values: {{{name}: [{', '.join(map(repr, words[:_SHOWN]))}]}}"] if words else []
    if any(rows[texts[0]] for texts in several):
        keys.append("name them in cleaning.aliases (tabtrail profile --suggest-aliases writes the lines)")
    return " and ".join(keys)
