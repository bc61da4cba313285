"""The page for people: one self-contained HTML file with every text of the data escaped and every figure as in the JSON."""

from collections.abc import Iterator, Sequence

from tabtrail.data.profile import Group, Profile
from tabtrail.modeling.metrics import headline, others
from tabtrail.report.charts import Placed
from tabtrail.report.data_evidence import CheckedWindow, same_columns
from tabtrail.report.demand_evidence import DemandEvidence
from tabtrail.report.demand_page import account_rows, metrics_of, score_tables, silent_series, worst_series
from tabtrail.report.demand_verdict import demand_verdict
from tabtrail.report.evidence import Evidence
from tabtrail.report.forecast_rows import detailed, listed
from tabtrail.report.frame import page_environment, page_frame
from tabtrail.report.headline import demand_headline, row_headline
from tabtrail.report.verdict import verdict

_SLICES = 15
_COVERAGE = 40


_ROW_SECTIONS = (
    ("verdict", "Verdict"),
    ("leakage", "Leakage"),
    ("leaderboard", "Leaderboard"),
    ("champion", "Champion"),
    ("explanations", "Explanations"),
)
_DEMAND_SECTIONS = (
    ("demand-verdict", "Verdict"),
    ("demand-leaderboard", "Leaderboard"),
    ("demand-errors", "Where it errs"),
    ("demand-forecasts", "Forecast and actual"),
    ("demand-intervals", "Intervals"),
    ("demand-explanations", "What moves a forecast"),
    ("demand-uplift", "Promotion uplift"),
    ("demand-rows", "Rows and series"),
)


def render_report(
    evidence: Evidence | None, demand: DemandEvidence | None, placed: Sequence[Placed], windows: Sequence[CheckedWindow] = ()
) -> str:
    """Return the page as HTML, each picture at its place: of a model of rows, of demand, or of both; with the windows that were
    checked for drift.
    """
    shown = {**_of_rows(evidence), **_of_demand(demand, beside_rows=evidence is not None)}
    profile = _profile(evidence, demand)
    title = str(demand.board["name"]) if demand is not None else ""
    common = {
        "evidence": demand if evidence is None else evidence,
        "demand": demand,
        "name": title if evidence is None else evidence.model.board.model,
        "synthetic": demand is not None and demand.board["synthetic"] if evidence is None else evidence.model.board.synthetic,
        "sections": _sections(evidence, demand, [("drift", "Drift")] if windows else []),
        "windows": windows,
        "grouped": list(_grouped(profile)),
        "repeated": {} if profile is None else same_columns(profile),
        "placed": placed,
        "pictures": {each.picture.name for each in placed},
    }
    environment = page_environment()
    return environment.get_template("demand.html.j2" if evidence is None else "report.html.j2").render(
        **common,
        **shown,
        **page_frame(environment),
    )


def _profile(evidence: Evidence | None, demand: DemandEvidence | None) -> Profile | None:
    if evidence is not None:
        return evidence.profile
    return None if demand is None else demand.profile


def _sections(evidence: Evidence | None, demand: DemandEvidence | None, drift: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return anchor and title of each section; that on drift is there where windows were checked."""
    left = set() if demand is None else {name for name, there in _optional(demand).items() if not there}
    of_demand = [] if demand is None else [each for each in _DEMAND_SECTIONS if each[0] not in left]
    if evidence is None:
        return [*of_demand, *drift, ("data", "Data"), ("made", "How this was made")]
    named = [(anchor, title if title.startswith("Promotion") else f"Demand: {title.lower()}") for anchor, title in of_demand]
    forecast = [("forecast", "Forecast and risk")] if evidence.forecasts else []
    return [*_ROW_SECTIONS, *named, *drift, ("data", "Data"), *forecast, ("made", "How this was made")]


def _optional(demand: DemandEvidence) -> dict[str, bool]:
    """Return which sections stand on the page only where there is something to show."""
    return {"demand-uplift": bool(demand.uplifts), "demand-intervals": bool(demand.board.get("intervals"))}


def _of_rows(evidence: Evidence | None) -> dict[str, object]:
    if evidence is None:
        return {}
    board = evidence.model.board
    return {
        "board": board,
        "champion": board.champion_row,
        "first": headline(board.chosen_metric),
        "more": others(board.chosen_metric),
        "told": row_headline(board),
        "verdict": verdict(board, evidence.model.slices),
        "slices": [] if evidence.model.slices is None else evidence.model.slices.head(_SLICES).to_dicts(),
        "coverage": board.coverage[:_COVERAGE],
        "forecasts": detailed(evidence.forecasts, evidence.settings.ewma_decay),
        "segments": listed(evidence.forecasts),
    }


def _of_demand(demand: DemandEvidence | None, *, beside_rows: bool) -> dict[str, object]:
    if demand is None:
        return {}
    count, silent = silent_series(demand)
    return {
        "demand_told": demand_headline(demand),
        "demand_verdict": demand_verdict(demand, beside_rows=beside_rows),
        "demand_metrics": metrics_of(demand),
        "demand_tables": score_tables(demand),
        "demand_worst": worst_series(demand),
        "demand_account": account_rows(demand),
        "silent_count": count,
        "silent": silent,
    }


def _grouped(profile: Profile | None) -> Iterator[tuple[str, str, int, list[Group]]]:
    """Yield measure, grouping column, groups left out, and the groups."""
    groups = () if profile is None else profile.groups
    for measure, by in dict.fromkeys((each.measure, each.by) for each in groups):
        left = 0 if profile is None else profile.groups_left_out.get(f"{measure} by {by}", 0)
        yield measure, by, left, [each for each in groups if (each.measure, each.by) == (measure, by)]
