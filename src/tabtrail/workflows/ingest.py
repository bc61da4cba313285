"""CSV files to the Parquet layer."""

from pathlib import Path

from tabtrail.config.tree import Config
from tabtrail.data.ingest import ingest
from tabtrail.data.manifest import Manifest
from tabtrail.data.rejects import TooManyRejectsError
from tabtrail.errors import DataError
from tabtrail.progress import Progress
from tabtrail.project.copies import publishing
from tabtrail.reading.find import find_sources
from tabtrail.storage.address import Address
from tabtrail.storage.known import remember_sha256
from tabtrail.storage.objects import StoredFile
from tabtrail.system.alert import Event, tell
from tabtrail.system.files import require_writable


def work(config: Config, progress: Progress, _force: bool) -> None:
    """Replace the Parquet layer and the rejects by what the CSV files hold now."""
    read_files(config, progress, append=False)


def read_files(config: Config, progress: Progress, *, append: bool) -> Manifest:
    """Ingest all CSV files, or add those that the dataset does not hold yet, and say what became of their rows."""
    paths = config.paths
    require_writable(paths.processed_dir.parent, paths.output_dir)
    with publishing(paths.dataset_copy):
        before = _objects(paths.source, config.root)
        try:
            manifest = ingest(config, append=append, progress=progress)
        except DataError as error:
            tell(config.alert_channel("contract"), _broken(config.model.name, error), progress)
            raise
    digests = {each.name: each.sha256 for each in manifest.sources}
    # What was replaced meanwhile is known by none of its hashes.
    unchanged = before.items() & _objects(paths.source, config.root).items()
    remember_sha256({file: digests[name] for name, file in unchanged if name in digests}, paths.cache_dir)
    progress.say(f"ingest: {manifest.rows_in:,} rows in, {manifest.rows_kept:,} kept, {manifest.rows_rejected:,} rejected")
    # What a person should look at is in the manifest, which every command prints: here it would be said twice.
    for note in manifest.notes:
        progress.say(f"ingest: {note}")
    return manifest


def _broken(model: str, error: DataError) -> Event:
    """Return what is told of rows that were refused: counts by rule, and no value of a row."""
    counts = error.counts if isinstance(error, TooManyRejectsError) else None
    if counts is None:
        return Event("contract", model, "ingest refused the data; `tabtrail ingest` says why", error.exit_code)
    message = f"{counts.rejected:,} of {counts.rows:,} rows break the contract; nothing was replaced"
    details = {"rows": counts.rows, "rejected": counts.rejected, "rules": dict(counts.by_rule)}
    return Event("contract", model, message, error.exit_code, details)


def _objects(source: Path | Address | None, root: Path) -> dict[str, StoredFile]:
    return find_sources(source, root) if isinstance(source, Address) else {}
