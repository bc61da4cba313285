"""What a project has come to: verdict, leakage, champion, deployments, freshness and alarms, as its files have them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from tabtrail.bundle.load import read_metadata
from tabtrail.config.operation import BundleKeys
from tabtrail.dashboard.panels import Fact
from tabtrail.dashboard.place import Place
from tabtrail.dashboard.wording import sentence_text, shown
from tabtrail.data.result_files import benchmark_table_files, drift_table_file, promotions_file
from tabtrail.errors import BundleError
from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.modeling.metrics import Metric
from tabtrail.pipeline import STAGES
from tabtrail.project.paths import Artifacts
from tabtrail.project.status import Status, status
from tabtrail.report.data_evidence import CheckedWindow, checked_windows
from tabtrail.report.demand_evidence import read_demand
from tabtrail.report.demand_verdict import LABELS, demand_verdict, figure_of
from tabtrail.report.headline import demand_headline, row_headline
from tabtrail.report.verdict import verdict
from tabtrail.workflows.page_files import demand_files, page_settings

_DEPLOYMENT = {
    "at_utc": "when (UTC)",
    "action": "action",
    "after_model": "deployed",
    "before_model": "before",
    "reason": "reason",
    "name": "model",
    "who": "by",
}
"""Columns of the table `promotions`, and what they are called here."""


def read_board(at: Place) -> Leaderboard | None:
    """Return the leaderboard of the last training, None where there is none of this version."""
    value = at.json(at.artifacts.leaderboard)
    try:
        return None if value is None else Leaderboard.from_dict(value)
    except (KeyError, TypeError):
        return None


def row_verdict(at: Place, board: Leaderboard) -> list[str]:
    """Return the headline and the sentences on the model of rows, as the report has them."""
    slices = at.frame(benchmark_table_files(at.config.paths.output_dir)["error_slices"])
    return [sentence_text(each) for each in (row_headline(board).sentence, *verdict(board, slices))]


def series_verdict(at: Place) -> list[str]:
    """Return headline and sentences on the model of series, as the report has them; none where there was no training."""
    if at.config.demand is None:
        return []
    files = demand_files(at.demand_artifacts)
    scores = {name: path if name == "demand_scores" else Path() for name, path in files.tables.items()}  # the others may be large
    evidence = read_demand(replace(files, tables=scores), page_settings(at.config), {})
    if evidence is None:
        return []
    told = demand_verdict(evidence, beside_rows=not at.config.is_demand_only)
    return [sentence_text(each) for each in (demand_headline(evidence).sentence, *told)]


def leakage(board: Leaderboard) -> pl.DataFrame:
    """Return what makes the figures too good: column, kind, and what was found with its worth. No rows: nothing."""
    rows = [(each.column or "the split", each.label, each.text) for each in board.findings]
    return pl.DataFrame(rows, schema={"column": pl.String, "kind": pl.String, "finding": pl.String}, orient="row")


def champion_facts(board: Leaderboard) -> list[Fact]:
    """Return the champion of the last training with its figures."""
    row, chosen = board.champion_row, board.chosen_metric
    unit = f" {board.currency}" if board.currency and chosen.unit == "target" else ""
    cv, spread, test = (_figure(each, chosen) for each in (row.cv[chosen.name], row.cv_std[chosen.name], row.test[chosen.name]))
    facts = [
        Fact("Champion", board.champion, f"{len(board.candidates)} candidates"),
        Fact(f"{chosen.label}, cross-validated", f"{cv}{unit}", f"± {spread} over the folds"),
        Fact(f"{chosen.label}, test part", f"{test}{unit}", f"{board.test_rows:,} rows that chose nothing"),
    ]
    if row.interval_coverage is not None:
        held = shown(row.interval_coverage, 3, percent=True)
        facts.append(Fact("Interval coverage", held, f"of the test rows; {100 * board.interval_level:g} % are promised"))
    if board.held_out is not None:
        value = _figure(board.held_out.metrics[chosen.name], chosen)
        facts.append(Fact(f"{chosen.label}, held out", f"{value}{unit}", f"{board.held_out.rows:,} rows, scored once"))
    if board.refit is not None:
        facts.append(Fact("Deployed", f"{board.refit.rows:,} rows", "it learned from all of them; the figures are its twin's"))
    return facts


def series_facts(at: Place) -> list[Fact]:
    """Return the champion of the last training on series with its figures; none where there was no training."""
    board = at.json(at.demand_artifacts.demand_leaderboard) if at.config.demand is not None else None
    if board is None or "models" not in board:
        return []
    metric = str(board["metric"])
    own: Mapping[str, Any] = next((each for each in board["models"] if each["model"] == board["champion"]), {})
    names = [name for name in dict.fromkeys((metric, "wape", "bias")) if own.get(name) is not None]
    figures = [Fact(LABELS.get(name, name), sentence_text((figure_of(own, name),))) for name in names]
    return [Fact("Champion", str(board["champion"]), f"{board['series']:,} series, {board['horizon']} periods ahead"), *figures]


def _figure(value: float | None, metric: Metric) -> str:
    return "–" if value is None else shown(value, metric.digits, percent=metric.is_percent)


def deployed(at: Place) -> list[Fact]:
    """Return what is deployed, of rows and of series: model, run, when it was made; why it cannot be read where it cannot."""
    own, of_series = at.artifacts, at.demand_artifacts
    found = [Fact("Deployed", *_bundle(own, at.config.bundle))]
    return found if of_series == own else [*found, Fact("Deployed, of series", *_bundle(of_series, at.config.bundle))]


def _bundle(artifacts: Artifacts, keys: BundleKeys) -> tuple[str, str]:
    try:
        metadata = read_metadata(artifacts.paths.models_dir, artifacts.name, keys.public_key)
    except BundleError as error:
        return "nothing", str(error)
    return str(metadata["model"]), f"run {metadata['run_id'][:8]}, made {metadata['created'][:16].replace('T', ' ')} UTC"


def deployments(at: Place) -> pl.DataFrame:
    """Return every change of what is deployed, the newest first; no rows where there was none."""
    found = at.frame(promotions_file(at.config.paths.output_dir))
    if found is None:
        return pl.DataFrame(schema=dict.fromkeys(_DEPLOYMENT.values(), pl.String))
    kept = {name: label for name, label in _DEPLOYMENT.items() if name in found.columns}
    table = found.sort("at_utc", descending=True).select(pl.col(name).alias(label) for name, label in kept.items())
    return table.with_columns(pl.selectors.datetime().dt.strftime("%Y-%m-%d %H:%M"))


def freshness(at: Place) -> tuple[Status, pl.DataFrame]:
    """Return the state of the project, and each stage with whether it is fresh and, where not, why. Takes no lock."""
    state = status(at.config, STAGES, ask_lock=False)
    rows = [
        (each.stage, "fresh" if each.fresh else "stale", "; ".join(dict.fromkeys(map(str, each.reasons))))
        for each in state.stages
    ]
    return state, pl.DataFrame(rows, schema={"stage": pl.String, "state": pl.String, "why": pl.String}, orient="row")


def checked(at: Place) -> list[CheckedWindow]:
    """Return the windows of later rows that were checked for drift, the newest first."""
    return checked_windows(drift_table_file(at.config.paths.output_dir))


def alarms(windows: list[CheckedWindow]) -> pl.DataFrame:
    """Return checked windows as a table."""
    rows = [
        (each.window, "ALARM" if each.alarm else "calm", ", ".join(each.columns), each.rows, each.reference, each.created[:16])
        for each in windows
    ]
    names = ("window", "state", "columns that drift", "rows", "against", "checked")
    return pl.DataFrame(rows, schema={name: pl.Int64 if name == "rows" else pl.String for name in names}, orient="row")
