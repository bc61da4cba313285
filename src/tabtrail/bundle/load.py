"""Reading a deployed model: every file of the bundle is verified; nothing of it is executed and no pickle is opened."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tabtrail.bundle.demand.history_file import MOST_HISTORY_BYTES, history_name
from tabtrail.bundle.folder_view import FolderView, read_unmoved
from tabtrail.bundle.metadata import (
    MOST_METADATA_BYTES,
    REFERENCE,
    bundle_name,
    metadata_name,
    parse_metadata,
    parse_signature,
    signature_name,
)
from tabtrail.bundle.plain_graph import require_plain_graph
from tabtrail.contract.schema import ModelSchema
from tabtrail.errors import BundleError
from tabtrail.system.imports import Late

if TYPE_CHECKING:
    from tabtrail.bundle.demand.history import History

stored = Late("tabtrail.bundle.demand.history")  # brings numpy, which a look at a model of rows does without


@dataclass(frozen=True)
class Bundle:
    """A verified model: `metadata` as in the JSON file, the bytes of the ONNX graph, and the sha256 that stands for all of it.

    Metadata: format, name, model, family, target, currency, run_id, created, synthetic, schema (see `ModelSchema`),
    metrics, parity, versions, data_sha256, config_sha256, files (by kind: name, sha256 and size in bytes). A model of series has
    a `history` beside its bundle, which changes without a training. `reference` is the text of what drift is measured against,
    None for a bundle without one.
    """

    metadata: dict[str, Any]
    onnx: bytes
    sha256: str = ""
    history: "History | None" = None
    reference: bytes | None = None

    @property
    def schema(self) -> ModelSchema:
        return ModelSchema.from_dict(self.metadata["schema"])


def load_bundle(
    folder: Path, name: str, public_key: Path | None = None, *, history: "History | None" = None, pickle: bool = True
) -> Bundle:
    """Read and verify a bundle, every file of it; nothing of it is executed and the joblib file is not opened as one. A `history`
    that is given stands for the one beside the bundle, which is not read. A copy without the joblib file is read with `pickle`
    off.

    Raises `NotTrainedError` where there is none, `BundleError` for one that is incomplete, altered, malformed, of another
    format, or, where there is a public key, not signed with its private one.
    """
    return read_unmoved(folder, lambda view: _load(view, name, public_key, history, pickle=pickle))


def read_metadata(folder: Path, name: str, public_key: Path | None = None) -> dict[str, Any]:
    """Read the metadata alone and check format, own hash, signature and form. Raises as `load_bundle` does."""
    return read_unmoved(folder, lambda view: parse_metadata(view, name, public_key)[0])


def read_whole_bundle(folder: Path, name: str, public_key: Path | None = None) -> tuple[Bundle, dict[str, bytes]]:
    """Verify a bundle as `load_bundle` does, once, and return it with its files by name."""

    def read(view: FolderView) -> tuple[Bundle, dict[str, bytes]]:
        bundle = _load(view, name, public_key)
        files = {entry["name"]: view.verified(entry) for entry in bundle.metadata["files"].values()}
        unlisted = {metadata_name(name): MOST_METADATA_BYTES, signature_name(name): MOST_METADATA_BYTES}
        for file, most in {**unlisted, history_name(name): MOST_HISTORY_BYTES}.items():
            if file in view.names():
                files[file] = view.read(file, most=most)
        return bundle, files

    return read_unmoved(folder, read)


def bundle_names(names: Iterable[str]) -> list[str]:
    """Return the names of the bundles among the files of a folder."""
    return sorted(found for file in names if (found := bundle_name(file)) is not None)


def bundle_or_stray_files(names: Iterable[str], name: str) -> list[str]:
    """Return the file names that are neither hidden nor of another bundle in the folder.

    A file belongs to the bundle with the longest name that its own begins with.
    """
    listed = [each for each in names if not each.startswith(".")]
    bundles = {*bundle_names(listed), name}

    def owner(file: str) -> str | None:
        return max((each for each in bundles if file.startswith((each + ".", each + "_"))), key=len, default=None)

    return [file for file in listed if owner(file) in (name, None)]


def _load(
    view: FolderView, name: str, public_key: Path | None, history: "History | None" = None, *, pickle: bool = True
) -> Bundle:
    metadata, digest = parse_metadata(view, name, public_key)
    _require_listed(view, name, metadata)
    kept: dict[str, bytes] = {}
    for kind, entry in metadata["files"].items():
        if kind == "joblib" and not pickle:
            continue
        kept[kind] = view.verified(entry, keep=kind in ("onnx", REFERENCE))
    graph = kept["onnx"]
    if public_key is None and signature_name(name) in view.names():
        parse_signature(view, name)
    require_plain_graph(graph)
    if metadata.get("panel") is not None and history is None:
        packed = view.read(history_name(name), most=MOST_HISTORY_BYTES)
        history = stored.read_history(packed, name)
    return Bundle(metadata, graph, digest, history, kept.get(REFERENCE))


def _require_listed(view: FolderView, name: str, metadata: dict[str, Any]) -> None:
    """Every file of the folder is of this bundle and listed, of another bundle, or hidden."""
    known = {entry["name"] for entry in metadata["files"].values()} | {
        metadata_name(name),
        signature_name(name),
        *([history_name(name)] if metadata.get("panel") is not None else []),
    }
    strange = sorted(set(bundle_or_stray_files(view.names(), name)) - known)
    if strange:
        raise BundleError(
            f"{view.folder / strange[0]} is not part of the bundle, so that nothing in the folder is trusted; move it away"
        )
