"""The leaderboard: what people read, what the JSON holds and what is logged are the same rounded numbers."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tabtrail.config import Config, Parameter
from tabtrail.data.ingest import Manifest
from tabtrail.modeling.metrics import Scores

if TYPE_CHECKING:
    from tabtrail.modeling.benchmark import Benchmark, Result


@dataclass(frozen=True)
class Row:
    """One candidate. RMSE and MAE in units of the target; `cv_` over the folds, `test_` on the test part, which chose nothing."""

    candidate: str
    family: str
    params: dict[str, Parameter]
    cv_rmse: float
    cv_rmse_std: float
    cv_mae: float
    cv_r2: float | None
    test_rmse: float
    test_mae: float
    test_r2: float | None
    cv_by_stratum: dict[str, dict[str, float | None]]
    test_by_stratum: dict[str, Scores]
    iterations: int | None
    fit_seconds: float
    cv_fit_seconds: float
    run_id: str


@dataclass(frozen=True)
class Leaderboard:
    """All candidates, best cross-validated RMSE first; the first is the champion."""

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
        return cls(**{**value, "candidates": tuple(rows)})


def build_leaderboard(
    config: Config, benchmark: "Benchmark", manifest: Manifest, parent: str, run_ids: dict[str, str]
) -> Leaderboard:
    """Return the leaderboard of a benchmark; `run_ids` maps candidates to their MLflow runs."""
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
        chosen_by="smallest mean RMSE over the folds",
        champion=benchmark.champion.candidate.name,
        baseline=benchmark.baseline.candidate.name,
        parent_run_id=parent,
        candidates=tuple(_row(result, run_ids[result.candidate.name]) for result in benchmark.results),
    )


def _row(result: "Result", run_id: str) -> Row:
    test = result.final.scores
    has_r2 = all(fit.scores.r2 is not None for fit in result.folds)
    return Row(
        candidate=result.candidate.name,
        family=result.candidate.family,
        params=result.candidate.params,
        cv_rmse=result.mean("rmse"),
        cv_rmse_std=result.std("rmse"),
        cv_mae=result.mean("mae"),
        cv_r2=result.mean("r2") if has_r2 else None,
        test_rmse=test.rmse,
        test_mae=test.mae,
        test_r2=test.r2,
        cv_by_stratum={name: {m: result.stratum_mean(name, m) for m in ("rmse", "mae", "r2")} for name in result.final.strata},
        test_by_stratum=result.final.strata,
        iterations=result.final.iterations,
        fit_seconds=result.final.fit_seconds,
        cv_fit_seconds=round(sum(fit.fit_seconds for fit in result.folds), 4),
        run_id=run_id,
    )
