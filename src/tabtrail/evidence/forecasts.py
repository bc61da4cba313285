"""Forecasts and their risk as the page shows them: whatever JSON documents `tabtrail risk` left, tolerant of their shape."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_MOST_ROWS = 60
_TITLE = ("title", "segment", "product_line", "country", "series", "name")


@dataclass(frozen=True)
class TableView:
    """Rows of cells under a header."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class ForecastView:
    """One document: what it is of, its single values by name, its lists as tables."""

    title: str
    facts: tuple[tuple[str, Any], ...]
    tables: tuple[TableView, ...]


def forecast_views(documents: Iterable[Mapping[str, Any]]) -> list[ForecastView]:
    """Return what the page shows of each document; an empty list for none."""
    return [_view(document) for document in documents]


def _view(document: Mapping[str, Any]) -> ForecastView:
    words = [str(document[key]) for key in _TITLE if isinstance(document.get(key), str)]
    facts: list[tuple[str, Any]] = []
    tables: list[TableView] = []
    _walk("", document, facts, tables)
    return ForecastView(" · ".join(words) or "forecast", tuple(facts), tuple(tables))


def _walk(name: str, value: Any, facts: list[tuple[str, Any]], tables: list[TableView]) -> None:
    if isinstance(value, Mapping):
        for key, each in value.items():
            _walk(f"{name} › {key}" if name else str(key), each, facts, tables)
    elif isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
        header = tuple(dict.fromkeys(key for each in value for key in each))
        rows = tuple(tuple(_plain(each.get(key)) for key in header) for each in value[:_MOST_ROWS])
        tables.append(TableView(_titled(name, len(value)), header, rows))
    elif isinstance(value, list) and len(value) > 1:
        rows = tuple((place, _plain(each)) for place, each in enumerate(value[:_MOST_ROWS], 1))
        tables.append(TableView(_titled(name, len(value)), ("", name.rpartition("› ")[2]), rows))
    else:
        facts.append((name, _plain(value[0] if isinstance(value, list) and value else value)))


def _titled(name: str, rows: int) -> str:
    return name if rows <= _MOST_ROWS else f"{name} (the first {_MOST_ROWS} of {rows:,})"


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
