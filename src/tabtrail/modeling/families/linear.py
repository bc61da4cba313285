"""scikit-learn's linear regression, and the mean of the training target as a baseline."""

from typing import Any

import numpy as np
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression

from tabtrail.modeling.families.family import Contributions, Family
from tabtrail.modeling.metrics import Array


def _mean_contributions(model: Any, matrix: Array, background: Array) -> Contributions:  # noqa: ARG001 - the family's signature
    return np.zeros_like(matrix), float(np.ravel(model.constant_)[0])


def _linear_contributions(model: Any, matrix: Array, background: Array) -> Contributions:
    """Coefficient × (value - mean over the background)."""
    center = background.mean(axis=0)
    return (matrix - center) * model.coef_, float(model.predict(center[None, :])[0])


MEAN_BASELINE = Family(
    name="MeanBaseline",
    regressors=(DummyRegressor,),
    build=lambda params, seed: DummyRegressor(**params),
    libraries=("scikit-learn",),
    contributions=_mean_contributions,
)
LINEAR_REGRESSION = Family(
    name="LinearRegression",
    regressors=(LinearRegression,),
    build=lambda params, seed: LinearRegression(**params),
    libraries=("scikit-learn",),
    fixed=("n_jobs",),
    scaled=True,
    contributions=_linear_contributions,
)
