"""Whether a challenger may take the champion's place: both on the same rows, and what else must hold."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabtrail.config.operation import Promotion
from tabtrail.errors import DataError
from tabtrail.modeling.leakage.findings import GIVES_TARGET_AWAY
from tabtrail.modeling.metrics import Array, rounded

_DRAWS = 2000
_FEW_UNITS = 20


@dataclass(frozen=True)
class Comparison:
    """Champion and challenger on the same `rows` test rows; RMSE, difference (challenger minus champion) in units of the target.

    `low` and `high` are the interval of the difference at `level`, from a paired bootstrap of `units` whole groups (of `by`)
    or, where `by` is None, of single rows.
    """

    rows: int
    units: int
    by: str | None
    champion_rmse: float
    challenger_rmse: float
    difference: float
    low: float
    high: float
    level: float

    def __str__(self) -> str:
        by = f"{self.units:,} whole {self.by}" if self.by else f"{self.units:,} rows"
        return (
            f"RMSE {self.challenger_rmse:,.7g} against {self.champion_rmse:,.7g} on the same {self.rows:,} test rows,"
            f" difference {self.difference:+.4g} ({self.level:.0%} interval {self.low:+.4g} to {self.high:+.4g},"
            f" paired bootstrap of {by})"
        )


@dataclass(frozen=True)
class CoverageCheck:
    """The share of the test rows inside the challenger's intervals of nominal `level`, with its bootstrap interval."""

    level: float
    coverage: float
    low: float
    high: float


@dataclass(frozen=True)
class Verdict:
    """What the gate says: `reasons` against the challenger (none: accepted), `notes` that decide nothing, and the figures."""

    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    comparison: Comparison | None = None
    coverage: CoverageCheck | None = None

    @property
    def accepted(self) -> bool:
        return not self.reasons

    def to_dict(self) -> dict[str, Any]:
        return {"accepted": self.accepted, **asdict(self)}


def compare(
    actual: Array,
    champion: Array,
    challenger: Array,
    *,
    groups: NDArray[np.object_] | None,
    by: str | None,
    level: float,
    seed: int,
) -> Comparison:
    """Return the difference in RMSE of two models on the same rows, with its percentile interval.

    The bootstrap is paired and draws whole groups where there are any, as rows of one group err alike (Efron & Tibshirani, An
    Introduction to the Bootstrap, 1993, sections 8.3 and 13.3; Field & Welsh, Bootstrapping clustered data, J. R. Stat. Soc. B
    69, 2007). Raises `DataError` for no rows.
    """
    if not len(actual):
        raise DataError("there are no test rows to compare the models on")
    units = _units(groups, len(actual))
    count = np.bincount(units).astype(np.float64)
    first, second = (np.bincount(units, weights=(model - actual) ** 2) for model in (champion, challenger))
    draws = [
        float(np.sqrt(second @ weights / (count @ weights)) - np.sqrt(first @ weights / (count @ weights)))
        for weights in _resamples(len(count), seed)
    ]
    champion_rmse, challenger_rmse = (float(np.sqrt(each.sum() / len(actual))) for each in (first, second))
    low, high = _percentiles(draws, level)
    return Comparison(
        rows=len(actual),
        units=len(count),
        by=None if groups is None else by,
        champion_rmse=rounded(champion_rmse),
        challenger_rmse=rounded(challenger_rmse),
        difference=rounded(challenger_rmse - champion_rmse),
        low=low,
        high=high,
        level=level,
    )


def check_coverage(
    inside: NDArray[np.bool_], *, nominal: float, groups: NDArray[np.object_] | None, level: float, seed: int
) -> CoverageCheck:
    """Return the share of rows inside their interval with its percentile interval, from the same bootstrap as `compare`."""
    units = _units(groups, len(inside))
    count, held = np.bincount(units).astype(np.float64), np.bincount(units, weights=inside.astype(np.float64))
    low, high = _percentiles([float(held @ weights / (count @ weights)) for weights in _resamples(len(count), seed)], level)
    return CoverageCheck(nominal, rounded(float(inside.mean())), low, high)


def judge(
    rules: Promotion,
    challenger: Mapping[str, Any],
    champion: Mapping[str, Any],
    *,
    policy: str,
    parity_tolerance: float,
    comparison: Comparison | None,
    coverage: CoverageCheck | None,
) -> Verdict:
    """Return the verdict on a challenger, given the metadata of both bundles and what was measured on the test rows.

    `policy` is the config's leakage policy. Without a comparison (another target, columns that are gone) it is refused.
    """
    reasons = [
        *_kind_reasons(challenger, champion),
        *_parity_reasons(challenger, parity_tolerance),
        *_leakage_reasons(challenger, policy),
        *_error_reasons(rules, comparison),
        *_coverage_reasons(rules, challenger, champion, coverage),
    ]
    return Verdict(tuple(reasons), tuple(_notes(challenger, champion, comparison)), comparison, coverage)


def _kind_reasons(challenger: Mapping[str, Any], champion: Mapping[str, Any]) -> Iterator[str]:
    for key in ("target", "currency"):
        if challenger[key] != champion[key]:
            yield f"its {key} is '{challenger[key]}', the champion's '{champion[key]}': they answer different questions"
    if challenger["synthetic"] and not champion["synthetic"]:
        yield "it was trained on synthetic data, the champion on real data"


def _parity_reasons(challenger: Mapping[str, Any], tolerance: float) -> Iterator[str]:
    parity = challenger.get("parity") or {}
    worst = parity.get("max_difference")
    if not parity.get("passed") or worst is None:
        yield "there is no proof that its ONNX graph predicts what the Python model predicts"
    elif worst > tolerance:
        yield f"its ONNX graph differs from the Python model by {worst:.2g} target standard deviations, allowed is {tolerance:g}"


def _leakage_reasons(challenger: Mapping[str, Any], policy: str) -> Iterator[str]:
    found = [each for each in challenger["leakage"] if policy == "error" or each["column"] in _inputs(challenger)]
    for each in found if policy in ("error", "drop") else []:
        yield f"leakage.policy is {policy}, and {each['column'] or 'the split'}: {each['kind'].replace('_', ' ')}"


def _error_reasons(rules: Promotion, comparison: Comparison | None) -> Iterator[str]:
    if comparison is None:
        yield "it cannot be compared with the champion on the same rows"
        return
    allowed = rules.max_worse * comparison.champion_rmse
    if comparison.low > 0:
        yield f"it is worse than the champion beyond chance: {comparison}"
    elif comparison.difference > allowed:
        yield f"its RMSE is above the champion's by more than promotion.max_worse ({rules.max_worse:.0%}): {comparison}"
    elif rules.require == "better" and comparison.high >= 0:
        yield f"promotion.require is better, and it is not better beyond chance: {comparison}"


def _coverage_reasons(
    rules: Promotion, challenger: Mapping[str, Any], champion: Mapping[str, Any], coverage: CoverageCheck | None
) -> Iterator[str]:
    if challenger["intervals"] is None and champion["intervals"] is not None:
        yield "it gives no intervals, and the champion does"
    if coverage is not None and coverage.high < coverage.level - rules.coverage_slack:
        yield (
            f"its {coverage.level:.0%} intervals hold {coverage.coverage:.1%} of the test rows"
            f" ({coverage.low:.1%} to {coverage.high:.1%})"
        )


def _notes(challenger: Mapping[str, Any], champion: Mapping[str, Any], comparison: Comparison | None) -> Iterator[str]:
    more, fewer = (sorted(one - other) for one, other in _both_ways(_inputs(challenger), _inputs(champion)))
    if more:
        yield f"it takes columns that the champion does not take, callers must send them: {', '.join(more)}"
    if fewer:
        yield f"it no longer takes {', '.join(fewer)}; callers that send them are refused"
    given = {each["column"] for each in champion["leakage"] if each["kind"] in GIVES_TARGET_AWAY} & set(fewer)
    if given:
        columns = ", ".join(sorted(given))
        yield f"the champion's error is too good: {columns} gives the target away, and the challenger does without"
    if challenger.get("test_sha256") != champion.get("test_sha256"):
        yield "the champion was trained on another split or other data and may have learned from some of the rows, in its favour"
    if comparison is not None and comparison.units < _FEW_UNITS:
        yield f"the interval rests on {comparison.units} units only"


def _both_ways(one: set[str], other: set[str]) -> Iterator[tuple[set[str], set[str]]]:
    yield one, other
    yield other, one


def _inputs(metadata: Mapping[str, Any]) -> set[str]:
    return {feature["name"] for feature in metadata["schema"]["features"]}


def _units(groups: NDArray[np.object_] | None, rows: int) -> NDArray[np.int64]:
    """Return for each row the number of its group, or of itself."""
    if groups is None:
        return np.arange(rows)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(groups.tolist()))}
    return np.array([numbers[name] for name in groups.tolist()])


def _resamples(units: int, seed: int) -> Iterator[Array]:
    """Yield how often each unit is drawn, for every bootstrap sample."""
    rng = np.random.default_rng(seed)
    for _ in range(_DRAWS):
        yield np.bincount(rng.integers(0, units, units), minlength=units).astype(np.float64)


def _percentiles(draws: list[float], level: float) -> tuple[float, float]:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return rounded(float(low)), rounded(float(high))
