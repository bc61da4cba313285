"""CSV files to the Parquet layer."""

from tabtrail.config.tree import Config
from tabtrail.data.ingest import ingest
from tabtrail.data.manifest import Manifest
from tabtrail.progress import Progress
from tabtrail.system.files import require_writable


def work(config: Config, progress: Progress, _force: bool) -> None:
    """Replace the Parquet layer and the rejects by what the CSV files hold now."""
    read_files(config, progress, append=False)


def read_files(config: Config, progress: Progress, *, append: bool) -> Manifest:
    """Ingest all CSV files, or add those that the dataset does not hold yet, and say what became of their rows."""
    require_writable(config.paths.processed_dir.parent, config.paths.output_dir)
    manifest = ingest(config, append=append, progress=progress)
    progress.say(f"ingest: {manifest.rows_in:,} rows in, {manifest.rows_kept:,} kept, {manifest.rows_rejected:,} rejected")
    for finding in manifest.findings:
        progress.say(f"ingest: LOOK AT THIS: {finding}")
    for note in manifest.notes:
        progress.say(f"ingest: {note}")
    for shift in manifest.shifts:
        progress.say(f"ingest: the unit may change: {shift}")
    return manifest
