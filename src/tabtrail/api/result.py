"""`tabtrail.run`: the whole job of a config, and what came of it as frames and small values."""

import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from tabtrail.api.html import facts, page, shown, table
from tabtrail.api.model import Model
from tabtrail.api.places import load_deployed
from tabtrail.config.load import load_config
from tabtrail.errors import NotTrainedError
from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.pipeline import run as run_pipeline
from tabtrail.progress import Progress, quarters
from tabtrail.project.summary import Summary
from tabtrail.tracking.process import mlflow_kept_quiet

_LOG = logging.getLogger("tabtrail")


@dataclass(frozen=True)
class Champion:
    """What the benchmark chose. `error` is the mean over the folds of the `metric`, `spread` its standard deviation, `test` the
    same on the test part, all in the unit of the metric; `best_baseline` the error of the best baseline. `coverage` is the share
    (0 to 1) of test rows whose interval holds the actual value; None where there are none. `deployed` says whether it is what
    the service answers with now; where it is not, `reasons` say why.
    """

    name: str
    metric: str
    error: float | None
    spread: float | None
    test: float | None
    best_baseline: float | None
    coverage: float | None
    run_id: str
    deployed: bool
    reasons: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        error = f"{shown(self.error)}" + ("" if self.spread is None else f" ± {shown(self.spread)}")
        stated: dict[str, Any] = {"champion": self.name, f"{self.metric}, cross-validated": error}
        stated |= {f"{self.metric}, test part": shown(self.test), "best baseline": shown(self.best_baseline)}
        if self.coverage is not None:
            stated["intervals hold"] = f"{self.coverage:.1%} of the test part"
        stated["deployed"] = "yes" if self.deployed else ("no", *self.reasons)
        return page(facts({name: each for name, each in stated.items() if each}))


@dataclass(frozen=True)
class Report:
    """The page for people; `path` is where it lies."""

    path: Path

    def __fspath__(self) -> str:
        return str(self.path)

    def _repr_html_(self) -> str:
        return page(table(("the page for people", "open"), [(self.path.name, self.path.as_uri())]))


class Result:
    """What a run found and left."""

    def __init__(self, config_file: Path, summary: Summary, overrides: tuple[str, ...] = ()) -> None:
        self.config_file, self.summary = config_file, summary
        self._overrides = overrides

    @cached_property
    def leaderboard(self) -> pl.DataFrame:
        """A row for each candidate, the best first: `candidate`, the metric of the choice over the folds (`error`, its standard
        deviation `spread`), how much worse than the best (`worse`, with the 95 % interval `worse_low` to `worse_high`), on the
        `test` part; `microseconds` of CPU for a row, `champion`, `tied` (the folds cannot tell it from the champion), `run_id`.
        Of a model of series: `model`, `baseline`, `champion`, and its errors.
        """
        board = self.summary.leaderboard
        return _of_series(self.summary.demand) if board is None else _rows(board)

    @cached_property
    def findings(self) -> pl.DataFrame:
        """What a person should look at: `about` (data, leakage, unit or note), `column` (null for the whole) and `finding`."""
        found: list[tuple[str, str | None, str]] = [("data", None, text) for text in self.summary.manifest.findings]
        if (board := self.summary.leaderboard) is not None:
            found += [(each.label.lower(), each.column, each.text) for each in board.findings]
            known = {text for _, _, text in found}
            found += [("note", None, text) for text in board.notes if text not in known]
        schema = {"about": pl.String, "column": pl.String, "finding": pl.String}
        return pl.DataFrame(found, schema=schema, orient="row")

    @cached_property
    def importance(self) -> pl.DataFrame:
        """What moves a prediction: `column` and `mean_absolute_shap`, in units of the target, largest first."""
        found = self.summary.importance
        return pl.DataFrame({"column": list(found), "mean_absolute_shap": list(found.values())}, schema_overrides=_IMPORTANCE)

    @cached_property
    def champion(self) -> Champion:
        """What was chosen, how good it is, and whether it is deployed."""
        board, placed = self.summary.leaderboard, self.summary.deployment
        if board is None:
            return _of_series_chosen(self.summary)
        row, metric = board.champion_row, board.chosen_metric
        baseline = board.row(board.baseline).cv[metric.name]
        figures = (row.cv[metric.name], row.cv_std[metric.name], row.test[metric.name], baseline, row.interval_coverage)
        return Champion(board.champion, metric.label, *figures, row.run_id, placed.is_winner, placed.reasons)

    @property
    def report(self) -> Report:
        """The page for people. Raises `NotTrainedError` where the run made none."""
        path = self.summary.artifacts["report"]
        if not path.is_file():
            raise NotTrainedError(f"there is no page {path}; run with report=True")
        return Report(path)

    @cached_property
    def model(self) -> Model:
        """The deployed model. Raises as `load_model` does."""
        return load_deployed(self.config_file, self._overrides)

    @property
    def folder(self) -> Path:
        """The folder of the project."""
        return self.config_file.parent

    def __repr__(self) -> str:
        return f"<tabtrail.Result of {self.config_file}: champion {self.champion.name}>"

    def _repr_html_(self) -> str:
        frame = self.leaderboard.drop("run_id", strict=False)
        rows = [tuple(shown(value) for value in row) for row in frame.iter_rows()]
        found = [tuple("" if value is None else value for value in row) for row in self.findings.iter_rows()]
        parts = [self.champion._repr_html_(), table(tuple(frame.columns), rows)]
        return page(*parts, *([table(tuple(self.findings.columns), found)] if found else []))


_IMPORTANCE = {"column": pl.String, "mean_absolute_shap": pl.Float64}


def run(
    config: str | os.PathLike[str] = "config_v2.yaml",
    *,
    overrides: Iterable[str] = (),
    force: bool = False,
    report: bool = True,
    say: Callable[[str], None] = _LOG.info,
) -> Result:
    """Run the whole job of a config, as `tabtrail run` does; stages whose inputs, config and code are unchanged are not repeated
    unless forced. `overrides` are keys like `split.folds=3`; without `report` there is no page. `say` takes a line for each step
    (`print`, say); by default the logger `tabtrail` does, at level INFO.

    Raises the `TabtrailError` of what failed; what was there before stays.
    """
    given = tuple(overrides)
    loaded = load_config(Path(config), given)
    with mlflow_kept_quiet():
        found = run_pipeline(loaded, force=force, report=report, progress=Progress(say, quarters(say)))
    return Result(Path(config).absolute(), found, given)


def _rows(board: Leaderboard) -> pl.DataFrame:
    metric = board.metric
    rows = [
        (
            row.candidate,
            *(row.cv[metric], row.cv_std[metric], row.difference, row.difference_low, row.difference_high, row.test[metric]),
            *(row.row_us, row.candidate == board.champion, row.indistinguishable, row.run_id),
        )
        for row in board.candidates
    ]
    figures = ("error", "spread", "worse", "worse_low", "worse_high", "test", "microseconds")
    schema = {"candidate": pl.String, **dict.fromkeys(figures, pl.Float64)}
    return pl.DataFrame(rows, schema={**schema, "champion": pl.Boolean, "tied": pl.Boolean, "run_id": pl.String}, orient="row")


def _of_series(found: dict[str, Any] | None) -> pl.DataFrame:
    told = found or {"models": [], "champion": ""}
    names = ("mae", "rmsse", "wape", "bias")
    rows = [
        (each["model"], bool(each["baseline"]), each["model"] == told["champion"], *(each[name] for name in names))
        for each in told["models"]
    ]
    schema = {"model": pl.String, "baseline": pl.Boolean, "champion": pl.Boolean, **dict.fromkeys(names, pl.Float64)}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _of_series_chosen(summary: Summary) -> Champion:
    found, placed = summary.demand or {}, summary.deployment
    own = next(each for each in found["models"] if each["model"] == found["champion"])
    others = [each["wape"] for each in found["models"] if each["baseline"] and each["wape"] is not None]
    figures = (own["wape"], None, None, min(others, default=None), None)
    return Champion(own["model"], "WAPE", *figures, str(found["run_id"]), placed.is_winner, placed.reasons)
