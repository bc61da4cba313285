"""The model card of a training on many series: the description of its run, in Markdown, under the headings of `card`."""

from collections.abc import Iterator, Mapping
from typing import Any

from tabtrail.contract.periods import Calendar
from tabtrail.contract.texts import unit_of
from tabtrail.tracking.card import code

_COLUMNS = {"mae": "MAE", "rmsse": "RMSSE", "wape": "WAPE", "bias": "bias", "rmse": "RMSE"}
_SHARES = ("wape", "bias")
_MOST_ROWS = 20


def demand_card(found: Mapping[str, Any]) -> str:
    """Return findings, intended use, data, metrics of models and baselines, and limits, of a leaderboard."""
    parts = (
        f"# {found['name']}",
        "**The data is synthetic** (written by `tabtrail sample`): the figures say nothing about a real business."
        if found["synthetic"]
        else "",
        "## Leakage findings\n\n" + _leakage(found),
        "## Intended use\n\n" + _use(found),
        "## Data\n\n" + "\n".join(f"- {each}" for each in _data(found)),
        "## Metrics\n\n" + "\n".join(_metrics(found)),
        "## Limits\n\n" + "\n".join(f"- {each}" for each in _limits(found)),
        "The page `report.html` and the folder `pictures` among the artifacts show all of this.",
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def _leakage(found: Mapping[str, Any]) -> str:
    lines = [f"- {code(each['column'])}: {each['kind'].replace('_', ' ')}. {each['evidence']}." for each in found["leakage"]]
    return "\n".join(lines) or "The audit found no column that no plan could know."


def _use(found: Mapping[str, Any]) -> str:
    ahead, period = found["horizon"] + found["gap"], Calendar(found["frequency"]).name
    return (
        f"Forecasts {code(found['target'])} of {found['series']:,} series up to {ahead:,} {period}{'s' * (ahead != 1)} ahead."
        " What it learned of prices and promotions is association, not cause and effect."
    )


def _data(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"data sha256 `{found['data_sha256'][:12]}`"
    yield from found["notes"]


def _metrics(found: Mapping[str, Any]) -> Iterator[str]:
    origins = found["origins"]
    yield f"Champion: **{found['champion']}**: {found['reason']}."
    yield f"Best baseline: {found['best_baseline'] or 'none'}. Judged at {len(origins)} origins, {origins[0]} to {origins[-1]}.\n"
    columns = dict.fromkeys([found["metric"], *_COLUMNS])
    yield f"| model | | {' | '.join(_COLUMNS.get(each, each) for each in columns)} | skill |"
    yield f"| --- | --- |{' ---: |' * (len(columns) + 1)}"
    for each in _shown(found):
        name = f"**{each['model']}**" if each["model"] == found["champion"] else each["model"]
        cells = [_cell(key, each.get(key)) for key in columns] + [_cell("wape", each["skill"]["value"])]
        yield f"| {name} | {'baseline' if each['baseline'] else ''} | {' | '.join(cells)} |"


def _shown(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the best models, with the champion and the best baseline in any case."""
    always = (found["champion"], found["best_baseline"])
    return [each for place, each in enumerate(found["models"]) if place < _MOST_ROWS or each["model"] in always]


def _cell(metric: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{100 * value:.1f} %" if metric in _SHARES else f"{value:.4g}"


def _limits(found: Mapping[str, Any]) -> Iterator[str]:
    unit = unit_of(found["target"], found["currency"])
    champion = next(each for each in found["models"] if each["model"] == found["champion"])
    for name, scores in champion["by_class"].items():
        if scores.get("mae") is not None:
            yield f"{name} series ({scores['series']:,}): MAE {scores['mae']:.4g} {unit}, WAPE {_cell('wape', scores['wape'])}"
    measured = found["intervals"] or {}
    for place, each in enumerate(measured.get("levels", ())):
        if each["coverage"] is not None:
            held = f"{100 * each['level']:g} % intervals held {100 * each['coverage']:.1f} % at later origins"
            yield held + (_beside_errors(each, measured["by_errors"][place], unit) if "by_errors" in measured else "")
    if not found["intervals"]:
        yield "There are no intervals: history was too short for them."
    yield "Series without a past are forecast like the known ones of their kind, with a wider error."


def _beside_errors(own: Mapping[str, Any], errors: Mapping[str, Any], unit: str) -> str:
    """Say how wide intervals by quantiles are beside those by errors alone."""
    held = f"{100 * errors['coverage']:.1f} %"
    return f"; they are quantiles, {own['width']:.4g} {unit} wide on average, by errors alone {errors['width']:.4g} (held {held})"
