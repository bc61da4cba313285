"""A stage run as its command runs it, with what it came to: the result, and whether the work was done."""

from tabtrail import pipeline
from tabtrail.config.tree import Config
from tabtrail.data.manifest import Manifest, read_manifest
from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.progress import SILENT, Progress
from tabtrail.project.paths import Artifacts
from tabtrail.project.summary import read_leaderboard
from tabtrail.workflows.append import append_files


def run_ingest(config: Config, *, force: bool = False, progress: Progress = SILENT) -> tuple[Manifest, bool]:
    worked = pipeline.run_stage("ingest", config, force=force, progress=progress)
    return read_manifest(config.dataset), worked


def append(config: Config, *, progress: Progress = SILENT) -> Manifest:
    return append_files(config, pipeline.INGEST, progress)


def run_train(config: Config, *, force: bool = False, progress: Progress = SILENT) -> tuple[Leaderboard, bool]:
    worked = pipeline.run_stage("train", config, force=force, progress=progress)
    return read_leaderboard(Artifacts.of(config)), worked
