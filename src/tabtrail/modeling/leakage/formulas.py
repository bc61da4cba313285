"""Formulas of a few columns that give the target: sums, products, powers, ratios, the larger or first of two."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations

import numpy as np

from tabtrail.modeling.leakage.exact import Target, adds_to, fit_line, line_text, rounded_constant
from tabtrail.modeling.leakage.giveaways import spread_of
from tabtrail.modeling.leakage.terms import (
    WORTH_A_TRY,
    Screen,
    Term,
    complements,
    log_size,
    logs,
    middle_rows,
    products,
    products_and_ratios,
    standardised,
)
from tabtrail.modeling.metrics import Array

_LEAST_POWER = 0.1  # exponents below it are no part of a formula that people use
_ALL_COLUMNS = 40  # most columns of a sum of all: more are no formula that a reader follows
_NEEDED = 2.0  # tolerances that a term must move the prediction by to be part of a sum
_MOSTLY = 0.6  # share of rows of one sign that a reciprocal or logarithm of the target needs
_ALONE = 5  # products tried by themselves
_SURFACES = 5  # columns of which each two are tried for a surface
_SOMETIMES = 0.05  # share of rows in which one of several columns is the target
_MOST_CHOICES = 8  # of those columns: each pair is tried in three ways


@dataclass(frozen=True)
class Formula:
    """The target as a formula of some columns, and the share of the rows in which it holds."""

    columns: frozenset[str]
    text: str
    share: float


@dataclass(frozen=True)
class _Scale:
    """A scale on which the target may be a sum, with the way back."""

    name: str
    values: Array
    back: Callable[[Array], Array]


def find_formulas(
    columns: Mapping[str, Array], target: Target, *, likely: Sequence[int], alone: frozenset[str], rng: np.random.Generator
) -> list[Formula]:
    """Return the formulas of few columns (each [rows]) that give the target, those of the fewest columns first.

    None holds in columns that another holds in a part of. `likely` are places of columns that a model uses. A formula with one
    that nearly predicts the target `alone` must add what is missing, to the last digit.
    """
    found: list[Formula] = []
    for attempt in _attempts([Term(frozenset((name,)), name, values) for name, values in columns.items()], target, likely):
        asked = target.strict() if attempt.columns & alone else target
        formula = attempt(asked, rng) if not any(each.columns <= attempt.columns for each in found) else None
        if formula is not None:
            found.append(formula)
    return found


@dataclass(frozen=True)
class _Sum:
    terms: tuple[Term, ...]
    scale: _Scale

    @property
    def columns(self) -> frozenset[str]:
        return _columns_of(self.terms)

    def __call__(self, target: Target, rng: np.random.Generator) -> Formula | None:
        parts = [term.values for term in self.terms]
        constants = fit_line(parts, self.scale.values, rng)
        share = target.holds(self.scale.back(np.column_stack([*parts, np.ones(len(target.y))]) @ constants))
        if share is None:
            return None
        needed = tuple(term for term, moves in zip(self.terms, self._moved(constants, target), strict=True) if moves)
        if len(needed) < len(self.terms):
            fewer = replace(self, terms=needed)
            return fewer(target, rng) if len(fewer.columns) > 1 else None
        text = line_text([term.label for term in self.terms], constants, unit=spread_of(self.scale.values))
        return Formula(self.columns, f"{self.scale.name} = {text}", share)

    def _moved(self, constants: Array, target: Target) -> list[bool]:
        """Whether each term moves the target by more than the tolerance; on another scale, by more than a hundredth."""
        values = self.scale.values
        least = float(np.median(target.tolerance)) if values is target.y else 0.01 * spread_of(values[np.isfinite(values)])
        moves = [abs(c) * _finite_spread(term.values) for c, term in zip(constants[:-1].tolist(), self.terms, strict=True)]
        return [each >= _NEEDED * least for each in moves]


def _columns_of(terms: Sequence[Term]) -> frozenset[str]:
    return frozenset[str]().union(*(term.columns for term in terms))


def _finite_spread(values: Array) -> float:
    return spread_of(values[np.isfinite(values)])


@dataclass(frozen=True)
class _Product:
    """Powers of terms, given by their logarithms `logs`."""

    terms: tuple[Term, ...]
    logs: tuple[Term, ...]

    @property
    def columns(self) -> frozenset[str]:
        return _columns_of(self.terms)

    def __call__(self, target: Target, rng: np.random.Generator) -> Formula | None:
        fitted = fit_line([log.values for log in self.logs], log_size(target.y), rng)[:-1]
        if not np.all(np.abs(fitted) >= _LEAST_POWER):  # a fit that was not possible is NaN
            return None
        powers = [_plain_power(each) for each in fitted.tolist()]
        product = np.prod([_power(term.values, power) for term, power in zip(self.terms, powers, strict=True)], axis=0)
        ratio = (target.y / product)[np.isfinite(product) & (product != 0)]
        factor = float(np.median(ratio)) if len(ratio) else np.nan
        share = target.holds(factor * product)
        return None if share is None else Formula(self.columns, f"target = {_product_text(self.terms, powers, factor)}", share)


@dataclass(frozen=True)
class _Chosen:
    """The larger, the smaller, or the first that is filled of two columns."""

    one: Term
    other: Term
    how: str

    @property
    def columns(self) -> frozenset[str]:
        return self.one.columns | self.other.columns

    def __call__(self, target: Target, _: np.random.Generator) -> Formula | None:
        ways: dict[str, Callable[[Array, Array], Array]] = {"larger": np.fmax, "smaller": np.fmin, "first filled": _first_filled}
        share = target.holds(ways[self.how](self.one.values, self.other.values))
        alone = max(target.share(_zero_filled(each.values)) for each in (self.one, self.other))
        if share is None or not adds_to(share, alone):
            return None
        return Formula(self.columns, f"target = the {self.how} of {self.one.label} and {self.other.label}", share)


def _first_filled(one: Array, other: Array) -> Array:
    return np.where(np.isfinite(one), one, other)


def _zero_filled(values: Array) -> Array:
    return np.where(np.isfinite(values), values, 0.0)


_Attempt = _Sum | _Product | _Chosen


def _attempts(terms: Sequence[Term], target: Target, likely: Sequence[int]) -> Iterator[_Attempt]:
    """Yield what is worth a try: of two columns, of three, of more; of two for a target of few values."""
    y = target.y
    plain, size = Screen(terms, middle_rows(y)), log_size(y)
    factors = [*terms, *complements(terms)]
    powers = Screen(logs(factors), middle_rows(y))
    of_log = {id(log): factor for log, factor in zip(powers.terms, factors, strict=True)}
    as_it_is = _Scale("target", y, lambda value: value)
    relevant = plain.relevant([y, size], likely)
    singles = [terms[place] for place in sorted(relevant)]
    mixed = Screen([*singles, *products_and_ratios(singles)], middle_rows(y))
    wider: list[_Attempt] = [
        _Sum(each, scale) for scale in _scales(y) for each in (*_alone(mixed, scale.values), *mixed.pairs(scale.values))
    ]
    wider += [_Sum(each, scale) for scale in _scales(y) for each in _surfaces([terms[place] for place in relevant])]
    wider += [_Sum(each, as_it_is) for each in (*plain.pairs(y), *plain.triples(y))]
    wider += [_Product(tuple(of_log[id(log)] for log in each), each) for each in (*powers.pairs(size), *powers.triples(size))]
    wider += [*_choices(terms, target), *_sum_of_all(plain, as_it_is)]
    most = 2 if target.few else _ALL_COLUMNS  # grades that add up from three are a score card, and honest
    order = sorted(wider, key=lambda each: (len(each.columns), not isinstance(each, _Chosen), len(getattr(each, "terms", ()))))
    yield from (each for each in order if 2 <= len(each.columns) <= most)


def _scales(y: Array) -> Iterator[_Scale]:
    """Yield the scales on which sums of products are looked for: 1/y has the shares a / (a + b), y² the distances."""
    with np.errstate(all="ignore"):
        yield _Scale("target", y, lambda value: value)
        if np.all(y >= 0):
            yield _Scale("target²", y**2, lambda value: np.sqrt(np.maximum(value, 0)))
        if np.mean(y > 0) > _MOSTLY or np.mean(y < 0) > _MOSTLY:
            yield _Scale("1 / target", np.where(y == 0, np.nan, 1 / y), lambda value: 1 / value)
        if np.mean(y > 0) > _MOSTLY:
            yield _Scale("log target", np.where(y > 0, log_size(y), np.nan), np.exp)


def _alone(mixed: Screen, y: Array) -> list[tuple[Term, ...]]:
    """Return the products and ratios that explain most of the target by themselves."""
    explained = np.nan_to_num(mixed.correlations(y)) ** 2
    order = np.argsort(-explained, kind="stable")[:_ALONE]
    return [(mixed.terms[place],) for place in order.tolist() if explained[place] >= WORTH_A_TRY]


def _surfaces(singles: Sequence[Term]) -> Iterator[tuple[Term, ...]]:
    """Yield the terms of a surface of second degree over each two of the likeliest columns: a distance from a place is one."""
    for one, other in combinations(singles[:_SURFACES], 2):
        yield (one, other, *products([one, other]))


def _choices(terms: Sequence[Term], target: Target) -> Iterator[_Chosen]:
    """Yield pairs of columns that are each the target in a part of the rows."""
    parts = [(target.share_equal(term.values), term) for term in terms]
    often = [term for share, term in sorted(parts, key=lambda each: -each[0]) if share >= _SOMETIMES][:_MOST_CHOICES]
    for one, other in permutations(often, 2):
        yield from (_Chosen(one, other, how) for how in ("larger", "smaller", "first filled"))


def _sum_of_all(plain: Screen, scale: _Scale) -> Iterator[_Sum]:
    """Yield the sum of the columns that a fit of all needs, where it fits: the parts of a total."""
    rows, width = plain.z.shape
    if rows < 3 * width:
        return
    y = standardised(scale.values[plain.rows][:, None])[:, 0]
    weights = np.linalg.lstsq(plain.gram + 1e-10 * np.eye(width), plain.z.T @ y, rcond=None)[0]
    if float(np.sum((y - plain.z @ weights) ** 2)) > 1 - WORTH_A_TRY:
        return
    needed = np.flatnonzero(np.abs(weights) >= 0.02)  # of a total's spread: less is what noise gets
    if 3 < len(needed) <= _ALL_COLUMNS:
        yield _Sum(tuple(plain.terms[place] for place in needed.tolist()), scale)


def _plain_power(power: float) -> float:
    """Return a fitted exponent as the multiple of a half that it is to within 0.03, else as it is."""
    near = round(2 * power) / 2
    return near if abs(power - near) < 0.03 else power


def _power(values: Array, power: float) -> Array:
    sized = np.abs(values) ** power
    return sized * np.sign(values) if power % 2 == 1 else sized


def _product_text(terms: Sequence[Term], powers: Sequence[float], factor: float) -> str:
    def side(sign: int) -> str:
        used = [(term.label, abs(power)) for term, power in zip(terms, powers, strict=True) if power * sign > 0]
        return " × ".join(label if power == 1 else f"{label}^{power:.4g}" for label, power in used)

    above, below = side(1), side(-1)
    constant = rounded_constant(factor)
    top = " × ".join(filter(None, ["" if constant == "1" and above else constant, above]))
    return top if not below else f"{top} / ({below})" if " × " in below else f"{top} / {below}"
