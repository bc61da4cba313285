"""The candidates of a benchmark: what each is called, which family it is of, and what the config may say about it."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tabtrail.config.model import parse_transform
from tabtrail.config.section import Parameter
from tabtrail.errors import ConfigError, nearest, require_extra
from tabtrail.modeling.baselines import BASELINE, BASELINES, BLEND, FORMULA
from tabtrail.modeling.families import FAMILIES, Family, Layout, Params
from tabtrail.modeling.families.family import Objectives

_STOPPING = "early_stopping_rounds"
_TRANSFORM = "target_transform"
_CATEGORIES = "categories"
_MISSING = "missing"
_SMEARING = "smearing"
_BAG = "bag"
_MANY = "many_texts"
_MANY_CHOICES = ("shared", "target", "frequency")
_COORDINATES = "coordinates"
_COORDINATE_CHOICES = ("plain", "rotated")
_OURS = (_STOPPING, _TRANSFORM, _CATEGORIES, _MISSING, _SMEARING, _BAG, _MANY, _COORDINATES)
"""What a candidate says beside the parameters of its library."""
_LOGS = ("log", "log1p", "log_ratio")
_ROUNDS = "rounds"
_BLEND_ROUNDS = 25
_ANY = Layout(2, (1,))


@dataclass(frozen=True)
class Candidate:
    """A named model of the benchmark: its family, its parameters, the patience of early stopping (None: no stopping), and what
    it learns: the target (`none`), `log` or `log1p` of it, or its `ratio` or `log_ratio` to the column `reference`.

    `native`: the categories enter as such, for the library to split on, instead of as one 0/1 column for each text.
    `missing_native`: missing numbers enter as such, for the library to send to a side, instead of as the training median.
    `smearing`: predictions of a learned logarithm are multiplied so that their mean is that of the target.
    `many_texts`: how categories of many texts enter: as the others, the rarest texts sharing one (`shared`), or as the mean
    `target` or the `frequency` of their text.
    `rotated`: pairs of coordinates enter along further directions, too, since trees split along axes alone.
    `bag`: its model is the average of those of its folds, instead of one that learned from the whole training part.
    """

    name: str
    family: str
    params: Params
    early_stopping_rounds: int | None = None
    transform: str = "none"
    reference: str | None = None
    native: bool = False
    missing_native: bool = False
    smearing: bool = False
    bag: bool = False
    many_texts: str = "shared"
    rotated: bool = False

    @property
    def transform_text(self) -> str:
        """The target transform as the config writes it."""
        return self.transform if self.reference is None else f"{self.transform}({self.reference})"

    @property
    def _objectives(self) -> Objectives | None:
        return FAMILIES[self.family].objectives if self.family in FAMILIES else None

    @property
    def weight_power(self) -> float:
        """The p for which weights rᵖ make its loss of y / r that of y."""
        return 2.0 if self._objectives is None else self._objectives.weight_power(self.params)

    @property
    def has_link(self) -> bool:
        """Whether what it fits is not the target itself, but the logarithm of its mean or the like."""
        return self._objectives is not None and self._objectives.link(self.params) != "identity"

    @property
    def slow(self) -> bool:
        """Whether its fits take long enough to be started first."""
        return self.family in FAMILIES and FAMILIES[self.family].slow

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What is raised for parameters that do not go with the rows."""
        return (ValueError, *(FAMILIES[self.family].errors if self.family in FAMILIES else ()))

    def build(self, seed: int, layout: Layout | None = None, **changed: Parameter) -> Any:
        """Return the unfitted regressor, one-threaded; one that splits on the categories of a matrix of this layout if any."""
        family = FAMILIES[self.family]
        regressor = family.build({**self.params, **changed}, seed)
        return family.with_categories(regressor, layout) if family.with_categories and layout else regressor


def family_name(candidate: str) -> str:
    """Return the family that a candidate's name stands for: what comes before the first underscore."""
    return candidate.partition("_")[0]


def family_names() -> list[str]:
    """Return every family that a config may name."""
    return [*FAMILIES, BLEND]


def list_candidates(configured: Mapping[str, Params], *, with_formulas: bool = False) -> list[Candidate]:
    """Return the mean baseline, the best derived formula where there are any, and the configured candidates.

    Raises `ConfigError` for the first of `candidate_problems`, `MissingExtraError` for one whose library is not installed.
    """
    baselines = [Candidate(BASELINE, BASELINE, {}), *([Candidate(FORMULA, FORMULA, {})] if with_formulas else [])]
    named = {name: params for name, params in configured.items() if name not in BASELINES}
    for name, params in named.items():
        for key, problem in candidate_problems(name, params):
            raise ConfigError(f"candidates.{'.'.join([name, *key])}: {problem}")
        family = FAMILIES.get(family_name(name))
        if family is not None and family.extra is not None:
            require_extra(family.extra, family.extra, wanted_by=f"candidates.{name}")
    return baselines + [_candidate(name, params) for name, params in named.items()]


def candidate_problems(name: str, params: Params) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield what is wrong with a candidate, each with the key below it: an unknown family or parameter (with the nearest valid
    name), a model that could not be exported, early stopping where a family has no rounds to stop.
    """
    family = FAMILIES.get(family_name(name))
    if family_name(name) == BLEND:
        yield from _blend_problems(params)
    elif family is None:
        names = family_names()
        yield (), f"unknown model family '{family_name(name)}'{nearest(family_name(name), names)} (known: {', '.join(names)})"
    else:
        checks = (
            _device_problems,
            _stopping_problems,
            _category_problems,
            _word_problems,
            _missing_problems,
            _switch_problems,
            _parameter_problems,
            _objective_problems,
        )
        problems = [problem for check in checks for problem in check(family, params)]
        yield from problems
        if not problems:
            yield from _build_problems(_candidate(name, params))


def final_problems(configured: Mapping[str, Params]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the candidates that the distributed training of a library cannot fit, each with the key below `candidates`."""
    able = [name for name, family in FAMILIES.items() if family.fit_on_dask is not None]
    for name, params in configured.items():
        family = FAMILIES.get(family_name(name))
        if family is None or family.fit_on_dask is None:
            if name not in BASELINES:
                yield (name,), f"engine.final dask fits {' and '.join(able)} alone; take it out, or leave engine.final out"
            continue
        for key, values in family.not_on_dask.items():
            if params.get(key) in values:
                yield (name, key), f"{params[key]} is not for the distributed training of engine.final dask; take it out"


def _candidate(name: str, params: Params) -> Candidate:
    if family_name(name) == BLEND:
        return Candidate(name, BLEND, {_ROUNDS: params.get(_ROUNDS, _BLEND_ROUNDS)})
    transform, reference = parse_transform(params.get(_TRANSFORM, "none"))
    patience: Any = params.get(_STOPPING)
    return Candidate(
        name,
        family_name(name),
        _own(params),
        patience,
        transform,
        reference,
        native=params.get(_CATEGORIES) == "native",
        missing_native=params.get(_MISSING) == "native",
        smearing=params.get(_SMEARING) is True,
        bag=params.get(_BAG) is True,
        many_texts=str(params.get(_MANY, "shared")),
        rotated=params.get(_COORDINATES) == "rotated",
    )


def _own(params: Params) -> Params:
    """Return what a candidate's family is given."""
    return {key: value for key, value in params.items() if key not in _OURS}


def _blend_problems(params: Params) -> Iterator[tuple[tuple[str, ...], str]]:
    for key in params:
        if key != _ROUNDS:
            yield (key,), f"{BLEND} has no such parameter{nearest(key, [_ROUNDS])}"
    if not _is_count(params.get(_ROUNDS, _BLEND_ROUNDS)):
        yield (_ROUNDS,), "write a whole number of rounds, 1 or more"


def _device_problems(family: Family, params: Params) -> Iterator[tuple[tuple[str, ...], str]]:
    for key, problem in () if family.device is None else family.device.problems(params):
        yield (key,), problem


def _stopping_problems(family: Family, params: Params) -> Iterator[tuple[tuple[str, ...], str]]:
    patience = params.get(_STOPPING)
    if patience is None:
        return
    if not _is_count(patience):
        yield (_STOPPING,), "write a whole number of rounds, 1 or more"
    elif family.iterations is None:
        yield (_STOPPING,), f"{family.name} has no rounds to stop"


def _category_problems(family: Family, params: Params) -> Iterator[tuple[tuple[str, ...], str]]:
    given = params.get(_CATEGORIES, "one_hot")
    if given not in ("one_hot", "native"):
        yield (_CATEGORIES,), "write one_hot or native"
    elif given == "native" and family.with_categories is None:
        able = ", ".join(each.name for each in FAMILIES.values() if each.with_categories is not None)
        yield (_CATEGORIES,), f"{family.name} does not split on categories by itself; {able} do"


def _word_problems(family: Family, params: Params) -> Iterator[tuple[tuple[str, ...], str]]:  # noqa: ARG001 - as the others
    for key, choices in ((_MANY, _MANY_CHOICES), (_COORDINATES, _COORDINATE_CHOICES)):
        if (given := params.get(key, choices[0])) not in choices:
            yield (key,), f"write {', '.join(choices[:-1])} or {choices[-1]}{nearest(str(given), list(choices))}"


def _missing_problems(family: Family, params: Params) -> Iterator[tuple[tuple[str, ...], str]]:
    given = params.get(_MISSING, "median")
    if given not in ("median", "native"):
        yield (_MISSING,), "write median or native"
    elif given == "native" and not family.takes_missing:
        able = ", ".join(each.name for each in FAMILIES.values() if each.takes_missing)
        yield (_MISSING,), f"{family.name} takes no missing numbers; {able} do"


def _switch_problems(family: Family, params: Params) -> Iterator[tuple[tuple[str, ...], str]]:  # noqa: ARG001 - as the others
    for key in (_SMEARING, _BAG):
        if not isinstance(params.get(key, False), bool):
            yield (key,), "write true or false"
    if params.get(_SMEARING) is True and str(params.get(_TRANSFORM, "none")).partition("(")[0].strip() not in _LOGS:
        yield (_SMEARING,), f"this corrects the mean of a learned logarithm; set {_TRANSFORM} to log, log1p or log_ratio(COLUMN)"


def _parameter_problems(family: Family, params: Params) -> Iterator[tuple[tuple[str, ...], str]]:
    known = parameter_names(family)
    for key, value in _own(params).items():
        exportable = family.exportable.get(key)
        if family.device is not None and key in family.device.gone:
            continue  # said with the edit that mends it
        if key in family.fixed:
            yield (key,), "tabtrail sets this parameter itself"
        elif key not in known:
            yield (key,), f"{family.name} has no such parameter{nearest(key, known)}"
        elif exportable is not None and value not in exportable:
            yield (key,), f"only {' or '.join(map(str, exportable))} can be exported to ONNX"


def _objective_problems(family: Family, params: Params) -> Iterator[tuple[tuple[str, ...], str]]:
    objectives = family.objectives
    if objectives is None:
        return
    (key, name), link = objectives.given(params), objectives.link(params)
    if link is None:
        yield (key,), f"only {', '.join(objectives.links)} can be exported to ONNX{nearest(name, list(objectives.links))}"
    elif link != "identity" and params.get(_TRANSFORM, "none") != "none":
        yield (_TRANSFORM,), f"{name} has a link of its own and learns the target as it is; leave {_TRANSFORM} out"


def _build_problems(candidate: Candidate) -> Iterator[tuple[tuple[str, ...], str]]:
    try:
        candidate.build(seed=0, layout=_ANY if candidate.native else None)
    except (TypeError, ValueError) as error:
        yield (), str(error)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def parameter_names(family: Family) -> list[str]:
    """Return the parameters of a family that a config may set: all but those that we set ourselves."""
    model = family.build({}, 0)
    names = {*inspect.signature(type(model).__init__).parameters, *model.get_params(), *family.more}
    return sorted(names - set(family.fixed) - {"self", "kwargs"})
