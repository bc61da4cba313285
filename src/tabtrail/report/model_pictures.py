"""The pictures of the champion (predictions, residuals, slices, intervals, learning curve) and of the folds of all."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.modeling.metrics import METRICS, Metric
from tabtrail.report.charts import Axis, Bars, Chart, Line, Picture, Points, Values, days
from tabtrail.report.evidence import Evidence

_WORST = 8
_SLICES = 14
_MOST_COVERAGE = 30
# Fold scores beyond three times the champion's would press all others into one corner.
_NEAR = 3.0


def fold_scores(evidence: Evidence) -> Picture | None:
    """The score of every candidate on every fold."""
    board, folds = evidence.model.board, evidence.model.folds
    if folds is None or not folds.height:
        return None
    metric = board.chosen_metric
    unit = _stored_unit(metric, board.currency)
    scored = [
        (row.candidate, mean, std)
        for row in board.candidates
        if (mean := row.cv[metric.name]) is not None and (std := row.cv_std[metric.name]) is not None
    ]
    # In units of the champion's value: three times its error is far, and so is an R² that is lower by three times its own.
    best = next(metric.loss(mean) for name, mean, _ in scored if name == board.champion)
    near = [each for each in scored if metric.loss(each[1]) - best <= (_NEAR - 1) * abs(best)]
    left = [f"{name} ({mean:,.6g})" for name, mean, _ in scored if metric.loss(mean) - best > (_NEAR - 1) * abs(best)]
    places = {name: place for place, (name, _, _) in enumerate(near)}
    shown = [
        (places[name], value)
        for name, value in folds.select("candidate", metric.name).iter_rows()
        if name in places and value is not None
    ]
    each_fold = Points(tuple(value for _, value in shown), tuple(float(place) for place, _ in shown), "one fold")
    texts = tuple(f"{name}: {mean:,.6g} ± {std:,.4g}" for name, mean, std in near)
    means = Points(tuple(mean for _, mean, _ in near), tuple(map(float, range(len(near)))), "mean over folds", texts)
    alt = f"Mean {metric.label} over the folds: " + "; ".join(f"{name} {mean:,.6g}" for name, mean, _ in near) + "."
    note = "The spread of the dots is what one split can make of a score."
    note += f" Far worse and not drawn: {', '.join(left)}." if left else ""
    names = Axis("", tuple(name for name, _, _ in near))
    value_axis = Axis(f"{metric.label}{unit}")
    chart = Chart(f"{metric.label} of every candidate on every fold", alt, value_axis, names, (each_fold, means))
    return Picture("fold_scores", "Fold scores of all candidates", note, (chart,))


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
        f"row {row['row']:,}: actual {row['actual']:,.6g}, predicted {row['predicted']:,.6g}"
        for row in worst.iter_rows(named=True)
    )
    far = Points(_values(worst, "predicted"), _values(worst, "actual"), f"the {worst.height} largest errors", texts)
    low = float(min(everything["actual"].min(), everything["predicted"].min()))  # type: ignore[arg-type, type-var]
    high = float(max(everything["actual"].max(), everything["predicted"].max()))  # type: ignore[arg-type, type-var]
    equal = Line((low, high), (low, high), "equal", dashed=True)
    alt = (
        f"Predicted {board.target} to the right, actual upwards; dots on the dashed line are right. The largest error is"
        f" {abs(float(worst['actual'][0]) - float(worst['predicted'][0])):,.6g}{unit}."
    )
    title = f"{board.target}, predicted and actual"
    return Chart(title, alt, Axis(f"predicted{unit}"), Axis(f"actual{unit}"), (*dots, far, equal))


def _residuals(drawn: pl.DataFrame, everything: pl.DataFrame, unit: str) -> Iterator[Chart]:
    residual = tuple(round(a - p, 6) for a, p in drawn.select("actual", "predicted").iter_rows())
    predicted = _values(drawn, "predicted")
    mean = float((everything["actual"] - everything["predicted"]).mean())  # type: ignore[arg-type]
    zero = Line((min(predicted), max(predicted)), (0.0, 0.0), "no error", dashed=True)
    alt = f"Residuals by prediction; their mean is {mean:,.4g}{unit}. A tilt or a funnel would show what the model misses."
    dots = Points(predicted, residual, "one row")
    yield Chart("Residual by prediction", alt, Axis(f"predicted{unit}"), Axis(f"residual{unit}"), (dots, zero))
    dated = drawn.with_columns(residual=pl.Series(residual)).filter(pl.col("date").is_not_null())
    if not dated.height:
        return
    monthly = dated.group_by(pl.col("date").dt.truncate("1mo")).agg(pl.col("residual").mean(), pl.len()).sort("date")
    line = Line(days(monthly["date"]), _values(monthly, "residual"), "mean of the month")
    dots = Points(days(dated["date"]), _values(dated, "residual"), "one row")
    worst = monthly.sort(pl.col("residual").abs(), descending=True).row(0, named=True)
    alt = f"Residuals by date. The month with the largest mean is {worst['date']:%Y-%m}: {worst['residual']:,.4g}{unit}."
    yield Chart("Residual by date", alt, Axis("date", dates=True), Axis(f"residual{unit}"), (dots, line))


def error_slices(evidence: Evidence) -> Picture | None:
    """Where the model errs most."""
    slices, unit = evidence.model.slices, _unit(evidence)
    if slices is None or not slices.height:
        return None
    worst = slices.head(_SLICES)
    names, texts = [], []
    for row in worst.iter_rows(named=True):
        names.append(f"{row['column']}: {row['slice'].partition(': ')[2] or row['slice']}")
        share = f"{row['share_of_squared_error']:.0%} of the squared error"
        texts.append(f"{names[-1]}: RMSE {row['rmse']:,.6g}, {row['rows']:,} rows, {share}")
    bars = Bars(_values(worst, "rmse"), texts=tuple(texts))
    alt = "The slices with most of the squared error: " + "; ".join(texts[:4]) + "."
    chart = Chart("RMSE by slice", alt, Axis(f"RMSE{unit}"), Axis("", tuple(names)), (bars,))
    note = f"Out of fold; the {len(names)} of {slices.height:,} slices with the largest share of the squared error, that on top."
    return Picture("error_slices", "Where it errs", note, (chart,))


def interval_coverage(evidence: Evidence) -> Picture | None:
    """What share of the test rows lies in their intervals, on the whole and by stratum."""
    board = evidence.model.board
    if not board.coverage:
        return None
    rows = board.coverage[:_MOST_COVERAGE]
    names = tuple(row.value if row.by == "all" else f"{row.by}: {row.value}" for row in rows)
    texts = tuple(f"{name}: {row.coverage:.1%} of {row.rows:,} rows" for name, row in zip(names, rows, strict=True))
    bars = Bars(tuple(round(100 * row.coverage, 4) for row in rows), texts=texts)
    level = 100 * board.interval_level
    wanted = Line((level, level), (-0.5, len(rows) - 0.5), f"wanted: {level:g} %", dashed=True)
    alt = f"{level:g} % are wanted; held: " + "; ".join(texts[:12]) + "."
    chart = Chart(
        "Share of actual values inside the interval",
        alt,
        Axis("% of the test rows", low=0, high=100),
        Axis("", names),
        (bars, wanted),
    )
    return Picture(
        "interval_coverage",
        "Do the intervals hold?",
        "On the test part. Few rows make a share jump."
        + (f" {len(board.coverage) - len(rows):,} more are in the JSON." if len(board.coverage) > len(rows) else ""),
        (chart,),
    )


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
        Line(rows, curve.low, faint=True),
        Line(rows, curve.high, faint=True),
        Line(rows, curve.mean, "mean of the folds"),
        Points(rows, curve.mean, "", tuple(f"{n:,} rows: {metric.label} {value:,.6g}" for n, value in points)),
    )
    alt = f"{metric.label} by training rows: " + "; ".join(f"{n:,} rows {value:,.6g}" for n, value in points) + "."
    axis = Axis(f"{metric.label}{_stored_unit(metric, currency)}")
    chart = Chart(f"{curve.candidate}: error by rows learned from", alt, Axis("training rows"), axis, layers)
    note = (
        f"{curve.candidate}, mean of its first {curve.folds} folds (the leaderboard has the mean of all); grey the best and"
        f" the worst of them. Still {'rising' if metric.better == 'larger' else 'falling'} at the right: more rows would help."
    )
    return Picture("learning_curve", f"Learning curve of {curve.candidate}", note, (chart,))
