"""The verdict in one sentence and three figures: how far off, how much better than nothing, and how far to be trusted."""

from dataclasses import dataclass

from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.modeling.metrics import Metric
from tabtrail.monitor.performance import wilson
from tabtrail.report.demand_evidence import DemandEvidence
from tabtrail.report.demand_verdict import LABELS, figure_of
from tabtrail.report.verdict import Number, Sentence


@dataclass(frozen=True)
class Figure:
    """One figure: what it is, its value with its unit, and what it is to be compared with."""

    label: str
    value: Sentence
    note: Sentence


@dataclass(frozen=True)
class Headline:
    """What a person takes away who reads no further."""

    sentence: Sentence
    figures: tuple[Figure, ...]


def row_headline(board: Leaderboard) -> Headline:
    """Return the headline of a model of rows."""
    metric, row = board.chosen_metric, board.champion_row
    error, mean = row.cv[metric.name], _scored(board, board.baseline)
    less = _less(metric, error, mean)
    start: Sentence = (f"{board.champion} predicts {board.target} with {_a(metric.label)} {metric.label} of ", _of(metric, error))
    start = (*start, _unit(board.currency, metric))
    if less is None:
        said: Sentence = (*start, ".")
    elif less <= 0:
        said = (f"Nothing was learned: {board.champion} is no better than always predicting the mean of {board.target}.",)
    else:
        said = (*start, ", ", Number(less, 3, percent=True), " less than always predicting the mean.")
    return Headline(said, (_error(board), _worth(board, less), _intervals(board)))


def demand_headline(evidence: DemandEvidence) -> Headline:
    """Return the headline of a model of demand."""
    board, champion, baseline = evidence.board, evidence.champion, evidence.best_baseline
    metric = str(board["metric"])
    label, own = LABELS[metric], champion.get(metric)
    unit = f" {evidence.unit}" if metric in ("mae", "rmse") else ""
    other = None if baseline is None else baseline.get(metric)
    less = None if own is None or not other else 1 - own / other
    start: Sentence = (
        f"{champion['model']} forecasts {board['target']} with {_a(label)} {label} of ",
        figure_of(champion, metric),
    )
    if less is None or baseline is None:
        said: Sentence = (*start, f"{unit}.")
    elif less <= 0:
        said = (*start, f"{unit}, no less than the baseline {baseline['model']}.")
    else:
        said = (*start, f"{unit}, ", Number(less, 3, percent=True), f" less than the best baseline, {baseline['model']}.")
    share: Sentence = ("of all models the best",) if metric == "wape" else (figure_of(champion, "wape"), " of the demand")
    skill = champion.get("skill") or {}
    naive: Sentence = ("against the seasonal naive forecast: not defined",)
    if skill.get("value") is not None:
        naive = ("against the seasonal naive forecast ", Number(skill["value"], 3, percent=True))
    worth: Sentence = ("–",) if less is None else (Number(less, 3, percent=True),)
    name = "the baselines" if baseline is None else str(baseline["model"])
    return Headline(
        said,
        (
            Figure(f"{label}{',' if unit else ''}{unit}", (figure_of(champion, metric),), share),
            Figure(f"Less error than {name}", worth, naive),
            _held(evidence),
        ),
    )


def _error(board: Leaderboard) -> Figure:
    metric, row = board.chosen_metric, board.champion_row
    note = ("± ", _of(metric, row.cv_std[metric.name]), " over the folds; on the test part ", _of(metric, row.test[metric.name]))
    return Figure(f"{metric.label}{metric.unit_text(board.currency)}", (_of(metric, row.cv[metric.name]),), note)


def _worth(board: Leaderboard, less: float | None) -> Figure:
    metric, mean = board.chosen_metric, _scored(board, board.baseline)
    if less is None:
        return Figure(f"{metric.label} of the mean", (_of(metric, mean),), (f"always predicting the mean of {board.target}",))
    unit = _unit(board.currency, metric)
    return Figure("Less error than the mean", (Number(less, 3, percent=True),), ("which errs by ", _of(metric, mean), unit))


def _intervals(board: Leaderboard) -> Figure:
    row, level = board.champion_row, Number(board.interval_level, 3, percent=True)
    if row.interval_coverage is None or row.interval_width is None:
        return Figure("Intervals", ("–",), ("too few rows for prediction intervals",))
    chance = wilson(round(row.interval_coverage * board.test_rows), board.test_rows)
    unit = f" {board.currency}" if board.currency else ""
    return Figure(
        "Test rows inside their interval",
        (Number(row.interval_coverage, 3, percent=True),),
        (
            *(level, " promised; 95 % range ", Number(chance.low, 3, percent=True), " to ", Number(chance.high, 3, percent=True)),
            *("; ", Number(row.interval_width), f"{unit} wide"),
        ),
    )


def _held(evidence: DemandEvidence) -> Figure:
    """What the widest intervals held, or the bias where there are none."""
    held = evidence.board.get("intervals")
    if not held:
        return Figure("Bias", (figure_of(evidence.champion, "bias"),), ("below zero too little is ordered",))
    widest = max(held["levels"], key=lambda each: float(each["level"]))
    low, high = (Number(widest[name], 3, percent=True) for name in ("low", "high"))
    promised = Number(widest["level"], 3, percent=True)
    note: Sentence = (promised, " promised; 95 % range ", low, " to ", high)
    return Figure("Demand inside its interval", (Number(widest["coverage"], 3, percent=True),), note)


def _scored(board: Leaderboard, name: str) -> float | None:
    return next(row for row in board.candidates if row.candidate == name).cv[board.chosen_metric.name]


def _less(metric: Metric, error: float | None, mean: float | None) -> float | None:
    """The share of the mean's error that is taken away; None for metrics of which less is not better."""
    return None if metric.better != "smaller" or error is None or not mean else 1 - error / mean


def _of(metric: Metric, value: float | None) -> str | Number:
    return "–" if value is None else Number(value, metric.digits, percent=metric.is_percent)


def _unit(currency: str, metric: Metric) -> str:
    return f" {currency}" if currency and metric.unit == "target" else ""


def _a(label: str) -> str:
    return "an" if label[0] in "AEFHILMNORSX" else "a"  # as its first letter is spoken: an RMSE, a WAPE
