"""Pairs of number columns that say where something is: the config names them, or their own names tell."""

import re
from collections.abc import Iterable, Sequence

from tabtrail.config.section import Problems
from tabtrail.errors import nearest

_COORDINATE = re.compile(r"(?P<before>|.*[^a-z])(?P<word>latitude|lat|longitude|long|lng|lon)(?P<after>|[^a-z].*)", re.IGNORECASE)


def named_coordinates(columns: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return (longitude, latitude) of columns such as `pickup_lng` and `pickup_lat`; none of a rest that names two of a kind."""
    found: dict[tuple[str, str], list[tuple[bool, str]]] = {}
    for column in columns:
        if match := _COORDINATE.fullmatch(column):
            rest = (match["before"].casefold(), match["after"].casefold())
            found.setdefault(rest, []).append((match["word"].casefold().startswith("lat"), column))
    pairs = [sorted(each) for each in found.values()]
    return tuple((each[0][1], each[1][1]) for each in pairs if [north for north, _ in each] == [False, True])


def check_coordinates(pairs: Iterable[tuple[str, str]], numbers: Sequence[str]) -> Problems:
    """Yield pairs that are not two of the numeric features."""
    for place, pair in enumerate(pairs):
        key = ("model", "coordinates", str(place))
        if pair[0] == pair[1]:
            yield key, f"'{pair[0]}' is named twice; write two columns, as [longitude, latitude]"
        for column in pair:
            if column not in numbers:
                yield key, f"'{column}' is not among model.numeric_features{nearest(column, list(numbers))}"
