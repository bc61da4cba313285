"""Files of a run: written, listed and read back."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow.store.artifact.local_artifact_repo import _TEMP_ARTIFACT_PREFIX
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri

from tabtrail.system.temporary import scratch_folder
from tabtrail.tracking.store import Store


def log_artifact(store: Store, run_id: str, name: str, data: bytes) -> None:
    """Write an artifact of a run."""
    with scratch_folder() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        store.client.log_artifact(run_id, str(path))


def log_text(store: Store, run_id: str, text: str, name: str) -> None:
    """Write a text artifact of a run."""
    store.client.log_text(run_id, text, name)


def log_files(store: Store, run_id: str, files: Sequence[Path], folder: str | None = None) -> None:
    """Copy files to a run's artifacts."""
    for file in files:
        store.client.log_artifact(run_id, str(file), folder)


def log_folder(store: Store, run_id: str, folder: str, files: Mapping[str, bytes]) -> None:
    """Write files, by name, into a folder of a run's artifacts."""
    with scratch_folder() as temporary:
        for name, data in files.items():
            (Path(temporary) / name).write_bytes(data)
        store.client.log_artifacts(run_id, temporary, folder)


def list_files(store: Store, run_id: str, folder: str | None = None) -> list[str]:
    """Return the paths of the files at the top of a run's artifacts, or in a folder of them."""
    return [str(each.path) for each in store.client.list_artifacts(run_id, folder) if not each.is_dir]


def read_artifact(store: Store, run_id: str, name: str) -> bytes:
    """Return the bytes of a run's artifact."""
    with scratch_folder() as folder:
        return Path(store.client.download_artifacts(run_id, name, folder)).read_bytes()


def download(store: Store, run_id: str, names: Sequence[str], folder: Path) -> None:
    """Copy artifacts of a run into a folder."""
    for name in names:
        store.client.download_artifacts(run_id, name, str(folder))


def remove_unfinished(address: str) -> None:
    """Remove what a killed process left half-copied among the artifacts at an address, where that is on this disk."""
    if is_local_uri(address):
        for each in Path(local_file_uri_to_path(address)).rglob(f"{_TEMP_ARTIFACT_PREFIX}*"):
            each.unlink(missing_ok=True)


def download_folder(store: Store, run_id: str, folder: str, target: Path) -> Path:
    """Copy a folder of a run's artifacts into `target` and return its path there; an empty folder where there is none."""
    (target / folder).mkdir()
    if store.client.list_artifacts(run_id, folder):
        store.client.download_artifacts(run_id, folder, str(target))
    return target / folder
