"""Keys that say what a value means, given for one prediction: the model has its own, and no row is to be read otherwise."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tabtrail.config.aliases import plain_table, read_alias_files
from tabtrail.config.cleaning import Cleaning
from tabtrail.config.data import Source
from tabtrail.config.file import Places, RawConfig, read_overrides
from tabtrail.config.section import Section
from tabtrail.contract.aliases import ContextAliases, build_tables
from tabtrail.contract.cells import CellReading
from tabtrail.contract.schema import ModelSchema
from tabtrail.errors import ConfigError

_NOTHING = object()
_NONE = ContextAliases("", (), ())
_KEYS: dict[str, type[Section]] = {"source": Source, "cleaning": Cleaning}


@dataclass(frozen=True)
class _Rule:
    """What a key sets in the reading of columns of a kind: how the model has it (`of`), and what a value sets for a column.

    `wanted` gives `_NOTHING` where the value says nothing of the column. Another key may overrule one that is `of_all` for a
    column, so that it is another than the model's only where no column has it.
    """

    kind: str | None
    of: Callable[[CellReading], Any]
    wanted: Callable[[Any, str, CellReading], Any] = lambda value, name, reading: value
    of_all: bool = False


_RULES = {
    "source.decimal": _Rule("numeric", lambda reading: reading.number.decimal, of_all=True),
    "source.thousands": _Rule("numeric", lambda reading: reading.number.thousands, of_all=True),
    "source.null_values": _Rule(
        None,
        lambda reading: reading.nulls,
        lambda value, name, reading: replace(reading, nulls=value[name]).spelled().nulls if name in value else _NOTHING,
    ),
    "cleaning.aliases": _Rule(
        "categorical",
        lambda reading: dict(reading.aliases),
        lambda value, name, reading: (
            replace(reading, aliases=plain_table(value[name])).spelled().aliases if name in value else _NOTHING
        ),
    ),
    "cleaning.fill_value": _Rule(
        "categorical", lambda reading: reading.fill, lambda value, name, reading: reading.fill and reading.spell(value)
    ),
    "cleaning.fill_unknown_columns": _Rule(
        "categorical", lambda reading: reading.fill is not None, lambda value, name, reading: name in value
    ),
    "cleaning.trim": _Rule("categorical", lambda reading: reading.trim, lambda value, name, reading: _chosen(value, name)),
    "cleaning.fold_case": _Rule(
        "categorical", lambda reading: reading.fold_case, lambda value, name, reading: _chosen(value, name)
    ),
    "cleaning.date_formats": _Rule(
        "date", lambda reading: reading.date.formats, lambda value, name, reading: _formats(value, reading), of_all=True
    ),
    "cleaning.dates": _Rule(
        "date",
        lambda reading: reading.date.formats,
        lambda value, name, reading: _formats(value[name], reading) if name in value else _NOTHING,
    ),
    "cleaning.time_zone": _Rule("date", lambda reading: reading.date.time_zone),
    "cleaning.plausible_years": _Rule("date", lambda reading: reading.date.plausible_years),
}


def require_trained_rules(schema: ModelSchema, flags: Sequence[str], path: Path) -> None:
    """Raise `ConfigError` for a flag or a variable of the environment by which a column would mean another value than it does
    to the model: scoring would leave it out of account. `path` is that of the config file, beside which files of aliases lie.
    """
    if bound := sorted({"columns", "rows"} & read_overrides("contract", flags, environment={}).keys()):
        raise ConfigError(f"contract.{bound[0]}: the model has its own contract; leave contract.{bound[0]} out, or train with it")
    for section, kind in _KEYS.items():
        values = read_overrides(section, flags)
        read_alias_files(RawConfig(path, {section: values}, Places()))
        try:
            given = kind.model_validate(values)
        except ValidationError as error:
            detail = error.errors()[0]
            key = ".".join(map(str, (section, *detail["loc"])))
            raise ConfigError(f"{key}: {detail['msg']}") from None
        for name in sorted(given.model_fields_set):
            if (rule := _RULES.get(f"{section}.{name}")) is not None:
                _require(schema, f"{section}.{name}", rule, getattr(given, name))
        if isinstance(given, Cleaning) and "aliases" in given.model_fields_set:
            _require_tables(schema, given)


def _require(schema: ModelSchema, key: str, rule: _Rule, value: Any) -> None:
    found = list(_compared(schema, rule, value))
    others = [each for each in found if each[1] != each[2]]
    if others and (len(others) == len(found) or not rule.of_all):
        name, wanted, trained = others[0]
        raise ConfigError(
            f"{key}: {_shown(wanted)} is not how the model reads '{name}', which is {_shown(trained)}; what a value means comes"
            f" from the training alone: leave {key} out, or train with it"
        )


def _require_tables(schema: ModelSchema, given: Cleaning) -> None:
    """Raise `ConfigError` for a table of other spellings with a context that is another than the model's."""
    readings, own = {each.name: each.reading for each in schema.features}, {each.column: each for each in schema.aliases}
    stated = [each for each in given.stated_tables if {each.column, *each.within} <= readings.keys()]
    found = {each.column: each for each in build_tables(stated, readings.__getitem__)}
    for name in given.aliases:
        if name in readings and found.get(name, _NONE).texts != own.get(name, _NONE).texts:
            raise ConfigError(
                f"cleaning.aliases: the table of '{name}' is not that by which the model reads it; what a value means comes from"
                " the training alone: leave cleaning.aliases out, or train with it"
            )


def _compared(schema: ModelSchema, rule: _Rule, value: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield the name of each column that a key concerns, what the key says of it, and how the model has it."""
    for feature in schema.features:
        if rule.kind in (None, feature.kind):
            wanted = rule.wanted(value, feature.name, feature.reading)
            if wanted is not _NOTHING:
                yield feature.name, wanted, rule.of(feature.reading)


def _formats(value: tuple[str, ...], reading: CellReading) -> tuple[str, ...]:
    """Return the formats that are given, or the model's where these are those of them that the training files proved."""
    return reading.date.formats if set(reading.date.formats) <= set(value) else value


def _chosen(value: bool | tuple[str, ...], name: str) -> bool:
    return value if isinstance(value, bool) else name in value


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
