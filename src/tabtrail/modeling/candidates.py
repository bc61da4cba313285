"""The model families that a benchmark can name, and how each is built, stopped early and preprocessed for."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from catboost import CatBoostRegressor, Pool
from lightgbm import LGBMRegressor, early_stopping
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from xgboost import XGBRegressor

from tabtrail.config.model import parse_transform
from tabtrail.config.section import Parameter
from tabtrail.errors import ConfigError, nearest
from tabtrail.modeling.metrics import Array

BASELINE = "MeanBaseline"
FORMULA = "FormulaBaseline"
BLEND = "Blend"
_STOPPING = "early_stopping_rounds"
_TRANSFORM = "target_transform"
_BLEND_ROUNDS = 25
Params = dict[str, Parameter]
# Parameters whose other values make models without plain trees; the library's default stands first.
_EXPORTABLE: dict[str, dict[str, tuple[Parameter, ...]]] = {
    "XGBoost": {"booster": ("gbtree",), "enable_categorical": (False,)},
    "LightGBM": {"boosting_type": ("gbdt", "goss")},
    "CatBoost": {"grow_policy": ("SymmetricTree",)},
    "GradientBoosting": {"init": (None,)},
}


@dataclass(frozen=True)
class Sample:
    """Rows to learn from or to watch: the matrix, what is learned, and the weight of each row (None: all weigh the same)."""

    x: Array
    y: Array
    weights: Array | None = None


@dataclass(frozen=True)
class Family:
    """A kind of model.

    `build` makes an unfitted regressor. `iterations` names the parameter that counts boosting rounds, and
    `best_iterations(regressor, fitted, watched, patience)` fits and returns how many rounds did best. `scaled` says
    whether numeric columns are standardised (never before trees: it breaks the equality of their exported graph).
    """

    build: Callable[[Params, int], Any]
    iterations: str | None = None
    best_iterations: Callable[[Any, Sample, Sample, int], int] | None = None
    scaled: bool = False


@dataclass(frozen=True)
class Candidate:
    """A named model of the benchmark: its family, its parameters, the patience of early stopping (None: no stopping), and what
    it learns: the target (`none`), `log1p` of it, or its `ratio` or `log_ratio` to the column `reference`.
    """

    name: str
    family: str
    params: Params
    early_stopping_rounds: int | None = None
    transform: str = "none"
    reference: str | None = None

    @property
    def transform_text(self) -> str:
        """The target transform as the config writes it."""
        return self.transform if self.reference is None else f"{self.transform}({self.reference})"

    def build(self, seed: int, **changed: Parameter) -> Any:
        """Return the unfitted regressor, one-threaded."""
        return FAMILIES[self.family].build({**self.params, **changed}, seed)


def _gradient_boosting_rounds(model: Any, fitted: Sample, watched: Sample, patience: int) -> int:
    """Return the round with the least validation error (staged, so that all rounds are fitted once; patience is not needed)."""
    model.fit(fitted.x, fitted.y, sample_weight=fitted.weights)
    errors = [float(np.average((stage - watched.y) ** 2, weights=watched.weights)) for stage in model.staged_predict(watched.x)]
    best = 0
    for index, error in enumerate(errors):
        if error < errors[best]:
            best = index
        elif index - best >= patience:
            break
    return best + 1


def _xgboost_rounds(model: Any, fitted: Sample, watched: Sample, patience: int) -> int:
    model.set_params(early_stopping_rounds=patience).fit(
        fitted.x,
        fitted.y,
        sample_weight=fitted.weights,
        eval_set=[(watched.x, watched.y)],
        sample_weight_eval_set=None if watched.weights is None else [watched.weights],
        verbose=False,
    )
    return int(model.best_iteration) + 1


def _lightgbm_rounds(model: Any, fitted: Sample, watched: Sample, patience: int) -> int:
    model.fit(
        fitted.x,
        fitted.y,
        sample_weight=fitted.weights,
        eval_X=watched.x,
        eval_y=watched.y,
        eval_sample_weight=None if watched.weights is None else [watched.weights],
        callbacks=[early_stopping(patience, verbose=False)],
    )
    return int(model.best_iteration_ or model.n_estimators)


def _catboost_rounds(model: Any, fitted: Sample, watched: Sample, patience: int) -> int:
    watched_pool = Pool(watched.x, watched.y, weight=watched.weights)
    model.fit(
        fitted.x,
        fitted.y,
        sample_weight=fitted.weights,
        eval_set=watched_pool,
        early_stopping_rounds=patience,
        use_best_model=True,
    )
    return int(model.tree_count_)


FAMILIES: dict[str, Family] = {
    BASELINE: Family(lambda params, seed: DummyRegressor(**params)),
    "LinearRegression": Family(lambda params, seed: LinearRegression(**params), scaled=True),
    "RandomForest": Family(lambda params, seed: RandomForestRegressor(random_state=seed, n_jobs=1, **params)),
    "GradientBoosting": Family(
        lambda params, seed: GradientBoostingRegressor(random_state=seed, **params),
        iterations="n_estimators",
        best_iterations=_gradient_boosting_rounds,
    ),
    "XGBoost": Family(
        lambda params, seed: XGBRegressor(random_state=seed, n_jobs=1, **params),
        iterations="n_estimators",
        best_iterations=_xgboost_rounds,
    ),
    "LightGBM": Family(
        lambda params, seed: LGBMRegressor(
            random_state=seed, n_jobs=1, verbose=-1, deterministic=True, force_row_wise=True, **params
        ),
        iterations="n_estimators",
        best_iterations=_lightgbm_rounds,
    ),
    "CatBoost": Family(
        lambda params, seed: CatBoostRegressor(
            random_seed=seed, thread_count=1, verbose=False, allow_writing_files=False, **params
        ),
        iterations="iterations",
        best_iterations=_catboost_rounds,
    ),
}


def forget_time(regressor: Any) -> None:
    """Take out of a fitted CatBoost model when it was fitted and its random id: equal fits are then equal to the byte."""
    if isinstance(regressor, CatBoostRegressor):
        metadata = regressor.get_metadata()
        metadata["train_finish_time"] = metadata["model_guid"] = ""


def list_candidates(configured: Mapping[str, Params], *, with_formulas: bool = False) -> list[Candidate]:
    """Return the mean baseline, the best derived formula where there are any, and the configured candidates.

    Raises `ConfigError` for an unknown parameter, with the nearest valid name, for a model that could not be exported, or for
    early stopping where a family has no rounds to stop.
    """
    baselines = [Candidate(BASELINE, BASELINE, {}), *([Candidate(FORMULA, FORMULA, {})] if with_formulas else [])]
    named = [_candidate(name, params) for name, params in configured.items() if name not in (BASELINE, FORMULA)]
    return baselines + named


def _candidate(name: str, params: Params) -> Candidate:
    family = name.partition("_")[0]
    own = {key: value for key, value in params.items() if key not in (_STOPPING, _TRANSFORM)}
    if family == BLEND:
        return _blend(name, params)
    transform, reference = parse_transform(params.get(_TRANSFORM, "none"))
    patience = params.get(_STOPPING)
    if patience is not None and (isinstance(patience, bool) or not isinstance(patience, int) or patience < 1):
        raise ConfigError(f"candidates.{name}.{_STOPPING}: write a whole number of rounds, 1 or more")
    if patience is not None and FAMILIES[family].iterations is None:
        raise ConfigError(f"candidates.{name}.{_STOPPING}: {family} has no rounds to stop")
    for key, exportable in _EXPORTABLE.get(family, {}).items():
        if own.get(key, exportable[0]) not in exportable:
            raise ConfigError(f"candidates.{name}.{key}: only {' or '.join(map(str, exportable))} can be exported to ONNX")
    known = _parameter_names(family)
    for key in own:
        if key not in known:
            raise ConfigError(f"candidates.{name}.{key}: {family} has no such parameter{nearest(key, known)}")
    candidate = Candidate(name, family, own, patience, transform, reference)
    try:
        candidate.build(seed=0)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"candidates.{name}: {error}") from None
    return candidate


def _blend(name: str, params: Params) -> Candidate:
    for key in params:
        if key != "rounds":
            raise ConfigError(f"candidates.{name}.{key}: {BLEND} has no such parameter{nearest(key, ['rounds'])}")
    rounds = params.get("rounds", _BLEND_ROUNDS)
    if isinstance(rounds, bool) or not isinstance(rounds, int) or rounds < 1:
        raise ConfigError(f"candidates.{name}.rounds: write a whole number of rounds, 1 or more")
    return Candidate(name, BLEND, {"rounds": rounds})


def _parameter_names(family: str) -> list[str]:
    """Return the parameters of a family that a config may set: all but those that we set ourselves."""
    fixed = {
        "random_state",
        "random_seed",
        "n_jobs",
        "thread_count",
        "verbose",
        "allow_writing_files",
        "deterministic",
        "force_row_wise",
    }
    model = FAMILIES[family].build({}, 0)
    names = set(inspect.signature(type(model).__init__).parameters) | set(model.get_params())
    return sorted(names - fixed - {"self", "kwargs"})
