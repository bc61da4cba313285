"""The leaderboard: what people read, what the JSON holds and what is logged are the same rounded numbers."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tabtrail.config.section import Parameter
from tabtrail.config.tree import Config
from tabtrail.contract.expressions import columns_of
from tabtrail.data.manifest import Manifest
from tabtrail.modeling.leakage.findings import Finding
from tabtrail.modeling.metrics import Scores, rounded

if TYPE_CHECKING:
    from tabtrail.modeling.benchmark import Benchmark, Result


@dataclass(frozen=True)
class CoverageRow:
    """The share (0 to 1) of the test rows of a slice whose interval holds the actual value; width in units of the target."""

    by: str
    value: str
    rows: int
    coverage: float
    mean_width: float


@dataclass(frozen=True)
class Row:
    """One candidate. RMSE and MAE in units of the target; `cv_` over the folds, `test_` on the test part, which chose nothing.

    `difference` is the mean RMSE over the folds minus that of the best candidate, with its corrected 95 % interval.
    `interval_coverage` is the share (0 to 1) of test rows whose interval holds the actual value, `interval_width` its mean
    width in units of the target; None where there were too few rows to calibrate. `parity_max_difference` is the largest
    difference of the ONNX graph and the Python model, in standard deviations of the target; one that is not within the
    configured tolerance is not `deployable`, and never champion.
    """

    candidate: str
    family: str
    params: dict[str, Parameter]
    target_transform: str
    cv_rmse: float
    cv_rmse_std: float
    cv_mae: float
    cv_r2: float | None
    difference: float
    difference_low: float
    difference_high: float
    test_rmse: float
    test_mae: float
    test_r2: float | None
    cv_by_stratum: dict[str, dict[str, float | None]]
    test_by_stratum: dict[str, Scores]
    interval_coverage: float | None
    interval_width: float | None
    model_bytes: int
    deployable: bool
    parity_max_difference: float | None
    iterations: int | None
    fit_seconds: float
    cv_fit_seconds: float
    run_id: str


@dataclass(frozen=True)
class Leaderboard:
    """All candidates, best cross-validated RMSE first; `champion` is the one that the rule `chosen_by` took.

    `weights` are those of the champion where it is a blend, `findings` what the leakage audit says, `coverage` how often the
    champion's intervals (of `interval_level`) hold on the test part.
    """

    model: str
    target: str
    currency: str
    synthetic: bool
    data_sha256: str
    rows: int
    train_rows: int
    test_rows: int
    split: dict[str, Any]
    chosen_by: str
    champion: str
    best: str
    weights: dict[str, float]
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]
    interval_level: float
    coverage: tuple[CoverageRow, ...]
    baseline: str
    parent_run_id: str
    candidates: tuple[Row, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> "Leaderboard":
        """Rebuild a leaderboard from its JSON form."""
        rows = (
            Row(**{**row, "test_by_stratum": {name: Scores(**scores) for name, scores in row["test_by_stratum"].items()}})
            for row in value["candidates"]
        )
        lists = {
            "candidates": tuple(rows),
            "notes": tuple(value["notes"]),
            "findings": tuple(Finding(**each) for each in value["findings"]),
            "coverage": tuple(CoverageRow(**each) for each in value["coverage"]),
        }
        return cls(**{**value, **lists})

    @property
    def champion_row(self) -> Row:
        """The row of the champion."""
        return next(row for row in self.candidates if row.candidate == self.champion)


_FEW_ROWS = 30
RULES = {
    "best": "smallest mean RMSE over the folds",
    "one_standard_error": "smallest model within one corrected standard error of the smallest mean RMSE over the folds",
}


def build_leaderboard(
    config: Config,
    benchmark: "Benchmark",
    manifest: Manifest,
    findings: tuple[Finding, ...],
    parent: str,
    run_ids: Mapping[str, str],
) -> Leaderboard:
    """Return the leaderboard of a benchmark; `run_ids` maps candidates to their MLflow runs."""
    from tabtrail.modeling.coverage import coverage_rows
    from tabtrail.modeling.estimators import Blend

    champion = benchmark.champion
    coverage = {result.candidate.name: coverage_rows(config, benchmark, result) for result in benchmark.results}
    weights = dict(zip(champion.model.names, champion.model.weights, strict=True)) if isinstance(champion.model, Blend) else {}
    return Leaderboard(
        model=config.model.name,
        target=config.model.target,
        currency=config.model.currency,
        synthetic=manifest.synthetic,
        data_sha256=manifest.data_sha256,
        rows=len(benchmark.table.y),
        train_rows=int(benchmark.split.train.sum()),
        test_rows=int(benchmark.split.test.sum()),
        split=config.split.model_dump(),
        chosen_by=RULES[config.choice.rule],
        champion=champion.candidate.name,
        best=benchmark.results[0].candidate.name,
        weights={name: rounded(weight) for name, weight in weights.items()},
        notes=tuple(notes(config, benchmark)),
        findings=findings,
        interval_level=config.intervals.level,
        coverage=coverage[champion.candidate.name],
        baseline=benchmark.baseline.candidate.name,
        parent_run_id=parent,
        candidates=tuple(
            _row(benchmark, result, coverage[result.candidate.name], run_ids[result.candidate.name])
            for result in benchmark.results
        ),
    )


def notes(config: Config, benchmark: "Benchmark") -> Iterator[str]:
    """Yield what a reader must know before believing the figures, and what was done less well than asked."""
    if config.split.kind == "random" and config.split.allow_leaky:
        yield "random split although rows may belong together or span dates (split.allow_leaky): the errors may be too small"
    if config.profile.outliers.action == "drop":
        own = config.model.target in config.outlier_columns
        chosen = ", among them by the target, which no prediction knows: the errors are too small" if own else ""
        yield f"outliers of {', '.join(config.outlier_columns)} are left out before anything is measured{chosen}"
    from tabtrail.modeling.coverage import calibrated
    from tabtrail.modeling.preprocess import derive

    trained, chosen_on = int(benchmark.split.train.sum()), int(benchmark.split.choosing.sum())
    if config.split.max_rows is not None and config.split.max_rows < trained:
        yield f"chosen on a sample of {chosen_on:,} of {trained:,} training rows (split.max_rows); final fits took all of them"

    if calibrated(config, benchmark, benchmark.champion) is None:
        yield (
            f"no intervals: {int(benchmark.split.train.sum()):,} training rows are too few for a level of"
            f" {config.intervals.level:g}, which needs level / (1 - level) of them"
        )
    tested = int(benchmark.split.test.sum())
    if tested < _FEW_ROWS:
        yield f"the test part has {tested:,} {'row' if tested == 1 else 'rows'}: its figures are an anecdote"
    train = benchmark.table.x[benchmark.split.train]
    for name, formula in config.model.formulas.items():
        values = derive(formula, {column: train[column].to_numpy(dtype=float) for column in columns_of(formula)})
        if np.isnan(values).all():
            yield f"the derived feature {name} is null in every training row and tells nothing"
    for name in config.model.numeric_features:
        if train[name].isna().all():
            yield f"{name} is null in every training row and tells nothing"
    for name in config.model.text_features:
        distinct = train[name].nunique()
        if distinct == 1:
            yield f"{name} has one category only and tells nothing"
        if name in config.model.categorical_features and distinct > config.model.max_categories:
            rare = distinct - config.model.max_categories + 1
            yield f"{name} has {distinct:,} categories: the {rare:,} rarest share one column (model.max_categories)"


def _row(benchmark: "Benchmark", result: "Result", coverage: tuple[CoverageRow, ...], run_id: str) -> Row:
    from tabtrail.modeling.choice import corrected_difference

    test = result.final.scores
    difference = corrected_difference(
        result.values("rmse"), benchmark.results[0].values("rmse"), valid_share=benchmark.split.valid_share
    )
    has_r2 = all(fit.scores.r2 is not None for fit in result.folds)
    return Row(
        candidate=result.candidate.name,
        family=result.candidate.family,
        params=result.candidate.params,
        target_transform=result.candidate.transform_text,
        cv_rmse=result.mean("rmse"),
        cv_rmse_std=result.std("rmse"),
        cv_mae=result.mean("mae"),
        cv_r2=result.mean("r2") if has_r2 else None,
        difference=rounded(difference.mean),
        difference_low=rounded(difference.low),
        difference_high=rounded(difference.high),
        test_rmse=test.rmse,
        test_mae=test.mae,
        test_r2=test.r2,
        cv_by_stratum={name: {m: result.stratum_mean(name, m) for m in ("rmse", "mae", "r2")} for name in result.final.strata},
        test_by_stratum=result.final.strata,
        interval_coverage=coverage[0].coverage if coverage else None,
        interval_width=coverage[0].mean_width if coverage else None,
        model_bytes=result.model_bytes,
        deployable=result.deployable,
        parity_max_difference=None if result.parity is None else result.parity.max_difference,
        iterations=result.final.iterations,
        fit_seconds=result.final.fit_seconds,
        cv_fit_seconds=round(sum(fit.fit_seconds for fit in result.folds), 4),
        run_id=run_id,
    )
