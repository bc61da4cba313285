"""A column of a model in words: for the command line, Python and pages."""

from tabtrail.contract.schema import Feature

_MOST = 20  # categories that are named


def describe(feature: Feature) -> dict[str, str]:
    """Return `column`, `type`, what is `allowed` and what was `seen in training` of a column that a model takes."""
    rule = feature.rule
    bounds = [f"{sign} {bound:g}" for sign, bound in (("≥", rule.min), ("≤", rule.max)) if bound is not None]
    allowed = ", ".join(map(str, rule.allowed)) if rule.allowed is not None else " and ".join(bounds) or "any"
    nullable = " or left out" if feature.optional else " or null" if rule.nullable else ""
    return {"column": feature.name, "type": _type(feature) + nullable, "allowed": allowed, "seen in training": _seen(feature)}


def _type(feature: Feature) -> str:
    if feature.kind == "categorical":
        return "text"
    if feature.kind == "date":
        return "date YYYY-MM-DDTHH:MM:SS" if feature.rule.dtype == "datetime" else "date YYYY-MM-DD"
    return "whole number" if feature.rule.dtype == "int" else "number"


def _seen(feature: Feature) -> str:
    if feature.kind != "categorical":
        return feature.seen_range or "nothing"
    known = [each for each in feature.categories if each]  # the type says whether a text may be missing
    more = f" and {len(known) - _MOST:,} more" if len(known) > _MOST else ""
    return ", ".join(known[:_MOST]) + more or "nothing"
