"""Wide files, with one column an item: which long column and which series a column such as `QTY_B1_2` is, by a pattern."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

_BRACES = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Wide:
    """What the columns of a wide file become.

    `kept` stand on each of the long rows; `made` are the columns of the series, from the texts in braces; `groups` has, for each
    series, its texts [made] and its wide column for each long one [long], None where the file has none.
    """

    kept: tuple[str, ...]
    made: tuple[str, ...]
    long: tuple[str, ...]
    groups: tuple[tuple[tuple[str, ...], tuple[str | None, ...]], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the long table, in their order."""
        return (*self.kept, *self.made, *self.long)

    def without(self, dropped: Collection[str]) -> Self:
        """Return this without some of the wide columns, and without the series of which nothing is left."""
        left = [(texts, tuple(None if name in dropped else name for name in own)) for texts, own in self.groups]
        return replace(self, groups=tuple((texts, own) for texts, own in left if any(own)))


@dataclass(frozen=True)
class Melted:
    """How the wide files of a training were read: patterns by their long columns, and the wide columns that were dropped."""

    patterns: Mapping[str, str]
    dropped: tuple[str, ...] = ()


def braced(pattern: str) -> tuple[str, ...]:
    """Return the names in braces, in their order."""
    return tuple(_BRACES.findall(pattern))


def pattern_problem(pattern: str) -> str | None:
    """Return what is wrong with the form of a pattern; None for a good one."""
    names = braced(pattern)
    if any(sign in _BRACES.sub("", pattern) for sign in "{}"):
        return f"'{pattern}' has a brace that is not one of a pair"
    if not names or not all(name.strip() for name in names):
        return f"'{pattern}' names no column in braces; write the part that differs between items so, as QTY_{{item}}"
    if len(set(names)) < len(names):
        return f"'{pattern}' names one column twice in braces"
    if "}{" in pattern:
        return f"'{pattern}' does not say where one text ends and the next begins; write what stands between the braces"
    return None


def made_columns(patterns: Mapping[str, str]) -> tuple[str, ...]:
    """Return the columns that patterns make: those in braces, and the long ones."""
    return tuple(dict.fromkeys([*(name for pattern in patterns.values() for name in braced(pattern)), *patterns]))


class Misfit(Exception):  # noqa: N818 - whoever knows the file makes an error of it
    """Columns that do not go with the patterns; `long` is the one whose pattern it is."""

    def __init__(self, long: str, reason: str) -> None:
        super().__init__(reason)
        self.long = long


def match_columns(columns: Iterable[str], patterns: Mapping[str, str]) -> Wide:
    """Return what the columns of a wide file become, series in the order of their first column.

    Raises `Misfit` for a column that fits two patterns, or one in several ways, and for a pattern that no column fits.
    """
    fits = {long: _Fit(long, pattern) for long, pattern in patterns.items()}
    made = braced(next(iter(patterns.values())))
    kept, found = list[str](), dict[tuple[str, ...], dict[str, str]]()
    for column in columns:
        matches = {long: texts for long, fit in fits.items() if (texts := fit.texts(column)) is not None}
        if not matches:
            kept.append(column)
            continue
        if len(matches) > 1:
            first, other = list(matches)[:2]
            raise Misfit(other, f"the column '{column}' fits this pattern and that of {first}; write what sets them apart")
        ((long, texts),) = matches.items()
        found.setdefault(tuple(texts[name] for name in made), {})[long] = column
    for long, pattern in patterns.items():
        if not any(long in own for own in found.values()):
            raise Misfit(long, f"no column fits '{pattern}'; the columns are {_listed(kept)}")
    groups = tuple((texts, tuple(own.get(long) for long in patterns)) for texts, own in found.items())
    return Wide(tuple(kept), made, tuple(patterns), groups)


def fits_wide(column: str, patterns: Mapping[str, str]) -> bool:
    """Whether a column is one of a wide file, however it can be read."""
    return any(_Fit(long, pattern).fits(column) for long, pattern in patterns.items())


class _Fit:
    """A pattern at work. The shortest and the longest way to read a name are one where there is only one way."""

    def __init__(self, long: str, pattern: str) -> None:
        self._long, self._names = long, braced(pattern)
        parts = [re.escape(part) for part in _BRACES.sub("\0", pattern).split("\0")]
        self._short, self._far = (re.compile(group.join(parts), re.DOTALL) for group in ("(.+?)", "(.+)"))

    def fits(self, column: str) -> bool:
        return self._short.fullmatch(column) is not None

    def texts(self, column: str) -> dict[str, str] | None:
        short = self._short.fullmatch(column)
        if short is None:
            return None
        far = self._far.fullmatch(column)
        ways = [dict(zip(self._names, match.groups(), strict=True)) for match in (short, far) if match is not None]
        if ways[0] != ways[-1]:
            shown = " or ".join(", ".join(f"{name} '{text}'" for name, text in way.items()) for way in ways)
            raise Misfit(
                self._long,
                f"the column '{column}' can be read as {shown}; rename it (source.rename), or name one column in braces",
            )
        return ways[0]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5:,} more" if len(names) > 5 else shown or "none"
