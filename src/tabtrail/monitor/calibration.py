"""The calibration error of predictions."""

import numpy as np

from tabtrail.monitor.sketch import Array

_BINS = 10


def calibration_error(predicted: Array, actual: Array) -> float:
    """Mean |mean predicted − mean actual| over ten bins of like predictions, weighted by their rows; in units of the target."""
    order = np.argsort(predicted, kind="stable")
    parts = [each for each in np.array_split(order, _BINS) if len(each)]
    return float(sum(len(each) * abs(predicted[each].mean() - actual[each].mean()) for each in parts) / len(predicted))
