"""What pooled models may be configured as: the candidates of a training on many series, each checked before data is read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from tabtrail.bundle.demand.features import LEVEL
from tabtrail.config.section import Parameter
from tabtrail.errors import ConfigError, nearest, require_extra
from tabtrail.forecast.panel.nets.settings import NET_FAMILIES, NetSettings, WindowSettings, net_problems, parse_net
from tabtrail.modeling.baselines import BASELINE
from tabtrail.modeling.candidates import Candidate, candidate_problems, family_name, list_candidates
from tabtrail.modeling.families import FAMILIES

_SCALE, _STRATEGY = "scale", "strategy"
_CHOICES = {_SCALE: ("none", "level"), _STRATEGY: ("direct", "recursive")}
_TRANSFORM, _STOPPING = "target_transform", "early_stopping_rounds"
_NOT_OF_WINDOWS = {
    (_SCALE, "level"): "a window is learned in standard deviations of its series; leave it out",
    (_STRATEGY, "recursive"): "a net of windows learns every horizon by itself; leave it out",
}
Below = tuple[str, ...]
"""A key path below that of a candidate."""


@dataclass(frozen=True)
class DirectCandidate:
    """A model to fit: `scaled` learns the target, and reads its past, over the level of the series. A net has its settings. A
    `recursive` one forecasts the next period alone, and further ones with its own forecasts as their past.
    """

    candidate: Candidate
    scaled: bool
    net: NetSettings | None = None
    recursive: bool = False

    @property
    def name(self) -> str:
        return self.candidate.name

    @property
    def reads(self) -> str | None:
        """What it shares with the other members of a blend: the features over the level or in units; None for a window, and for a
        recursive model, whose forecasts are its own past.
        """
        return None if self.recursive or isinstance(self.net, WindowSettings) else "level" if self.scaled else "units"


def family_names() -> list[str]:
    """Return every family that `demand.candidates` may name."""
    return [*(name for name in FAMILIES if name != BASELINE), *NET_FAMILIES]


def parse_candidates(configured: Mapping[str, dict[str, Parameter]]) -> list[DirectCandidate]:
    """Return the configured candidates.

    Raises `ConfigError` for the first of `demand_problems`, and `MissingExtraError` for a net without PyTorch.
    """
    for name, params in configured.items():
        for key, problem in demand_problems(name, params):
            raise ConfigError(f"demand.candidates.{'.'.join([name, *key])}: {problem}")
    return [_candidate(name, params) for name, params in configured.items()]


def demand_problems(name: str, params: Mapping[str, Parameter]) -> Iterator[tuple[Below, str]]:
    """Yield what is wrong with a candidate, each with the key below it: an unknown family, parameter or loss (with the nearest
    valid name), what could not be exported, and what goes with models of rows alone.
    """
    family, names = family_name(name), family_names()
    if family not in names:
        yield (), f"unknown model family '{family}'{nearest(family, names)} (known: {', '.join(names)})"
        return
    for option, choices in _CHOICES.items():
        if (given := params.get(option, choices[0])) not in choices:
            yield (option,), f"'{given}' is unknown; write {' or '.join(choices)}{nearest(str(given), list(choices))}"
    if NET_FAMILIES.get(family) is WindowSettings:
        yield from (((own,), message) for (own, value), message in _NOT_OF_WINDOWS.items() if params.get(own) == value)
    own = _of_library(params)
    if family in NET_FAMILIES:
        problems = net_problems(family, own)
    else:
        ours = list(_problems_of_rows(params))
        yield from ours
        problems = candidate_problems(name, {key: value for key, value in own.items() if (key,) not in dict(ours)})
    for key, message in problems:
        yield key, message if not key or "did you mean" in message else message + nearest(key[-1], list(_CHOICES))


def _problems_of_rows(params: Mapping[str, Parameter]) -> Iterator[tuple[Below, str]]:
    """Yield what models of rows know and those of series do not."""
    transform = params.get(_TRANSFORM, "none")
    if transform not in ("none", "log1p"):
        yield (_TRANSFORM,), f"'{transform}' is not of a model of series; write none or log1p, or scale: level for ratios"
    elif transform != "none" and params.get(_SCALE) == "level":
        yield (_TRANSFORM,), "with scale: level the demand over the level is learned; leave one of the two out"
    if _STOPPING in params:
        yield (_STOPPING,), "a model of series is fitted with all its rounds; leave it out"
    if "bag" in params:
        yield ("bag",), "a model of series has no folds to average, only origins; leave it out"
    if "many_texts" in params:
        yield ("many_texts",), "a model of series takes its texts as categories says; leave it out"


def search_problems(
    candidates: Mapping[str, dict[str, Parameter]], grids: Mapping[str, Mapping[str, tuple[Parameter, ...]]]
) -> Iterator[tuple[Below, str]]:
    """Yield what is wrong with the values that a search tries, each with the key below `demand.search`."""
    for name, grid in grids.items():
        for parameter, values in grid.items():
            for value in values:
                problems = demand_problems(name, {**candidates.get(name, {}), parameter: value})
                if (problem := next((message for key, message in problems if key in ((parameter,), ())), None)) is not None:
                    yield (name, parameter), f"{value}: {problem}"
                    break


def _of_library(params: Mapping[str, Parameter]) -> dict[str, Parameter]:
    return {key: value for key, value in params.items() if key not in _CHOICES}


def _candidate(name: str, params: Mapping[str, Parameter]) -> DirectCandidate:
    own, scaled, recursive = _of_library(params), params.get(_SCALE) == "level", params.get(_STRATEGY) == "recursive"
    if (net := parse_net(name, own)) is not None:
        require_extra("torch", "torch")
        return DirectCandidate(Candidate(name, family_name(name), own), scaled, net, recursive)
    (candidate,) = [each for each in list_candidates({name: own}) if each.name == name]
    learned = replace(candidate, transform="level", reference=LEVEL) if scaled else candidate
    return DirectCandidate(learned, scaled, recursive=recursive)


def default_candidates() -> dict[str, dict[str, Parameter]]:
    """Return what is tried where the config names nothing: a linear model, a forest, and boosted trees of three libraries with
    absolute and Tweedie errors, which a blend joins.

    Trees that minimise absolute errors forecast too little where most days sell nothing; those with Tweedie errors do not. At six
    origins of pasta before those that are judged (80,000 rows), trees in units of the target have less error than those over the
    level (MAE 2.18 and 2.22 with absolute, 2.23 and 2.24 with Tweedie errors). Those over the level are there for series that
    grow or are of other sizes than those that were learned from.
    """
    level: dict[str, Parameter] = {"scale": "level"}
    # A rate of 0.05 with twice the rounds is no better and costs twice as much.
    lightgbm: dict[str, Parameter] = {
        "learning_rate": 0.1,
        "num_leaves": 63,
        "min_child_samples": 50,
        "subsample": 0.8,
        "subsample_freq": 1,
        "colsample_bytree": 0.7,
        "categories": "native",
    }
    xgboost: dict[str, Parameter] = {
        "learning_rate": 0.12,
        "max_depth": 6,
        "min_child_weight": 20,
        "subsample": 0.8,
        "colsample_bytree": 0.7,
    }
    absolute: dict[str, Parameter] = {**lightgbm, "objective": "regression_l1", "n_estimators": 125}
    tweedie: dict[str, Parameter] = {"tweedie_variance_power": 1.5}
    by_tweedie: dict[str, Parameter] = {**lightgbm, **tweedie, "objective": "tweedie", "n_estimators": 100}
    return {
        "LinearRegression": level,
        # Each tree sees a tenth of the rows: forests of all rows are no better, and cost and weigh many times as much.
        "RandomForest": {"n_estimators": 30, "max_samples": 0.1, "max_features": 0.4, "min_samples_leaf": 10},
        "XGBoost_tweedie": {**xgboost, **tweedie, "objective": "reg:tweedie", "n_estimators": 80},
        "CatBoost_absolute": {"loss_function": "MAE", "iterations": 100, "learning_rate": 0.15, "depth": 6},
        "LightGBM_absolute": absolute,
        "LightGBM_tweedie": by_tweedie,
        "LightGBM_absolute_level": {**absolute, **level},
        "LightGBM_tweedie_level": {**by_tweedie, **level},
    }
