"""One window against the reference, looked at once: which columns moved, whether that is chance, and what to look at first."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tabtrail.monitor.dependence import Tie, ties
from tabtrail.monitor.distributions import holm
from tabtrail.monitor.reference import Reference
from tabtrail.monitor.serial import Ladder, score_of
from tabtrail.monitor.sketch import MISSING, Sketch
from tabtrail.monitor.statistics import (
    distribution_p,
    distribution_statistic,
    grouped,
    missing_p,
    out_p,
    psi,
    psi_threshold,
    unseen_p,
    wasserstein,
)
from tabtrail.monitor.window import Window

LEVEL = 0.05
_DIGITS = 6
_BROKEN = "Look first at the source of the data: a feed that broke, a join gone wrong or a changed unit looks like this."
ADVICE = {
    "absent": _BROKEN,
    "missing": _BROKEN,
    "out of contract": _BROKEN,
    "dependence": _BROKEN,
    "unseen": "Look first whether the new texts are new things or other spellings.",
    "error": "The errors changed: retrain on newer rows.",
    "distribution": "Look first whether the business changed so or the unit did; if the business, retrain once labels are there.",
}
"""What to look at first, by what alarms."""


@dataclass(frozen=True)
class Share:
    """A share (0 to 1) in the reference and in the window."""

    before: float
    now: float


@dataclass(frozen=True)
class ColumnDrift:
    """What became of one column.

    `psi` stands beside `psi_by_chance`, which 5 % of windows of this size exceed without drift. `statistic` is Kolmogorov's
    distance (`ks`) or χ² a degree of freedom (`chi2`). `wasserstein` is in standard deviations of the reference. `p_values` are
    as tested, `adjusted` for all tests of the check; an alarm is one of the latter at or below the level. `drift` is the PSI
    above what chance gives on average, `weight` that times `importance` (the column's share of the SHAP importance).
    """

    name: str
    kind: str
    role: str
    rows: int
    psi: float
    psi_by_chance: float
    test: str
    statistic: float
    wasserstein: float | None
    missing: Share
    unseen: Share | None
    out_of_contract: Share
    tie: Tie | None
    p_values: Mapping[str, float]
    adjusted: Mapping[str, float]
    alarm: bool
    why: tuple[str, ...]
    drift: float
    importance: float | None
    weight: float
    apart: str | None = None


@dataclass(frozen=True)
class DriftCheck:
    """The result of one check: the verdict in three sentences, the columns by alarm and weight, those apart, those absent.

    `serial` says whether the null of consecutive windows was known. `beyond` is the share of rows with an input that the
    reference has nothing like.
    """

    window: str
    rows: int
    reference_rows: int
    reference_sha256: str
    level: float
    alarm: bool
    verdict: str
    serial: bool
    beyond: float
    first_day: float | None
    last_day: float | None
    columns: tuple[ColumnDrift, ...]
    apart: tuple[ColumnDrift, ...]
    absent: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def alarming(self) -> list[ColumnDrift]:
        return [each for each in self.columns if each.alarm]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, numbers at six digits."""
        rounded: dict[str, Any] = _rounded(asdict(self))
        return rounded


def check(
    reference: Reference,
    window: Window,
    *,
    name: str,
    importance: Mapping[str, float] | None = None,
    level: float = LEVEL,
    against: str = "training",
) -> DriftCheck:
    """Check one window once. At most a share `level` of windows without drift alarm, however many columns there are.

    For a window that is looked at again and again use `martingale`: each look at this check has its own false alarms.
    """
    ladder = reference.ladder or Ladder((), {}, ())
    present = [each for name, each in reference.sketches.items() if name not in window.absent and window.counts[name].any()]
    watched = [each for each in present if each.name not in reference.apart]
    found_ties = _ties(reference, window, ladder)
    tested = {each.name: _p_values(each, window, ladder, found_ties.get(each.name)) for each in watched}
    adjusted = _adjusted(tested, window, ladder)
    shares = _shares(importance)
    columns = [
        _column(each, window, (tested.get(each.name, {}), adjusted.get(each.name, {})), found_ties.get(each.name), shares, level)
        for each in present
    ]
    own = sorted((each for each in columns if each.name not in reference.apart), key=lambda each: (not each.alarm, -each.weight))
    apart = tuple(_set_apart(each, reference.apart[each.name]) for each in columns if each.name in reference.apart)
    absent = tuple(each for each in reference.inputs if each in window.absent)
    alarm = any(each.alarm for each in own) or bool(absent)
    return DriftCheck(
        window=name,
        rows=window.rows,
        reference_rows=reference.rows,
        reference_sha256=reference.sha256,
        level=level,
        alarm=alarm,
        verdict=verdict_of(own, absent, window, level, against),
        serial=bool(ladder.lengths),
        beyond=window.beyond / max(window.rows, 1),
        first_day=window.first_day,
        last_day=window.last_day,
        columns=tuple(own),
        apart=apart,
        absent=absent,
    )


def _ties(reference: Reference, window: Window, ladder: Ladder) -> dict[str, Tie]:
    if reference.moments is None or window.ties is None or window.ties.rows < 2:
        return {}
    worth = {name: ladder.worth(name, "dependence", window.rows) for name in reference.moments.names}
    return ties(reference.moments, window.ties, worth)


def _p_values(sketch: Sketch, window: Window, ladder: Ladder, tie: Tie | None) -> dict[str, float]:
    """The p-values of a column that can alarm, by the name of what is tested."""
    counts, rows = window.counts[sketch.name], window.rows

    def worth(kind: str) -> float:
        return ladder.worth(sketch.name, kind, int(counts.sum()))

    found = {"distribution": distribution_p(sketch, sketch.counts, counts, worth("distribution"))}
    if sketch.role != "input":
        return found
    found["missing"] = missing_p(sketch.counts, counts, worth("missing"))
    if not sketch.is_ordered:
        found["unseen"] = unseen_p(sketch, sketch.known, counts, worth("unseen"))
    if sketch.rule is not None:
        found["out of contract"] = out_p(sketch, window.out[sketch.name], rows, worth("distribution"))
    if tie is not None:
        found["dependence"] = tie.p_value
    return found


def _adjusted(tested: Mapping[str, Mapping[str, float]], window: Window, ladder: Ladder) -> dict[str, dict[str, float]]:
    """Holm's adjustment over all tests of all columns, and no smaller than what slid windows of the reference say."""
    keys = [(name, kind) for name, kinds in tested.items() for kind in kinds]
    plain = [tested[name][kind] for name, kind in keys]
    found: dict[str, dict[str, float]] = {name: {} for name in tested}
    for (name, kind), p_value, by_holm in zip(keys, plain, holm(plain), strict=True):
        # Rows outside the contract were set aside before the training, so that slid windows say nothing of them.
        slid = 0.0 if kind == "out of contract" else ladder.slid_p(score_of(p_value), window.rows)
        found[name][kind] = max(by_holm, slid)
    return found


def _shares(importance: Mapping[str, float] | None) -> Mapping[str, float] | None:
    total = sum(abs(each) for each in importance.values()) if importance else 0.0
    return {name: abs(each) / total for name, each in importance.items()} if importance and total else None


def _column(
    sketch: Sketch,
    window: Window,
    p_values: tuple[Mapping[str, float], Mapping[str, float]],
    tie: Tie | None,
    shares: Mapping[str, float] | None,
    level: float,
) -> ColumnDrift:
    counts, name = window.counts[sketch.name], sketch.name
    groups = window.reference.groups[name]
    before, now = grouped(sketch.counts, groups), grouped(counts, groups)
    value, known = psi(before, now), int(now.sum())
    by_chance = (len(before) - 1) * (1 / max(known, 1) + 1 / max(int(before.sum()), 1))
    drift = max(0.0, value - by_chance) if known else 0.0
    importance = None if shares is None else (shares.get(name, 0.0) if sketch.role == "input" else None)
    raised = [kind for kind, each in p_values[1].items() if each <= level]
    rows = int(counts.sum())
    missing = Share(int(sketch.counts[MISSING]) / max(sketch.rows, 1), int(counts[MISSING]) / max(rows, 1))
    unseen = None
    if not sketch.is_ordered:
        unseen = Share(sketch.novel / max(sketch.known, 1), int(counts[-1]) / max(known, 1))
    out = Share(sketch.out / max(sketch.rows, 1), window.out[name] / max(rows, 1))
    moved = wasserstein(sketch, counts, window.below[name], window.above[name])
    return ColumnDrift(
        name=name,
        kind=sketch.kind,
        role=sketch.role,
        rows=rows,
        psi=value if known else 0.0,
        psi_by_chance=psi_threshold(before, known),
        test="ks" if sketch.is_ordered else "chi2",
        statistic=distribution_statistic(sketch, sketch.counts, counts),
        wasserstein=moved,
        missing=missing,
        unseen=unseen,
        out_of_contract=out,
        tie=tie,
        p_values=p_values[0],
        adjusted=p_values[1],
        alarm=bool(raised),
        why=tuple(_reason(kind, moved, missing, unseen, out, tie, value) for kind in raised),
        drift=drift,
        importance=importance,
        weight=drift * (1.0 if importance is None else importance),
    )


def _reason(
    kind: str,
    moved: float | None,
    missing: Share,
    unseen: Share | None,
    out: Share,
    tie: Tie | None,
    value: float,
) -> str:
    if kind == "missing":
        return f"missing in {missing.now:.1%} of the rows, {missing.before:.1%} before"
    if kind == "unseen" and unseen is not None:
        return f"new or rare texts in {unseen.now:.1%} of the rows, {unseen.before:.1%} before"
    if kind == "out of contract":
        return f"outside the contract in {out.now:.1%} of the rows, {out.before:.1%} before"
    if kind == "dependence" and tie is not None and tie.same:
        return f"same as {tie.partner} in {tie.now:.0%} of the rows, {tie.before:.0%} before"
    if kind == "dependence" and tie is not None:
        return f"correlation of ranks with {tie.partner} {tie.now:+.2f}, {tie.before:+.2f} before"
    if moved is not None:
        return f"moved by {moved:.2g} standard deviations (PSI {value:.2g})"
    return f"other shares of its values (PSI {value:.2g})"


def _set_apart(drift: ColumnDrift, part: str) -> ColumnDrift:
    return ColumnDrift(**{**vars(drift), "alarm": False, "why": (), "apart": part})


def verdict_of(
    columns: list[ColumnDrift], absent: tuple[str, ...], window: Window, level: float, against: str = "training"
) -> str:
    """Say in three sentences whether the window drifted, what moved most, and what to do."""
    raised = [each for each in columns if each.alarm]
    if not raised and not absent:
        likely = max(columns, key=lambda each: each.drift, default=None)
        moved = (
            f"The largest change is that of {likely.name}, and chance explains it." if likely else "No column could be compared."
        )
        return (
            f"No drift: none of {len(columns)} columns of {window.rows:,} rows differs from {against} more than chance allows"
            f" (family-wise level {level:.0%}). {moved} Nothing needs to be done."
        )
    first = f"{', '.join(absent)} is absent" if absent else f"{raised[0].name}: {raised[0].why[0]}"
    named = ", ".join(each.name for each in raised[:5]) + (f" and {len(raised) - 5} more" if len(raised) > 5 else "")
    verb = "differs" if len(raised) == 1 else "differ"
    opening = f"Drift: {len(raised)} of {len(columns)} columns of {window.rows:,} rows {verb} from {against} ({named})."
    return f"{opening} What weighs most is {first}. {_advice(raised, absent)}"


def _advice(raised: list[ColumnDrift], absent: tuple[str, ...]) -> str:
    """What to look at first, by what was raised of the column that weighs most."""
    if absent:
        return ADVICE["absent"]
    first = raised[0]
    if first.role == "error":
        return ADVICE["error"]
    return ADVICE[min(first.adjusted, key=lambda kind: first.adjusted[kind])]


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list | tuple) else value
