"""What is deployed: `<name>.onnx`, `.joblib`, `_parity.json` and `_metadata.json`, written and checked as one unit.

The metadata holds the sha256 of the other files and of itself, so that nothing altered is ever loaded.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabtrail.errors import BundleError, NotTrainedError
from tabtrail.hashes import sha256_json
from tabtrail.schema import ModelSchema

FORMAT = 2
_OWN_HASH = "metadata_sha256"


@dataclass(frozen=True)
class Bundle:
    """A verified model: `metadata` as in the JSON file, and the bytes of the ONNX graph.

    Metadata: format, name, model, family, target, currency, run_id, created, synthetic, schema (see `ModelSchema`),
    metrics, parity, versions, data_sha256, config_sha256, files (name, sha256 and size of onnx, joblib and parity).
    """

    metadata: dict[str, Any]
    onnx: bytes

    @property
    def schema(self) -> ModelSchema:
        return ModelSchema.from_dict(self.metadata["schema"])


def metadata_path(folder: Path, name: str) -> Path:
    """Return where the metadata of a bundle lies."""
    return folder / f"{name}_metadata.json"


def save_bundle(folder: Path, name: str, *, onnx: bytes, joblib: bytes, parity: bytes, metadata: dict[str, Any]) -> None:
    """Write the four files and swap the whole folder in; other files of the folder stay.

    Raises `TabtrailError` when the folder cannot be written; the previous bundle is then untouched.
    """
    contents = {"onnx": (f"{name}.onnx", onnx), "joblib": (f"{name}.joblib", joblib), "parity": (f"{name}_parity.json", parity)}
    files = {
        kind: {"name": file, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        for kind, (file, data) in contents.items()
    }
    body = {"format": FORMAT, "name": name, **metadata, "files": files}
    body[_OWN_HASH] = sha256_json(body)
    from tabtrail.files import atomic_folder

    with atomic_folder(folder) as temporary:
        if folder.is_dir():
            _carry_over(folder, temporary)
        for file, data in contents.values():
            _write_new(temporary / file, data)
        text = json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        _write_new(metadata_path(temporary, name), text.encode())


def load_bundle(folder: Path, name: str) -> Bundle:
    """Read and verify a bundle; nothing of it is executed and the joblib file is not opened as one.

    Raises `NotTrainedError` where there is none, `BundleError` for a bundle that is incomplete, altered or of another format.
    """
    metadata = read_metadata(folder, name)
    data = {kind: _read_verified(folder, entry) for kind, entry in metadata["files"].items()}
    return Bundle(metadata, data["onnx"])


def read_metadata(folder: Path, name: str) -> dict[str, Any]:
    """Read the metadata and check its own hash and format. Raises as `load_bundle` does."""
    path = metadata_path(folder, name)
    try:
        metadata = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise NotTrainedError(f"there is no model in {folder} ({path.name} is missing); run `tabtrail run` first") from None
    except OSError as error:
        raise BundleError(f"cannot read {path}: {os.strerror(error.errno or 0)}") from None
    except (ValueError, RecursionError):
        raise BundleError(f"{path} is damaged: it is not JSON; {_REPAIR}") from None
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise BundleError(f"{path} is not a bundle of format {FORMAT}; {_REPAIR}")
    stated = metadata.pop(_OWN_HASH, None)
    if stated != sha256_json(metadata):
        raise BundleError(f"{path} was altered: its sha256 is not the one it states; {_REPAIR}")
    return metadata


_REPAIR = "run `tabtrail train --force` to make the bundle anew"


def _read_verified(folder: Path, entry: dict[str, Any]) -> bytes:
    path = folder / str(entry["name"])
    if path.name != entry["name"] or path.is_symlink():
        raise BundleError(f"{path} is not a plain file of the bundle's folder; {_REPAIR}")
    try:
        data: bytes = path.read_bytes()
    except OSError as error:
        raise BundleError(f"the bundle is incomplete: {path}: {os.strerror(error.errno or 0)}; {_REPAIR}") from None
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        found = f"{len(data):,} bytes instead of {entry['bytes']:,}" if len(data) != entry["bytes"] else "other bytes"
        raise BundleError(f"{path} was altered: it has {found}; {_REPAIR}")
    return data


def _carry_over(folder: Path, temporary: Path) -> None:
    import shutil

    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.copytree(path, temporary / path.name, symlinks=True)
        else:
            shutil.copy2(path, temporary / path.name, follow_symlinks=False)


def _write_new(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(data)
