"""Everything that a page shows of a training on many series, as it was left in files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import polars as pl

from tabtrail.contract.periods import Calendar
from tabtrail.contract.texts import unit_of
from tabtrail.data.manifest import Manifest
from tabtrail.data.profile import Profile
from tabtrail.forecast.panel.uplifted import Uplift
from tabtrail.report.data_evidence import DataEvidence, PageSettings, each_once
from tabtrail.system.files import read_json

Scores = Mapping[str, Any]


@dataclass(frozen=True)
class DemandFiles:
    """The files that the sections on demand are made from; `tables` by their names in the database."""

    leaderboard: Path
    importance: Path
    uplift: Path
    verdict: Path
    manifest: Path
    profile: Path
    tables: Mapping[str, Path]

    def inside(self, folder: Path) -> Self:
        """Return the files by the same names in one folder; leaderboard and manifest are called after their own time's config."""
        own = {name: folder / getattr(self, name).name for name in ("importance", "uplift", "verdict", "profile")}
        for name, pattern in (("leaderboard", "*_demand_metrics.json"), ("manifest", "*_manifest.json")):
            own[name] = next(iter(sorted(folder.glob(pattern))), folder / getattr(self, name).name)
        return replace(self, **own, tables={name: folder / path.name for name, path in self.tables.items()})


@dataclass(frozen=True)
class DemandEvidence:
    """What came of a training; None or empty where it did not leave it.

    `board` is the leaderboard as its JSON has it, best model first. `importance` is what moves a forecast, by group of features;
    `importance_missing` says why there is none. `decision` is what became of the model after the training.
    """

    board: Scores
    scores: pl.DataFrame | None
    series: pl.DataFrame | None
    forecasts: pl.DataFrame | None
    importance: Mapping[str, float]
    importance_method: str
    importance_missing: str
    uplifts: tuple[Uplift, ...]
    decision: Scores
    manifest: Manifest | None
    profile: Profile | None
    tags: Mapping[str, str]
    settings: PageSettings

    @property
    def data(self) -> DataEvidence:
        """What is known of the data, of columns that are the same in every row but the first."""
        return DataEvidence(None if self.profile is None else each_once(self.profile), str(self.board["target"]), self.settings)

    @property
    def unit(self) -> str:
        """The unit of the target."""
        return unit_of(str(self.board["target"]), self.board.get("currency"))

    @property
    def period(self) -> str:
        """What a period is called: day, week, month."""
        return Calendar(self.board.get("frequency", "D")).name

    @property
    def champion(self) -> Scores:
        """The scores of the chosen model."""
        return next(each for each in self.models if each["model"] == self.board["champion"])

    @property
    def models(self) -> Sequence[Scores]:
        """The scores of every model, best first by the metric of the choice."""
        models: Sequence[Scores] = self.board["models"]
        return models

    @property
    def best_baseline(self) -> Scores | None:
        """The baseline that the model has to beat: the best by the metric of the choice, held to the same bound on the bias."""
        return next((each for each in self.models if each["model"] == self.board["best_baseline"]), None)

    @property
    def best_without_bound(self) -> Scores | None:
        """The fitted model that is best by the metric of the choice, whatever its bias."""
        metric = self.board["metric"]
        return next((each for each in self.models if not each["baseline"] and each.get(metric) is not None), None)

    def grouped(self, by: str, model: str) -> pl.DataFrame:
        """Return the scores of a model by `horizon` or `class`; no rows where they are missing."""
        if self.scores is None:
            return pl.DataFrame()
        return self.scores.filter(pl.col("split") == by, pl.col("model") == model)


def read_demand(files: DemandFiles, settings: PageSettings, tags: Mapping[str, str]) -> DemandEvidence | None:
    """Return what the files say of the last training; None where there was none of this version."""
    board = read_json(files.leaderboard)
    if board is None or "models" not in board or "best_baseline" not in board:
        return None
    run_id = board["run_id"]
    importance, uplift = (_of_run(path, run_id) for path in (files.importance, files.uplift))
    decision = read_json(files.verdict) or {}
    challenger = decision.get("challenger") or {}
    manifest = read_json(files.manifest)
    same_data = manifest is not None and manifest["data_sha256"] == board["data_sha256"]
    profile = read_json(files.profile) if same_data else None
    return DemandEvidence(
        board=board,
        scores=_frame(files.tables["demand_scores"]),
        series=_frame(files.tables["demand_series"]),
        forecasts=_frame(files.tables["demand_forecasts"]),
        importance=importance.get("mean_absolute_shap") or {},
        importance_method=importance.get("method") or "",
        importance_missing=importance.get("missing") or "",
        uplifts=tuple(Uplift.from_dict(each) for each in uplift.get("uplifts", ())),
        decision=decision if challenger.get("run_id") == run_id else {},
        manifest=Manifest(**manifest) if manifest is not None and same_data else None,
        profile=None if profile is None else Profile.from_dict(profile),
        tags=tags,
        settings=settings,
    )


def _of_run(path: Path, run_id: str) -> dict[str, Any]:
    found = read_json(path) or {}
    return found if found.get("run_id") == run_id else {}


def _frame(path: Path) -> pl.DataFrame | None:
    return pl.read_parquet(path) if path.is_file() else None
