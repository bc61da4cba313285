"""The pictures of the champion (predictions, residuals, slices, intervals, learning curve) and of the folds of all."""

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import polars as pl

from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.modeling.learning_curve import LearningCurve
from tabtrail.modeling.metrics import METRICS, Metric
from tabtrail.monitor.performance import wilson
from tabtrail.report.charts import Axis, Band, Bars, Chart, Layer, Line, Picture, Points, Values, days
from tabtrail.report.evidence import Evidence
from tabtrail.report.figures import shown, slice_text

_WORST = 8
_SLICES = 14
_MOST_COVERAGE = 30
# Fold scores beyond twice the champion's would press all others into one corner.
_NEAR = 2.0
# Of the range of the others: the room for those at the edge with their values, and beside the last dot.
_EDGE = 0.45
_MARGIN = 0.04
# Of the error: a smaller fall from the last third of the rows would need several times as many for what folds can tell.
_WORTH_ROWS = 0.01


def fold_scores(evidence: Evidence) -> Picture | None:
    """The score of every candidate on every fold; those far worse than the champion stand at the edge, with their value."""
    board, folds = evidence.model.board, evidence.model.folds
    if folds is None or not folds.height:
        return None
    metric = board.chosen_metric
    scored = [
        (row.candidate, mean, row.cv_std[metric.name]) for row in board.candidates if (mean := row.cv[metric.name]) is not None
    ]
    # In units of the champion's value: twice its error is far, and so is an R² that is lower by its own.
    best = next(metric.loss(mean) for name, mean, _ in scored if name == board.champion)
    far = {name: mean for name, mean, _ in scored if metric.loss(mean) - best > (_NEAR - 1) * abs(best)}
    names = tuple(name for name, _, _ in scored)
    own = [(names.index(name), value) for name, value in folds.select("candidate", metric.name).iter_rows() if name in names]
    dots = [(place, value) for place, value in own if names[place] not in far and value is not None]
    if not dots:
        return None
    near = [(place, *each) for place, each in enumerate(scored) if each[0] not in far]
    texts = tuple(f"{name}: {shown(mean)} ± {'–' if std is None else shown(std)}" for _, name, mean, std in near)
    layers: tuple[Points, ...] = (
        Points(tuple(value for _, value in dots), tuple(float(place) for place, _ in dots), "one fold"),
        Points(tuple(mean for _, _, mean, _ in near), tuple(float(place) for place, *_ in near), "mean over folds", texts),
    )
    axis, edge = _near_axis(f"{metric.label}{_stored_unit(metric, board.currency)}", [value for _, value in dots], far.values())
    if far:
        places, notes = tuple(float(names.index(name)) for name in far), tuple(map(shown, far.values()))
        texts = tuple(f"{name}: {shown(mean)}, beyond the axis" for name, mean in far.items())
        layers = (
            *layers,
            Points(tuple(edge[mean] for mean in far.values()), places, "beyond the axis, with its mean", texts, notes=notes),
        )
    alt = f"Mean {metric.label} over the folds: " + "; ".join(f"{name} {shown(mean)}" for name, mean, _ in scored) + "."
    chart = Chart(f"{metric.label} of every candidate on every fold", alt, axis, Axis("", names), layers)
    return Picture(
        "fold_scores", "Fold scores of all candidates", "The spread of the dots is what one split can make of a score.", (chart,)
    )


def _near_axis(label: str, near: Sequence[float], far: Collection[float]) -> tuple[Axis, dict[float, float]]:
    """Return an axis for the values that are near, with room for those that are far, and where each of these stands on it."""
    low, high = min(near), max(near)
    reach = (high - low) or abs(high) or 1.0
    below, above = (any(value < low for value in far), any(value > high for value in far))
    own = Axis(label, low=low - (_EDGE if below else _MARGIN) * reach, high=high + (_EDGE if above else _MARGIN) * reach)
    ends = (low - (_EDGE - _MARGIN) * reach, high + (_EDGE - _MARGIN) * reach)
    return own, {value: value if low <= value <= high else ends[value > high] for value in far}


def _unit(evidence: Evidence) -> str:
    currency = evidence.model.board.currency
    return f", {currency}" if currency else ""


def predicted_actual(evidence: Evidence) -> Picture | None:
    """Predictions of rows that the model did not learn from against what was."""
    predictions = evidence.model.predictions
    if predictions is None or not predictions.height:
        return None
    drawn, note = _drawn(predictions, evidence.settings.points)
    chart = _predicted_actual(evidence.model.board, drawn, predictions, _unit(evidence))
    return Picture("predicted_actual", "Predicted against actual", note, (chart,))


def residuals(evidence: Evidence) -> Picture | None:
    """What the model misses, by its prediction and by date."""
    predictions = evidence.model.predictions
    if predictions is None or not predictions.height:
        return None
    drawn, note = _drawn(predictions, evidence.settings.points)
    charts = tuple(_residuals(drawn, predictions, _unit(evidence)))
    return Picture("residuals", "Residuals: actual less predicted", note, charts)


def _drawn(predictions: pl.DataFrame, most: int) -> tuple[pl.DataFrame, str]:
    """Return the rows to draw, the same ones each time, and what a reader must know of the others."""
    if predictions.height <= most:
        return predictions, f"All {predictions.height:,} rows that the model did not learn from are drawn."
    places = np.sort(np.random.default_rng(0).choice(predictions.height, most, replace=False))
    note = f"{most:,} of {predictions.height:,} rows that the model did not learn from are drawn, and the worst."
    return predictions[places], note


def _values(frame: pl.DataFrame, column: str) -> Values:
    return tuple(round(value, 6) for value in frame.get_column(column).to_list())


def _predicted_actual(board: Leaderboard, drawn: pl.DataFrame, everything: pl.DataFrame, unit: str) -> Chart:
    parts = [(drawn.filter(part=part), label) for part, label in (("cv", "out of fold"), ("test", "test part"))]
    dots = [Points(_values(part, "predicted"), _values(part, "actual"), label) for part, label in parts if part.height]
    error = pl.col("actual") - pl.col("predicted")
    worst = everything.sort(error.abs(), descending=True).head(_WORST)
    texts = tuple(
        f"row {row['row']:,}: actual {shown(row['actual'])}, predicted {shown(row['predicted'])}"
        for row in worst.iter_rows(named=True)
    )
    far = Points(_values(worst, "predicted"), _values(worst, "actual"), f"the {worst.height} largest errors", texts)
    low = float(min(everything["actual"].min(), everything["predicted"].min()))  # type: ignore[arg-type, type-var]
    high = float(max(everything["actual"].max(), everything["predicted"].max()))  # type: ignore[arg-type, type-var]
    equal = Line((low, high), (low, high), "equal", dashed=True)
    alt = (
        f"Predicted {board.target} to the right, actual upwards; dots on the dashed line are right. The largest error is"
        f" {shown(abs(float(worst['actual'][0]) - float(worst['predicted'][0])))}{unit}."
    )
    title = f"{board.target}, predicted and actual"
    return Chart(title, alt, Axis(f"predicted{unit}"), Axis(f"actual{unit}"), (*dots, far, equal))


def _residuals(drawn: pl.DataFrame, everything: pl.DataFrame, unit: str) -> Iterator[Chart]:
    residual = tuple(round(a - p, 6) for a, p in drawn.select("actual", "predicted").iter_rows())
    predicted = _values(drawn, "predicted")
    mean = float((everything["actual"] - everything["predicted"]).mean())  # type: ignore[arg-type]
    zero = Line((min(predicted), max(predicted)), (0.0, 0.0), "no error", dashed=True)
    alt = f"Residuals by prediction; their mean is {shown(mean)}{unit}. A tilt or a funnel would show what the model misses."
    dots = Points(predicted, residual, "one row")
    yield Chart("Residual by prediction", alt, Axis(f"predicted{unit}"), Axis(f"residual{unit}"), (dots, zero))
    dated = drawn.with_columns(residual=pl.Series(residual)).filter(pl.col("date").is_not_null())
    if not dated.height:
        return
    monthly = dated.group_by(pl.col("date").dt.truncate("1mo")).agg(pl.col("residual").mean(), pl.len()).sort("date")
    line = Line(days(monthly["date"]), _values(monthly, "residual"), "mean of the month")
    dots = Points(days(dated["date"]), _values(dated, "residual"), "one row")
    worst = monthly.sort(pl.col("residual").abs(), descending=True).row(0, named=True)
    alt = f"Residuals by date. The month with the largest mean is {worst['date']:%Y-%m}: {shown(worst['residual'])}{unit}."
    yield Chart("Residual by date", alt, Axis("date", dates=True), Axis(f"residual{unit}"), (dots, line))


def error_slices(evidence: Evidence) -> Picture | None:
    """Where the model errs most: the slices with most of the squared error, the largest error a row on top."""
    slices, unit = evidence.model.slices, _unit(evidence)
    if slices is None or not slices.height:
        return None
    worst = slices.head(_SLICES).sort("rmse", descending=True)
    names, texts = [], []
    for row in worst.iter_rows(named=True):
        names.append(f"{row['column']}: {slice_text(row['slice'])}")
        share = f"{shown(row['share_of_squared_error'], 3, percent=True)} of the squared error"
        texts.append(f"{names[-1]}: RMSE {shown(row['rmse'])}, {row['rows']:,} rows, {share}")
    layers: list[Layer] = [Bars(_values(worst, "rmse"), texts=tuple(texts), ends=tuple(map(shown, worst["rmse"])))]
    if (mean := evidence.model.board.champion_row.cv["rmse"]) is not None:
        layers.append(Line((mean, mean), (-0.5, len(names) - 0.5), f"all rows: {shown(mean)}", dashed=True, faint=True))
    alt = "The slices with most of the squared error: " + "; ".join(texts[:4]) + "."
    chart = Chart("RMSE by slice", alt, Axis(f"RMSE{unit}"), Axis("", tuple(names)), tuple(layers))
    note = (
        f"Out of fold; the {len(names)} of {slices.height:,} slices with the largest share of the squared error, by their RMSE."
    )
    return Picture("error_slices", "Where it errs", note, (chart,))


def interval_coverage(evidence: Evidence) -> Picture | None:
    """What share of the test rows lies in their intervals, beside the promised one, and what chance can make of it."""
    board = evidence.model.board
    if not board.coverage:
        return None
    rows, level = board.coverage[:_MOST_COVERAGE], 100 * board.interval_level
    names = tuple(row.value if row.by == "all" else f"{row.by}: {row.value}" for row in rows)
    chance = [wilson(round(row.coverage * row.rows), row.rows) for row in rows]
    low, high = (tuple(round(100 * getattr(each, end), 4) for each in chance) for end in ("low", "high"))
    told = zip(names, rows, low, high, strict=True)
    texts = tuple(
        f"{name}: {shown(row.coverage, 3, percent=True)} of {row.rows:,} rows (95 % range {least:.1f} to {most:.1f} %)"
        for name, row, least, most in told
    )
    bars = Bars(
        tuple(round(100 * row.coverage, 4) for row in rows),
        *(low, high, texts),
        marked=tuple(not least <= level <= most for least, most in zip(low, high, strict=True)),
        starts=(level,) * len(rows),
    )
    wanted = Line((level, level), (-0.5, len(rows) - 0.5), f"promised: {level:g} %", dashed=True, faint=True)
    alt = f"{level:g} % are promised; held: " + "; ".join(texts[:12]) + "."
    axis = Axis("% of the test rows", low=max(0.0, min(*low, level) - 2), high=100)
    chart = Chart("Share of actual values inside the interval", alt, axis, Axis("", names), (bars, wanted))
    note = "On the test part: bars from the promised share to what was held, whiskers: its 95 % range. Orange: not by chance."
    note += f" {len(board.coverage) - len(rows):,} more are in the JSON." if len(board.coverage) > len(rows) else ""
    return Picture("interval_coverage", "Do the intervals hold?", note, (chart,))


def _stored_unit(metric: Metric, currency: str) -> str:
    """Unit of a metric's stored values as it stands after its label: a share is not drawn as percent."""
    return "" if metric.is_percent else metric.unit_text(currency)


def learning_curve(evidence: Evidence) -> Picture | None:
    """The error by the number of rows learned from."""
    curve, currency = evidence.model.curve, evidence.model.board.currency
    if curve is None:
        return None
    metric, rows = METRICS[curve.metric], tuple(map(float, curve.rows))
    points = list(zip(curve.rows, curve.mean, strict=True))
    layers = (
        Band(rows, curve.low, curve.high, "from the best fold to the worst"),
        Line(rows, curve.mean, "mean of the folds", dots=True),
    )
    alt = f"{metric.label} by training rows: " + "; ".join(f"{n:,} rows {shown(value)}" for n, value in points) + "."
    axis = Axis(f"{metric.label}{_stored_unit(metric, currency)}")
    chart = Chart(f"{curve.candidate}: error by rows learned from", alt, Axis("training rows"), axis, layers)
    return Picture("learning_curve", f"Learning curve of {curve.candidate}", curve_note(curve), (chart,))


def curve_note(curve: LearningCurve) -> str:
    """Say what was drawn, whether more rows would help, and why the curve ends where it does."""
    return (
        f"{curve.candidate}, mean of the {curve.folds} folds that learn from most rows (the leaderboard has the mean of all)."
        f"{_at_the_right(curve)}{_where_it_ends(curve)}"
    )


def _at_the_right(curve: LearningCurve) -> str:
    """Say whether more rows would help: only where the last step was better on every fold, and by a share worth the rows."""
    if not curve.last_gains:
        return ""
    gain, better = float(np.mean(curve.last_gains)), sum(each > 0 for each in curve.last_gains)
    step = f"From 70 % to all of the rows the error changed by {-100 * gain:+.1f} %".replace("-", "\N{MINUS SIGN}")
    if better == len(curve.last_gains) and gain >= _WORTH_ROWS:
        return f" {step}, and fell on every fold: more rows would help."
    folds = f"fell on {better} of {len(curve.last_gains)} folds"
    if gain >= _WORTH_ROWS:
        return f" {step}, and {folds}, which do not agree: more rows may help."
    return f" {step}, and {folds}: these rows do not show that more would help."


def _where_it_ends(curve: LearningCurve) -> str:
    """Say why the curve does not reach all rows of the training part."""
    if curve.training_rows is None:
        return ""
    return (
        f" It ends at {curve.rows[-1]:,} of the {curve.training_rows:,} rows of the training part: each fold is scored on rows"
        " that it does not learn from."
    )
