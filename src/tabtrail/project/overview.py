"""What a training found, small enough for one screen: what the terminal prints and the Python API returns are read from here."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tabtrail.contract.texts import unit_of
from tabtrail.data.manifest import read_manifest
from tabtrail.errors import NotTrainedError
from tabtrail.modeling.baselines import BASELINES
from tabtrail.modeling.leaderboard import Leaderboard, Row
from tabtrail.modeling.leakage.findings import Finding
from tabtrail.project.deployment import Deployment, read_deployment
from tabtrail.project.project import Project
from tabtrail.project.summary import read_leaderboard
from tabtrail.system.files import read_json

_SAID_LEVEL = 0.9  # of several levels of intervals the one that is named: the default of a model of rows


@dataclass(frozen=True)
class Contender:
    """One line of a leaderboard, best first.

    `error` is the metric of the choice: the mean over the folds, or of the forecasts at the origins; `spread` is its standard
    deviation over the folds (None for series, which have few origins). `worse` says by how much it is worse than the best, with
    its 95 % interval from `worse_low` to `worse_high`, all three in units of `error`; None for series. `row_us` is the CPU time
    of one row [microseconds], None where it was not measured. The folds cannot tell an `is_tied` one from the champion.
    `figures` are more errors by name: on the test part (`test_rmse`, …), or of the forecasts (`wape`, `bias`, `skill`, …).
    """

    name: str
    error: float | None
    spread: float | None = None
    worse: float | None = None
    worse_low: float | None = None
    worse_high: float | None = None
    row_us: float | None = None
    is_champion: bool = False
    is_tied: bool = False
    is_baseline: bool = False
    figures: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Intervals:
    """How often intervals of a `level` held: the share (0 to 1) of outcomes within them, and their mean width in the unit."""

    level: float
    coverage: float
    width: float | None


@dataclass(frozen=True)
class Trained:
    """The training of one model: of `rows`, each predicted by itself, or of `series` over time.

    `name` is the model's, `metric` what the contenders are compared by, as people read it (100 times the stored value where it
    `is_percent`); `unit` what the target is counted in.
    `learned` says in a phrase what it learned from and how it was judged. `importance` is the mean absolute Shapley value of each
    column (or group of a forecast's features), largest first; `importance_missing` says why there is none.
    `dropped` says of each candidate that is not among the contenders why; `left_out` are findings on columns that the config
    leaves out.
    """

    of: Literal["rows", "series"]
    name: str
    target: str
    unit: str
    metric: str
    is_percent: bool
    learned: str
    contenders: tuple[Contender, ...]
    champion: str
    reason: str
    intervals: Intervals | None
    findings: tuple[Finding, ...]
    importance: Mapping[str, float]
    importance_missing: str | None
    deployment: Deployment
    notes: tuple[str, ...] = ()
    dropped: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[Finding, ...] = ()
    leaderboard: Leaderboard | None = None
    demand: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Overview:
    """What became of the rows of the source, what each model learned from them, and where the page for people lies (whether it is
    there or not).

    `rejects` and `warnings` count rows by rule, `findings` say what to look at in the data, `shifts` where a column's unit may
    change; `places` are all folders and files of the results by what they are, those that exist.
    """

    source: str
    rows_in: int
    rows_kept: int
    rows_rejected: int
    rejects: Mapping[str, int]
    warnings: Mapping[str, int]
    synthetic: bool
    findings: tuple[str, ...]
    shifts: tuple[str, ...]
    trained: tuple[Trained, ...]
    page: Path
    places: Mapping[str, Path]


def read_overview(project: Project) -> Overview:
    """Return what the last training of each model found. Raises `DataError` without a dataset, `NotTrainedError` without a
    training.
    """
    manifest, artifacts = read_manifest(project.config.dataset), project.artifacts
    trained = [_of_rows(project, manifest.findings)] if project.has_model() else []
    if project.has_demand():
        trained.append(_of_series(project.of_demand()))
    return Overview(
        source=manifest.source,
        rows_in=manifest.rows_in,
        rows_kept=manifest.rows_kept,
        rows_rejected=manifest.rows_rejected,
        rejects=manifest.rejects,
        warnings={rule: rows for rule, rows in manifest.warnings.items() if rows},
        synthetic=manifest.synthetic,
        findings=tuple(map(str, manifest.findings)),
        shifts=tuple(map(str, manifest.shifts)),
        trained=tuple(trained),
        page=artifacts.page,
        places={name: path for name, path in artifacts.listed().items() if path.exists()},
    )


def _of_rows(project: Project, known: Collection[str]) -> Trained:
    """Return the training of a model of rows; what is `known` of the data is not among its notes again."""
    artifacts = project.artifacts
    board = read_leaderboard(artifacts)
    champion = board.champion_row
    held, width = champion.interval_coverage, champion.interval_width
    importance, missing = _importance(artifacts.importance)
    return Trained(
        of="rows",
        name=project.config.model.name,
        target=board.target,
        unit=unit_of(board.target, board.currency),
        metric=board.chosen_metric.label,
        is_percent=board.chosen_metric.is_percent,
        learned=_learned(board),
        contenders=tuple(_contender(board, row) for row in board.candidates),
        champion=board.champion,
        reason=board.chosen_by,
        intervals=None if held is None else Intervals(board.interval_level, held, width),
        findings=board.findings,
        importance=importance,
        importance_missing=missing,
        deployment=read_deployment(project.config, champion.run_id),
        notes=tuple(each for each in board.notes if each not in known),
        dropped=board.dropped,
        left_out=board.left_out,
        leaderboard=board,
    )


def _contender(board: Leaderboard, row: Row) -> Contender:
    is_best = row.candidate == board.best
    return Contender(
        name=row.candidate,
        error=row.cv[board.metric],
        spread=row.cv_std[board.metric],
        worse=None if is_best else row.difference,
        worse_low=None if is_best else row.difference_low,
        worse_high=None if is_best else row.difference_high,
        row_us=row.row_us,
        is_champion=row.candidate == board.champion,
        is_tied=row.indistinguishable,
        is_baseline=row.family in BASELINES,
        figures={f"test_{name}": value for name, value in row.test.items()},
    )


def _learned(board: Leaderboard) -> str:
    split = board.split
    by = f" by {split['group_key']}" if split["kind"] in ("group", "group_time") else ""
    repeats = f" × {split['repeats']}" if split["repeats"] > 1 else ""
    parts = f"{board.train_rows:,} rows train, {board.test_rows:,} test"
    return f"{parts}, {split['folds']}{repeats} folds, {split['kind'].replace('_', '-')} split{by}"


_SERIES_FIGURES = ("mae", "rmse", "rmsse", "mase", "wape", "bias")
PERIODS = {"D": "day", "W": "week", "MS": "month"}  # as `contract.periods`, which costs an import of numpy


def _of_series(project: Project) -> Trained:
    artifacts, model = project.artifacts, project.config.model
    found = read_json(artifacts.demand_leaderboard)
    if found is None:
        raise NotTrainedError(f"there is no leaderboard {artifacts.demand_leaderboard}; run `tabtrail train` first")
    importance, missing = _importance(artifacts.demand_importance)
    period, steps, origins = PERIODS[found.get("frequency", "D")], found["horizon"], len(found["origins"])
    return Trained(
        of="series",
        name=model.name,
        target=found["target"],
        unit=unit_of(found["target"], model.currency),
        metric=str(found["metric"]).upper(),
        is_percent=found["metric"] == "wape",
        learned=f"{counted(steps, period)} ahead at {counted(origins, 'origin')}, {found['series']:,} series",
        contenders=tuple(_forecaster(found, each) for each in found["models"]),
        champion=found["champion"],
        reason=found["reason"],
        intervals=_said_intervals(found.get("intervals") or {}),
        findings=tuple(Finding.from_dict(each) for each in found.get("leakage", ())),
        importance=importance,
        importance_missing=missing,
        deployment=read_deployment(project.config, str(found["run_id"])),
        demand=found,
    )


def _forecaster(found: Mapping[str, Any], model: Mapping[str, Any]) -> Contender:
    skill = model.get("skill") or {}
    skills = {"skill": skill.get("value"), "skill_low": skill.get("low"), "skill_high": skill.get("high")}
    return Contender(
        name=model["model"],
        error=model.get(found["metric"]),
        is_champion=model["model"] == found["champion"],
        is_baseline=bool(model["baseline"]),
        figures={**{name: model.get(name) for name in _SERIES_FIGURES}, **skills},
    )


def _said_intervals(found: Mapping[str, Any]) -> Intervals | None:
    levels = found.get("levels") or []
    if not levels:
        return None
    named = min(levels, key=lambda each: abs(each["level"] - _SAID_LEVEL))
    return None if named["coverage"] is None else Intervals(named["level"], named["coverage"], named["width"])


def _importance(file: Path) -> tuple[dict[str, float], str | None]:
    said = read_json(file) or {}
    return dict(said.get("mean_absolute_shap") or {}), said.get("missing")


def counted(count: int, what: str) -> str:
    """Say how many there are of what, in the singular of one."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
