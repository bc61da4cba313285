"""The families of models that a benchmark can name. `FAMILIES` is the only list of them.

A family is one file, which holds all that is particular to its library, and one line here. The libraries whose versions are
logged, pinned and compared between machines, what can be tuned, read, explained and exported all follow from the list.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from tabtrail.modeling.families.catboost import CATBOOST
from tabtrail.modeling.families.family import Family, Layout, Params, Sample
from tabtrail.modeling.families.forests import EXTRA_TREES, RANDOM_FOREST
from tabtrail.modeling.families.gradient_boosting import GRADIENT_BOOSTING
from tabtrail.modeling.families.hist_gradient_boosting import HIST_GRADIENT_BOOSTING
from tabtrail.modeling.families.lightgbm import LIGHTGBM
from tabtrail.modeling.families.linear import LINEAR_REGRESSION, MEAN_BASELINE
from tabtrail.modeling.families.realmlp import REALMLP
from tabtrail.modeling.families.xgboost import XGBOOST
from tabtrail.modeling.trees import Trees

__all__ = ["FAMILIES", "Family", "Layout", "Params", "Sample", "family_of", "model_libraries", "read_trees", "reading_once"]

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        MEAN_BASELINE,
        LINEAR_REGRESSION,
        RANDOM_FOREST,
        EXTRA_TREES,
        GRADIENT_BOOSTING,
        HIST_GRADIENT_BOOSTING,
        XGBOOST,
        LIGHTGBM,
        CATBOOST,
        REALMLP,
    )
}
_KEPT: ContextVar[dict[int, tuple[Any, Trees]] | None] = ContextVar("trees that are kept while a model is proven", default=None)


def family_of(regressor: Any) -> Family | None:
    """Return the family of a fitted regressor by its class, None where no family makes such."""
    return next((family for family in FAMILIES.values() if type(regressor) in family.regressors), None)


def read_trees(regressor: Any) -> Trees | None:
    """Return the trees of a fitted regressor, None where its family has no trees. They are not to be changed."""
    family, kept = family_of(regressor), _KEPT.get()
    if family is None or family.read_trees is None:
        return None
    if kept is None:
        return family.read_trees(regressor)
    if id(regressor) not in kept:
        kept[id(regressor)] = regressor, family.read_trees(regressor)  # itself too, so that no other takes its id
    return kept[id(regressor)][1]


@contextmanager
def reading_once() -> Iterator[None]:
    """Read the trees of each regressor once, however often they are asked for inside; forget them in the end."""
    token = _KEPT.set({})
    try:
        yield
    finally:
        _KEPT.reset(token)


def model_libraries() -> tuple[str, ...]:
    """Return the distributions on PyPI that the families are made of, each once, alternatives included."""
    return tuple(dict.fromkeys(library for family in FAMILIES.values() for library in family.libraries))
