"""The verdict in five sentences: what was made, whether it is better than nothing, how sure the choice is, where and how much
to trust it, and what makes the figures too good."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from tabtrail.modeling.baselines import BLEND
from tabtrail.modeling.leaderboard import Leaderboard, Row
from tabtrail.modeling.leakage.findings import UNIT_CHANGE
from tabtrail.modeling.metrics import Metric
from tabtrail.report.figures import slice_text


@dataclass(frozen=True)
class Number:
    """A figure in a sentence: the exact value of the JSON, and how many significant digits of it are shown."""

    value: float
    digits: int = 4  # more than the folds can tell apart, few enough to read
    percent: bool = False


Sentence = tuple[str | Number, ...]
_FEW_ROWS = 30  # below it an RMSE is that of one or two rows
_CLEARLY = 1.2  # of the RMSE of all rows: the worst of many slices of a model that errs alike everywhere is 10 to 15 % above it


def verdict(board: Leaderboard, slices: pl.DataFrame | None) -> tuple[Sentence, ...]:
    """Return five sentences, made of texts and figures."""
    return _made(board), _worth(board), _choice(board), _trust(board, slices), _warning(board)


def _unit(board: Leaderboard) -> str:
    return f" {board.currency}" if board.currency else ""


def _metric_unit(board: Leaderboard, metric: Metric) -> str:
    return _unit(board) if metric.unit == "target" else ""


def _error(metric: Metric) -> str:
    return metric.label if metric.better == "larger" else f"error ({metric.label})"


def _figure(metric: Metric, value: float | None) -> str | Number:
    return "–" if value is None else Number(value, metric.digits, percent=metric.is_percent)


def _made(board: Leaderboard) -> Sentence:
    row, by, metric = board.champion_row, board.split["group_key"], board.chosen_metric
    refit = board.refit
    deployed: Sentence = () if refit is None else ("; what is deployed then learned from all ", Number(refit.rows, 12), " rows")
    kept = f", rows of one {by} kept together" if by and board.split["kind"].startswith("group") else ""
    return (
        f"{board.champion} predicts {board.target} of a row with a cross-validated {_error(metric)} of ",
        _figure(metric, row.cv[metric.name]),
        " ± ",
        _figure(metric, row.cv_std[metric.name]),
        f"{_metric_unit(board, metric)}, learned from ",
        Number(board.train_rows, 12),
        f" rows{kept}; on the ",
        Number(board.test_rows, 12),
        " rows of the test part, which chose nothing, it is ",
        _figure(metric, row.test[metric.name]),
        " (other rows, and one fit on all of the training part, where each fold learns from less)",
        *_held_out(board),
        *deployed,
        ".",
    )


def _held_out(board: Leaderboard) -> Sentence:
    held, metric = board.held_out, board.chosen_metric
    if held is None:
        return ()
    figure = _figure(metric, held.metrics[metric.name])
    return ", and on the ", Number(held.rows, 12), f" rows from {held.since} on, held out to the end, ", figure


def _worth(board: Leaderboard) -> Sentence:
    rows = {row.candidate: row for row in board.candidates}
    metric = board.chosen_metric
    mean, champion = rows[board.baseline].cv[metric.name], board.champion_row.cv[metric.name]
    if mean is None or champion is None:
        return (f"{metric.label} is not defined for always predicting the mean of {board.target}.",)
    # A bias near zero is no merit: the mean has it by construction.
    if metric.better != "nearer zero" and metric.loss(mean) <= metric.loss(champion):
        return (f"It is no better than always predicting the mean of {board.target}: nothing was learned.",)
    formula = next((row for row in board.candidates if row.family == "FormulaBaseline"), None)
    other = None if formula is None or formula.candidate == board.champion else formula.cv[metric.name]
    if metric.better != "smaller":
        also = () if other is None else (", with the best formula alone it is ", _figure(metric, other))
        return (f"Always predicting the mean, {metric.label} is ", _figure(metric, mean), *also, ".")
    also = () if other is None else (", and the best formula alone by ", _figure(metric, other))
    saved: Any = Number(float(f"{100 * (1 - champion / mean):.3g}"), 3)
    return (
        "Always predicting the mean errs by ",
        _figure(metric, mean),
        *also,
        ": the model takes away ",
        saved,
        " % of the error of the mean.",
    )


def _why_not_the_best(board: Leaderboard, best: Row) -> str:
    if not best.deployable:
        return "the best whose ONNX graph was proven"
    if best.over_budget is not None:
        return "the best that is small and fast enough to be served"
    if board.champion_row.family == BLEND and board.split["kind"] in ("time", "group_time"):
        return "a blend, which errs about as much, as the best of one time is not that of the next"
    return "the smallest that these folds cannot tell from it"


def _choice(board: Leaderboard) -> Sentence:
    # `indistinguishable`: the 95 % interval of the difference over the folds holds 0.
    learned = [row for row in board.candidates if row.candidate != board.champion]
    if board.champion != board.best:
        best = next(row for row in board.candidates if row.candidate == board.best)
        why = _why_not_the_best(board, best)
        return (
            f"It is not the one with the {board.chosen_metric.best_mean}, which is {board.best}, but {why}: the difference is ",
            *_difference(board.chosen_metric, board.champion_row),
            ").",
        )
    if not learned:
        return ("It was the only candidate.",)
    second = learned[0]
    more = sum(row.indistinguishable for row in learned) - second.indistinguishable
    sure = "the folds cannot tell the two apart" if second.indistinguishable else "the folds tell the two apart"
    also = f", nor the champion from {more} more" if more and second.indistinguishable else ""
    worse = "errs more by" if board.chosen_metric.better == "smaller" else "is worse by"
    return (f"The next best, {second.candidate}, {worse} ", *_difference(board.chosen_metric, second), f"): {sure}{also}.")


def _difference(metric: Metric, row: Row) -> Sentence:
    low, high = _figure(metric, row.difference_low), _figure(metric, row.difference_high)
    return _figure(metric, row.difference), " (95 % interval ", low, " to ", high


def _trust(board: Leaderboard, slices: pl.DataFrame | None) -> Sentence:
    row = board.champion_row
    if row.interval_coverage is None or row.interval_width is None:
        return ("There were too few rows for prediction intervals: treat each prediction as a rough guess.",)
    worst: Sentence = ()
    if slices is not None and (first := worst_slice(slices)) is not None:
        name = slice_text(first["slice"])
        times = Number(float(f"{first['times']:.2g}"), 2)
        where = f"; trust it least where {first['column']} is {name} ("
        worst = where, Number(first["rows"], 12), " rows), where its RMSE is ", times, " times that of all rows"
    return (
        f"Its {100 * board.interval_level:g} % intervals held ",
        Number(row.interval_coverage, 3, percent=True),
        " of the test rows and are ",
        Number(row.interval_width),
        f"{_unit(board)} wide on average",
        *worst,
        ".",
    )


def worst_slice(slices: pl.DataFrame) -> dict[str, Any] | None:
    """Return the slice of enough rows with the largest RMSE, and how many `times` that of all rows it is; None where no slice's
    is clearly larger. A slice's size is of no account: many rows make much of the squared error, however well they are predicted.
    """
    share = pl.col("share_of_squared_error") / pl.col("share_of_rows")
    enough = slices.filter(pl.col("rows") >= _FEW_ROWS).with_columns(times=share.sqrt()).filter(pl.col("times") >= _CLEARLY)
    return None if not enough.height else enough.sort("times", "rows", "column", "slice", descending=True).row(0, named=True)


def _warning(board: Leaderboard) -> Sentence:
    synthetic = "The data is synthetic, and says nothing about a real business; t" if board.synthetic else "T"
    names = ", ".join(str(each.column) for each in board.left_out)
    left = f" The config leaves out what would: {names}." if names else ""
    of = "of the model " if names else ""
    if not board.findings:
        return (f"{synthetic}he audit found no column {of}or split that gives {board.target} away.{left}",)
    names, units = (
        ", ".join(dict.fromkeys(each.column or "the split" for each in board.findings if (each.kind == UNIT_CHANGE) is of_units))
        for of_units in (False, True)
    )
    good = f"findings that may make these figures too good to expect in use: {names}" if names else ""
    mixed = f"columns whose unit seems to change within the data: {units}" if units else ""
    return (f"{synthetic}he audit has {', and '.join(filter(None, (good, mixed)))}; read them next.{left}",)
