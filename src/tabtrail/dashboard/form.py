"""The form of a model: a field for each column of the bundle's schema, with what may stand there and what training has seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tabtrail.bundle.predictor import Predictor
from tabtrail.contract.schema import Feature
from tabtrail.report.figures import shown

MOST_OPTIONS = 200
"""Categories that a box lists; of more, the texts near to what was typed are named instead, so that pages stay small."""
Kind = Literal["whole", "number", "choice", "text", "date", "moment"]
Entry = float | int | str | None


@dataclass(frozen=True)
class Field:
    """One entry of the form. `options` are the texts of a choice, `known` counts the texts that training has seen, `hint` says
    in words what is allowed, `seen` what range training has. An entry that is not `required` may be left empty.
    """

    name: str
    kind: Kind
    required: bool
    options: tuple[str, ...]
    known: int
    example: Entry
    seen: str
    hint: str


def fields_of(predictor: Predictor) -> list[Field]:
    """Return the fields of the form, in the order of the schema."""
    return [_field(predictor, feature) for feature in predictor.schema.features]


def _field(predictor: Predictor, feature: Feature) -> Field:
    known = known_texts(predictor, feature)
    kind = _kind(feature, known)
    return Field(
        name=feature.name,
        kind=kind,
        required=_is_required(predictor, feature),
        options=known if kind == "choice" else (),
        known=len(known),
        example=_example(predictor, feature, known),
        seen=feature.seen_range or "",
        hint=_hint(predictor, feature, known),
    )


def _is_required(predictor: Predictor, feature: Feature) -> bool:
    """Tell whether a column has to be sent: the date of a forecast is, whatever its contract says."""
    if predictor.demand is not None and feature.name == predictor.demand.panel.date:
        return True
    return not (feature.optional or feature.rule.nullable)


def known_texts(predictor: Predictor, feature: Feature) -> tuple[str, ...]:
    """Return the texts that a column may have, or had in training (of a series: has in the history); () for numbers and dates."""
    if feature.kind != "categorical":
        return ()
    if feature.rule.allowed is not None:
        return tuple(map(str, feature.rule.allowed))
    demand = predictor.demand
    if demand is not None and feature.name in demand.panel.series:
        return tuple(sorted(set(demand.texts_of(feature.name))))
    return tuple(text for text in feature.categories if text)


def _kind(feature: Feature, known: Sequence[str]) -> Kind:
    if feature.kind == "date":
        return "moment" if feature.rule.dtype == "datetime" else "date"
    if feature.kind == "categorical":
        return "choice" if 0 < len(known) <= MOST_OPTIONS else "text"
    return "whole" if feature.rule.dtype == "int" else "number"


def _example(predictor: Predictor, feature: Feature, known: Sequence[str]) -> Entry:
    """Return what the form begins with: of series, one that is known, and the first day after the history."""
    demand = predictor.demand
    if demand is not None and feature.name in demand.panel.series:
        series = demand.describe_series(0)["series"] if demand.history.series else {}
        return str(series[feature.name]) if feature.name in series else (known[0] if known else None)
    return feature.example


def _hint(predictor: Predictor, feature: Feature, known: Sequence[str]) -> str:
    rule, parts = feature.rule, [feature.rule.description]
    bounds = [f"{sign} {shown(bound, 7)}" for sign, bound in (("≥", rule.min), ("≤", rule.max)) if bound is not None]
    parts += [f"allowed: {' and '.join(bounds)}"] if bounds else []
    parts += [f"{len(known):,} texts are known"] if known else []
    parts += ["written YYYY-MM-DDTHH:MM:SS"] if rule.dtype == "datetime" else []
    demand = predictor.demand
    if demand is not None and feature.name == demand.panel.date:
        parts.append(f"data until {demand.as_of}; up to {demand.panel.recipe.horizon:,} {demand.period_name}s ahead")
    parts += [] if _is_required(predictor, feature) else ["may be left empty"]
    return "; ".join(part for part in parts if part)


def row_of(fields: Sequence[Field], entries: Mapping[str, Entry], optional: Sequence[str]) -> dict[str, Any]:
    """Return the row that the entries make: an empty one is null, and left out where the column is optional."""
    row: dict[str, Any] = {}
    for field in fields:
        entry = entries.get(field.name)
        value = None if isinstance(entry, str) and not entry.strip() else entry
        if value is None and field.name in optional:
            continue
        row[field.name] = int(value) if field.kind == "whole" and isinstance(value, float) and value.is_integer() else value
    return row


def near_texts(predictor: Predictor, column: str, typed: str, most: int = 10) -> list[str]:
    """Return the known texts that contain what was typed, whatever its case, those that begin with it first."""
    feature = next(each for each in predictor.schema.features if each.name == column)
    wanted = typed.strip().casefold()
    found = [text for text in known_texts(predictor, feature) if wanted in text.casefold()]
    return sorted(found, key=lambda text: (not text.casefold().startswith(wanted), text))[:most]
