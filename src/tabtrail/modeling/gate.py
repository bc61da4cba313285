"""Whether a challenger may take the champion's place: both on the same rows, and what else must hold."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tabtrail.config.operation import Promotion
from tabtrail.modeling.bootstrap import Comparison, CoverageCheck
from tabtrail.modeling.leakage.findings import GIVES_TARGET_AWAY, columns_to_drop
from tabtrail.modeling.metrics import METRICS

# A percentile interval from so few units is too narrow (Efron & Tibshirani 1993, chapter 14), and the verdict says so.
FEW_UNITS = 20


@dataclass(frozen=True)
class Measured:
    """How a challenger compares with the champion, what its intervals hold, and in words on which rows, or why not."""

    comparison: Comparison | None = None
    coverage: CoverageCheck | None = None
    said: str = ""


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


def judge(
    rules: Promotion,
    challenger: Mapping[str, Any],
    champion: Mapping[str, Any],
    *,
    policy: str,
    parity_tolerance: float,
    measured: Measured,
) -> Verdict:
    """Return the verdict on a challenger, given the metadata of both bundles and what was measured on the test rows.

    `policy` is the config's leakage policy. Without a comparison (another target, columns that are gone) it is refused.
    """
    comparison, coverage = measured.comparison, measured.coverage
    reasons = [
        *_kind_reasons(challenger, champion),
        *own_reasons(challenger, policy=policy, parity_tolerance=parity_tolerance),
        *(_error_reasons(rules, comparison) if comparison is not None else _not_compared(measured)),
        *_coverage_reasons(rules, challenger, champion, coverage),
    ]
    notes = () if comparison is None else (measured.said,)
    return Verdict(tuple(reasons), (*notes, *_notes(challenger, champion, comparison)), comparison, coverage)


def judge_series(
    rules: Promotion,
    challenger: Mapping[str, Any],
    champion: Mapping[str, Any],
    *,
    policy: str,
    parity_tolerance: float,
    comparison: Comparison | None,
) -> Verdict:
    """Return the verdict on a model of series, given what both forecast at the origins that their own trainings share.

    Both are fitted on all that is known, so that nothing but those forecasts is left to compare them by. Where they share none
    that is no reason against the challenger: new data moves the origins.
    """
    reasons = [
        *_kind_reasons(challenger, champion),
        *own_reasons(challenger, policy=policy, parity_tolerance=parity_tolerance),
        *(_error_reasons(rules, comparison) if comparison is not None else ()),
    ]
    notes = []
    if comparison is None:
        notes.append(
            "it is not comparable with the champion: their trainings share no origin with the same demand, and each was held to"
            " its own baselines"
        )
    elif comparison.instead_of is not None:
        used, asked = METRICS[comparison.metric].label, comparison.instead_of.upper()
        notes.append(f"compared by {used}: {asked}, the metric of the choice, cannot be taken of the shared periods alone")
    return Verdict(tuple(reasons), tuple(notes), comparison)


def own_reasons(challenger: Mapping[str, Any], *, policy: str, parity_tolerance: float) -> tuple[str, ...]:
    """Return what speaks against a challenger whatever the champion is, and where there is none."""
    return (
        *_baseline_reasons(challenger),
        *_parity_reasons(challenger, parity_tolerance),
        *_leakage_reasons(challenger, policy),
    )


def _baseline_reasons(challenger: Mapping[str, Any]) -> Iterator[str]:
    if weaker_than := challenger.get("weaker_than"):
        yield f"it does not beat {weaker_than} over the folds"


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
    dropped = columns_to_drop((each["column"], each["kind"]) for each in challenger["leakage"]) & _inputs(challenger)
    found = [each for each in challenger["leakage"] if policy == "error" or each["column"] in dropped]
    for each in found if policy in ("error", "drop") else []:
        yield f"leakage.policy is {policy}, and {each['column'] or 'the split'}: {each['kind'].replace('_', ' ')}"


def _not_compared(measured: Measured) -> Iterator[str]:
    yield f"it cannot be compared with the champion on rows that neither has learned from: {measured.said}"


def _error_reasons(rules: Promotion, comparison: Comparison) -> Iterator[str]:
    allowed = rules.max_worse * abs(comparison.champion_value)
    if comparison.low > 0:
        yield f"it is worse than the champion beyond chance: {comparison}"
    elif comparison.difference > allowed:
        label = METRICS[comparison.metric].label
        yield f"its {label} is worse than the champion's by more than promotion.max_worse ({rules.max_worse:.0%}): {comparison}"
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
    if comparison is not None and comparison.instead_of is not None:
        asked, used = METRICS[comparison.instead_of], METRICS[comparison.metric]
        near_zero = "is best at zero, so that no share of it can be allowed"
        why = near_zero if asked.better == "nearer zero" else "is not defined for all predictions on these rows"
        yield f"compared by {used.label}: {asked.label}, the metric of the choice, {why}"
    if comparison is not None and comparison.units < FEW_UNITS:
        yield f"the interval rests on {comparison.units} units only"


def _both_ways(one: set[str], other: set[str]) -> Iterator[tuple[set[str], set[str]]]:
    yield one, other
    yield other, one


def _inputs(metadata: Mapping[str, Any]) -> set[str]:
    return {feature["name"] for feature in metadata["schema"]["features"]}
