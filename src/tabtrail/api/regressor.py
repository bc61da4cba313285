"""`tabtrail.Regressor`: the benchmark as an estimator of scikit-learn, on arrays or frames in memory, without files or MLflow."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    assert_all_finite,
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from tabtrail.api.frames import arrow_of, library_of
from tabtrail.config.model import Choice, Intervals, Model, Slices, Split
from tabtrail.config.operation import Engine
from tabtrail.config.section import Parameter
from tabtrail.errors import DataError, TabtrailError
from tabtrail.modeling.benchmark import run_benchmark
from tabtrail.modeling.defaults import default_candidates, shape_of
from tabtrail.modeling.problem import Problem
from tabtrail.modeling.results import Benchmark
from tabtrail.modeling.table import cut_folds, load_table

_TARGET = "target"
_LEAST = 4  # rows: two folds of two, below which no error of a fold means anything
_FEW = 300  # as in the default candidates: below it a forest of small leaves is steadier than boosted trees
_DATE_PARTS = ("year", "month", "weekday", "days")
_DAY = 86_400_000_000  # microseconds
Kind = Literal["number", "text", "date"]


class InputError(DataError, ValueError):
    """Rows that nothing can be learned from, or predicted for; a `ValueError` too, which scikit-learn's tools expect."""


class Regressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Tries several models by cross-validation and predicts with the best of them, fitted on all rows.

    `preset` is `quick` (two candidates that fit in a second) or `full` (those of a config that names none), in the place of which
    `candidates` may name others, as the config does. They are compared by `metric` over `folds`. Columns of frames may be
    numbers, truth values, texts, categories or dates, and any may have gaps; arrays hold numbers. Nothing is written, and leakage
    is not looked for: `tabtrail.fit` does.

    Attributes after `fit`: `champion_` (name of the best), `leaderboard_` (a Polars frame: candidate, error, spread), `model_`
    (its fitted pipeline), `n_features_in_`, and of frames `feature_names_in_`.
    """

    def __init__(
        self,
        *,
        preset: str = "quick",
        candidates: Mapping[str, Mapping[str, Parameter]] | None = None,
        metric: str = "rmse",
        folds: int = 3,
        n_jobs: int | None = None,
        random_state: Any = 42,
    ) -> None:
        self.preset = preset
        self.candidates = candidates
        self.metric = metric
        self.folds = folds
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803 - scikit-learn's name
        """Choose among the candidates and fit the best on all rows. Raises `InputError` for rows that cannot be learned from."""
        columns, target = self._training_columns(X, y)
        self._kinds: list[Kind] = [_kind_of(name, column) for name, column in columns.items()]
        data = _as_inputs(columns, self._kinds).with_columns(pl.Series(_TARGET, target))
        try:
            found = _benchmark(self, data, self._kinds)
        except TabtrailError as error:
            raise InputError(str(error)) from error
        metric = found.problem.metric
        lines = [(each.candidate.name, each.mean(metric.name), each.std(metric.name)) for each in found.results]
        schema = {"candidate": pl.String(), "error": pl.Float64(), "spread": pl.Float64()}
        self.leaderboard_ = pl.DataFrame(lines, schema=schema, orient="row")
        self.champion_, self.model_ = found.chosen, found.champion.model
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:  # noqa: N803 - scikit-learn's name
        """Return the champion's predictions [rows]. Raises `InputError` for columns of other kinds than those of the fit."""
        check_is_fitted(self)
        columns = _columns_of(self, X, reset=False)
        inputs = _as_inputs(columns, self._kinds)
        frame = pd.DataFrame({name: _values(inputs[name]) for name in inputs.columns})
        return np.asarray(self.model_.predict(frame), dtype=np.float64).ravel()

    def _training_columns(self, x: Any, y: Any) -> tuple[dict[str, pl.Series], NDArray[np.float64]]:
        if y is None:
            raise InputError("this Regressor requires y to be passed, but the target y is None")
        columns = _columns_of(self, x, reset=True)
        target = column_or_1d(check_array(y, ensure_2d=False, dtype=None, ensure_all_finite=False), warn=True)
        target = check_array(target, ensure_2d=False, dtype=np.float64, input_name="y", ensure_all_finite=False)
        assert_all_finite(target, input_name="y")
        rows = len(next(iter(columns.values())))
        check_consistent_length(target, range(rows))
        if rows < _LEAST:
            raise InputError(f"n_samples={rows}: a benchmark needs {_LEAST} rows or more")
        return columns, target

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _columns_of(estimator: Regressor, x: Any, *, reset: bool) -> dict[str, pl.Series]:
    """Return the columns by place, with the checks of scikit-learn on their number and names."""
    if library_of(x) in ("pandas", "polars", "pyarrow") and getattr(x, "ndim", 2) == 2:
        try:
            table = pl.from_arrow(arrow_of(x))
        except TabtrailError as error:
            raise InputError(str(error)) from error
        validate_data(estimator, x, reset=reset, skip_check_array=True)
        assert isinstance(table, pl.DataFrame)  # noqa: S101 - of a table
        if not table.height:
            raise InputError(f"Found array with 0 sample(s) (shape={table.shape}) while a minimum of 1 is required")
        return {f"x{place}": column for place, column in enumerate(table.get_columns())}
    array = validate_data(estimator, x, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan")
    return {f"x{place}": pl.Series(array[:, place], nan_to_null=True) for place in range(array.shape[1])}


def _kind_of(name: str, column: pl.Series) -> Kind:
    kind = column.dtype
    if kind.is_numeric() or kind in (pl.Boolean, pl.Null):
        return "number"
    if kind in (pl.String, pl.Categorical, pl.Enum):
        return "text"
    if kind in (pl.Date, pl.Datetime):
        return "date"
    raise InputError(f"column {name.removeprefix('x')} (from 0) is {kind}; give numbers, texts or dates")


def _as_inputs(columns: Mapping[str, pl.Series], kinds: Sequence[Kind]) -> pl.DataFrame:
    """Return the columns as models take them: doubles (dates as days since 1970-01-01) or texts, null for what is missing."""
    found = {}
    for (name, column), kind in zip(columns.items(), kinds, strict=True):
        given = _kind_of(name, column)
        if given != kind and column.null_count() < len(column):
            raise InputError(f"column {name.removeprefix('x')} (from 0) holds {given}s, and the model learned from {kind}s there")
        found[name] = _TURN[kind](column)
        if kind != "text" and found[name].is_infinite().any():
            raise InputError(
                f"Input X contains infinity or a value too large for dtype('float64'), in column {name[1:]} (from 0)"
            )
    return pl.DataFrame(found)


def _doubles(column: pl.Series) -> pl.Series:
    return column.cast(pl.Float64).fill_nan(None)


def _days(column: pl.Series) -> pl.Series:
    if column.dtype == pl.Null:
        return column.cast(pl.Float64)
    return column.cast(pl.Datetime("us")).to_physical().cast(pl.Float64) / _DAY


_TURN = {"number": _doubles, "text": lambda column: column.cast(pl.String), "date": _days}


def _values(column: pl.Series) -> NDArray[Any]:
    if column.dtype == pl.String:
        return column.fill_null("").to_numpy().astype(object)
    return column.fill_null(float("nan")).to_numpy()


def _benchmark(estimator: Regressor, data: pl.DataFrame, kinds: Sequence[Kind]) -> Benchmark:
    named = list(zip(data.columns, kinds, strict=False))
    model = Model(
        target=_TARGET,
        allow_binary_target=True,
        numeric_features=tuple(name for name, kind in named if kind == "number"),
        categorical_features=tuple(name for name, kind in named if kind == "text"),
        date_parts={name: _DATE_PARTS for name, kind in named if kind == "date"},
        random_state=_seed(estimator.random_state),
    )
    problem = Problem(
        model=model,
        split=Split(kind="random", folds=max(2, estimator.folds), allow_leaky=True),
        choice=Choice(metric=estimator.metric),
        intervals=Intervals(),
        slices=Slices(),
        candidates=_candidates(estimator, model, data),
        engine=_engine(estimator.n_jobs),
    )
    table = load_table(problem, data)
    every = np.ones(len(table.y), dtype=bool)
    # All rows are learned from in the end: what is scored "on the test part" are the same rows, and is not shown.
    return run_benchmark(problem, table, cut_folds(problem, table, every, every, problem.seed))


def _candidates(estimator: Regressor, model: Model, data: pl.DataFrame) -> dict[str, dict[str, Parameter]]:
    if estimator.candidates is not None:
        return {name: dict(params) for name, params in estimator.candidates.items()}
    if estimator.preset == "full":
        return {name: each.params for name, each in default_candidates(shape_of(model, data.lazy())).items()}
    if estimator.preset != "quick":
        raise InputError(f"preset: write quick or full, not {estimator.preset!r:.20}")
    linear: dict[str, dict[str, Parameter]] = {"LinearRegression": {}}
    return linear | (_FOREST if data.height < _FEW else _BOOSTED)


_FOREST: dict[str, dict[str, Parameter]] = {"ExtraTrees": {"n_estimators": 100, "min_samples_leaf": 3}}
_BOOSTED: dict[str, dict[str, Parameter]] = {
    "LightGBM_quick": {
        "n_estimators": 500,
        "learning_rate": 0.08,
        "num_leaves": 31,
        "min_child_samples": 5,
        "early_stopping_rounds": 25,
        "categories": "native",
        "missing": "native",
    }
}


def _engine(jobs: int | None) -> Engine:
    if jobs in (None, 1):
        return Engine(kind="serial")
    return Engine(workers=jobs) if jobs is not None and jobs > 0 else Engine()


def _seed(given: Any) -> int:
    if given is None:
        return int(Model.model_fields["random_state"].default)
    return given if isinstance(given, int) else int(check_random_state(given).randint(2**31 - 1))
