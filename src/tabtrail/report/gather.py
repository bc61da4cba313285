"""From the files that a run left to the evidence of a page. Files that are missing, or of another run, are left out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import polars as pl

from tabtrail.data.manifest import Manifest
from tabtrail.data.profile import Profile
from tabtrail.explain.effects import Effect
from tabtrail.explain.shapley import from_shap_table
from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.modeling.learning_curve import LearningCurve
from tabtrail.report.data_evidence import PageSettings
from tabtrail.report.evidence import Evidence, ModelEvidence
from tabtrail.report.forecast_rows import read_results
from tabtrail.system.files import read_json


@dataclass(frozen=True)
class EvidenceFiles:
    """The files that a page is made from. `tables` are those of the benchmark by name, `forecasts` is a folder."""

    leaderboard: Path
    importance: Path
    shap: Path
    effects: Path
    curve: Path
    manifest: Path
    profile: Path
    tables: Mapping[str, Path]
    forecasts: Path

    def inside(self, folder: Path) -> Self:
        """Return the files by the same names in one folder; the leaderboard is called after the model of its own time."""
        leaderboards = sorted(folder.glob("*_metrics.json"))
        return replace(
            self,
            leaderboard=leaderboards[0] if leaderboards else folder / self.leaderboard.name,
            importance=folder / self.importance.name,
            shap=folder / self.shap.name,
            effects=folder / self.effects.name,
            curve=folder / self.curve.name,
            manifest=next(each for each in (*folder.glob("*_manifest.json"), folder / self.manifest.name)),
            profile=folder / self.profile.name,
            tables={name: folder / path.name for name, path in self.tables.items()},
        )


def read_board(path: Path) -> Leaderboard | None:
    """Return the leaderboard in a file, None where there is none of this version."""
    try:
        value = read_json(path)
        return None if value is None else Leaderboard.from_dict(value)
    except (KeyError, TypeError):
        return None


def read_evidence(files: EvidenceFiles, board: Leaderboard, settings: PageSettings) -> Evidence:
    """Return what the files say about the run of a leaderboard and about its data.

    Raises `TabtrailError` for Shapley values that do not add up to the predictions.
    """
    manifest = _manifest(files.manifest, board)
    profile = None if manifest is None else read_json(files.profile)
    shap, runs, effects = _frame(files.shap), _frame(files.tables["runs"]), _of_run(files.effects, board)
    explanation, rows = (None, None) if shap is None else from_shap_table(shap)
    explained = read_json(files.importance) or {}
    return Evidence(
        model=_model(files, board),
        manifest=manifest,
        profile=None if profile is None else Profile.from_dict(profile),
        explanation=None if explanation is None or rows is None else (explanation, rows),
        explanation_missing=explained.get("missing") or "",
        clipped_rows=explained.get("clipped_rows") or 0,
        together=explained.get("together") or 0,
        effects=() if effects is None else tuple(Effect.from_dict(each) for each in effects["effects"]),
        forecasts=tuple(read_results(_documents(files.forecasts), board.data_sha256)),
        tags={} if runs is None else json.loads(runs.get_column("tags")[0]),
        settings=settings,
    )


def _model(files: EvidenceFiles, board: Leaderboard) -> ModelEvidence:
    curve = (_of_run(files.curve, board) or {}).get("curve")
    return ModelEvidence(
        board=board,
        folds=_frame(files.tables["folds"]),
        slices=_frame(files.tables["error_slices"]),
        predictions=_frame(files.tables["predictions"]),
        curve=None if curve is None else LearningCurve.from_dict(curve),
    )


def _manifest(path: Path, board: Leaderboard) -> Manifest | None:
    found = read_json(path)
    return None if found is None or found["data_sha256"] != board.data_sha256 else Manifest(**found)


def _of_run(path: Path, board: Leaderboard) -> dict[str, Any] | None:
    """Return a document that names its run, if that is the run of the leaderboard."""
    found = read_json(path)
    return found if found is not None and found.get("run_id") == board.parent_run_id else None


def _documents(folder: Path) -> list[dict[str, Any]]:
    return [found for path in sorted(folder.glob("*.json")) if (found := read_json(path)) is not None]


def _frame(path: Path) -> pl.DataFrame | None:
    return pl.read_parquet(path) if path.is_file() else None
