"""The candidates of a config that names none: a list made from the size and shape of the table, each with its reason.

The parameters of boosters start from the defaults that Holzmüller, Grinsztajn & Steinwart tuned over 118 data sets ("Better by
Default", NeurIPS 2024, appendix). A bag is proven, served and fitted again tree by tree, so that fewer trees save more than
their fit. What departs from them was chosen by bags of five folds inside training parts: of bike sharing, California, diamonds,
the sales data with and without its size, Ames, hotel rates, Sacramento, concrete (R's `modeldata`) and CPS1988 (R's `AER`).

- LightGBM with 63 leaves, rate 0.06 and patience 50 erred as the published default does (within 0.1 % on bike sharing) at two
  thirds of the fit. 31 leaves and rate 0.04 erred 0.3 and 1.4 % more in California and on bike sharing, 1 % less on diamonds.
  Below 5,000 rows, 15 leaves and a share of the columns erred 2 to 11 % less on four of five tables, 3 % more on the fifth: both
  are tried.
- CatBoost with depth 6, rate 0.1 and a penalty of 3 erred up to 3 % less than with rate 0.15 and hardly a penalty, on seven of
  eight tables. Target statistics of categories of few values too (`one_hot_max_size: 2`) took 2 % off on diamonds' 43,000 rows,
  changed nothing on CPS1988's 22,000 and on hotel rates, and erred 0.6 to 3 % more on five smaller tables, at twice the time.
- Bags of CatBoost with depth 7, rate 0.15 and 400 rounds take half the fit and half the time a row from 5,000 rows on; they erred
  0.8 % more in California and on bike sharing, 0.2 % in a blend. Below that, early stopping leaves as few trees anyway.
- Where places lie along six more directions, half of the columns for each tree erred 1.8 % less in California, at 0.6 of the fit.
  Elsewhere it erred 2 % more to 1 % less. CatBoost with 128 borders a column instead of 254 took two thirds of its fit there, and
  erred 0.8 % less and 0.6 % more on two training parts. Elsewhere it saved up to a tenth, and erred 1.7 % less to 0.8 % more.
- From 40,000 rows on, CatBoost with 250 rounds at rate 0.25, and LightGBM at rate 0.12 with a penalty of 3, take half to two
  thirds of the fit and the time a row: a blend may have both. On diamonds they erred 0.1 and 0.5 % more, together 2 % less; on
  60,000 flights (R's `nycflights13`) 0.4 and 1.2 % more for the delay, 4 and 2 % less for the time in the air.
- Where folds follow one another in time, rows that early stopping watches are of another level than those it learns from: 1,000
  rounds at rate 0.05 without it erred 15 (logarithm) and 3 % less on bike sharing, 3 % more on the sales data. Both are tried.
- On rows held out of all this, blends of LightGBM's and CatBoost's, a logarithm that was beaten by 4 % included, erred 0.7 to
  1.1 % less than the best of their members (California, bike sharing, diamonds).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from tabtrail.config.model import Model
from tabtrail.config.section import Parameter
from tabtrail.modeling.nets.settings import Settings
from tabtrail.modeling.preprocess import MANY_TEXTS

# Bulmer, Principles of Statistics (1979): beyond a half a distribution is moderately skewed. Which scale is learned is then left
# to the folds; below it the logarithm rarely wins, and is not worth the fits.
_SKEWED = 0.5
# Below it trees of many leaves may learn noise, and one more bag costs a few seconds.
_SMALL = 5_000
# From it on each value of a category of few values has rows enough for a mean target that says more than its name, and trees that
# learn faster err hardly more.
_MANY_ROWS = 40_000
# Beyond it one fit of a slower library, or a bag of several, would take minutes on one core. A judgement, not yet measured.
_FEW_FITS = 200_000
# Fewer rows teach a net less than they teach trees; of more, one fit takes too long. The judgement of whoever asked for it.
_LEAST_FOR_NETS, _MOST_FOR_NETS = 1_000, 200_000
# So that a fit takes about as long on any number of rows; with fewer epochs the four cycles of the rate are too short.
_ROWS_OF_ALL_EPOCHS, _LEAST_EPOCHS = 16_000, 16
# Below it trees have nothing to learn from that a line, a forest or a few boosted stumps do not have as well.
_TINY = 300


@dataclass(frozen=True)
class Shape:
    """What of a table decides which candidates are tried: rows with a target, number columns, the different texts of each text
    column, whether numbers are missing, the least target and the skewness of the targets; whether folds follow one another in
    time (`by_time`), so that their models cannot be averaged; whether numbers say where something is (`coordinates`).
    """

    rows: int
    numbers: int
    texts: Mapping[str, int]
    missing: bool
    least: float
    skewness: float
    by_time: bool = False
    coordinates: bool = False

    @property
    def logarithm(self) -> str | None:
        """The transform of targets not below zero and skewed to the right: `log`, `log1p` where some are zero; else None."""
        if self.skewness <= _SKEWED or self.least < 0:
            return None
        return "log" if self.least > 0 else "log1p"

    def __str__(self) -> str:
        texts = f", texts with {', '.join(f'{count:,}' for count in self.texts.values())} values" if self.texts else ""
        gaps = ", gaps" if self.missing else ""
        return (
            f"{self.rows:,} rows × {self.numbers} numbers and {len(self.texts)} texts{texts}{gaps}, skewness {self.skewness:.2g}"
        )


@dataclass(frozen=True)
class Default:
    """A candidate as the config writes it, and why it is tried."""

    params: dict[str, Parameter]
    reason: str


def shape_of(model: Model, data: pl.LazyFrame, *, by_time: bool = False) -> Shape:
    """Return the shape of the rows that have a target.

    All of them, the test part included: what is tried follows from it, not what is chosen.
    """
    target, texts, numbers = pl.col(model.target), model.text_features, model.number_inputs
    found = data.filter(target.is_not_null()).select(
        pl.len().alias("rows"),
        target.cast(pl.Float64).min().alias("least"),
        target.cast(pl.Float64).skew().alias("skewness"),
        pl.any_horizontal(pl.lit(False), *(pl.col(name).has_nulls() for name in numbers)).alias("missing"),
        *(pl.col(name).n_unique().alias(f"text {name}") for name in texts),
    )
    row: dict[str, Any] = found.collect(engine="streaming").row(0, named=True)
    distinct = {name: int(row[f"text {name}"]) for name in texts}
    counted = len(model.numeric_features) + len(model.derived)
    target_values = (row["least"] or 0.0, row["skewness"] or 0.0)
    places = bool(model.pairs_of_coordinates)
    return Shape(row["rows"], counted, distinct, bool(row["missing"]), *target_values, by_time=by_time, coordinates=places)


def default_candidates(shape: Shape, *, distributed: bool = False, net_on: str | None = None) -> dict[str, Default]:
    """Return the candidates to try, by name, by cost; only `distributed` ones where a cluster fits in the end, and a net where
    there is a device for it to learn on (`net_on`: `cpu` or `cuda`).
    """
    found = dict(_on_a_cluster(shape) if distributed else _on_one_machine(shape, net_on))
    return {name: Default(_without_idle(each.params, shape), each.reason) for name, each in found.items()}


def _on_one_machine(shape: Shape, net_on: str | None) -> Iterator[tuple[str, Default]]:
    yield "LinearRegression", Default({}, "a straight line, which few rows or a nearly linear target need no more than")
    if shape.rows < _TINY:
        yield "ExtraTrees", Default({"n_estimators": 200, "min_samples_leaf": 3}, f"steady on fewer than {_TINY} rows")
    yield from _lightgbm(shape)
    yield from _many_texts(shape)
    if shape.rows <= _FEW_FITS:
        yield from _catboost(shape)
    if net_on is not None and _LEAST_FOR_NETS <= shape.rows <= _MOST_FOR_NETS:
        yield _net(shape, net_on)
    yield "Blend", Default({}, "a weighted average, if the folds find one better than each of its members")


def _on_a_cluster(shape: Shape) -> Iterator[tuple[str, Default]]:
    yield "LightGBM", Default(_LIGHTGBM, "the published default, which the library can train on a cluster")
    yield "XGBoost", Default(_XGBOOST, "the published default, which the library can train on a cluster")
    if shape.logarithm is not None:
        yield "LightGBM_log", Default(_learning_log(_LIGHTGBM, shape), _why_log(shape))


_NATIVE: dict[str, Parameter] = {"categories": "native", "missing": "native"}
_TREES: dict[str, Parameter] = {**_NATIVE, "coordinates": "rotated"}
_LIGHTGBM: dict[str, Parameter] = {
    "n_estimators": 1000,
    "learning_rate": 0.06,
    "num_leaves": 63,
    "min_child_samples": 3,
    "min_child_weight": 1e-7,
    "subsample": 0.7,
    "subsample_freq": 1,
    "early_stopping_rounds": 50,
    **_TREES,
}
_FEW_LEAVES: dict[str, Parameter] = {
    **_LIGHTGBM,
    "n_estimators": 2000,
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_child_samples": 5,
    "colsample_bytree": 0.6,
}
_XGBOOST: dict[str, Parameter] = {
    "n_estimators": 1000,
    "learning_rate": 0.05,
    "max_depth": 9,
    "min_child_weight": 2,
    "reg_lambda": 0,
    "subsample": 0.7,
    "early_stopping_rounds": 100,
    **_TREES,
}
_LIGHTGBM_OF_MANY_ROWS: dict[str, Parameter] = {"learning_rate": 0.12, "reg_lambda": 3}
# Five models of 1,000 trees take 400 µs a row, more than a blend may have of one member.
_CATBOOST_BAG: dict[str, Parameter] = {"iterations": 400, "learning_rate": 0.15, "depth": 7}
_CATBOOST_BAG_OF_MANY_ROWS: dict[str, Parameter] = {**_CATBOOST_BAG, "iterations": 250, "learning_rate": 0.25}
_CATBOOST: dict[str, Parameter] = {
    "iterations": 1000,
    "learning_rate": 0.1,
    "depth": 6,
    "l2_leaf_reg": 3,
    "boosting_type": "Plain",
    "bootstrap_type": "Bernoulli",
    "subsample": 0.9,
    "random_strength": 0,
    "one_hot_max_size": 20,
    "leaf_estimation_iterations": 1,
    "early_stopping_rounds": 50,
    **_TREES,
}


def _bagged(name: str, default: Default, shape: Shape) -> tuple[str, Default]:
    """The average of the models of the folds, which are fitted anyway; one model where it cannot be made or served."""
    if not _can_bag(shape):
        return name, default
    return f"{name}_bag", Default({**default.params, "bag": True}, f"{default.reason}; the average of the folds' models")


def _of_many_rows(shape: Shape) -> bool:
    return shape.rows >= _MANY_ROWS and _can_bag(shape)


def _can_bag(shape: Shape) -> bool:
    return not shape.by_time and shape.rows <= _FEW_FITS


def _lightgbm(shape: Shape) -> Iterator[tuple[str, Default]]:
    params, why = _LIGHTGBM, "the published default with fewer leaves"
    if _of_many_rows(shape):
        params, why = {**params, **_LIGHTGBM_OF_MANY_ROWS}, f"{why}, and fewer trees from {_MANY_ROWS:,} rows on"
    if shape.coordinates:
        params, why = {**params, "colsample_bytree": 0.5}, f"{why}; half of the columns a tree, as some say the same"
    yield _bagged("LightGBM", Default(params, why), shape)
    if shape.logarithm is not None:
        yield _bagged("LightGBM_log", Default(_learning_log(params, shape), _why_log(shape)), shape)
    if _TINY <= shape.rows < _SMALL:
        few = f"trees of few leaves and a share of the columns, which learn less noise below {_SMALL:,} rows"
        yield _bagged("LightGBM_few_leaves", Default(_FEW_LEAVES, few), shape)


def _many_texts(shape: Shape) -> Iterator[tuple[str, Default]]:
    many = ", ".join(name for name, count in shape.texts.items() if count > MANY_TEXTS)
    for how, meaning in (("target", "mean target"), ("frequency", "frequency")) if many else ():
        params: dict[str, Parameter] = {**_LIGHTGBM, "many_texts": how}
        yield _bagged(f"LightGBM_{how}", Default(params, f"the {meaning} of the many texts of {many}"), shape)


def _catboost(shape: Shape) -> Iterator[tuple[str, Default]]:
    params, why = _CATBOOST, "the published default with shallower trees and a penalty on their leaves"
    if shape.rows >= _SMALL and _can_bag(shape):
        fewer = _CATBOOST_BAG_OF_MANY_ROWS if _of_many_rows(shape) else _CATBOOST_BAG
        params, why = {**params, **fewer}, f"{why}, fewer of them from {_SMALL:,} rows on"
    if shape.coordinates:
        params, why = {**params, "border_count": 128}, f"{why}; fewer thresholds, as many columns say the same"
    if shape.texts and shape.rows >= _MANY_ROWS:
        params, why = (
            {**params, "one_hot_max_size": 2},
            f"{why}; target statistics of every category, from {_MANY_ROWS:,} rows on",
        )
    yield _bagged("CatBoost", Default(params, why), shape)
    if shape.logarithm is not None:
        yield _bagged("CatBoost_log", Default(_learning_log(params, shape), _why_log(shape)), shape)
    if shape.by_time:
        params = {name: value for name, value in params.items() if name != "early_stopping_rounds"} | {"learning_rate": 0.05}
        why = "slower, with all of its rounds: in time, stopping early looks at rows of another level"
        yield "CatBoost_all_rounds", Default(params, why)
        if shape.logarithm is not None:
            yield "CatBoost_log_all_rounds", Default(_learning_log(params, shape), _why_log(shape))


def _net(shape: Shape, net_on: str) -> tuple[str, Default]:
    epochs = max(_LEAST_EPOCHS, min(Settings.epochs, Settings.epochs * _ROWS_OF_ALL_EPOCHS // shape.rows))
    params: dict[str, Parameter] = {"early_stopping_rounds": epochs // 4, **_NATIVE}
    if epochs != Settings.epochs:
        params["epochs"] = epochs
    if net_on != Settings.device:
        params["device"] = net_on
    # Not a bag: one row takes one net 122 µs, and the average of five 725, more than `choice.max_row_us` allows.
    return "RealMLP", Default(params, "the published net with faster waves, which errs elsewhere than trees do")


def _learning_log(params: Mapping[str, Parameter], shape: Shape) -> dict[str, Parameter]:
    return {**params, "target_transform": shape.logarithm, "smearing": True}


def _why_log(shape: Shape) -> str:
    least = "above zero" if shape.least > 0 else "not below zero"
    return f"the same for the logarithm: the targets are {least} and skewed ({shape.skewness:.2g})"


def _without_idle(params: Mapping[str, Parameter], shape: Shape) -> dict[str, Parameter]:
    """Leave out what says nothing of this table, so that the written list is short. Gaps may come later: `missing` stays."""
    idle = {name for name, on in (("categories", shape.texts), ("coordinates", shape.coordinates)) if not on}
    return {name: value for name, value in params.items() if name not in idle}
