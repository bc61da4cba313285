"""The final fit on rows that no machine holds: the chosen candidate's regressor, trained anew by its library on a Dask cluster.

What the sample taught stays as it is: medians, categories, encodings, the reference of a transform and the number of rounds.
So the model takes the same columns, means the same by them, and is exported and proven like any other.
"""

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from tabtrail.data.parts import Part
from tabtrail.data.rows_place import RowsPlace
from tabtrail.errors import CapacityError, ConfigError, DataError
from tabtrail.jobs.job import Fitted, TrainingError
from tabtrail.jobs.run import fit_on_dask, worker_memory
from tabtrail.modeling.capacity import GIB, matrix_columns
from tabtrail.modeling.estimators import TransformedRegressor, pipelines_of, unclipped
from tabtrail.modeling.families import FAMILIES
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.preprocess import feature_frame
from tabtrail.modeling.problem import Problem
from tabtrail.modeling.results import Result
from tabtrail.modeling.sampled import FinalRows
from tabtrail.modeling.table import Table

# Measured by benchmarks/final_fit.py. A worker: Python with the libraries of the families. A value of its rows: as read, joined
# to one matrix (both float32), and binned; a row: target and weight, both twice. Reading: a part of the dataset on its way there.
_WORKER, _VALUE, _ROW, _PART = 400 * 2**20, 11, 32, 2**18
_READ_VALUE = 40
_USABLE = 0.95  # of its limit, above which Dask ends a worker


@dataclass(frozen=True)
class Source:
    """Where workers find the dataset, and the parts in which they read it."""

    place: RowsPlace
    parts: Sequence[Part]


@dataclass(frozen=True)
class Common:
    """What every worker needs to make blocks of rows: where they lie, which are learned from, and the model of the sample."""

    place: RowsPlace
    rows: FinalRows
    numbers: tuple[str, ...]
    texts: tuple[str, ...]
    model: Any
    mean_power: float | None


def require_room(problem: Problem, rows: int, distinct: Mapping[str, int], libraries: Sequence[str]) -> None:
    """Raise `CapacityError` where the workers cannot hold the rows together, `EngineError` for a cluster that is away."""
    limits = worker_memory(problem.engine, libraries)
    columns, inputs = matrix_columns(problem.model, distinct), len(problem.model.inputs)
    share = -(-rows // len(limits))
    need = _WORKER + share * (_VALUE * columns + _ROW) + min(share, _PART) * _READ_VALUE * (inputs + columns)
    for worker, limit in limits.items():
        if limit is not None and need > limit * _USABLE:
            raise CapacityError(
                f"the final fit on {rows:,} rows × {columns:,} columns takes about {need / GIB:.1f} GiB on each of {len(limits)}"
                f" Dask {'worker' if len(limits) == 1 else 'workers'}, and {worker} may take {limit / GIB:.1f} GiB; start more"
                " workers, give them more (--memory-limit), or take columns or categories out"
            )


def fit_finally(
    problem: Problem, result: Result, train: Table, rows: FinalRows, source: Source, *, libraries: Sequence[str]
) -> Fitted:
    """Fit a candidate's regressor again on `rows` of the dataset, which workers read themselves; all else of its model stays.

    `train` is the training part of the sample. Raises `EngineError` for a cluster that is away or loses a worker, `DataError`
    for rows that it cannot learn from, `ConfigError` for parameters that the library refuses.
    """
    candidate, model = result.candidate, pickle.loads(pickle.dumps(result.model))  # noqa: S301 - our own
    family, pipeline = FAMILIES[candidate.family], _pipeline(model)
    common = Common(
        source.place, rows, problem.model.number_inputs, problem.model.text_features, model, _mean_power(model, train)
    )
    assert family.fit_on_dask is not None  # noqa: S101 - `require_final` was asked
    learn = partial(family.fit_on_dask, clone(pipeline.named_steps["model"]))
    try:
        fitted = fit_on_dask(learn, read_block, common, source.parts, problem.engine, libraries=libraries)
    except DataError as error:
        raise DataError(f"candidates.{candidate.name}: {error}") from None
    except TrainingError as error:
        if not isinstance(error.cause, candidate.errors):
            raise error.cause from None
        raise ConfigError(f"candidates.{candidate.name} cannot be fitted: {str(error).strip().splitlines()[0][:300]}") from None
    family.make_canonical(fitted.model)
    pipeline.steps[-1] = ("model", fitted.model)
    return replace(fitted, model=model)


def read_block(common: Common, part: Part) -> tuple[Any, Array, Array | None]:
    """Return the matrix of a part's rows as the model's regressor takes it (float32), what it learns, and the rows' weights."""
    names = dict.fromkeys((*common.numbers, *common.texts, *common.rows.columns))
    data = common.rows.keep(common.place.read_part(part, list(names)))
    x, y = feature_frame(data, common.numbers, common.texts), data.get_column(common.rows.target).cast(pl.Float64).to_numpy()
    model, weights = unclipped(common.model), None
    if isinstance(model, TransformedRegressor):
        known = model.usable(x)
        x, y = x[known], y[known]
        y, weights = model.transform(x, y) - model.center_, model.weights(x, common.mean_power)
    if not len(y):
        return np.zeros((0, 0), dtype=np.float32), y, weights
    matrix = np.asarray(_pipeline(model).named_steps["preprocess"].transform(x), dtype=np.float64)
    if (np.abs(matrix) > np.finfo(np.float32).max).any():
        raise DataError("the rows of the final fit hold numbers beyond 3.4e38, which models do not take")
    return matrix.astype(np.float32), y, weights


def _pipeline(model: Any) -> Pipeline:
    [pipeline] = pipelines_of(model)
    return pipeline


def _mean_power(model: Any, train: Table) -> float | None:
    inner = unclipped(model)
    powers = inner.powers(train.x) if isinstance(inner, TransformedRegressor) else None
    return None if powers is None else float(powers.mean())
