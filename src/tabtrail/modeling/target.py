"""What a target must be to be predicted as a number."""

import polars as pl

from tabtrail.config.model import Model
from tabtrail.errors import DataError
from tabtrail.modeling.metrics import Array

# Ratings and small counts have up to ten values or so; a regression of them works, but its error looks better than it is.
_FEW_VALUES = 10


def require_regression_target(model: Model, target: pl.Series) -> None:
    """Raise `DataError` for a target of one value, or of two that the config does not allow."""
    distinct, rows = target.drop_nulls().unique().sort(), f"{len(target):,} rows"
    if len(distinct) < 2:
        raise DataError(f"the target {model.target} has the same value in all {rows}; there is nothing to learn")
    if len(distinct) == 2 and not model.allow_binary_target:
        raise DataError(
            f"the target {model.target} has two values only, {_listed(distinct)}, in {rows}: tabtrail does regression only, it"
            " predicts a number and not one of two classes; name another target, or set model.allow_binary_target: true to"
            " predict the number between the two all the same"
        )


def note_on_values(model: Model, y: Array) -> str | None:
    """Return what to know of a target that has few different values, None where it has many."""
    distinct = pl.Series(y).drop_nans().unique().sort()
    if len(distinct) > _FEW_VALUES:
        return None
    return (
        f"the target {model.target} has {len(distinct)} different values only ({_listed(distinct)}): predictions are numbers"
        " between them, not one of them (regression only)"
    )


def _listed(values: pl.Series) -> str:
    return ", ".join(f"{value:g}" for value in values.to_list())
