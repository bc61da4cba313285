"""What edit of the config would read texts that are no numbers as it stands."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tabtrail.contract.numbers import NumberFormat, read_number

_MARKS = ((".", None), (",", None), (",", "."), (".", ","), (",", " "), (".", " "), (".", "'"), (",", "'"))
_MARK = re.compile(r"^[\s(+\-\u2212]*([^\d\s.,+\-\u2212()'%]{1,5})?[^A-Za-z]*?([^\d\s.,+\-\u2212()'%]{1,5})?[\s)]*$")
_MOST_MARKS = 3  # different units in one column are no units


def advise(column: str, texts: Sequence[str], written: NumberFormat) -> str | None:
    """Return the keys under which all texts of a column are numbers; None where no known format reads them all.

    `written` is the format that did not read them. Of several formats that do, the first is the one that sets the fewest keys;
    a comma that may be either mark is called so.
    """
    found = [each for each in _formats(texts, written) if _reads(each, texts)]
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
    marks = _marks(texts)
    for parentheses in (False, True):
        for strip in dict.fromkeys([written.strip, tuple(dict.fromkeys((*written.strip, *marks)))]):
            for decimal, thousands in _MARKS:
                yield replace(
                    written, decimal=decimal, thousands=thousands, strip=strip, parentheses_negative=parentheses, percent=False
                )


def _marks(texts: Sequence[str]) -> tuple[str, ...]:
    """Return what stands before and after the digits."""
    found = dict[str, None]()
    for text in texts:
        if matched := _MARK.match(text):
            found.update(dict.fromkeys(mark for mark in matched.groups() if mark))
        if text.rstrip(" )").endswith("%"):
            found["%"] = None
    return tuple(found) if len(found) <= _MOST_MARKS else ()


def _reads(written: NumberFormat, texts: Sequence[str]) -> bool:
    try:
        return all(read_number(text, written) is not None for text in texts)
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
    if own:
        keys.append(f"contract.columns.{column}.number: {{{', '.join(own)}}}")
    if not keys:  # read as they are, by a column of fractions
        return f"contract.columns.{column}.dtype: float"
    percent = " (percent: true instead of the % reads hundredths)" if "%" in found.strip and "%" not in written.strip else ""
    return " and ".join(keys) + percent


def _missing_words(column: str, texts: Sequence[str]) -> str | None:
    words = list(dict.fromkeys(text.strip() for text in texts))
    if len(words) > _MOST_MARKS or any(not word or any(each.isdigit() for each in word) for word in words):
        return None
    return f"source.null_values: {{{column}: [{', '.join(map(repr, words))}]}} if they mean a missing value"
