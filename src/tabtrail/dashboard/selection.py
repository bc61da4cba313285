"""Chosen predictions and their figures: errors, trend over time, errors by the values of a column, coverage of intervals."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl

from tabtrail.contract.expressions import columns_of, parse_expression
from tabtrail.dashboard.filters import Filters, Selection
from tabtrail.dashboard.judged import Judged
from tabtrail.modeling.metrics import Scores, score
from tabtrail.monitor.performance import Interval, wilson

Step = Literal["1y", "1q", "1mo"]
SHOWN = ("mae", "rmse", "wape", "bias", "r2")
"""The metrics of a selection, WAPE being the % error: Σ|predicted - actual| / Σ|actual|."""


@dataclass(frozen=True)
class Picked:
    """Which rows are looked at: those of a selection, in some years and months (1 to 12) of the date; () for all of them."""

    selection: Selection
    years: tuple[int, ...] = ()
    months: tuple[int, ...] = ()

    def in_period(self, judged: Judged) -> pl.Series:
        """Tell of each row whether its date is in the chosen period; a row without a date is in none but the whole."""
        days = judged.mask(replace(self.selection, values=(), conditions=()).expression())
        year, month = pl.col("date").dt.year(), pl.col("date").dt.month()
        parts = [each.is_in(list(own)) for each, own in ((year, self.years), (month, self.months)) if own]
        inside = pl.all_horizontal(parts).fill_null(value=False) if parts else pl.lit(True)
        return days & judged.predictions.select("date", inside.alias("inside")).get_column("inside")

    def of_any_period(self, judged: Judged) -> Judged:
        """Return the rows that are chosen but for their date."""
        return judged.where(replace(self.selection, since=None, until=None).expression())

    def of(self, judged: Judged) -> Judged:
        """Return the rows that are chosen."""
        rows = self.of_any_period(judged)
        return rows.keep(self.in_period(rows))


def columns_to_read(filters: Filters) -> tuple[str, ...]:
    """Return the columns that the filters look at: their own, and those in the conditions of strata."""
    looked = [name for _, text in filters.strata for name in sorted(columns_of(parse_expression(text)))]
    return tuple(dict.fromkeys([*(each.column for each in filters.choices), *looked]))


def scores_of(predictions: pl.DataFrame) -> Scores | None:
    """Return every metric of predictions (actual, predicted); None without rows."""
    if not predictions.height:
        return None
    return score(predictions["actual"].to_numpy(), predictions["predicted"].to_numpy())


def trend(predictions: pl.DataFrame, chosen: pl.Series, step: Step) -> pl.DataFrame:
    """Return one row a period: from (its first day), rows, chosen (how many of them are), actual and predicted (means), wape.

    Means, since the rows of one part are not all rows of a period: their sum would be that of no year.

    `chosen` tells of each prediction whether it is in the selected period. Rows without a date are left out.
    """
    absolute = (pl.col("predicted") - pl.col("actual")).abs().sum()
    total = pl.col("actual").abs().sum()
    return (
        predictions.with_columns(chosen.alias("chosen"))
        .filter(pl.col("date").is_not_null())
        .group_by(pl.col("date").dt.truncate(step).alias("from"))
        .agg(
            pl.len().cast(pl.Int64).alias("rows"),
            pl.col("chosen").sum().cast(pl.Int64),
            pl.col("actual").mean(),
            pl.col("predicted").mean(),
            pl.when(total > 0).then(absolute / total).alias("wape"),
        )
        .sort("from")
    )


def by_value(predictions: pl.DataFrame, labels: pl.Series, most: int = 30) -> pl.DataFrame:
    """Return one row a value of a column: value, rows, rmse, mae, wape, bias, share_of_squared_error; the largest share first.

    A missing value is null. At most `most` rows: those with the largest share.
    """
    error = pl.col("predicted") - pl.col("actual")
    total = float((predictions["predicted"] - predictions["actual"]).pow(2).sum())
    return (
        predictions.select("actual", "predicted", labels.cast(pl.String).alias("value"))
        .group_by("value")
        .agg(
            pl.len().cast(pl.Int64).alias("rows"),
            error.pow(2).mean().sqrt().alias("rmse"),
            error.abs().mean().alias("mae"),
            pl.when(pl.col("actual").abs().sum() > 0).then(error.abs().sum() / pl.col("actual").abs().sum()).alias("wape"),
            error.mean().alias("bias"),
            (error.pow(2).sum() / (total or 1.0)).alias("share_of_squared_error"),
        )
        .sort("share_of_squared_error", "value", descending=[True, False])
        .head(most)
    )


def coverage_of(predictions: pl.DataFrame) -> tuple[int, Interval] | None:
    """Return the number of rows with an interval, and the share of them that lie inside it with that share's own 95 % interval.

    None where no row has one. The share's interval takes rows for independent: rows of one group make it wider than it says.
    """
    known = predictions.filter(pl.col("low").is_not_null())
    if not known.height:
        return None
    hits = known.select(((pl.col("actual") >= pl.col("low")) & (pl.col("actual") <= pl.col("high"))).sum()).item()
    return known.height, wilson(int(hits), known.height)


def drawn(predictions: pl.DataFrame, most: int) -> pl.DataFrame:
    """Return the rows to draw: all, or `most` of them, the same ones each time, with the largest errors among them."""
    if predictions.height <= most:
        return predictions
    error = (predictions["predicted"] - predictions["actual"]).abs()
    worst: Sequence[int] = error.arg_sort(descending=True).head(min(8, most)).to_list()
    others = np.random.default_rng(0).choice(predictions.height, most - len(worst), replace=False)
    return predictions[np.unique(np.concatenate([np.asarray(worst, dtype=np.int64), others]))]
