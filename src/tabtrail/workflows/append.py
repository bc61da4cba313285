"""New CSV files added to the dataset; what is there is not written again."""

from tabtrail.config.tree import Config
from tabtrail.data.manifest import Manifest, read_manifest
from tabtrail.errors import UsageError
from tabtrail.progress import SILENT, Progress
from tabtrail.project.lock import project_lock
from tabtrail.project.project import Project
from tabtrail.project.stage import Stage
from tabtrail.workflows.ingest import read_files


def append_files(config: Config, stage: Stage, progress: Progress = SILENT) -> Manifest:
    """Add the files that the dataset does not hold yet, record that as the stage that ingests, and return the accounting.

    Raises `UsageError` for a dataset that other code made, `DataError` for files that cannot be added.
    """
    with project_lock(config, stage.name, progress):
        project = Project(config)
        before = read_manifest(config.dataset)
        if stage.code_changed(project):
            raise UsageError("the dataset was made by other code of tabtrail; run `tabtrail ingest --force` with all files")
        manifest = read_files(config, progress, append=True)
        stage.record(project)
        progress.say(f"ingest: {manifest.rows_kept - before.rows_kept:,} rows appended to {before.rows_kept:,}")
        return manifest
