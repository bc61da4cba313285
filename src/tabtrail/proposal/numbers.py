"""How the numbers of a file are written: tried in bulk on every distinct text, and decided by the rows that decide."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import polars as pl

from tabtrail.contract.number_advice import MARKS, has_minus_behind, marks_of, multipliers_of
from tabtrail.contract.numbers import INDIAN, NumberFormat, mark_variants
from tabtrail.data.numbers import to_number
from tabtrail.proposal.seen import Seen

# A column is one of numbers where so many of its rows read as such; the others are set aside, or mean a missing value.
_MOSTLY = 0.9
_WORDS_SHARE, _WORDS = 0.5, 3  # or where so many do, and the others are a few words alone: "sold out", "on request"
MOST_LOST = 0.05
"""Share of the rows that may be set aside for texts of one column that are no numbers; more would be lost for what it says."""
_MOST_FORMS, _OFTEN = 40, 0.01  # texts that are named in the config as missing values, where they are in so many rows
# As stations and surveys write that nothing was measured, where no other number is negative; and others, far from all numbers.
_STAND_INS = (-9.0, -99.0, -200.0, -999.0, -9999.0, -99999.0, -999.9, -99.9)
_FAR_STAND_INS = (*_STAND_INS, 999.0, 9999.0, 99999.0, 999999.0, -1000.0, -10000.0, 999.9, 9999.9)
_OFTEN_ENOUGH = 0.005  # of the rows: a few prices of 999 are prices
_FAR, _FEWEST_OTHERS = 3.0, 5  # times the range of all others, of which there are so many
_TRIED = 400  # distinct texts by which ways of writing are sorted out before all texts are read
_FEWEST_WHOLE, _GROUPED = 2, 100  # as `data.thousands` has it: whole numbers without a mark beside those with one
CURRENCIES = re.compile(
    r"^(?:[^\w\s]|EUR|USD|GBP|CHF|JPY|SEK|NOK|DKK|PLN|CZK|INR|CNY|AUD|CAD|NZD|BRL|MXN|ZAR|TRY|HUF|RON|RUB|UAH|KRW|SGD|HKD|ILS|THB|IDR|MYR|PHP|"
    r"AED|SAR|EGP|NGN|KES|PKR|COP|CLP|ARS|PEN|Rs|R\$|kr|zł|US\$|CA\$|A\$)$",
    re.IGNORECASE,
)
_FIRST_WORD = re.compile(r"\s*([^\W\d_]+)\s*\d")


_NOT_BELOW_ZERO = re.compile(
    r"(?i)price|preis|prix|precio|prezzo|preço|cena|quantity|(?:^|[_\W])(?:qty|count|age|area|weight|length|width|height|distance|rooms|"
    r"seats|stock|pieces|anzahl|menge)(?:$|[_\W])"
)
_CHANGE = re.compile(r"(?i)change|diff|delta|growth|return|log|score")


def may_be_held_above_zero(name: str, least: float) -> bool:
    """Whether no number is negative, and the name says that none is meant to be: prices and counts, but no change of one."""
    return least >= 0 and _NOT_BELOW_ZERO.search(name) is not None and _CHANGE.search(name) is None


@dataclass(frozen=True)
class Numbers:
    """A column of numbers: how they are written, of how many rows with a text, which texts are none (`odd`, with their rows) and
    which of these words mean a missing value. `decisive` is a text that no other decimal mark reads, `open` says that none is.
    """

    written: NumberFormat
    read: int
    odd: Mapping[str, int]
    words: tuple[str, ...]
    whole: bool
    decisive: str | None = None
    open: bool = False
    least: float = 0.0
    largest: float = 0.0
    distinct: int = 0

    @property
    def rejected(self) -> int:
        """Rows that are neither numbers nor missing."""
        return sum(rows for text, rows in self.odd.items() if text not in self.words)


def read_numbers(seen: Seen, delimiter: str) -> Numbers | None:
    """Return how the numbers of a column are written; None for a column that is not one of numbers."""
    known = seen.known
    if not known.height or not known["text"].head(_TRIED).str.contains(r"\d").any():
        return None
    formats = _formats(known["text"].head(_TRIED))
    shares = {each: _rows_read(each, known.head(_TRIED)) for each in formats}
    best = max(shares.values(), default=0)
    # All that read about as many of the most frequent texts: the first of them sets the fewest keys.
    likely = [each for each, rows in shares.items() if rows and rows >= 0.98 * best]
    # But commas of Indian groups are read only where they are said to be.
    first = shares[likely[0]] if likely else 0
    likely.sort(key=lambda each: each.thousands != INDIAN or shares[each] <= first)
    return _chosen(seen, likely, delimiter) if likely else None


def _formats(texts: Iterable[str]) -> list[NumberFormat]:
    """Return ways of writing to try, the plain one first."""
    numbers = [text for text in texts if any(map(str.isdigit, text))]
    marks = _units(numbers)
    percent = "%" in marks and all(text.rstrip().endswith("%") for text in numbers)
    strips = dict.fromkeys([(), marks])
    words, minus = multipliers_of(numbers), any(map(has_minus_behind, numbers))
    parentheses = [False, *([True] if any("(" in text for text in numbers) else [])]
    plain = [
        NumberFormat(decimal, thousands, strip, parentheses_negative=negative, trailing_minus=minus, multipliers=words)
        for negative in parentheses
        for strip in strips
        for decimal, thousands in MARKS
    ]
    if not percent:
        return plain
    own = tuple(mark for mark in marks if mark != "%")
    return [NumberFormat(decimal, thousands, own, percent=True) for decimal, thousands in MARKS] + plain


def _units(numbers: list[str]) -> tuple[str, ...]:
    """Return the unit of a column. Several units are one only where they are ways of writing a currency: nothing is converted."""
    marks = marks_of(numbers) or marks_of(numbers[: max(20, len(numbers) // 4)])
    if any(not CURRENCIES.match(found[1]) for found in map(_FIRST_WORD.match, numbers) if found):
        return ()  # Zone 5 is a name, and its number measures nothing
    letters = {mark.casefold() for mark in marks if any(map(str.isalpha, mark))}
    return marks if len(letters) <= 1 or all(CURRENCIES.match(mark) for mark in marks) else ()


def _rows_read(written: NumberFormat, counts: pl.DataFrame) -> int:
    return int(counts.filter(_as_numbers(written, counts).is_not_null())["rows"].sum())


def _as_numbers(written: NumberFormat, counts: pl.DataFrame) -> pl.Series:
    numbers = counts.select(to_number(pl.col("text"), written, pl.Float64())).to_series()
    return numbers.set(~numbers.is_finite().fill_null(True), None)


def _chosen(seen: Seen, likely: list[NumberFormat], delimiter: str) -> Numbers | None:
    """Return the first of the likely ways of writing, unless its marks may be those of thousands."""
    written = likely[0]
    marked = seen.known.filter(pl.col("text").str.contains(rf"\d{re.escape(written.decimal)}\d"))["text"]
    if written.thousands is not None or not len(marked) or not _groups_of_three(marked, written.decimal):
        return _numbers(seen, written, is_open=False)
    grouped = _as_grouped(seen.known, written, delimiter)
    # Three decimals after a point in every number are mostly those of a program that writes three.
    is_open = grouped != written or written.decimal == "," or delimiter == ";"
    return _numbers(seen, grouped, is_open=is_open)


def _groups_of_three(marked: pl.Series, mark: str) -> bool:
    """Whether every text with the mark has one to three digits before it and three after it."""
    return bool(marked.str.contains(rf"^[^\d]*[1-9][0-9]{{0,2}}[{re.escape(mark)}][0-9]{{3}}[^\d]*$").all())


def _as_grouped(known: pl.DataFrame, written: NumberFormat, delimiter: str) -> NumberFormat:
    """Take a mark for that of thousands where whole numbers without it reach the hundreds beside it, or a comma for it where a
    comma parts the fields.
    """
    plain = known.filter(pl.col("text").str.contains(r"^[^\d]*[0-9]{1,3}[^\d]*$"))
    sizes = plain["text"].str.extract(r"([0-9]+)").cast(pl.Int64).to_list()
    beside = len(sizes) >= _FEWEST_WHOLE and max(sizes) >= _GROUPED
    english = written.decimal == "," and delimiter != ";"
    if not (beside or english):
        return written
    return replace(written, decimal="." if written.decimal == "," else ",", thousands=written.decimal)


def _numbers(seen: Seen, written: NumberFormat, *, is_open: bool) -> Numbers | None:
    known = seen.known
    values = _as_numbers(written, known)
    odd = {text: int(rows) for text, rows in known.filter(values.is_null()).select("text", "rows").rows()}
    read, filled = int(known.filter(values.is_not_null())["rows"].sum()), int(known["rows"].sum())
    words = tuple(text for text in odd if not re.search(r"\d", text))
    few_words = len(words) == len(odd) and len({word.strip().casefold() for word in words}) <= _WORDS
    if read < _MOSTLY * filled and not (few_words and read >= _WORDS_SHARE * filled):
        return None
    # A word in one row of two hundred, or more, is said on purpose: it means that there is no number.
    said = tuple(word for word in words if odd[word] >= 0.005 * seen.rows) if few_words else ()
    # Where they are a few texts, they are said to be missing values, so that their rows are kept.
    if sum(odd.values()) > _OFTEN * seen.rows and len(odd) <= _MOST_FORMS:
        said = tuple(odd)
    if stand_ins := _stand_ins(known, values):
        known = known.filter(~pl.col("text").is_in(stand_ins))
        values = _as_numbers(written, known)
        said = (*said, *stand_ins)
        read = int(known.filter(values.is_not_null())["rows"].sum())
    good = values.drop_nulls()
    decisive = _decisive(known.filter(values.is_not_null()).sort("place")["text"], written)
    whole = bool((good == good.round(0)).all()) and float(good.abs().max() or 0) < 2**53  # type: ignore[arg-type]
    plain_whole = whole and not written.percent and not known.filter(values.is_not_null())["text"].str.contains(r"[eE]").any()
    as_whole = known.filter(values.is_not_null()).select(to_number(pl.col("text"), written, pl.Int64())).to_series()
    return Numbers(
        written,
        read,
        odd,
        (*seen.missing_words, *said),
        plain_whole and not as_whole.null_count(),
        decisive,
        is_open,
        float(good.min()),  # type: ignore[arg-type]
        float(good.max()),  # type: ignore[arg-type]
        good.n_unique(),
    )


def _stand_ins(known: pl.DataFrame, values: pl.Series) -> list[str]:
    """Return texts such as -999 that stand for a missing number in several rows: below all others, which are not negative, or
    far from all of them.
    """
    seen = known.with_columns(values.alias("value")).drop_nulls("value")
    low = seen.filter(pl.col("value") < 0)
    texts = low.filter(pl.col("value").is_in(_STAND_INS), pl.col("rows") > 1)["text"].to_list()
    if texts and len(texts) == low.height and known.height > len(texts) + 2:
        return texts
    far = seen.filter(pl.col("value").is_in(_FAR_STAND_INS), pl.col("rows") >= max(2, _OFTEN_ENOUGH * int(known["rows"].sum())))
    others = seen.filter(~pl.col("value").is_in(far["value"].to_list()))["value"]
    if not far.height or len(others) < _FEWEST_OTHERS:
        return []
    low_end, high_end = float(others.min()), float(others.max())  # type: ignore[arg-type]
    reach = _FAR * (high_end - low_end)
    return far.filter((pl.col("value") < low_end - reach) | (pl.col("value") > high_end + reach))["text"].to_list()


def _decisive(texts: pl.Series, written: NumberFormat) -> str | None:
    """Return a text with a decimal mark that cannot part thousands, or with both marks."""
    mark = re.escape(written.decimal)
    found = texts.filter(texts.str.contains(rf"\d{mark}(?:\d{{1,2}}|\d{{4,}})(?:\D|$)|(?:^|\D)0{mark}\d"))
    if not len(found) and written.thousands:
        found = texts.filter(texts.str.contains(rf"\d[{re.escape(mark_variants(written))}]\d{{3}}{mark}\d"))
    return str(found[0]) if len(found) else None


def marks_of_file(columns: Mapping[str, Numbers]) -> tuple[str, str | None]:
    """Return the decimal and the thousands mark of a file: what most of its columns with marks have."""
    decided = [each for each in columns.values() if each.decisive is not None or each.written.thousands is not None]
    decimals = Counter(each.written.decimal for each in decided)
    decimal = decimals.most_common(1)[0][0] if decimals else "."
    thousands = Counter(each.written.thousands for each in decided if each.written.thousands and each.written.decimal == decimal)
    return decimal, thousands.most_common(1)[0][0] if thousands else None


def settled(seen: Seen, found: Numbers, decimal: str, *, decided: bool) -> Numbers:
    """Return a column whose marks nothing in it decides as the other columns of the file have them, where one of those does."""
    written = found.written
    if not found.open or found.decisive or (written.decimal == decimal and written.thousands is not None):
        return found
    mark = written.thousands or written.decimal
    as_decimal = replace(written, decimal=mark, thousands=None)
    as_thousands = replace(written, decimal=decimal, thousands=mark)
    other = as_decimal if mark == decimal else as_thousands if decided else written
    if _rows_read(other, seen.known) == found.read:
        return _numbers(seen, other, is_open=True) or found
    return found


def same_values(seen: Seen, one: NumberFormat, other: NumberFormat) -> bool:
    """Whether two ways of writing read the texts of a column alike."""
    return one == other or _as_numbers(one, seen.known).equals(_as_numbers(other, seen.known), null_equal=True)
