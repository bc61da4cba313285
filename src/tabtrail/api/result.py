"""`tabtrail.run`: the whole job of a config, and what came of it as frames and small values."""

import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from tabtrail.api.html import facts, page, shown, table
from tabtrail.api.model import Model
from tabtrail.api.places import load_deployed
from tabtrail.config.file import config_path
from tabtrail.config.load import load_config
from tabtrail.errors import NotTrainedError
from tabtrail.pipeline import run as run_pipeline
from tabtrail.progress import Progress, quarters
from tabtrail.project.overview import Contender, Overview, Trained, read_overview
from tabtrail.project.project import Project
from tabtrail.tracking.process import mlflow_kept_quiet

LOG = logging.getLogger("tabtrail")


@dataclass(frozen=True)
class Champion:
    """What the benchmark chose. `error` is the mean of the `metric` over the folds (of forecasts, over the origins), `spread` its
    standard deviation, `test` the same on the test part, `best_baseline` the error of the best baseline, all in units of the
    metric; `coverage` the share (0 to 1) of unseen outcomes within the intervals. What there is not is None. `deployed` says
    whether it is what predicts now; where it is not, `reasons` say why.
    """

    name: str
    metric: str
    unit: str
    error: float | None
    spread: float | None
    test: float | None
    best_baseline: float | None
    coverage: float | None
    deployed: bool
    reasons: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        spread = "" if self.spread is None else f" ± {shown(self.spread)}"
        stated: dict[str, Any] = {"champion": self.name, f"{self.metric} ({self.unit})": f"{shown(self.error)}{spread}"}
        stated |= {"on the test part": shown(self.test), "the best baseline": shown(self.best_baseline)}
        if self.coverage is not None:
            stated["intervals hold"] = f"{self.coverage:.1%}"
        stated["deployed"] = "yes" if self.deployed else ("no", *self.reasons)
        return page(facts({name: each for name, each in stated.items() if each}))


@dataclass(frozen=True)
class Report:
    """The page for people; `path` is where it lies."""

    path: Path

    def __fspath__(self) -> str:
        return str(self.path)

    def _repr_html_(self) -> str:
        return page(facts({"the page for people": str(self.path)}))


class Result:
    """What a run found and left: of the model of rows, or of that of series where there is no other."""

    def __init__(self, config_file: Path, overview: Overview, overrides: tuple[str, ...] = (), *, series: bool = False) -> None:
        self.config_file, self.overview = config_file, overview
        self._overrides, self._series = overrides, series
        self._seen: tuple[str, ...] = ()
        self._held: object = None

    def with_more(self, seen: tuple[str, ...], held: object) -> "Result":
        """Return the result with what was seen before the run, and what is to be held as long as it, or its model, is used."""
        self._seen, self._held = seen, held
        return self

    @property
    def trained(self) -> Trained:
        """All that the training found, as plain values."""
        return self.overview.trained[-1 if self._series else 0]

    @property
    def series(self) -> "Result | None":
        """The same of the model of series, where the config has one beside that of rows; else None."""
        if self._series or len(self.overview.trained) == 1:
            return None
        return Result(self.config_file, self.overview, self._overrides, series=True)

    @cached_property
    def leaderboard(self) -> pl.DataFrame:
        """A row for each candidate, best first: `candidate`, its `error` in the metric of the choice (the mean over the folds)
        with the standard deviation `spread`, how much `worse` than the best it is, with a 95 % interval (`worse_low` to
        `worse_high`), `microseconds` of CPU for a row, whether it is the `champion`, `tied` with it as far as the folds can tell,
        or a `baseline`.
        """
        return pl.DataFrame(list(map(_line, self.trained.contenders)), schema=_LEADERBOARD, orient="row")

    @cached_property
    def errors(self) -> pl.DataFrame:
        """More errors of each `candidate`, by name: on the test part `test_rmse`, …, of forecasts `wape`, `bias`, …"""
        contenders = self.trained.contenders
        names = list(dict.fromkeys(name for each in contenders for name in each.figures))
        rows = [(each.name, *(each.figures.get(name) for name in names)) for each in contenders]
        return pl.DataFrame(rows, schema={"candidate": pl.String(), **dict.fromkeys(names, pl.Float64())}, orient="row")

    @cached_property
    def findings(self) -> pl.DataFrame:
        """What a person should look at: `about` (data, leakage, unit, note, or dropped for a candidate), `column` (null for the
        whole) and `finding`.
        """
        found: list[tuple[str, str | None, str]] = [
            ("data", None, text) for text in dict.fromkeys((*self._seen, *self.overview.findings))
        ]
        found += [(each.label.lower(), each.column, each.text) for each in self.trained.findings]
        known = {text for _, _, text in found}
        found += [("note", None, text) for text in self.trained.notes if text not in known]
        found += [("dropped", None, f"{name} was {why}") for name, why in self.trained.dropped.items()]
        return pl.DataFrame(found, schema=dict.fromkeys(("about", "column", "finding"), pl.String()), orient="row")

    @cached_property
    def importance(self) -> pl.DataFrame:
        """What moves a prediction: `column` and `mean_absolute_shap`, in units of the target, largest first."""
        schema = {"column": pl.String(), "mean_absolute_shap": pl.Float64()}
        return pl.DataFrame(list(self.trained.importance.items()), schema=schema, orient="row")

    @cached_property
    def champion(self) -> Champion:
        """What was chosen, how good it is, and whether it is deployed."""
        found = self.trained
        own = next(each for each in found.contenders if each.is_champion)
        baselines = [each.error for each in found.contenders if each.is_baseline and each.error is not None]
        board, held = found.leaderboard, found.intervals
        return Champion(
            name=own.name,
            metric=found.metric,
            unit=found.unit,
            error=own.error,
            spread=own.spread,
            test=None if board is None else own.figures.get(f"test_{board.metric}"),
            best_baseline=min(baselines, default=None),
            coverage=None if held is None else held.coverage,
            deployed=found.deployment.is_winner,
            reasons=found.deployment.reasons,
        )

    @property
    def report(self) -> Report:
        """The page for people. Raises `NotTrainedError` where the run made none."""
        if not self.overview.page.is_file():
            raise NotTrainedError(f"there is no page {self.overview.page}; run with report=True")
        return Report(self.overview.page)

    @cached_property
    def model(self) -> Model:
        """The deployed model. Raises as `load_model` does."""
        return load_deployed(self.config_file, self._overrides, demand=self._series).holding(self._held)

    @property
    def folder(self) -> Path:
        """The folder of the project."""
        return self.config_file.parent

    def __repr__(self) -> str:
        return f"<tabtrail.Result of {self.config_file}: champion {self.champion.name}>"

    def _repr_html_(self) -> str:
        *names, _, _, _ = _LEADERBOARD
        lines = [(*map(shown, _line(each)[:-3]), _marks(each)) for each in self.trained.contenders]
        found = table(self.findings.columns, [[each or "" for each in row] for row in self.findings.iter_rows()])
        return page(self.champion._repr_html_(), table([*names, ""], lines), found if self.findings.height else "")


_LEADERBOARD: dict[str, pl.DataType] = {
    "candidate": pl.String(),
    **dict.fromkeys(("error", "spread", "worse", "worse_low", "worse_high", "microseconds"), pl.Float64()),
    **dict.fromkeys(("champion", "tied", "baseline"), pl.Boolean()),
}


def _line(each: Contender) -> tuple[Any, ...]:
    figures = (each.error, each.spread, each.worse, each.worse_low, each.worse_high, each.row_us)
    return (each.name, *figures, each.is_champion, each.is_tied, each.is_baseline)


def _marks(each: Contender) -> str:
    marks = {"champion": each.is_champion, "tied": each.is_tied, "baseline": each.is_baseline}
    return ", ".join(name for name, holds in marks.items() if holds)


def run(
    config: str | os.PathLike[str] | None = None,
    *,
    overrides: Mapping[str, Any] | Iterable[str] = (),
    force: bool = False,
    report: bool = True,
    say: Callable[[str], None] = LOG.info,
) -> Result:
    """Run the whole job of a config, as `tabtrail run` does; stages whose inputs, config and code are unchanged are not repeated
    unless forced. Without a path the config is that of TABTRAIL_CONFIG, or config_v2.yaml here. `overrides` replace keys of it:
    {"split.folds": 3}, or texts like those of `--set`. Without `report` there is no page. `say` takes a line for each step
    (`print`, say); by default the logger `tabtrail` does, at level INFO.

    Raises the `TabtrailError` of what failed; what was there before stays.
    """
    path, given = config_path(None if config is None else Path(config)).absolute(), _texts(overrides)
    loaded = load_config(path, given)
    with mlflow_kept_quiet():
        run_pipeline(loaded, force=force, report=report, progress=Progress(say, quarters(say)))
    return Result(path, read_overview(Project(loaded)), given)


def _texts(overrides: Mapping[str, Any] | Iterable[str]) -> tuple[str, ...]:
    """Return overrides as the command line has them; JSON is YAML."""
    if isinstance(overrides, Mapping):
        return tuple(f"{key}={json.dumps(value)}" for key, value in overrides.items())
    return (overrides,) if isinstance(overrides, str) else tuple(overrides)
