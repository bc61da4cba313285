"""From the results of a benchmark to its leaderboard."""

from collections.abc import Mapping
from dataclasses import dataclass

from tabtrail.bundle.intervals import Intervals
from tabtrail.data.manifest import Manifest
from tabtrail.modeling.baselines import BLEND
from tabtrail.modeling.choice import corrected_difference, indistinguishable
from tabtrail.modeling.estimators import Bag, Blend, unclipped
from tabtrail.modeling.intervals import coverage_rows, held_out_figures
from tabtrail.modeling.leaderboard import CoverageRow, Leaderboard, Refit, Row
from tabtrail.modeling.leakage.findings import Finding
from tabtrail.modeling.metrics import METRICS, rounded
from tabtrail.modeling.results import Benchmark, Result
from tabtrail.modeling.worth import over_budget


@dataclass(frozen=True)
class Tracked:
    """The MLflow runs of a benchmark: its own, and that of each candidate; and what is deployed, if fitted again."""

    parent: str
    runs: Mapping[str, str]
    refit: Refit | None = None


def chosen_by(benchmark: Benchmark) -> str:
    """Return the rule of the choice as a phrase."""
    problem, champion = benchmark.problem, benchmark.champion
    best = f"{problem.metric.best_mean} over the folds"
    if problem.choice.rule == "one_standard_error":
        return f"smallest model within one corrected standard error of the {best}"
    if problem.split.by_time and champion.candidate.family == BLEND and benchmark.results[0] is not champion:
        return f"blend within one corrected standard error of the {best}, as these follow one another in time"
    return best


def build_leaderboard(
    benchmark: Benchmark,
    manifest: Manifest,
    *,
    findings: tuple[Finding, ...],
    left_out: tuple[Finding, ...] = (),
    notes: tuple[str, ...],
    intervals: Mapping[str, Intervals | None],
    tracked: Tracked,
) -> Leaderboard:
    """Return the leaderboard of a benchmark; `intervals` are those of each candidate by name."""
    problem, split, champion = benchmark.problem, benchmark.split, benchmark.champion
    coverage = {
        result.candidate.name: coverage_rows(benchmark, result, intervals[result.candidate.name]) for result in benchmark.results
    }
    return Leaderboard(
        model=problem.model.name,
        target=problem.model.target,
        currency=problem.model.currency,
        synthetic=manifest.synthetic,
        data_sha256=manifest.data_sha256,
        rows=len(benchmark.table.y),
        train_rows=int(split.train.sum()),
        test_rows=int(split.test.sum()),
        split=problem.split.model_dump(mode="json"),
        metric=problem.metric.name,
        chosen_by=chosen_by(benchmark),
        champion=champion.candidate.name,
        best=benchmark.results[0].candidate.name,
        weights=_weights(champion),
        notes=notes,
        findings=findings,
        interval_level=problem.intervals.level,
        coverage=coverage[champion.candidate.name],
        baseline=benchmark.baseline.candidate.name,
        parent_run_id=tracked.parent,
        candidates=_rows(benchmark, coverage, tracked.runs),
        refit=tracked.refit,
        held_out=held_out_figures(benchmark, intervals[champion.candidate.name]),
        dropped=dict(benchmark.dropped),
        left_out=left_out,
    )


def _weights(champion: Result) -> dict[str, float]:
    model = unclipped(champion.model)
    if not isinstance(model, Blend) or isinstance(model, Bag):
        return {}
    return {name: rounded(weight) for name, weight in zip(model.names, model.weights, strict=True)}


def _rows(benchmark: Benchmark, coverage: Mapping[str, tuple[CoverageRow, ...]], runs: Mapping[str, str]) -> tuple[Row, ...]:
    losses = {result.candidate.name: result.losses(benchmark.problem.metric) for result in benchmark.results}
    same = indistinguishable(losses, benchmark.chosen, valid_share=benchmark.split.valid_share)
    return tuple(
        _row(benchmark, result, coverage[name], run_id=runs[name], indistinguishable=name in same)
        for result in benchmark.results
        for name in (result.candidate.name,)
    )


def _row(benchmark: Benchmark, result: Result, coverage: tuple[CoverageRow, ...], *, run_id: str, indistinguishable: bool) -> Row:
    difference, low, high = _difference(benchmark, result)
    return Row(
        candidate=result.candidate.name,
        family=result.candidate.family,
        params=result.candidate.params,
        target_transform=result.candidate.transform_text,
        cv={name: result.mean(name) for name in METRICS},
        cv_std={name: result.std(name) for name in METRICS},
        difference=difference,
        difference_low=low,
        difference_high=high,
        indistinguishable=indistinguishable,
        test={name: result.final.scores[name] for name in METRICS},
        cv_by_stratum={name: {m: result.stratum_mean(name, m) for m in METRICS} for name in result.final.strata},
        test_by_stratum=result.final.strata,
        interval_coverage=coverage[0].coverage if coverage else None,
        interval_width=coverage[0].mean_width if coverage else None,
        model_bytes=result.model_bytes,
        row_us=None if result.cost is None else result.cost.row_us,
        batch_row_us=None if result.cost is None else result.cost.batch_row_us,
        over_budget=over_budget(result, benchmark.problem.choice),
        deployable=result.deployable,
        parity_max_difference=None if result.parity is None else result.parity.max_difference,
        iterations=result.final.iterations,
        fit_seconds=result.final.fit_seconds,
        cv_fit_seconds=round(sum(fit.fit_seconds for fit in result.folds), 4),
        run_id=run_id,
    )


def _difference(benchmark: Benchmark, result: Result) -> tuple[float | None, float | None, float | None]:
    metric, best = benchmark.problem.metric, benchmark.results[0]
    if None in result.values(metric.name) or None in best.values(metric.name):
        return None, None, None
    found = corrected_difference(result.losses(metric), best.losses(metric), valid_share=benchmark.split.valid_share)
    return rounded(found.mean), rounded(found.low), rounded(found.high)
