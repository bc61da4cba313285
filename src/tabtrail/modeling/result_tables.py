"""The benchmark as tables: a row for each candidate, a row for each fit on a fold."""

import json
from collections.abc import Mapping
from dataclasses import asdict

import polars as pl

from tabtrail.modeling.benchmark import Benchmark
from tabtrail.modeling.leaderboard import Leaderboard

_NESTED = ("params", "cv_by_stratum", "test_by_stratum")
_MAY_BE_NULL = {
    **dict.fromkeys(("cv_r2", "test_r2", "interval_coverage", "interval_width", "parity_max_difference"), pl.Float64),
    "iterations": pl.Int64,
}


def runs_table(leaderboard: Leaderboard, tags: Mapping[str, str]) -> pl.DataFrame:
    """Return one row a candidate: the leaderboard's columns, `champion`, `parent_run_id`, and as JSON `params` and `tags`."""
    rows = []
    for row in leaderboard.candidates:
        values = {name: json.dumps(value) if name in _NESTED else value for name, value in asdict(row).items()}
        own = {"champion": row.candidate == leaderboard.champion, "parent_run_id": leaderboard.parent_run_id}
        rows.append({**values, **own, "tags": json.dumps(dict(tags))})
    return pl.DataFrame(rows, schema_overrides=_MAY_BE_NULL, infer_schema_length=None)


def folds_table(benchmark: Benchmark, leaderboard: Leaderboard) -> pl.DataFrame:
    """Return one row a candidate and fold: run_id, repeat, fold (counted through the repeats), rows, scores, seconds."""
    run_ids = {row.candidate: row.run_id for row in leaderboard.candidates}
    rows = [
        {
            "candidate": result.candidate.name,
            "run_id": run_ids[result.candidate.name],
            "repeat": fold.repeat,
            "fold": fit.fold,
            **asdict(fit.scores),
            "iterations": fit.iterations,
            "fit_seconds": fit.fit_seconds,
        }
        for result in benchmark.results
        for fold, fit in zip(benchmark.split.folds, result.folds, strict=True)
    ]
    return pl.DataFrame(rows, schema_overrides={"r2": pl.Float64, "iterations": pl.Int64}, infer_schema_length=None)
