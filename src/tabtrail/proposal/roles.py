"""What each column is for in a model of rows: target, features, date, group, or left out with the reason; and the split."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Self

import polars as pl

from tabtrail.config.model import DatePart
from tabtrail.errors import DataError, UsageError, nearest
from tabtrail.modeling.preprocess import MANY_TEXTS
from tabtrail.proposal.columns import Columns, Guess
from tabtrail.proposal.leaks import Suspects, find_suspects, names_rows
from tabtrail.proposal.numbers import MOST_LOST

_NEARLY_UNIQUE = 0.5  # distinct texts of all with one: more rows than not have a text of their own, of which nothing is learned
_FREE_TEXT = 60  # characters on average: sentences, which are no categories
_FEW_CODES = 12  # whole numbers of so few values may as well be codes of categories
_CODES = re.compile(
    r"(?i)(?:^|[_\W])(?:id|code|type|class|kind|category|zip|plz|postal|postcode|zipcode|region|zone|group|sku)(?:$|[_\W])|(?i:id|code|plz)$"
)
_ORDERED = re.compile(r"(?i)year|yr|month|mnth|quarter|qtr|week|day|hour|jahr|monat|tag")  # of these a later one is a larger one
_WHOSE = (
    "order|invoice|customer|client|patient|user|session|account|household|subject|contract|vehicle|machine|device|student|employee|"
    "passenger|member|policy|claim|loan|kunden?|auftrags?|rechnungs?|vertrags?"
)
_GROUPS = re.compile(
    rf"(?i)(?:^|[_\W])(?:id|uuid|guid)(?:$|[_\W])|(?:^|[_\W])(?:{_WHOSE})[_\W]?(?:id|no|nr|num|number|nummer|key|code|name)?$"
    r"|(?-i:[a-z]I[dD]|[a-z](?:No|Nr|Number))$"
)
_FEW_ROWS = 200
_LEAST_GROUPS = 20  # groups; fewer cannot be parted into folds that stand for new ones
_GROUP_ROWS = 1.1  # rows of a group on average; below it hardly any group has a second row
_DAYS_FOR_TIME = 14  # days; fewer leave folds of a day each
_PARTS: tuple[DatePart, ...] = ("year", "month", "weekday", "days", "hour")
SplitKind = Literal["group", "random", "time"]


@dataclass(frozen=True)
class Roles:
    """The columns of a model of rows. `left_out` and `notes` say why and what to know, by column; `kept_suspects` are columns
    that give the target away and without which nothing would be learned, `spared` those of which only another one is left out,
    `strong` those that explain the target very well without being made of it.
    """

    target: Guess
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    date_parts: Mapping[str, tuple[DatePart, ...]]
    date: str | None
    group: str | None
    split: SplitKind
    split_reason: str
    folds: int
    left_out: Mapping[str, str]
    notes: Mapping[str, str]
    suspects: Mapping[str, str]
    kept_suspects: Mapping[str, str]
    spared: Mapping[str, str]
    strong: Mapping[str, str]
    learnable: bool
    findings: tuple[str, ...] = field(default=())

    @property
    def features(self) -> tuple[str, ...]:
        return (*self.numeric, *self.categorical, *self.date_parts)

    def without(self, broken: Mapping[str, str]) -> Self:
        """Return the roles without features whose values broke their rule, by column. Raises `DataError` where none is left."""
        rest = replace(
            self,
            numeric=tuple(name for name in self.numeric if name not in broken),
            categorical=tuple(name for name in self.categorical if name not in broken),
            date_parts={name: parts for name, parts in self.date_parts.items() if name not in broken},
            left_out={**self.left_out, **{name: f"too many rows break a rule of it: {rule}" for name, rule in broken.items()}},
        )
        if not rest.features:
            raise DataError(f"no column is left from which {self.target.name} could be predicted: {'; '.join(broken.values())}")
        return rest


def assign_roles(columns: Columns, target: Guess, *, date: str | None, group: str | None) -> Roles:
    """Give every column its role; `date` and `group` are those that somebody named.

    Raises `UsageError` for a wrong one, `DataError` where no column is left to predict from.
    """
    guesses = columns.guesses
    others = {name: each for name, each in guesses.items() if name != target.name}
    date, group = _named_date(others, date), _named_group(others, group, date)
    left_out = {name: reason for name, each in others.items() if (reason := _reason_against(each))}
    key = group or _group_of(others, left_out)
    if key is not None:
        left_out[key] = f"names a group of rows ({_groups(guesses[key])}); the split keeps its rows together"
    features = [each for name, each in others.items() if name not in left_out]
    suspects, numbered = _looked_for(target, features, others, left_out)
    features += [guesses[name] for name in numbered]
    gone, kept = _judged(suspects, features)
    kept |= {name: left_out.pop(name) for name in numbered}
    left_out |= gone
    day = date or _date_of(others, target)
    if not set(others) - left_out.keys():
        reasons = "; ".join(f"{name}: {reason}" for name, reason in [*left_out.items()][:4])
        raise DataError(f"no column is left from which {target.name} could be predicted: {reasons}")
    return _with_split(
        columns, target, [each for each in features if each.name not in left_out], left_out, (gone, kept), (key, day), suspects
    )


def _with_split(
    columns: Columns,
    target: Guess,
    features: Sequence[Guess],
    left_out: Mapping[str, str],
    suspects: tuple[Mapping[str, str], Mapping[str, str]],
    keys: tuple[str | None, str | None],
    found: Suspects,
) -> Roles:
    key, day = keys
    kind, reason, folds = _split(columns.guesses, target, key, day)
    texts = [each for each in features if each.kind == "text" or _is_code(each)]
    numbers = [each for each in features if each.kind == "number" and each not in texts]
    names = [each.name for each in columns.guesses.values()]
    return Roles(
        target=target,
        numeric=tuple(each.name for each in numbers),
        categorical=tuple(each.name for each in texts),
        date_parts={each.name: parts for each in features if each.kind == "date" and (parts := _parts(each, names))},
        date=day,
        group=key if kind == "group" else None,
        split=kind,
        split_reason=reason,
        folds=folds,
        left_out=left_out,
        notes={each.name: note for each in features if (note := _note(each))}
        | {each.name: f"kept: {found.spared[each.name]}" for each in features if each.name in found.spared},
        suspects=suspects[0],
        kept_suspects=suspects[1],
        spared={each.name: found.spared[each.name] for each in features if each.name in found.spared},
        strong={each.name: found.strong[each.name] for each in features if each.name in found.strong},
        learnable=found.known,
    )


def _named_date(others: Mapping[str, Guess], named: str | None) -> str | None:
    if named is not None and named not in others:
        raise UsageError(f"--date: there is no such column '{named}'{nearest(named, [*others])}")
    if named is not None and others[named].kind != "date":
        first = others[named].seen.counts["text"].head(2).to_list()
        raise UsageError(f"--date: the texts of '{named}' ({', '.join(map(repr, first))}) are no dates that are read")
    return named


def _named_group(others: Mapping[str, Guess], named: str | None, date: str | None) -> str | None:
    if named is None:
        return None
    if named not in others or named == date:
        raise UsageError(f"--group: there is no such column '{named}'{nearest(named, [*others])}")
    if others[named].distinct < 7:
        raise UsageError(
            f"--group: '{named}' has {others[named].distinct} values only, too few to hold some of them out in five folds"
        )
    return named


def _reason_against(guess: Guess) -> str | None:
    """Return why a column says nothing about the target that a model could use; None for a feature."""
    seen = guess.seen
    if guess.kind == "empty" or guess.missing == seen.rows:
        return "empty in every row"
    if guess.distinct == 1 and (guess.kind != "text" or not guess.missing):
        values = seen.known if seen.known.height else seen.counts
        return f"the same in every row that has a value, {seen.example(str(values['text'][0]))}"
    if guess.kind == "text":
        return _against_text(guess)
    odd = guess.numbers.rejected if guess.numbers is not None else guess.dates.rejected if guess.dates is not None else 0
    if odd > MOST_LOST * seen.rows:
        kind = "numbers" if guess.numbers is not None else "dates"
        return f"{odd:,} of its {seen.filled:,} texts are no {kind}, as {seen.example(_first_odd(guess))}"
    if guess.kind == "number" and (evidence := names_rows(guess)):
        return evidence
    return None


def _first_odd(guess: Guess) -> str:
    found = guess.numbers or guess.dates
    return next((text for text in found.odd if text not in found.words), "") if found is not None else ""


def _against_text(guess: Guess) -> str | None:
    seen = guess.seen
    if seen.counts["rows"].max() == 1 and seen.filled > 1:
        return f"every one of its {seen.filled:,} texts stands in one row alone, as {seen.example(str(seen.counts['text'][0]))}"
    length = float((seen.counts["text"].str.len_chars() * seen.counts["rows"]).sum() / max(1, seen.filled))
    if length > _FREE_TEXT and seen.distinct > MANY_TEXTS:
        return f"free text ({length:.0f} characters on average, {seen.distinct:,} different)"
    if seen.distinct > MANY_TEXTS and seen.distinct > _NEARLY_UNIQUE * seen.filled:
        return f"{seen.distinct:,} different texts in {seen.filled:,} rows, so that most rows have their own"
    return None


def _is_code(guess: Guess) -> bool:
    """Whether whole numbers are codes by their name: shop 12 is not twice shop 6."""
    numbers = guess.numbers
    if _ORDERED.search(guess.name) or 2 * guess.distinct > guess.seen.rows:
        return False
    return (
        numbers is not None
        and numbers.whole
        and not guess.words
        and _CODES.search(guess.name) is not None
        and guess.distinct <= 255
    )


def _group_of(others: Mapping[str, Guess], left_out: Mapping[str, str]) -> str | None:
    """Return the column that names groups of several rows: of those named like a key, the finest."""
    found = [
        (each.distinct, name)
        for name, each in others.items()
        if name not in left_out and _GROUPS.search(name) and not each.missing and _repeats(each)
    ]
    return max(found)[1] if found else None


def _repeats(guess: Guess) -> bool:
    whole = guess.kind == "text" or (guess.numbers is not None and guess.numbers.whole)
    rows, keys = guess.seen.rows, guess.distinct
    return whole and keys >= max(_LEAST_GROUPS, 0.01 * rows) and rows >= _GROUP_ROWS * keys


def _groups(guess: Guess) -> str:
    return f"{guess.distinct:,} different in {guess.seen.rows:,} rows, up to {int(guess.seen.counts['rows'].max()):,} rows each"  # type: ignore[arg-type]


def _looked_for(
    target: Guess, features: Sequence[Guess], others: Mapping[str, Guess], left_out: Mapping[str, str]
) -> tuple[Suspects, list[str]]:
    """Return the suspects among the features, and the numbers that name rows and without which nothing is learned."""
    found = find_suspects(target, features)
    numbered = [name for name in left_out if others[name].kind == "number" and others[name].distinct > 1]
    if found.known or not numbered:
        return found, []
    again = find_suspects(target, [*features, *(others[name] for name in numbered)])
    # Of some dozen rows a quick look tells little: then the run itself is to tell.
    return (again, numbered) if again.known or target.seen.rows < _FEW_ROWS else (found, [])


def _judged(found: Suspects, features: Sequence[Guess]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the suspects that are left out, and those that are kept: all of them where nothing would be learned without."""
    everything = {**found.alone, **found.together}
    if not everything:
        return {}, {}
    if not found.learnable or len(everything) >= len(features):
        return {}, everything
    return everything, {}


def _date_of(others: Mapping[str, Guess], target: Guess) -> str | None:
    """Return the column of the dates of the rows: of those with the fewest gaps, and days enough for a split, the first."""
    dated = [each for each in others.values() if each.dates is not None]
    best = min(dated, key=lambda each: (each.missing + each.dates.rejected, each.dates.days < _DAYS_FOR_TIME), default=None)  # type: ignore[union-attr]
    return None if best is None or best.missing > 0.5 * target.seen.rows else best.name


def _split(guesses: Mapping[str, Guess], target: Guess, key: str | None, day: str | None) -> tuple[SplitKind, str, int]:
    rows = target.seen.rows
    folds = 5 if rows >= 100 else 3
    if key is not None:
        return "group", f"{key} repeats: {_groups(guesses[key])}", folds
    if day is None:
        return "random", "no column names groups of rows, and none holds dates", folds
    dates, guess = guesses[day].dates, guesses[day]
    assert dates is not None  # noqa: S101 - it is a column of dates
    gaps = guess.missing + dates.rejected
    if gaps:
        return (
            "random",
            f"rows have dates ({day}), but {gaps:,} of {rows:,} have none, and a time split needs one in every row",
            folds,
        )
    if dates.days < _DAYS_FOR_TIME:
        return "random", f"rows have dates ({day}), but of {dates.days:,} different days only, too few to cut into folds", folds
    if dates.rival:
        return "random", f"rows have dates ({day}), but whether day or month stands first is open", folds
    return (
        "time",
        f"rows have dates ({day}, {dates.first} to {dates.last}): what is predicted comes after what was learned from",
        folds,
    )


def _parts(guess: Guess, names: Sequence[str]) -> tuple[DatePart, ...]:
    dates = guess.values()
    found: dict[DatePart, pl.Series] = {"year": dates.dt.year(), "month": dates.dt.month()}
    if guess.dates is not None and guess.dates.has_days:
        found["weekday"] = dates.dt.weekday()
    found["days"] = dates.dt.date().cast(pl.Int32)
    if guess.dates is not None and guess.dates.timed:
        found["hour"] = dates.dt.hour()
    taken = {name.casefold() for name in names}
    base = re.sub(r"[^A-Za-z0-9_.-]", "_", guess.name)
    return tuple(
        part for part in _PARTS if part in found and found[part].n_unique() > 1 and f"{base}_{part}".casefold() not in taken
    )


def _note(guess: Guess) -> str | None:
    if guess.kind == "number" and guess.numbers is not None:
        if _is_code(guess):
            return f"whole numbers that are codes by their name ({guess.distinct} values)"
        if guess.numbers.whole and 2 < guess.distinct <= _FEW_CODES:
            return (
                f"{guess.distinct} whole numbers; where they are codes of categories: dtype string, and into categorical_features"
            )
    if guess.kind == "text" and guess.distinct > MANY_TEXTS:
        return f"{guess.distinct:,} different texts: frequency_encoded or target_encoded may do better"
    return None
