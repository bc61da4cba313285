"""The formats of the dates of a column: those that read its texts, proven by the rows that only one of them reads."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import polars as pl

from tabtrail.contract.dates import MONTHS, DateFormat, contradict, has_offset, has_time
from tabtrail.contract.texts import BLANKS
from tabtrail.data.dates import read_as
from tabtrail.proposal.seen import Seen

_MOSTLY = 0.9  # of the rows with a text; of others a column is one of texts in which dates are met
_WORDS_SHARE, _WORDS = 0.5, 3  # or so many, and the others are a few words alone: "at once", "to be agreed"
_LEAST_ROWS = 0.002  # of a format beside others, so that no single odd text adds one: such a row is set aside
_DAYS = ("%d{0}%m{0}%Y", "%m{0}%d{0}%Y", "%Y{0}%m{0}%d", "%Y{0}%d{0}%m", "%d{0}%m{0}%y", "%m{0}%d{0}%y", "%y{0}%m{0}%d")
_NAMED = (
    "%d{0}{1}{0}%Y", "%d{0}{1}{0}%y", "{1}{0}%d{0}%Y", "{1} %d, %Y", "%d {1}, %Y", "%d. {1} %Y", "%Y{0}{1}{0}%d", "{1} %d %Y",
    "%d{1}%Y",
)  # fmt: skip
_MONTHS_ALONE = ("%Y{0}%m", "%m{0}%Y")
_NAMED_ALONE = ("{1}{0}%Y", "%Y{0}{1}", "{1}-%y", "{1}, %Y", "{1}. %Y")
_TIMES = (
    "", " %H:%M", " %H:%M:%S", " %H:%M:%S%.f", "T%H:%M:%S", "T%H:%M", "T%H:%M:%S%.f", "T%H:%M:%S%z", "T%H:%M:%S%.f%z",
    " %H:%M:%S%z", " %H:%M:%S%.f%z", "T%H:%M%z", " %H:%M%z", " %I:%M %p", " %I:%M:%S %p", " %I:%M%p", ", %H:%M", ", %H:%M:%S",
    " %H.%M", " %H.%M.%S", ", %I:%M %p", ", %I:%M:%S %p", " %H:%M:%S %z",
)  # fmt: skip
_SEPARATED = re.compile(r"\d{1,4}\s*([-/. ])\s*\d{1,2}\s*\1\s*\d{1,4}")
_MONTH = re.compile("|".join(name[:3] for name in MONTHS), re.IGNORECASE)
_MONTHLY = re.compile(r"^(?:(?:19|20)\d{2}([-/.])(?:0[1-9]|1[0-2])|(?:0?[1-9]|1[0-2])([-/.])(?:19|20)\d{2})$")
_COMPACT = re.compile(r"^(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_EASTERN = re.compile(r"^\d{4}\s?[年년]\s?\d{1,2}\s?[月월]")
_EASTERN_DAYS = ("%Y年%m月%d日", "%Y年%m月", "%Y년 %m월 %d일", "%Y년%m월%d일", "%Y년 %m월")
_WEEKDAY = re.compile(r"^(mon|tue|wed|thu|fri|sat|sun)([a-z]*)(,? )", re.IGNORECASE)
_SERIAL_NAME = re.compile(r"(?i)(?:^|[_\W])(?:date|datum|fecha)(?:$|[_\W])|(?:date|datum)$")
_STAND_INS = ("1900-01-01", "1899-12-30", "1899-12-31", "1901-01-01", "1970-01-01")  # the zeros of calendars and programs
# Shares of rows whose date is not before that of the row above: a file in the order of time, and one that is not. Read with day
# and month swapped, one of days in a row jumps back once a month.
_IN_ORDER, _OUT_OF_ORDER = 0.999, 0.98
_REGULAR, _IRREGULAR = (
    0.9,
    0.5,
)  # shares of the days that follow the one before by the same distance; of one reading and the other
_DAY_FIRST = re.compile(r"^%d.*%[mbB]")
_EXCEL = (20_000, 60_000)  # serial numbers of 1954 to 2064


@dataclass(frozen=True)
class Dates:
    """A column of dates: its formats, of how many rows with a text, the texts that have none of them, and the words for a missing
    one. `proof` is the text that decides between day and month first; `rival` the format that nothing disproves; `decided` says
    what did where no text does.
    """

    formats: tuple[str, ...]
    read: int
    odd: dict[str, int]
    words: tuple[str, ...]
    timed: bool
    days: int
    first: str
    last: str
    proof: str | None = None
    disproven: str | None = None
    rival: str | None = None
    rival_reason: str = ""
    decided: str = ""

    @property
    def rejected(self) -> int:
        """Rows that are neither dates nor missing."""
        return sum(rows for text, rows in self.odd.items() if text not in self.words)

    @property
    def has_offset(self) -> bool:
        return any(map(has_offset, self.formats))

    @property
    def has_days(self) -> bool:
        """Whether texts say the day, and not the month alone."""
        return any("%d" in form or form == "excel" for form in self.formats)

    @property
    def is_day_first(self) -> bool | None:
        """Whether the day stands before the month, where texts prove one of both; else None."""
        return _DAY_FIRST.match(self.formats[0]) is not None if self.proof and not self.formats[0].startswith("%Y") else None


def read_dates(seen: Seen) -> Dates | None:
    """Return the formats of a column's dates; None for a column that is not one of dates."""
    known = seen.known
    sample = known.filter(pl.col("text").str.contains(r"\d"))["text"].head(200)
    if not known.height or not _may_be_dates(seen.name, sample):
        return None
    stripped = known.with_columns(pl.col("text").str.strip_chars(BLANKS).alias("stripped"))
    found = _read_by(seen.name, stripped)
    if not found:
        return None
    total, read = int(known["rows"].sum()), pl.DataFrame(found)
    covered = stripped.filter(read.select(pl.any_horizontal(pl.all().is_not_null())).to_series())
    others = stripped.filter(~pl.col("text").is_in(covered["text"].to_list()))["stripped"]
    if int(covered["rows"].sum()) < (_WORDS_SHARE if _are_few_words(others) else _MOSTLY) * total:
        return None
    decided = _decided(seen, stripped, found)
    return None if decided is None else _in_order(seen, decided)


def _are_few_words(texts: pl.Series) -> bool:
    """Whether the texts that are no dates are a few words alone."""
    return not texts.str.contains(r"\d").any() and len({text.casefold() for text in texts.head(100)}) <= _WORDS


def _may_be_dates(name: str, sample: pl.Series) -> bool:
    def fits(text: str) -> bool:
        return bool(
            _SEPARATED.search(text)
            or _MONTHLY.match(text.strip(BLANKS))
            or _COMPACT.match(text)
            or _EASTERN.match(text)
            or (_MONTH.search(text) and re.search(r"\d", text))
        )

    if len(sample) and sum(map(fits, sample)) >= 0.8 * len(sample):
        return True
    return _SERIAL_NAME.search(name) is not None and _are_serials(sample)


def _are_serials(sample: pl.Series) -> bool:
    numbers = sample.cast(pl.Float64, strict=False)
    return not numbers.null_count() and bool(numbers.is_between(*_EXCEL).all()) and len(numbers) > 1


def _read_by(name: str, stripped: pl.DataFrame) -> dict[str, pl.Series]:
    """Return what each format that reads enough of the texts makes of them, by format."""
    texts, rows = stripped["stripped"], stripped["rows"]
    if _SERIAL_NAME.search(name) and _are_serials(texts.head(200)):
        return {"excel": read_as(texts, "excel", "UTC")}
    total, found = int(rows.sum()), dict[str, pl.Series]()
    for form in dict.fromkeys(_candidates(texts)):
        read = read_as(texts, form, "UTC")
        good = read.is_not_null() & read.dt.year().is_between(1900, 2100)
        if int(rows.filter(good).sum()) >= max(1, _LEAST_ROWS * total):
            found[form] = read.set(~good, None)
    return found


def _candidates(texts: pl.Series) -> Iterator[str]:
    """Yield formats that the shapes of some texts suggest: where digits, names of months and separators stand."""
    shapes = dict[str, str]()
    for text in (*texts.head(500), *texts.tail(500)):
        shapes.setdefault(re.sub(r"[A-Za-z]+", "a", re.sub(r"\d+", lambda each: str(min(len(each[0]), 4)), text)), text)
        if len(shapes) > 60:
            break
    for text in shapes.values():
        yield from _formats_of(text)


def _formats_of(text: str) -> Iterator[str]:
    weekday = _WEEKDAY.match(text)
    before = "" if weekday is None else ("%A" if len(weekday[0].rstrip(", ")) > 3 else "%a") + weekday[3]
    rest = text[weekday.end() :] if weekday else text
    days = list(_days_of(rest))
    for day in days:
        for time in _TIMES if "%d" in day else ("",):
            form = before + day + time
            if read_as(pl.Series([text]), form, "UTC")[0] is not None:
                yield form


def _days_of(text: str) -> Iterator[str]:
    if _COMPACT.match(text):
        yield "%Y%m%d"
    if _EASTERN.match(text):
        yield from _EASTERN_DAYS
    if (match := re.match(r"^\d{1,4}([-/. ])\d{1,2}\1\d{1,4}", text)) is not None:
        yield from (each.format(match[1]) for each in _DAYS)
    if (monthly := _MONTHLY.match(text)) is not None:
        yield from (each.format(monthly[1] or monthly[2]) for each in _MONTHS_ALONE)
    if (month := _MONTH.search(text)) is not None:
        word = re.match(r"[A-Za-z]+", text[month.start() :])
        names = ("%b", "%B") if word and len(word[0]) == 3 else ("%B",)
        for separator in ("-", " ", "/", "."):
            yield from (each.format(separator, name) for name in names for each in (*_NAMED, *_NAMED_ALONE))


def _decided(seen: Seen, stripped: pl.DataFrame, found: dict[str, pl.Series]) -> Dates | None:
    """Choose formats so that no two contradict each other, the ones that read most rows first."""
    rows = stripped["rows"]
    order = sorted(found, key=lambda form: (-int(rows.filter(found[form].is_not_null()).sum()), _rank(form)))
    chosen, disproven, rival = list[str](), None, None
    written = DateFormat(time_zone="UTC")
    covered = pl.Series([False] * stripped.height)
    for form in order:
        own = found[form].is_not_null()
        against = next((each for each in chosen if contradict(each, form, written)), None)
        if against is not None:
            more = stripped.filter(found[against].is_not_null() & ~own)
            if more.height and disproven is None and not against.startswith("%Y"):
                disproven = (form, str(more["text"][0]))
            elif not more.height and rival is None and not against.startswith("%Y"):
                rival = form
            continue
        if int(rows.filter(own & ~covered).sum()) >= (1 if not chosen else max(1.0, _LEAST_ROWS * int(rows.sum()))):
            chosen.append(form)
            covered |= own
    return _dates(seen, stripped, {form: found[form] for form in chosen}, disproven, rival)


def _in_order(seen: Seen, found: Dates) -> Dates:
    """Return dates that no row decides as the order of the rows has them, where it is that of time by one format alone."""
    if found.rival is None:
        return found
    column = seen.texts.frame[seen.name].drop_nulls().str.strip_chars(BLANKS)
    here, there = (_rising(column, form) for form in (found.formats[0], found.rival))
    if max(here, there) >= _IN_ORDER and min(here, there) < _OUT_OF_ORDER:
        better = found.formats[0] if here > there else found.rival
        other = found.rival if here > there else found.formats[0]
        return _taken(found, better, f"read so the rows are in the order of time, as {other} they are not")
    return replace(found, rival_reason=f"{found.formats[0]} is taken, as most countries write it.")


def _taken(found: Dates, form: str, said: str) -> Dates:
    """Return dates of which something beside their own texts decides the format."""
    assert found.rival is not None  # noqa: S101 - else there is nothing to decide
    other = found.rival if form == found.formats[0] else found.formats[0]
    formats = tuple(form if each in (form, other) else each for each in found.formats)
    return replace(found, formats=formats, disproven=other, rival=None, rival_reason="", decided=said)


def decided_by_file(seen: Seen, found: Dates, others: Mapping[str, Dates], decimal: str) -> Dates:
    """Return dates that nothing in their column decides as other columns of the file have them, or as its regular distances or
    its decimal comma tell; unchanged where nothing does.
    """
    if found.rival is None:
        return found
    first = next((form for form in (found.formats[0], found.rival) if _DAY_FIRST.match(form)), None)
    if first is None:
        return found
    last = found.rival if first == found.formats[0] else found.formats[0]
    proven = {each.is_day_first: name for name, each in others.items() if each.is_day_first is not None}
    if len(proven) == 1:
        (day_first, name), *_ = proven.items()
        return _taken(found, first if day_first else last, f"{name}, whose texts prove it, is written so")
    if form := next((each for each in (first, last) if _is_monthly(seen, each)), None):
        return _taken(found, form, "read so all days are the same one of many months, else of one month alone")
    here, there = (_regular(seen, form) for form in (first, last))
    if max(here, there) >= _REGULAR and min(here, there) < _IRREGULAR:
        return _taken(
            found, first if here > there else last, f"read so {max(here, there):.0%} of the days follow at one distance"
        )
    if decimal == ",":
        return _taken(found, first, "numbers of this file have a decimal comma, whose countries write the day first")
    return found


def _is_monthly(seen: Seen, form: str) -> bool:
    """Whether dates are of one day of the month, and of half of the months at least."""
    days = read_as(seen.known["text"].str.strip_chars(BLANKS), form, "UTC").drop_nulls().dt.date()
    return days.dt.day().n_unique() == 1 and days.dt.month().n_unique() >= 6  # half of the year


def _regular(seen: Seen, form: str) -> float:
    """Return the share of the days that follow the one before at the most frequent distance."""
    days = read_as(seen.known["text"].str.strip_chars(BLANKS), form, "UTC").drop_nulls().dt.date().unique().sort()
    if len(days) < 6:  # fewer are regular by chance
        return 0.0
    steps = days.cast(pl.Int32).diff().drop_nulls()
    return float(steps.value_counts()["count"].max() or 0) / len(steps)  # type: ignore[arg-type]


def _rising(column: pl.Series, form: str) -> float:
    """Return the share of rows whose date is not before that of the row above."""
    distinct = column.unique()
    read = column.replace_strict(distinct, read_as(distinct, form, "UTC"), default=None, return_dtype=pl.Datetime("us"))
    steps = read.drop_nulls().to_physical().diff().drop_nulls()
    return float((steps >= 0).mean() or 0.0) if len(steps) else 0.0  # type: ignore[arg-type]


def _rank(form: str) -> int:
    """Return how likely a format is where no row decides, 0 first: the month stands first in the United States alone."""
    order = "".join(part for part in re.findall(r"%([YymdbB])", form)).lower().replace("b", "m")
    by_noon = "%p" in form  # hours of a clock of twelve are written where months stand first
    return {"ymd": 0, "dmy": 2 if by_noon else 1, "mdy": 1 if by_noon else 2}.get(order, 3) + (3 if form.startswith("%y") else 0)


def _dates(
    seen: Seen, stripped: pl.DataFrame, read: dict[str, pl.Series], disproven: tuple[str, str] | None, rival: str | None
) -> Dates | None:
    moments = pl.DataFrame(read).select(pl.coalesce(pl.all())).to_series()
    stand_ins = _stand_ins(stripped, moments)
    moments = moments.set(stripped["text"].is_in(stand_ins), None)
    odd = stripped.filter(moments.is_null() & ~pl.col("text").is_in(stand_ins))
    good = moments.drop_nulls()
    total = int(stripped["rows"].sum())
    most = 1 - (_WORDS_SHARE if _are_few_words(odd["stripped"]) else _MOSTLY)
    if not len(good) or int(odd["rows"].sum()) > most * total:
        return None
    return Dates(
        formats=tuple(read),
        read=int(stripped.filter(moments.is_not_null())["rows"].sum()),
        odd={str(text): int(rows) for text, rows in odd.select("text", "rows").rows()},
        words=(*seen.missing_words, *stand_ins, *(odd["text"].to_list() if _is_much(odd, seen) else ())),
        timed=any(map(has_time, read)) and _times(good),
        days=good.dt.date().n_unique(),
        first=str(good.min())[:10],
        last=str(good.max())[:10],
        proof=disproven[1] if disproven else None,
        disproven=disproven[0] if disproven else None,
        rival=rival,
    )


def _stand_ins(stripped: pl.DataFrame, moments: pl.Series) -> list[str]:
    """Return texts of days that stand for an unknown one, more than ten years before all others."""
    stands = moments.dt.date().cast(pl.String).is_in(_STAND_INS).fill_null(False)
    others = moments.filter(~stands).drop_nulls()
    if not stands.any() or not len(others):
        return []
    far = moments.filter(stands).dt.year().max()
    first = others.dt.year().min()
    return stripped["text"].filter(stands).to_list() if int(first) - int(far) > 10 else []  # type: ignore[arg-type]


def _is_much(odd: pl.DataFrame, seen: Seen) -> bool:
    """Whether more rows than may be lost for one column have texts that are no dates, a few different ones."""
    return int(odd["rows"].sum()) > 0.01 * seen.rows and odd.height <= 40


def _times(moments: pl.Series) -> bool:
    return bool((moments.dt.truncate("1d") != moments).any())
