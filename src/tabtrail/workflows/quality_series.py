"""What is known of the quality of a model of series: errors over rolling origins, what its intervals held, its calibration."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tabtrail.data.result_files import demand_table_files
from tabtrail.modeling.metrics import METRICS, evaluate
from tabtrail.monitor.calibration import calibration_error
from tabtrail.project.paths import Artifacts
from tabtrail.system.files import read_json

_OTHER = "the results of the deployed model's training are not here: another training, or none, was the last"
_NO_TEST = "a model of series has rolling origins instead"
_OF_TRAINING = ("metrics.cv_std", "intervals.level", "intervals.coverage", "calibration.error", "calibration.share")


@dataclass(frozen=True)
class Figure:
    """A value and the file that it was read from, or why there is none."""

    value: float | None
    file: Path | None = None
    unit: str = ""
    missing: str = ""


def quality_of_series(metadata: Mapping[str, Any], artifacts: Artifacts) -> dict[str, Figure]:
    """Return figures by the names of `EVIDENCE`, those of the training where the last one made the deployed model."""
    metric = str(metadata.get("choice_metric", "mae"))
    value, unit = (metadata.get("metrics") or {}).get(metric), f"{metric.upper()} over the rolling origins"
    found = {"metrics.cv": Figure(value, artifacts.metadata, unit, "" if value is not None else "it is not defined")}
    found |= {f"metrics.{each}": Figure(None, missing=_NO_TEST) for each in ("test", "test_low", "test_high")}
    board = read_json(artifacts.demand_leaderboard) or {}
    table = demand_table_files(artifacts.paths.output_dir)["demand_forecasts"]
    if board.get("run_id") != metadata["run_id"] or not table.is_file():
        return found | {name: Figure(None, missing=_OTHER) for name in _OF_TRAINING}
    judged = pl.read_parquet(table, columns=["origin", "actual", "forecast"]).drop_nulls()
    spread = _spread(judged, metric)
    found["metrics.cv_std"] = Figure(spread, table, unit, "" if spread is not None else "it is not known by origin")
    return found | _intervals(board, artifacts.demand_leaderboard) | _calibration(judged, table, metadata["currency"])


def _spread(judged: pl.DataFrame, metric: str) -> float | None:
    """Return the standard deviation (ddof 0, as over folds) of the metric over the origins, of one that is known by origin."""
    if metric not in METRICS:
        return None
    parts = [
        (each["actual"].to_numpy(), each["forecast"].to_numpy()) for _, each in judged.group_by("origin", maintain_order=True)
    ]
    values = [evaluate(METRICS[metric], actual, forecast) for actual, forecast in parts]
    known = [each for each in values if each is not None]
    return _short(float(np.std(known))) if known else None


def _intervals(board: Mapping[str, Any], file: Path) -> dict[str, Figure]:
    """Return the widest level, and what share of the periods it held at origins after its calibration."""
    levels = (board.get("intervals") or {}).get("levels") or ()
    widest: Mapping[str, Any] = max(levels, key=lambda each: float(each["level"]), default={})
    why = "its history is too short for intervals" if not widest else "no period after the calibration is known"
    found = {name: widest.get(name) for name in ("level", "coverage")}
    return {
        f"intervals.{name}": Figure(value, None if value is None else file, missing=why if value is None else "")
        for name, value in found.items()
    }


def _calibration(judged: pl.DataFrame, file: Path, unit: str) -> dict[str, Figure]:
    actual, forecast = judged["actual"].to_numpy(), judged["forecast"].to_numpy()
    if not len(actual):
        return {f"calibration.{name}": Figure(None, missing="no judged period is known") for name in ("error", "share")}
    error, mean = calibration_error(forecast, actual), float(np.mean(np.abs(actual)))
    share = Figure(_short(error / mean), file) if mean else Figure(None, missing="it is not defined")
    return {"calibration.error": Figure(_short(error), file, unit), "calibration.share": share}


def _short(value: float) -> float:
    return float(f"{value:.7g}")
