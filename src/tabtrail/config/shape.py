"""What is said of a value of the wrong shape, as a list where keys belong or a text where a number does, and the edit for it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tabtrail.errors import nearest

_MOST_SHOWN = 8  # keys of a section, or items of a list
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_LONGEST = 60  # characters of a value that a message repeats
_MAPPINGS = frozenset(["dict_type", "mapping_type", "model_type", "model_attributes_type", "dataclass_type"])
_LISTS = frozenset(["tuple_type", "list_type", "set_type", "frozen_set_type"])
_SCALARS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a text",
    "path": "the path of a file or a folder",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "{} or more"),
    "less_than_equal": ("le", "{} or less"),
    "greater_than": ("gt", "more than {}"),
    "less_than": ("lt", "less than {}"),
}


def describe_shape(name: str, detail: Mapping[str, Any], fields: Sequence[str], *, of_mappings: bool = False) -> str | None:
    """Return what is wrong with the value of a key called `name`, and the edit; None where it has no wrong shape.

    `fields` are the keys of the section that belongs there; `of_mappings` says that there each name has keys of its own.
    """
    kind, value = str(detail["type"]), detail.get("input")
    if kind in _MAPPINGS:
        return _no_mapping(name, value, fields, of_mappings=of_mappings)
    if kind in _LISTS:
        return f"{_what(value)}, where a list belongs: write {name}: {_as_list(value)}"
    if kind == "literal_error":
        allowed = [one or other for one, other in _QUOTED.findall(str(detail["msg"]))] or [str(detail["msg"]).rpartition(" ")[2]]
        shown = ", ".join(each if each.isidentifier() or each.isdigit() else repr(each) for each in allowed)
        return f"{_what(value)}, where {'one of ' if len(allowed) > 1 else ''}{shown} belongs{nearest(str(value), allowed)}"
    if kind in ("too_short", "too_long"):
        words, bound = ("at least", "min_length") if kind == "too_short" else ("at most", "max_length")
        count = detail["ctx"][bound]
        return f"{_what(value)}, where {words} {count:,} {'item belongs' if count == 1 else 'items belong'}"
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        limit = f"{detail['ctx'][bound]:,g}"
        return f"{_what(value)}, where {words.format(limit)} belongs"
    wanted = _SCALARS.get(kind.partition("_")[0])
    return None if wanted is None or not kind.endswith(("_type", "_parsing", "_from_float")) else _no_scalar(name, value, wanted)


def _no_mapping(name: str, value: Any, fields: Sequence[str], *, of_mappings: bool) -> str:
    keys = f"its keys are {', '.join(fields[:_MOST_SHOWN])}{', …' if len(fields) > _MOST_SHOWN else ''}"
    if value is None:
        return "is empty: take the line out, or write keys below it, indented" + (f"; {keys}" if fields else "")
    names = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        edit = f"take the dashes away, so that they are keys below {name}:"
    elif of_mappings and names and all(isinstance(each, str) for each in names):
        edit = f"write {name}: {{{', '.join(f'{each}: {{}}' for each in names[:_MOST_SHOWN])}}}"
    elif fields:
        edit = f"write {name}: and its keys below it, indented"
    else:
        edit = f"write {name}: {{KEY: VALUE}}"
    return f"{_what(value)}, where keys belong: {edit}" + (f"; {keys}" if fields else "")


def _no_scalar(name: str, value: Any, wanted: str) -> str:
    edit = ""
    if isinstance(value, list) and len(value) == 1 and not isinstance(value[0], dict | list):
        edit = f": write {name}: {value[0]}"
    elif wanted == "a text" and isinstance(value, bool | int | float):
        edit = f": put it in quotes, {name}: '{_plain(value)}'"
    elif value is None:
        edit = ": write one, or take the line out"
    return f"{_what(value)}, where {wanted} belongs{edit}"


def _as_list(value: Any) -> str:
    if value is None or isinstance(value, dict):
        return "[…]"
    return f"[{_cut(_plain(value))}]"


def _what(value: Any) -> str:
    """Return a value in words: what it is, and itself where it is short."""
    if value is None:
        return "is empty"
    if isinstance(value, list | tuple):
        return f"is a list ({_cut(', '.join(map(_plain, value[:_MOST_SHOWN])))})" if value else "is an empty list"
    if isinstance(value, dict):
        return f"has keys of its own ({_cut(', '.join(map(str, list(value)[:_MOST_SHOWN])))})" if value else "is an empty mapping"
    return f"is the text {_cut(value)!r}" if isinstance(value, str) else f"is {_cut(_plain(value))}"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: …" for key in value) + "}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
