"""Making and deploying a bundle: `<name>.onnx`, `<name>.joblib`, `<name>_metadata.json` and further files, as one unit."""

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tabtrail.bundle.demand.history import read_history
from tabtrail.bundle.demand.history_file import history_name
from tabtrail.bundle.load import Bundle, bundle_or_stray_files
from tabtrail.bundle.metadata import FORMAT, OWN_HASH, REFERENCE, canonical, metadata_name, signature_name
from tabtrail.bundle.plain_graph import require_plain_graph
from tabtrail.bundle.signing import sign
from tabtrail.errors import BundleError, TabtrailError
from tabtrail.system.files import atomic_folder
from tabtrail.system.hashes import sha256_json


def build_bundle(
    name: str,
    *,
    onnx: bytes,
    joblib: bytes,
    metadata: Mapping[str, Any],
    reports: Mapping[str, bytes] | None = None,
    signing_key: Path | None = None,
) -> dict[str, bytes]:
    """Return the files of a bundle by name. `reports` are further JSON files: `parity` becomes `<name>_parity.json`.

    Signed where there is a key. Raises `BundleError` for a graph that nothing would load, `ConfigError` for a bad key.
    """
    require_plain_graph(onnx)
    contents = {"onnx": (f"{name}.onnx", onnx), "joblib": (f"{name}.joblib", joblib)}
    contents |= {kind: (f"{name}_{kind}.json", data) for kind, data in (reports or {}).items()}
    files = {
        kind: {"name": file, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        for kind, (file, data) in contents.items()
    }
    body = {"format": FORMAT, "name": name, **metadata, "files": files}
    # Once through JSON, so that what is hashed is what is read back.
    body = json.loads(canonical(body))
    head = canonical({**body, OWN_HASH: sha256_json(body)})
    built = dict(contents.values()) | {metadata_name(name): head}
    if signing_key is not None:
        built[signature_name(name)] = sign_metadata(head, signing_key)
    return built


def as_bundle(files: Mapping[str, bytes], name: str) -> Bundle:
    """Return the bundle that `build_bundle` has just made: what was hashed for it need not be verified."""
    metadata = json.loads(files[metadata_name(name)])
    digest = str(metadata.pop(OWN_HASH))
    stored = files.get(history_name(name))
    history = None if stored is None else read_history(stored, name)
    named = {kind: entry["name"] for kind, entry in metadata["files"].items()}
    reference = files[named[REFERENCE]] if REFERENCE in named else None
    return Bundle(metadata, files[named["onnx"]], digest, history, reference)


def sign_metadata(metadata: bytes, signing_key: Path) -> bytes:
    """Return the signature file for a metadata file, and by its hashes for the whole bundle."""
    public_key, signature = sign(metadata, signing_key)
    body = {"algorithm": "ed25519", "public_key": public_key, "signature": signature}
    return canonical({**body, "signature_sha256": sha256_json(body)})


def deploy_bundle(folder: Path, name: str, files: Mapping[str, bytes]) -> None:
    """Swap a folder with these files in for `folder`; hidden files and other bundles in it stay.

    Raises `TabtrailError` when it cannot be written, or holds files that would be lost; the previous bundle is then untouched.
    """
    with atomic_folder(folder) as temporary:
        if folder.is_dir():
            _carry_over(folder, name, temporary)
        for file, data in {**files, **_newest_history(folder, name, files)}.items():
            (temporary / file).write_bytes(data)


def _newest_history(folder: Path, name: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the deployed history where it is newer than that of the bundle, and holds all that the bundle reads of it."""
    file = history_name(name)
    if file not in files:
        return {}
    own = read_history(files[file], name)
    try:
        data = (folder / file).read_bytes()
        deployed = read_history(data, name)
    except (OSError, BundleError):
        return {}
    enough = deployed.target.shape[1] >= own.target.shape[1] and set(own.known) <= set(deployed.known)
    same = deployed.keys.shape[1] == own.keys.shape[1] and set(own.static) <= set(deployed.static)
    return {file: data} if deployed.as_of > own.as_of and enough and same else {}


def _carry_over(folder: Path, name: str, temporary: Path) -> None:
    paths = {path.name: path for path in folder.iterdir()}
    kinds = re.compile(re.escape(name) + r"(\.onnx|\.joblib|_\w+\.json|_history\.npz)")
    candidates = set(bundle_or_stray_files(paths, name))
    own = {file for file in candidates if kinds.fullmatch(file)}
    if strange := sorted(candidates - own):
        raise TabtrailError(f"{folder / strange[0]} belongs to no bundle, and the folder is replaced as a whole; move it away")
    for file, path in paths.items():
        if file in own:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.copytree(path, temporary / file, symlinks=True)
        else:
            shutil.copy2(path, temporary / file, follow_symlinks=False)
