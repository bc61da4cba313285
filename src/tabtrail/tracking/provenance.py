"""What a run was made from: a file of the run for the whole of it, tags for the few parts that people search by."""

import json
import platform
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

from tabtrail.data.manifest import Manifest
from tabtrail.errors import StoreError
from tabtrail.system.files import json_bytes
from tabtrail.system.hashes import code_version
from tabtrail.tracking.artifacts import list_files, log_text, read_artifact
from tabtrail.tracking.libraries import library_versions
from tabtrail.tracking.runs import Run
from tabtrail.tracking.store import Store
from tabtrail.tracking.tags import CONFIG, TAG
from tabtrail.version import __version__

PROVENANCE = "provenance.json"
GRAPH, JOBLIB, TWIN_GRAPH = "onnx_sha256", "joblib_sha256", "twin_onnx_sha256"
_LIBRARY = TAG + "lib."
_MADE = (GRAPH, JOBLIB, TWIN_GRAPH)


@dataclass(frozen=True)
class Provenance:
    """What a run was made from, and the sha256 of the files of the champion that it `made` (`onnx_sha256`, `joblib_sha256`; where
    that learned from all rows, `twin_onnx_sha256` too, of the graph that the figures belong to).

    `git_commit` is that of the project's folder, empty without a repository; `git_dirty` says that files differed from it.
    """

    version: str
    python: str
    data_sha256: str
    source_sha256: str
    config_sha256: str
    code_sha256: str
    libraries: Mapping[str, str]
    git_commit: str = ""
    git_dirty: bool = False
    made: Mapping[str, str] = field(default_factory=dict)

    @property
    def tags(self) -> dict[str, str]:
        """What people search by: version, data and, by MLflow's own name, the git commit."""
        commit = {"mlflow.source.git.commit": self.git_commit} if self.git_commit else {}
        return {TAG + "version": self.version, TAG + "data_sha256": self.data_sha256, **commit}

    def flat(self) -> dict[str, str]:
        """Return all of it as texts by the names `tabtrail.…`, which were the tags of the runs of before."""
        named = {each.name: getattr(self, each.name) for each in fields(self) if each.type is str}
        libraries = {_LIBRARY + name: found for name, found in self.libraries.items()}
        git = {TAG + "git_dirty": str(self.git_dirty).lower()} if self.git_commit else {}
        return {TAG + name: value for name, value in {**named, **self.made}.items() if value} | libraries | git

    @classmethod
    def from_flat(cls, texts: Mapping[str, str]) -> Self:
        """Return what `flat` made texts of."""
        named = {each.name: texts.get(TAG + each.name, "") for each in fields(cls) if each.type is str}
        libraries = {name.removeprefix(_LIBRARY): found for name, found in texts.items() if name.startswith(_LIBRARY)}
        made = {name: texts[TAG + name] for name in _MADE if TAG + name in texts}
        return cls(**named, libraries=libraries, git_dirty=texts.get(TAG + "git_dirty") == "true", made=made)


def provenance_of(manifest: Manifest, *, config_sha256: str, root: Path) -> Provenance:
    """Return what a run that begins now is made from: data, config, code (with the git commit at `root`) and libraries."""
    return Provenance(
        version=__version__,
        python=platform.python_version(),
        data_sha256=manifest.data_sha256,
        source_sha256=manifest.source_sha256,
        config_sha256=config_sha256,
        code_sha256=code_version(),
        libraries=library_versions(),
        **dict(_git_state(root)),
    )


def log_origin(store: Store, run_id: str, provenance: Provenance, config: str = "") -> None:
    """Leave in a run what it was made from, and its config (JSON). What an earlier process of the run left there stays."""
    there = list_files(store, run_id)
    for name, text in ((CONFIG, config), (PROVENANCE, _text(provenance))):
        if text and name not in there:
            log_text(store, run_id, text, name)


def log_made(store: Store, run_id: str, made: Mapping[str, str]) -> None:
    """Add the sha256 of what a run made to its provenance."""
    log_text(store, run_id, _text(replace(_read(store, run_id), made=made)), PROVENANCE)


def read_provenance(store: Store, run: Run) -> Provenance:
    """Return what a run was made from; of the runs of before from their tags.

    Raises `StoreError` where it was lost or altered.
    """
    if TAG + "config_sha256" in run.tags:
        return Provenance.from_flat(run.tags)
    return _read(store, run.run_id)


def _read(store: Store, run_id: str) -> Provenance:
    remedy = "restore it, or train again with --force"
    if PROVENANCE not in list_files(store, run_id):
        raise StoreError(f"{PROVENANCE} of run {run_id} is no longer in the MLflow store; {remedy}")
    try:
        return Provenance(**json.loads(read_artifact(store, run_id, PROVENANCE)))
    except (ValueError, TypeError):
        raise StoreError(f"{PROVENANCE} of run {run_id} in the MLflow store was altered; {remedy}") from None


def _text(provenance: Provenance) -> str:
    return json_bytes(asdict(provenance)).decode()


def _git_state(root: Path) -> Iterator[tuple[str, Any]]:
    try:
        head, status = _git(root, "rev-parse", "HEAD"), _git(root, "status", "--porcelain")
    except (OSError, subprocess.SubprocessError):
        return
    yield "git_commit", head
    yield "git_dirty", bool(status)


def _git(root: Path, *words: str) -> str:
    command = ["git", "-C", str(root), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()  # noqa: S603
