"""What the demand of a file is: its periods, the columns that make a series, what is planned; items that stand side by side."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import Literal

import polars as pl

from tabtrail.contract.schema import FLAG_WORDS
from tabtrail.errors import DataError, UsageError, nearest
from tabtrail.proposal.columns import Columns, Guess

Frequency = Literal["D", "W", "MS"]
_HORIZONS: Mapping[Frequency, int] = {"D": 14, "W": 8, "MS": 6}
# Periods that the features of a forecast look back on (`forecast.panel.evaluate.default_recipe`): nothing is judged before them.
_LOOKED_BACK: Mapping[Frequency, int] = {"D": 56, "W": 26, "MS": 12}
_UNITS: Mapping[Frequency, str] = {"D": "days", "W": "weeks", "MS": "months"}
_NAMES = re.compile(
    r"(?i)store|shop|product|item|sku|article|artikel|produkt|category|kategorie|family|region|country|land|city|state|branch|brand|"
    r"warehouse|site|line|filial|market|channel|segment|department|dept|station|meter|sensor|customer|series|group|class|outlet|plant"
)
_PLANNED = re.compile(r"(?i)price|preis|prix|precio|promo|discount|rabatt|aktion|holiday|feiertag|ferien|event|campaign|advert")
_PRICE = re.compile(r"(?i)^(?:unit_?|sell_?|list_?|base_?|regular_?)?(?:price|preis|prix|precio)(?:_?per_?unit)?$")
_OPEN, _CLOSED = re.compile(r"(?i)^(?:is_?)?(?:open|geoeffnet|geöffnet)$"), re.compile(r"(?i)^(?:is_?)?(?:closed|geschlossen)$")
_STOCK = re.compile(r"(?i)^(?:stock|inventory|on_?hand|bestand|lagerbestand)(?:_?level)?$")
_ROWS_OF_A_SERIES = 10  # on average; a column with fewer tells rows apart, not series
_PATTERN = re.compile(r"^([A-Za-z][A-Za-z]*)[_\- .](.+)$")
_LEAST_WIDE = 3  # items side by side
_MOST_WIDE = 0.5  # share of the columns beside the date that they are at least
_SPELLINGS = 10  # of true and false in one column, with capitals and without
_BARE = "value"  # what stands before the names of items that have no word in front


@dataclass(frozen=True)
class Wide:
    """Columns of items side by side: the patterns by long column, the names in their braces, the columns of each long one, and
    the names that columns get so that a pattern fits them.
    """

    patterns: Mapping[str, str]
    made: tuple[str, ...]
    members: Mapping[str, tuple[str, ...]]
    renamed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Series:
    """The demand of a file. `reasons` say what each key rests on."""

    target: str
    date: str
    keys: tuple[str, ...]
    frequency: Frequency
    horizon: int
    origins: int
    static: tuple[str, ...] = ()
    hierarchy: tuple[str, ...] = ()
    known_ahead: tuple[str, ...] = ()
    price: str | None = None
    closed: str | None = None
    stockout: str | None = None
    added_up: bool = False
    pauses: bool = False
    wide: Wide | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


def find_series(columns: Columns, target: str | None, named_date: str | None) -> Series:
    """Return the demand of a file. Raises `UsageError` for a column that is not there, `DataError` where there are no series."""
    day = _date(columns.guesses, named_date)
    wide = _wide(columns.guesses, day.name, target)
    if wide is not None:
        return _of_wide(day, wide, target)
    if target is None:
        raise UsageError("--demand: name the column that is forecast, with --target")
    if target not in columns.guesses:
        raise UsageError(f"--target: there is no column '{target}'{nearest(target, [*columns.guesses])}")
    if columns.guesses[target].numbers is None:
        raise DataError(f"the target {target} is not one of numbers, so that no demand of it can be forecast")
    return _of_long(columns.guesses, day, columns.guesses[target])


def _date(guesses: Mapping[str, Guess], named: str | None) -> Guess:
    if named is not None and named not in guesses:
        raise UsageError(f"--date: there is no such column '{named}'{nearest(named, [*guesses])}")
    dated = [each for each in guesses.values() if each.dates is not None and each.dates.days > 1]
    if named is not None:
        if guesses[named].dates is None:
            raise UsageError(f"--date: the texts of '{named}' are no dates that are read")
        return guesses[named]
    if not dated:
        raise DataError("--demand: no column holds dates with day, month and year, and a demand is over time")
    return min(dated, key=lambda each: each.missing + (each.dates.rejected if each.dates else 0))


def _periods(day: Guess) -> tuple[Frequency, int, list[date]]:
    """Return days, weeks or months, as the distance of dates says, how many there are from first to last, and the dates."""
    days = day.values().drop_nulls().dt.date().unique().sort().to_list()
    gaps = Counter((b - a).days for a, b in pairwise(days))
    usual = gaps.most_common(1)[0][0] if gaps else 1
    frequency: Frequency = "MS" if usual >= 28 else "W" if usual == 7 else "D"
    span = (days[-1] - days[0]).days
    count = {"D": span + 1, "W": span // 7 + 1, "MS": (days[-1].year - days[0].year) * 12 + days[-1].month - days[0].month + 1}[
        frequency
    ]
    least = _LOOKED_BACK[frequency] + 4  # two of them to learn from, and two to judge by
    if count < least:
        raise DataError(
            f"--demand: {day.name} spans {count} {_UNITS[frequency]}, too few to judge a forecast on; {least} at least are needed"
        )
    return frequency, count, days


def _horizon(frequency: Frequency, periods: int) -> tuple[int, int]:
    """Return how many periods are forecast, and from how many origins they are judged, half of what is not looked back on."""
    judged = (periods - _LOOKED_BACK[frequency]) // 2
    horizon = max(1, min(_HORIZONS[frequency], judged))
    return horizon, max(1, min(3, judged // horizon))


def _of_long(guesses: Mapping[str, Guess], day: Guess, target: Guess) -> Series:
    frequency, periods, days = _periods(day)
    horizon, origins = _horizon(frequency, periods)
    keys, unique = _keys(guesses, day, target)
    frame = _frame(guesses, [day.name, *keys])
    static = tuple(
        name for name in _texts(guesses, (day.name, target.name, *keys)) if keys and _is_static(guesses[name], frame, keys)
    )
    planned = _planned(guesses, target, day) if unique else ()
    price = next((name for name in planned if _PRICE.match(name) and _is_above_zero(guesses[name])), None)
    flags = {name: each for name, each in guesses.items() if each.numbers is not None and each.numbers.whole}
    opened = next((name for name in flags if _OPEN.match(name)), None)
    shut = next((name for name in flags if _CLOSED.match(name)), None)
    stock = next((name for name, each in flags.items() if _STOCK.match(name) and _is_never_below_zero(each)), None)
    taken = {day.name, target.name, *keys, *static, *planned, *filter(None, (opened, shut, stock))}
    return Series(
        target=target.name,
        date=day.name,
        keys=keys,
        frequency=frequency,
        horizon=horizon,
        origins=origins,
        static=static,
        hierarchy=tuple(
            name for name in (*keys, *static) if len(keys) + len(static) > 1 and guesses[name].distinct < _series(frame, keys)
        ),
        known_ahead=planned,
        price=price,
        closed=f"{_quoted(opened)} == 0" if opened else f"{_quoted(shut)} == 1" if shut else None,
        stockout=f"{_quoted(stock)} == 0 and {_quoted(target.name)} > 0" if stock else None,
        added_up=not unique,
        pauses=unique and _has_pauses(frequency, days),
        reasons=_reasons(frame, keys, unique, (frequency, periods)),
        left_out={name: _why_left(guesses[name]) for name in guesses if name not in taken},
    )


def _is_above_zero(guess: Guess) -> bool:
    return guess.numbers is not None and guess.numbers.least > 0


def _is_never_below_zero(guess: Guess) -> bool:
    return guess.numbers is not None and guess.numbers.least >= 0


def _quoted(name: str | None) -> str:
    return "" if name is None else name if name.isidentifier() else f"col({name!r})"


def _frame(guesses: Mapping[str, Guess], names: Sequence[str]) -> pl.DataFrame:
    first = guesses[names[0]].values().dt.date().alias(names[0])
    return pl.DataFrame([first, *(guesses[name].seen.texts.frame[name] for name in names[1:])])


def _texts(guesses: Mapping[str, Guess], but: Sequence[str]) -> list[str]:
    """Return the columns that may name series: texts and whole numbers, each with several rows, without gaps."""
    found = []
    for name, each in guesses.items():
        whole = each.kind == "text" or (each.numbers is not None and each.numbers.whole)
        if (
            name not in but
            and whole
            and not each.missing
            and each.distinct > 1
            and each.seen.rows >= _ROWS_OF_A_SERIES * each.distinct
        ):
            found.append(name)
    return found


def _keys(guesses: Mapping[str, Guess], day: Guess, target: Guess) -> tuple[tuple[str, ...], bool]:
    """Return the fewest columns by which no two rows are of one period, those first that are named like them, and whether there
    are such; of sales one by one, which are added up, the column that is named like a series and has the fewest values.
    """
    numbers = [
        name for name in _texts(guesses, (day.name, target.name)) if guesses[name].kind == "number" and not _NAMES.search(name)
    ]
    likely = [name for name in _texts(guesses, (day.name, target.name)) if name not in numbers and not _PLANNED.search(name)]
    likely.sort(key=lambda name: (not _NAMES.search(name), -guesses[name].distinct))
    frame = _frame(guesses, [day.name, *likely])
    keys: list[str] = []
    left = _repeated(frame, [day.name])
    while left > 0.001 * frame.height:
        tried = {name: _repeated(frame, [day.name, *keys, name]) for name in likely if name not in keys}
        best = min(
            tried, key=lambda name: (tried[name] > 0.001 * frame.height, not _NAMES.search(name), tried[name]), default=None
        )
        if best is None or tried[best] > 0.9 * left or len(keys) == 4:
            named = sorted((name for name in likely if _NAMES.search(name)), key=lambda name: guesses[name].distinct)
            return tuple(named[:1]), False
        keys.append(best)
        left = tried[best]
    return tuple(name for name in guesses if name in keys), True


def _repeated(frame: pl.DataFrame, names: Sequence[str]) -> int:
    return frame.height - frame.select(names).n_unique()


def _series(frame: pl.DataFrame, keys: Sequence[str]) -> int:
    return frame.select(keys).n_unique() if keys else 1


def _is_static(guess: Guess, frame: pl.DataFrame, keys: Sequence[str]) -> bool:
    both = frame.select(keys).with_columns(guess.seen.texts.frame[guess.name].alias("_own"))
    return guess.kind == "text" and both.n_unique() == both.select(keys).n_unique()


def _planned(guesses: Mapping[str, Guess], target: Guess, day: Guess) -> tuple[str, ...]:
    found = []
    for name, each in guesses.items():
        if name in (target.name, day.name) or not _PLANNED.search(name):
            continue
        if not each.missing and each.distinct > 1 and (is_flag(each) or (each.numbers is not None and not each.numbers.rejected)):
            found.append(name)
    return tuple(found)


def is_flag(guess: Guess) -> bool:
    """Whether the texts of a column are words such as true and nein, which a whole number between 0 and 1 reads."""
    texts = {text.strip().lower() for text in guess.seen.counts["text"].head(_SPELLINGS)}
    return guess.kind == "text" and guess.distinct < _SPELLINGS and {FLAG_WORDS.get(text) for text in texts} == {0, 1}


def _has_pauses(frequency: Frequency, days: Sequence[date]) -> bool:
    """Whether some days between the first and the last have no row of any series, as where a shop is closed."""
    return frequency == "D" and len(days) < (days[-1] - days[0]).days + 1 and len(days) > 0.5 * ((days[-1] - days[0]).days + 1)


def _why_left(guess: Guess) -> str:
    if guess.kind == "number":
        return "a number that is not known ahead, by its name; known_ahead takes it where it is planned"
    if _PLANNED.search(guess.name):
        return "known_ahead takes numbers and flags (1 and 0, true and false, yes and no), without gaps"
    return "neither a key of the series nor the same within each of them"


def _reasons(frame: pl.DataFrame, keys: Sequence[str], unique: bool, span: tuple[Frequency, int]) -> dict[str, str]:
    count, rows = _series(frame, keys), frame.height
    unit = _UNITS[span[0]]
    said = f"{count:,} series" if keys else "all rows are of one series"
    twice = "no two rows of one in one period" if unique else "several rows of one in one period, which are added up"
    return {
        "series": f"{said}, {rows:,} rows; {twice}",
        "frequency": f"the distance of most dates; {span[1]:,} {unit} from first to last",
    }


def _wide(guesses: Mapping[str, Guess], day: str, target: str | None) -> Wide | None:
    """Return the items that stand side by side, columns of numbers with one word before their names; None for a long file."""
    others = {name: each for name, each in guesses.items() if name != day}
    if target in others:
        return None
    found: dict[str, list[str]] = {}
    for name, each in others.items():
        if each.numbers is not None and (match := _PATTERN.match(name)):
            found.setdefault(match[1], []).append(name)
    groups = {word: names for word, names in found.items() if len(names) >= _LEAST_WIDE}
    if target is None and len(groups) != 1 and len(others) >= _LEAST_WIDE and not _have_one_word_in_front(groups, others):
        return _plain_wide(others)
    if not groups or not _have_one_word_in_front(groups, others):
        return None
    if len(groups) == 1 and _NAMES.fullmatch(word := next(iter(groups))):  # `Store A`: the word says what an item is
        item = word.lower()
        return Wide({_BARE: f"{word}{groups[word][0][len(word)]}{{{item}}}"}, (item,), {_BARE: tuple(groups[word])})
    parts = {word: [re.split(r"[_\- .]", name)[1:] for name in names] for word, names in groups.items()}
    two = all(len(part) == 2 for each in parts.values() for part in each)
    first = {part[0] for each in parts.values() for part in each}
    made = ("group", "item") if two and 1 < len(first) < max(map(len, groups.values())) else ("item",)
    separators = {word: names[0][len(word)] for word, names in groups.items()}
    inner = {
        word: re.sub(r"^[^_\- .]+", "", names[0][len(word) + 1 :])[:1] if len(made) == 2 else "" for word, names in groups.items()
    }
    patterns = {word.lower(): f"{word}{separators[word]}" + inner[word].join(f"{{{each}}}" for each in made) for word in groups}
    return Wide(patterns, made, {word.lower(): tuple(names) for word, names in groups.items()})


def _have_one_word_in_front(groups: Mapping[str, list[str]], others: Mapping[str, Guess]) -> bool:
    return sum(map(len, groups.values())) >= _MOST_WIDE * len(others)


def _plain_wide(others: Mapping[str, Guess]) -> Wide | None:
    """Return items that stand side by side under their bare names, where all columns but the date are numbers."""
    if not all(each.numbers is not None for each in others.values()):
        return None
    renamed = {name: f"{_BARE}_{name}" for name in others}
    return Wide({_BARE: f"{_BARE}_{{item}}"}, ("item",), {_BARE: tuple(others)}, renamed)


def _of_wide(day: Guess, wide: Wide, target: str | None) -> Series:
    frequency, periods, days = _periods(day)
    horizon, origins = _horizon(frequency, periods)
    longs = [*wide.patterns]
    wanted = (target or "").rstrip("_").lower()
    goal = wanted if wanted in longs else next((name for name in longs if not _PLANNED.search(name)), longs[0])
    if target is not None and goal != wanted:
        raise UsageError(
            f"--target: items stand side by side, and the words before their names are {', '.join(longs)}; name one of them"
        )
    unit = _UNITS[frequency]
    return Series(
        target=goal,
        date=day.name,
        keys=wide.made,
        frequency=frequency,
        horizon=horizon,
        origins=origins,
        hierarchy=wide.made[:1] if len(wide.made) > 1 else (),
        known_ahead=tuple(name for name in longs if name != goal and _PLANNED.search(name)),
        pauses=_has_pauses(frequency, days),
        wide=wide,
        reasons={
            "series": f"{len(wide.members[goal]):,} items side by side, such as {wide.members[goal][0]}",
            "frequency": f"the distance of most dates; {periods:,} {unit} from first to last",
        },
        left_out={},
    )
