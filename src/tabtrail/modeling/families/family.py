"""What a family of models is: everything that the rest of the program needs to know of a library, as one value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tabtrail.config.section import Parameter
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.trees import Trees

if TYPE_CHECKING:
    from optuna.trial import Trial

Params = dict[str, Parameter]
Contributions = tuple[Array, float]


@dataclass(frozen=True)
class Sample:
    """Rows to learn from or to watch: the matrix, what is learned, and the weight of each row (None: all weigh the same)."""

    x: Array
    y: Array
    weights: Array | None = None


def forget_nothing(regressor: Any) -> None:
    """Leave a fitted regressor as it is: equal fits pickle to equal bytes."""


@dataclass(frozen=True)
class Family:
    """A kind of model.

    `build(params, seed)` makes an unfitted, one-threaded regressor of the class `regressor`; `fixed` are the parameters that it
    sets itself, so that no config may. `libraries` are the distributions on PyPI that results depend on, alternatives included.
    `exportable` lists, for parameters whose other values make models without plain trees, those that can be exported, the
    library's default first. `scaled` says whether numeric columns are standardised (never before trees: it breaks the equality
    of their exported graph), `slow` that a fit takes long enough to be started first.

    `iterations` names the parameter that counts boosting rounds, and `best_iterations(regressor, fitted, watched, patience)`
    fits and returns how many rounds did best. `read_trees(regressor)` returns the trees of a fitted one. `contributions
    (regressor, matrix, background)` returns Shapley values [rows, columns] and base value (units of the prediction), None where
    the predictions have to be explained from outside. `make_canonical` takes out of a fitted regressor whatever would make
    equal fits pickle to other bytes. `errors` are what fitting raises for parameters that do not go with the rows. `search`
    suggests parameters to a trial of a search.
    """

    name: str
    regressor: type[Any]
    build: Callable[[Params, int], Any]
    libraries: tuple[str, ...]
    fixed: tuple[str, ...] = ()
    exportable: Mapping[str, tuple[Parameter, ...]] = field(default_factory=dict)
    scaled: bool = False
    slow: bool = False
    iterations: str | None = None
    best_iterations: Callable[[Any, Sample, Sample, int], int] | None = None
    read_trees: Callable[[Any], Trees] | None = None
    contributions: Callable[[Any, Array, Array], Contributions | None] | None = None
    make_canonical: Callable[[Any], None] = forget_nothing
    errors: tuple[type[Exception], ...] = ()
    search: "Callable[[Trial], Params] | None" = None
