"""From what a run left to the page and the pictures: gathered, completed, drawn, written, and added to the run in MLflow."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tabtrail.bundle.load import read_metadata
from tabtrail.config.tree import Config
from tabtrail.data.result_files import benchmark_table_files, drift_table_file, profile_files
from tabtrail.errors import BundleError, UsageError
from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.progress import SILENT, Progress
from tabtrail.project.deployment import read_deployment
from tabtrail.project.lock import project_lock
from tabtrail.project.paths import Artifacts
from tabtrail.project.training import tuned_candidates
from tabtrail.report.data_evidence import CheckedWindow, PageSettings, checked_windows
from tabtrail.report.data_pictures import single_charts
from tabtrail.report.demand_evidence import DemandEvidence, DemandFiles, read_demand
from tabtrail.report.evidence import Evidence
from tabtrail.report.gather import EvidenceFiles, read_board, read_evidence
from tabtrail.report.page import render_report
from tabtrail.report.pictures import place_pictures
from tabtrail.report.png import draw_all
from tabtrail.system.files import read_json, require_writable, write_text
from tabtrail.system.temporary import scratch_folder
from tabtrail.tracking.artifacts import download, list_files, log_files, remove_unfinished
from tabtrail.tracking.benchmarks import find_benchmark, is_of_series
from tabtrail.tracking.refusals import store_errors
from tabtrail.tracking.runs import Run, read_run
from tabtrail.tracking.store import Store, open_store
from tabtrail.workflows.default_candidates import with_default_candidates
from tabtrail.workflows.page_files import demand_files, page_settings
from tabtrail.workflows.report_extras import complete

_PICTURES = "pictures"


@dataclass(frozen=True)
class ReportFiles:
    """What a report wrote."""

    page: Path
    pictures: tuple[Path, ...]


def work(config: Config, progress: Progress, _force: bool) -> None:
    """Write page and pictures of the last run, with the learning curve and partial dependence that only it can have.

    Raises `UsageError` where there was no run.
    """
    require_writable(config.paths.output_dir)
    artifacts = Artifacts.of(config)
    board = None if config.is_demand_only else _read_board(artifacts)
    if board is not None:
        config = with_default_candidates(config).with_candidates(tuned_candidates(artifacts.tuned))
    store, settings = open_store(config.mlflow), page_settings(config)
    demand = None if config.demand is None else last_demand(Artifacts.of(config.for_demand()), settings, store)
    if board is None and demand is None:
        raise UsageError("there is no run to report; `tabtrail run` makes one")
    sources: dict[str, list[Path]] = {}
    evidence = None
    if board is not None:
        if (other := note_on_deployed(config, board)) is not None:
            progress.say(f"report: {other}")
        complete(config, board, store, progress)
        evidence = read_evidence(_files(artifacts), board, settings)
        sources[board.parent_run_id] = [artifacts.effects, artifacts.curve, *profile_files(config.paths.output_dir)]
    if demand is not None:
        sources[str(demand.board["run_id"])] = profile_files(config.paths.output_dir)
    windows = checked_windows(drift_table_file(config.paths.output_dir))
    written = _write(evidence, demand, (artifacts.page, artifacts.plots), progress, windows)
    for run_id, files in sources.items():
        _track(store, run_id, written, files, progress)


def _read_board(artifacts: Artifacts) -> Leaderboard:
    board = read_board(artifacts.leaderboard)
    if board is None:
        if artifacts.leaderboard.is_file():
            raise UsageError(f"{artifacts.leaderboard} was written by another version; `tabtrail run` writes it again")
        raise UsageError("there is no run to report; `tabtrail run` makes one")
    return board


def last_demand(artifacts: Artifacts, settings: PageSettings, store: Store) -> DemandEvidence | None:
    """Return what the last training on many series left; None where there was none of this version."""
    found = read_demand(demand_files(artifacts), settings, {})
    if found is None:
        return None
    with store_errors(store.uri):
        run = read_run(store, str(found.board["run_id"]))
    return found if run is None else replace(found, tags=run.tags)


def note_on_deployed(config: Config, board: Leaderboard) -> str | None:
    """Return which model the page explains, and which is deployed, where that is another; else None."""
    try:
        metadata = read_metadata(config.paths.models_dir, config.model.name, config.bundle.public_key)
    except BundleError:
        return None
    model, run = metadata["model"], metadata["run_id"]
    if run in (board.parent_run_id, board.champion_row.run_id):
        return None
    known = (
        "are in its row of the leaderboard"
        if run in {row.run_id for row in board.candidates}
        else "are those of another benchmark"
    )
    return (
        f"the page explains {board.champion}, the winner of benchmark {board.parent_run_id}; deployed is {model} (run {run}),"
        f" whose figures {known}; the page does not explain it: `tabtrail explain --json …` does, one prediction at a time"
    )


def report_run(config: Config, run_id: str, progress: Progress = SILENT) -> ReportFiles:
    """Write page and pictures of any benchmark of the MLflow store, of rows or of series, or of the one that a candidate's run
    belongs to.

    Raises `UsageError` for a run that is not there, or is not of a complete benchmark.
    """
    with project_lock(config, "report", progress):
        store, artifacts = open_store(config.mlflow), Artifacts.of(config)
        with store_errors(store.uri):
            run = find_benchmark(store, run_id).benchmark
        with store_errors(store.uri), _downloaded(store, run.run_id) as folder:
            if is_of_series(run):
                own = config.for_demand()
                found, deployed = demand_files(Artifacts.of(own)).inside(folder), read_deployment(own, run.run_id).is_winner
                demand = _earlier_demand(found, page_settings(own), run, deployed=deployed)
                return _write(None, demand, (artifacts.page, artifacts.plots / run.run_id), progress)
            files = _files(artifacts).inside(folder)
            board = read_board(files.leaderboard)
            if board is None:
                raise UsageError(
                    f"run {run_id} has no leaderboard of this version; `tabtrail train --force` makes a run that has"
                )
            evidence = read_evidence(files, board, page_settings(config))
            return _write(evidence, None, (artifacts.page, artifacts.plots / board.parent_run_id), progress)


def _earlier_demand(files: DemandFiles, settings: PageSettings, run: Run, *, deployed: bool) -> DemandEvidence:
    """Return what a training on many series left in its run."""
    found = read_demand(files, settings, run.tags)
    if found is None:
        raise UsageError(f"run {run.run_id} has no leaderboard of this version; `tabtrail train --force` makes a run that has")
    reasons = (read_json(files.leaderboard.with_name("gate.json")) or {}).get("reasons") or ()
    return replace(found, decision={"promoted": deployed, "reasons": () if deployed else reasons})


@contextmanager
def _downloaded(store: Store, run_id: str) -> Iterator[Path]:
    with scratch_folder() as name:
        wanted = [path for path in list_files(store, run_id) if path.endswith((".json", ".parquet"))]
        download(store, run_id, wanted, Path(name))
        yield Path(name)


def _files(artifacts: Artifacts) -> EvidenceFiles:
    output_dir = artifacts.paths.output_dir
    return EvidenceFiles(
        leaderboard=artifacts.leaderboard,
        importance=artifacts.importance,
        shap=artifacts.shap,
        effects=artifacts.effects,
        curve=artifacts.curve,
        manifest=artifacts.paths.manifest,
        profile=profile_files(output_dir)[0],
        tables=benchmark_table_files(output_dir),
        forecasts=output_dir / "timeseries",
    )


def _write(
    evidence: Evidence | None,
    demand: DemandEvidence | None,
    places: tuple[Path, Path],
    progress: Progress,
    windows: Sequence[CheckedWindow] = (),
) -> ReportFiles:
    """Write the page and, into the folder that `places` names second, its pictures."""
    placed, data, (page, folder) = place_pictures(evidence, demand), evidence or demand, places
    write_text(page, render_report(evidence, demand, placed, windows))
    pictures = [*(each.picture for each in placed), *([] if data is None else single_charts(data.data))]
    synthetic = evidence.model.board.synthetic if evidence is not None else demand is not None and bool(demand.board["synthetic"])
    files = draw_all(pictures, folder, synthetic=synthetic, progress=progress.advance)
    progress.say(f"report: {page.name}, {page.stat().st_size / 1000:,.0f} kB, and {len(files)} pictures")
    return ReportFiles(page, tuple(files))


def _track(store: Store, run_id: str, written: ReportFiles, sources: list[Path], progress: Progress) -> None:
    """Add page, pictures and what they were drawn from to the run, where it is still in the store."""
    with store_errors(store.uri):
        run = read_run(store, run_id)
        if run is None:
            progress.say(f"report: run {run_id} is no longer in the MLflow store; the page is in {written.page.parent} alone")
            return
        remove_unfinished(run.address)
        log_files(store, run_id, [path for path in (written.page, *sources) if path.is_file()])
        log_files(store, run_id, written.pictures, _PICTURES)
