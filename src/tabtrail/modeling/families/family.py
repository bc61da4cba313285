"""What a family of models is: everything that the rest of the program needs to know of a library, as one value."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tabtrail.config.section import Parameter
from tabtrail.errors import nearest
from tabtrail.jobs.job import Arrays
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.nets.net import Net
from tabtrail.modeling.trees import Link, Trees

Params = dict[str, Parameter]
_VARIANCE_POWER = 1.5  # what LightGBM, XGBoost and CatBoost take where none is given
Contributions = tuple[Array, float]


class Trial(Protocol):
    """What a search for parameters offers to a family, as Optuna's trials do; Optuna itself is an optional extra."""

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int: ...

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float: ...


@dataclass(frozen=True)
class Sample:
    """Rows to learn from or to watch: the matrix, what is learned, and the weight of each row (None: all weigh the same)."""

    x: Array
    y: Array
    weights: Array | None = None


@dataclass(frozen=True)
class Layout:
    """Columns of the matrix that a regressor is fitted on: how many, and which hold the codes of categories (0, 1, …, or NaN)."""

    columns: int
    categories: tuple[int, ...]


@dataclass(frozen=True)
class Objectives:
    """Objectives of a library that can be exported, each with the inverse link from the sum of the leaves to the prediction.

    `parameters` are the names under which the library takes one, `default` is what it does where none is given. A name may carry
    parameters of its own after a colon (`Tweedie:variance_power=1.5`). `absolute` are those whose loss is as many
    times larger as an error is: absolute errors and quantiles.
    """

    parameters: tuple[str, ...]
    default: str
    links: Mapping[str, Link]
    absolute: tuple[str, ...] = ()

    def given(self, params: Mapping[str, Any]) -> tuple[str, str]:
        """Return the parameter that names the objective, and the objective."""
        named = ((key, str(params[key])) for key in self.parameters if params.get(key) is not None)
        return next(named, (self.parameters[0], self.default))

    def link(self, params: Mapping[str, Any]) -> Link | None:
        """Return the inverse link of a regressor with these parameters, None where the objective cannot be exported."""
        _, name = self.given(params)
        return self.links.get(name, self.links.get(name.partition(":")[0]))

    def weight_power(self, params: Mapping[str, Any]) -> float:
        """Return the p for which weights rᵖ make the loss of y / r that of y: 2 for squared errors, 1 for absolute ones.

        The deviance of a Tweedie distribution with variance power v scales with 2 - v; Poisson has v = 1, gamma v = 2
        (Jørgensen, The Theory of Dispersion Models, 1997).
        """
        name = self.given(params)[1]
        kind, _, own = name.lower().partition(":")
        if name in self.absolute or name.partition(":")[0] in self.absolute or "poisson" in kind:
            return 1.0
        if "tweedie" in kind:
            return 2.0 - float(own.partition("=")[2] or params.get("tweedie_variance_power") or _VARIANCE_POWER)
        return 0.0 if "gamma" in kind else 2.0

    def link_of(self, regressor: Any) -> Link:
        """Return the inverse link of a fitted regressor. Raises `TypeError` where its objective cannot be exported."""
        params = regressor.get_params()
        link = self.link(params)
        if link is None:
            raise TypeError(f"the objective {self.given(params)[1]} cannot be exported")
        return link


@dataclass(frozen=True)
class Device:
    """How a library is told to learn on a GPU: the first of its parameters `keys` that is given, with one of `values` (all that
    it takes, those of the CPU in `on_cpu`), and `more` parameters that say which. `gone` are settings that the library no longer
    knows, `key` or `key=value`, each with the edit that mends it. `needs` says what such a training takes to be installed.
    """

    keys: tuple[str, ...]
    values: tuple[str, ...]
    on_cpu: tuple[str, ...]
    needs: str
    more: tuple[str, ...] = ()
    gone: Mapping[str, str] = field(default_factory=dict)

    def of(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters that name a device."""
        return {key: params[key] for key in (*self.keys, *self.more) if key in params}

    def asked_by(self, params: Mapping[str, Any]) -> bool:
        """Tell whether parameters ask for a device other than the CPU."""
        return any(str(params[key]) not in self.on_cpu for key in self.keys if params.get(key) is not None)

    def problems(self, params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield the settings that the library does not know, or no longer, each with the edit."""
        for key, value in params.items():
            edit = self.gone.get(key) or self.gone.get(f"{key}={value}")
            if edit is not None:
                yield key, edit
            elif key in self.keys and str(value).partition(":")[0] not in self.values:
                yield key, f"'{value}' is no device; write {' or '.join(self.values)}{nearest(str(value), list(self.values))}"


def forget_nothing(regressor: Any) -> None:
    """Leave a fitted regressor as it is: equal fits pickle to equal bytes."""


@dataclass(frozen=True)
class Family:
    """A kind of model.

    Building. `build(params, seed)` makes an unfitted, one-threaded regressor of the first of the classes `regressors`. `fixed`
    are the parameters that it sets itself, so that no config may; `more` are some that the class takes without naming them.
    `with_categories(regressor, layout)` makes of it one that splits on categories by itself (None: the family cannot).
    `takes_missing` says whether it sends missing numbers to a side of each split by itself.
    `scaled` says whether numeric columns are standardised, never before trees: it breaks the equality of their exported graph.
    `libraries` are the distributions on PyPI that results depend on, alternatives included, but not the package of an optional
    extra that fitting alone takes: `extra` is the name of both (None: it takes none).

    Fitting. `slow` fits are started first. `iterations` names the parameter that counts boosting rounds, and
    `best_iterations(regressor, fitted, watched, patience)` fits and returns how many rounds did best; the regressor keeps at
    least those. `first_rounds(regressor, rounds)` returns a fitted one with its first rounds alone, or all where it has fewer
    (None: the family cannot). `errors` are what fitting raises for parameters that do not go with the rows.
    `make_canonical(regressor)` takes out of a fitted one what would make equal fits pickle to other bytes. `search(trial)`
    suggests parameters. `fit_on_dask(regressor, rows)` returns a regressor of the first class with the parameters of an
    unfitted one, fitted by the library's own distributed training (None: it has none), which does not know the values
    `not_on_dask` of some parameters.

    Exporting. `exportable` lists, for parameters whose other values make models without plain trees, those that can be exported,
    the library's default first; `objectives` are those of a library that has links. `read_trees(regressor)` returns the trees of
    a fitted one, `read_net(regressor)` its net (None of both: scikit-learn's own converter exports it).

    Explaining. `contributions(regressor, matrix, background)` returns Shapley values [rows, columns] and base value, in units of
    the prediction; None, of function or result, where the predictions have to be explained from outside.

    `device` says how it is told to learn on a GPU (None: it cannot).
    """

    name: str
    regressors: tuple[type[Any], ...]
    build: Callable[[Params, int], Any]
    libraries: tuple[str, ...]
    extra: str | None = None
    fixed: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    with_categories: Callable[[Any, Layout], Any] | None = None
    takes_missing: bool = False
    scaled: bool = False
    slow: bool = False
    iterations: str | None = None
    best_iterations: Callable[[Any, Sample, Sample, int], int] | None = None
    first_rounds: Callable[[Any, int], Any] | None = None
    errors: tuple[type[Exception], ...] = ()
    make_canonical: Callable[[Any], None] = forget_nothing
    fit_on_dask: Callable[[Any, Arrays], Any] | None = None
    not_on_dask: Mapping[str, tuple[Parameter, ...]] = field(default_factory=dict)
    search: Callable[[Trial], Params] | None = None
    exportable: Mapping[str, tuple[Parameter, ...]] = field(default_factory=dict)
    objectives: Objectives | None = None
    read_trees: Callable[[Any], Trees] | None = None
    read_net: Callable[[Any], Net] | None = None
    contributions: Callable[[Any, Array, Array], Contributions | None] | None = None
    device: Device | None = None
