"""What the sections on demand show, ready for the template: tables of texts and figures."""

from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from tabtrail.report.demand_evidence import DemandEvidence, Scores
from tabtrail.report.demand_pictures import series_name
from tabtrail.report.demand_verdict import LABELS, SHARES

_NAMED = 40
_LISTED = 20
_MOST_HORIZONS = 31
_CHOSEN = ("mae", "rmsse", "wape", "bias", "rmse", "mase", "mape", "r2", "wape_money", "bias_money")
_ACCOUNT = (
    ("rows", "rows that were read"),
    ("series", "series"),
    ("kept", "rows whose demand is learned from and judged"),
    ("without_row", "{}s without a row, between the first of a series and the last of all"),
    ("closed", "{}s closed: neither learned from nor judged"),
    ("stockout", "{}s sold out: neither learned from nor judged"),
    ("empty", "rows without demand within the history"),
    ("negative", "values below zero"),
    ("not_known", "values below zero that are taken as not known"),
    ("duplicates", "rows put together with another of their series and {}"),
    ("plan_rows", "rows of a plan after the last demand"),
    ("planned", "{}s of a plan after the last demand"),
    ("undated", "rows without a date: left out"),
    ("single", "series with one row or none"),
)


@dataclass(frozen=True)
class Metric:
    """A column of the tables: name in the JSON, what people call it, digits, whether it is a share shown as percent."""

    name: str
    label: str

    @property
    def percent(self) -> bool:
        return self.name in SHARES

    @property
    def digits(self) -> int:
        return 3 if self.percent else 4


def metrics_of(evidence: DemandEvidence) -> list[Metric]:
    """Return the metrics that any model has, that of the choice first."""
    first = evidence.board["metric"]
    known = [name for name in _CHOSEN if any(each.get(name) is not None for each in evidence.models)]
    return [Metric(name, LABELS[name]) for name in dict.fromkeys([first, *known])]


def account_rows(evidence: DemandEvidence) -> list[tuple[str, int]]:
    """Return what became of rows and periods: what in words, how many; what did not occur is left out, but for the rows."""
    account: Scores = evidence.board.get("account") or {}
    found = [(text.format(evidence.period), int(account.get(name, 0))) for name, text in _ACCOUNT]
    return [each for place, each in enumerate(found) if each[1] or place < 2]


@dataclass(frozen=True)
class ScoreTable:
    """A model's scores by `by`: what the first column is called, the caption, the metrics that any row has, and the rows."""

    by: str
    head: str
    caption: str
    metrics: list[Metric]
    rows: list[dict[str, Any]]


def score_tables(evidence: DemandEvidence) -> list[ScoreTable]:
    """Return the chosen model's scores by horizon, by class and of sums. Long horizons are thinned out."""
    champion, known, found = str(evidence.board["champion"]), metrics_of(evidence), []
    for by, head in (("horizon", f"{evidence.period}s ahead"), ("class", "class of series")):
        rows = list(evidence.grouped(by, champion).iter_rows(named=True))
        step = -(-len(rows) // _MOST_HORIZONS) if by == "horizon" else 1
        kept = [row for place, row in enumerate(rows) if place % step == 0 or place == len(rows) - 1]
        if kept:
            left = f", every {step}th of {len(rows):,}" if len(kept) < len(rows) else ""
            found.append(ScoreTable(by, head, f"{champion} by {head}{left}", known, kept))
    levels = [{"part": name, **scores} for name, scores in (evidence.champion.get("by_level") or {}).items()]
    if levels:
        found.append(ScoreTable("level", "level", f"{champion}, sums over the series of each level", known, levels))
    return [replace(each, metrics=[own for own in known if _is_known(own, each.rows)]) for each in found]


def _is_known(metric: Metric, rows: list[dict[str, Any]]) -> bool:
    return any(row.get(metric.name) is not None for row in rows)


def worst_series(evidence: DemandEvidence) -> list[dict[str, Any]]:
    """Return the series with the largest share of the absolute error: name, class, demand, forecast, mae, rmsse, bias, share."""
    if evidence.series is None:
        return []
    own = evidence.series.filter(pl.col("cells") > 0).with_columns(error=pl.col("mae") * pl.col("cells"))
    total = float(own["error"].sum()) or 1.0
    rows = own.sort("error", descending=True, nulls_last=True).head(_LISTED).iter_rows(named=True)
    return [{**row, "name": series_name(row["series"]), "share": row["error"] / total} for row in rows]


def silent_series(evidence: DemandEvidence) -> tuple[int, list[str]]:
    """Return how many series sold nothing before the first origin, and the names of the first of them."""
    if evidence.series is None:
        return 0, []
    own = evidence.series.filter(pl.col("class") == "none")
    return own.height, [series_name(each) for each in own["series"].head(_NAMED)]
