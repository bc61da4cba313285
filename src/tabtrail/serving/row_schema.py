"""The JSON Schema of a row: its contract, as OpenAPI, `/schema` and generated clients read it."""

from itertools import product
from typing import Any

from tabtrail.bundle.values import MOST_EXACT, may_be_missing
from tabtrail.contract.expressions import columns_of, evaluate
from tabtrail.contract.schema import ColumnRule, Feature, ModelSchema, RowRule

_MOST_CASES = 500  # rows of a document that a person may still read


def row_schema(schema: ModelSchema) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of one row.

    Row rules over few whole numbers, such as quarter and month, are written out as cases; JSON Schema cannot express others.
    """
    document: dict[str, Any] = {
        "title": "Row",
        "type": "object",
        "additionalProperties": False,
        "required": schema.required,
        "properties": {feature.name: _column(feature) for feature in schema.features},
        "examples": [schema.example],
    }
    cases = [found for rule in schema.row_rules if (found := _cases(schema, rule))]
    return {**document, "allOf": [{"anyOf": each} for each in cases]} if cases else document


def _column(feature: Feature) -> dict[str, Any]:
    rule = feature.rule
    seen = f"seen in training: {feature.seen_range}" if feature.seen_range is not None else ""
    if feature.kind == "categorical":
        seen = f"seen in training: {', '.join([each for each in feature.categories if each][:30])}"
    if feature.kind == "numeric":
        body = _number(rule)
    elif feature.kind == "date":
        # JSON Schema's date-time wants an offset from UTC, which a row need not have.
        body = {"type": "string"} if rule.dtype == "datetime" else {"type": "string", "format": "date"}
    else:
        body = _text(feature)
    if may_be_missing(feature):
        body = {"anyOf": [body, {"type": "null"}]}
    description = "; ".join(text for text in (rule.description, seen) if text)
    return {"title": feature.name, **body, "description": description, "examples": [feature.example]}


def _text(feature: Feature) -> dict[str, Any]:
    """Return the schema of a text column, where a number or a truth value stands for its text."""
    if feature.rule.allowed is not None:
        return {"type": "string", "enum": list(feature.rule.allowed)}
    body = {"type": ["string", "number", "boolean"], "maxLength": 10_000, "pattern": "^[^\\u0000]*$"}
    if may_be_missing(feature):
        return body
    return {**body, "minLength": 1, **({"not": {"enum": list(feature.reading.nulls)}} if any(feature.reading.nulls) else {})}


def _number(rule: ColumnRule) -> dict[str, Any]:
    low, high = (-MOST_EXACT if rule.min is None else rule.min), (MOST_EXACT if rule.max is None else rule.max)
    if rule.is_flag:
        return {"type": ["integer", "boolean"], "minimum": 0, "maximum": 1}
    whole = rule.dtype == "int"
    bounds = {"minimum": int(low) if low == int(low) else low, "maximum": int(high) if high == int(high) else high}
    return {"type": "integer" if whole else "number", **bounds}


def _cases(schema: ModelSchema, rule: RowRule) -> list[dict[str, Any]]:
    """Return the allowed values of a rule's last column for each case of the others; nothing where there are too many."""
    tree = rule.tree
    rules = {feature.name: feature.rule for feature in schema.features if feature.name in columns_of(tree)}
    domains = []
    size = 1
    for each in rules.values():
        if each.dtype != "int" or each.nullable or each.min is None or each.max is None:
            return []
        size *= max(int(each.max) - int(each.min) + 1, 1)
        if size > _MOST_CASES:
            return []
        domains.append(range(int(each.min), int(each.max) + 1))
    *others, last = rules
    cases = []
    for values in product(*domains[:-1]):
        case = dict(zip(others, values, strict=True))
        allowed = [value for value in domains[-1] if evaluate(tree, {**case, last: value}) is not False]
        if allowed:
            cases.append({"properties": {**{name: {"const": value} for name, value in case.items()}, last: {"enum": allowed}}})
    return cases
