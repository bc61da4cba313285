"""What edit of the config would read texts that are no numbers as it stands."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import fields, replace

from tabtrail.contract.numbers import (
    INDIAN,
    MINUS,
    MULTIPLIERS,
    Decimal,
    NumberFormat,
    Thousands,
    is_unit_with_digits,
    read_integer,
    read_number,
)
from tabtrail.contract.schema import FLAG_WORDS, flag_meanings

MARKS: tuple[tuple[Decimal, Thousands | None], ...] = (
    (".", None),
    (",", None),
    (",", "."),
    (".", ","),
    (",", " "),
    (".", " "),
    (".", "'"),
    (",", "'"),
    (".", INDIAN),
)
_PER = r"[^\W\d_]{1,5}/[0-9]{0,4}[^\W\d_]{1,6}[²³]?"  # a unit per so many of another: l/100km, kWh/m²
_AREA = r"(?:mm|cm|dm|m|km|ft|in|yd|mi|sq)[23](?![0-9])"
_MARK = re.compile(
    rf"^[\s(+\-\u2212]*([^\d\s.,+\-\u2212()'%]{{1,5}})?[^A-Za-z]*?({_PER}|{_AREA}|[^\d\s.,+\-\u2212()'%]{{1,5}})?[\s)]*$"
)
_MOST_MARKS = 3  # different units in one column are no units
# Marks that change the number, or say that it is another one: cut off, 1.5k would be 1.5, 20 DR would be 20 and <10 would be 10.
_MEANS_MORE = frozenset(
    ["k", "g", "t", "mn", "mio", "mrd", "bn", "tsd", "mln", "mrd", "lakh", "cr", "dr", "<", ">", "~", "±", "≈", "≤", "≥", "‰"]
)

_MULTIPLIED = re.compile(
    rf"(?<=[0-9])[.,]?\s*({'|'.join(sorted(map(re.escape, MULTIPLIERS), key=len, reverse=True))})(?![^\W\d_])", re.IGNORECASE
)
# These are units too (metres, millimetres, bytes, credit), so that they multiply only beside a currency or another such word.
_UNITS_TOO = frozenset(["m", "mm", "b", "cr"])
_CURRENCY = re.compile(r"[$€£¥₹₽₩₺]|\b(?:EUR|USD|GBP|CHF|INR|Rs)\b")
_MINUS_BEHIND = re.compile(rf"[0-9]\s*[^\d\s+(\-{MINUS}]{{0,5}}\s*[-{MINUS}]\s*[^\d\s()+\-{MINUS}]{{0,5}}$")


def advise(column: str, texts: Sequence[str], written: NumberFormat, *, whole: bool = False) -> str | None:
    """Return the keys under which all texts of a column are numbers; None where no known format reads them all.

    `written` is the format that did not read them, `whole` says that the column is one of whole numbers. Of several formats that
    do, the first is the one that sets the fewest keys; a comma that may be either mark is called so.
    """
    if whole and {text.strip().lower() for text in texts} <= FLAG_WORDS.keys():
        return f"contract.columns.{column}: {{dtype: int, min: 0, max: 1}}, where {flag_meanings(texts)}"
    formats = sorted(_formats(texts, written), key=lambda each: _changes(each, written))
    found = [each for each in formats if _reads(each, texts, whole=whole)]
    # A cell of a workbook is written so where its double may stand for several whole numbers.
    lost = any("e+" in text for text in texts)
    if whole and not found and not lost and (fractions := advise(column, texts, written)):
        is_float = f"contract.columns.{column}.dtype: float"
        return fractions if is_float in fractions or fractions.startswith("source.null_values") else f"{is_float} and {fractions}"
    if not found:
        return _missing_words(column, texts)
    best = found[0]
    keys = _keys(column, best, written)
    other = next((each for each in found[1:] if each.decimal != best.decimal and each.strip == best.strip), None)
    if other is not None and any(read_number(text, best) != read_number(text, other) for text in texts):
        return f"{keys}, or, if they mean other numbers, {_keys(column, other, written)}"
    return keys


def _formats(texts: Sequence[str], written: NumberFormat) -> Iterator[NumberFormat]:
    """Yield formats, those that change the fewest keys first."""
    words, minus = multipliers_of(texts), any(map(has_minus_behind, texts))
    written = replace(written, multipliers=words or written.multipliers, trailing_minus=minus or written.trailing_minus)
    marks = marks_of(texts)
    for parentheses in (False, True):
        for strip in dict.fromkeys([written.strip, tuple(dict.fromkeys((*written.strip, *marks)))]):
            for decimal, thousands in MARKS:
                yield replace(
                    written, decimal=decimal, thousands=thousands, strip=strip, parentheses_negative=parentheses, percent=False
                )


def marks_of(texts: Iterable[str]) -> tuple[str, ...]:
    """Return what stands before and after the digits; nothing where it is more than three different marks."""
    found = dict[str, None]()
    texts = list(texts)
    if words := multipliers_of(texts):
        texts = [_MULTIPLIED.sub(lambda each: "" if each[1] in words else each[0], text) for text in texts]
    for text in texts:
        if has_minus_behind(text):
            text = re.sub(rf"[-{MINUS}](?=[^-{MINUS}]*$)", "", text)
        if matched := _MARK.match(text):
            found.update(dict.fromkeys(mark for mark in matched.groups() if mark and not _changes_number(mark)))
        if text.rstrip(" )").endswith("%") or text.lstrip().startswith("%"):
            found["%"] = None
    return tuple(found) if len(found) <= _MOST_MARKS else ()


def multipliers_of(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the words behind the digits that stand for powers of ten, as they are written: K and M of `1.2M` and `€110K`."""
    texts = [text for text in texts if any(map(str.isdigit, text))]
    found = list(dict.fromkeys(each[1] for text in texts if (each := _MULTIPLIED.search(text))))
    # Other letters behind some numbers alone are sizes or units of another kind, as in 32M and 34L, or 10k and 5mi.
    lettered = sum(re.search(r"[^\W\d_]", _MULTIPLIED.sub("", text)) is not None for text in texts)
    if 0 < lettered < len(texts):
        return ()
    sure = {word.lower() for word in found} - _UNITS_TOO
    if not sure and not any(map(_CURRENCY.search, texts)) and "M" not in found:
        return ()
    return tuple(found)


def has_minus_behind(text: str) -> bool:
    """Whether a minus stands behind the digits, as SAP writes it."""
    return _MINUS_BEHIND.search(text) is not None


def _changes_number(mark: str) -> bool:
    """Whether a mark is a part of the number: k for thousands, ½."""
    fraction = any(unicodedata.numeric(each, None) is not None for each in mark) and not is_unit_with_digits(mark)
    return mark.casefold() in _MEANS_MORE or mark == "M" or fraction


def _changes(found: NumberFormat, written: NumberFormat) -> int:
    """Return how many keys set one format in place of another."""
    return sum(getattr(found, each.name) != getattr(written, each.name) for each in fields(NumberFormat))


def _reads(written: NumberFormat, texts: Sequence[str], *, whole: bool) -> bool:
    read = read_integer if whole else read_number
    try:
        return all(read(text, written) is not None for text in texts)
    except ValueError:
        return False


def _keys(column: str, found: NumberFormat, written: NumberFormat) -> str:
    keys = []
    if found.decimal != written.decimal:
        keys.append(f"source.decimal: '{found.decimal}'")
    if found.thousands != written.thousands:
        keys.append(f"source.thousands: {'null' if found.thousands is None else repr(found.thousands)}")
    own = []
    if set(found.strip) != set(written.strip):
        own.append(f"strip: [{', '.join(map(repr, found.strip))}]")
    if found.parentheses_negative != written.parentheses_negative:
        own.append("parentheses_negative: true")
    if found.trailing_minus != written.trailing_minus:
        own.append("trailing_minus: true")
    if found.multipliers != written.multipliers:
        own.append(f"multipliers: [{', '.join(found.multipliers)}]")
    if own:
        keys.append(f"contract.columns.{column}.number: {{{', '.join(own)}}}")
    if not keys and written.percent:
        return f"contract.columns.{column}.number: {{strip: ['%']}} in place of percent: true, if they are percentages, too"
    if not keys:  # read as they are, by a column of fractions
        return f"contract.columns.{column}.dtype: float"
    return " and ".join(keys) + _warning(set(found.strip) - set(written.strip))


def _warning(marks: Set[str]) -> str:
    """Return what one should know before marks are cut off."""
    if marks == {"%"}:
        return " (percent: true instead of the % reads hundredths, and rejects numbers without it)"
    return " (they are cut off, and nothing is converted)" if len(marks) > 1 else ""


def _missing_words(column: str, texts: Sequence[str]) -> str | None:
    words = list(dict.fromkeys(text.strip() for text in texts))
    if len(words) > _MOST_MARKS or any(not word or (any(map(str.isnumeric, word)) and word[0] != "#") for word in words):
        return None
    if {word.casefold() for word in words} <= FLAG_WORDS.keys():
        return f"contract.columns.{column}.dtype: string (a category of the model, not a number)"
    return f"source.null_values: {{{column}: [{', '.join(map(repr, words))}]}} if they mean a missing value"
