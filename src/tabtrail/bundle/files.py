"""What is deployed: `<name>.onnx`, `<name>.joblib`, `<name>_metadata.json`, and more where there is more, as one unit.

The metadata is the manifest: it holds size and sha256 of every other file and the sha256 of itself, and it is read in one
form only, so that no bit of any file can change unnoticed. Nothing of a bundle is executed and no pickle is opened.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabtrail.bundle.folder_view import REPAIR, FolderView, read_unmoved
from tabtrail.bundle.intervals import Grouping, Intervals
from tabtrail.bundle.plain_graph import require_plain_graph
from tabtrail.contract.expressions import parse_expression
from tabtrail.contract.schema import ModelSchema
from tabtrail.errors import BundleError, NotTrainedError, TabtrailError
from tabtrail.system.hashes import sha256_json

FORMAT = 3
_OWN_HASH = "metadata_sha256"
_METADATA, _SIGNATURE = "_metadata.json", "_signature.json"
_MOST_METADATA_BYTES = 16_000_000
_MOST_GRAPH_BYTES = 2**31 - 1


@dataclass(frozen=True)
class Bundle:
    """A verified model: `metadata` as in the JSON file, the bytes of the ONNX graph, and the sha256 that stands for all of it.

    Metadata: format, name, model, family, target, currency, run_id, created, synthetic, schema (see `ModelSchema`),
    metrics, parity, versions, data_sha256, config_sha256, files (by kind: name, sha256 and size in bytes).
    """

    metadata: dict[str, Any]
    onnx: bytes
    sha256: str = ""

    @property
    def schema(self) -> ModelSchema:
        return ModelSchema.from_dict(self.metadata["schema"])


def metadata_path(folder: Path, name: str) -> Path:
    """Return where the metadata of a bundle lies."""
    return folder / (name + _METADATA)


def signature_name(name: str) -> str:
    """Return what the signature file of a bundle is called."""
    return name + _SIGNATURE


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
    body = json.loads(_canonical(body))
    head = _canonical({**body, _OWN_HASH: sha256_json(body)})
    built = dict(contents.values()) | {name + _METADATA: head}
    if signing_key is not None:
        built[name + _SIGNATURE] = sign_metadata(head, signing_key)
    return built


def bundle_sha256(files: Mapping[str, bytes], name: str) -> str:
    """Return the sha256 that stands for all the files of a bundle that was built."""
    return str(json.loads(files[name + _METADATA])[_OWN_HASH])


def sign_metadata(metadata: bytes, signing_key: Path) -> bytes:
    """Return the signature file for a metadata file, and by its hashes for the whole bundle."""
    from tabtrail.bundle.signing import sign

    public_key, signature = sign(metadata, signing_key)
    body = {"algorithm": "ed25519", "public_key": public_key, "signature": signature}
    return _canonical({**body, "signature_sha256": sha256_json(body)})


def deploy_bundle(folder: Path, name: str, files: Mapping[str, bytes]) -> None:
    """Swap a folder with these files in for `folder`; hidden files and other bundles in it stay.

    Raises `TabtrailError` when it cannot be written, or holds files that would be lost; the previous bundle is then untouched.
    """
    from tabtrail.system.files import atomic_folder

    with atomic_folder(folder) as temporary:
        if folder.is_dir():
            _carry_over(folder, name, temporary)
        for file, data in files.items():
            (temporary / file).write_bytes(data)


def load_bundle(folder: Path, name: str, public_key: Path | None = None) -> Bundle:
    """Read and verify a bundle, every file of it; nothing of it is executed and the joblib file is not opened as one.

    Raises `NotTrainedError` where there is none, `BundleError` for one that is incomplete, altered, malformed, of another
    format, or, where there is a public key, not signed with its private one.
    """

    return read_unmoved(folder, lambda view: _load(view, name, public_key))


def read_metadata(folder: Path, name: str, public_key: Path | None = None) -> dict[str, Any]:
    """Read the metadata alone and check format, own hash, signature and form. Raises as `load_bundle` does."""
    return read_unmoved(folder, lambda view: _read_metadata(view, name, public_key)[0])


def read_bundle_files(folder: Path, name: str, public_key: Path | None = None) -> dict[str, bytes]:
    """Verify a bundle as `load_bundle` does and return its files by name, as `deploy_bundle` takes them."""

    def read(view: FolderView) -> dict[str, bytes]:
        bundle = _load(view, name, public_key)
        files = {entry["name"]: view.verified(entry) for entry in bundle.metadata["files"].values()}
        files[name + _METADATA] = view.read(name + _METADATA, most=_MOST_METADATA_BYTES)
        if (name + _SIGNATURE) in view.names():
            files[name + _SIGNATURE] = view.read(name + _SIGNATURE, most=_MOST_METADATA_BYTES)
        return files

    return read_unmoved(folder, read)


def bundle_names(names: Iterable[str]) -> list[str]:
    """Return the names of the bundles among the files of a folder."""
    return sorted(name.removesuffix(_METADATA) for name in names if name.endswith(_METADATA))


def _load(view: FolderView, name: str, public_key: Path | None) -> Bundle:
    metadata, digest = _read_metadata(view, name, public_key)
    _require_listed(view, name, metadata)
    graph = b""
    for kind, entry in metadata["files"].items():
        data = view.verified(entry, keep=kind == "onnx")
        graph = data if kind == "onnx" else graph
    if public_key is None and (name + _SIGNATURE) in view.names():
        _read_signature(view, name)
    require_plain_graph(graph)
    return Bundle(metadata, graph, digest)


def _read_metadata(view: FolderView, name: str, public_key: Path | None) -> tuple[dict[str, Any], str]:
    file = name + _METADATA
    path = view.folder / file
    if file not in view.names():
        raise NotTrainedError(f"there is no model in {view.folder} ({file} is missing); run `tabtrail run` first")
    head = view.read(file, most=_MOST_METADATA_BYTES)
    metadata = _parsed(path, head)
    found = metadata.get("format")
    if found != FORMAT or isinstance(found, bool):
        shown = f"format {found}" if isinstance(found, int) else "no known format"
        older = ", made by an older version" if isinstance(found, int) and 0 < found < FORMAT else ""
        raise BundleError(f"{path} is a bundle of {shown}{older}; this version reads format {FORMAT}; {REPAIR}")
    _require_canonical(path, head, metadata)
    digest = metadata.pop(_OWN_HASH, None)
    if digest != sha256_json(metadata):
        raise BundleError(f"{path} was altered: its sha256 is not the one it states; {REPAIR}")
    if public_key is not None:
        from tabtrail.bundle.signing import verify

        verify(head, str(_read_signature(view, name)["signature"]), public_key)
    try:
        _require_form(metadata, name)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, IndexError):
        raise BundleError(f"{path} is malformed: it does not hold what a bundle holds; {REPAIR}") from None
    return metadata, str(digest)


def _read_signature(view: FolderView, name: str) -> dict[str, Any]:
    file = name + _SIGNATURE
    if file not in view.names():
        raise BundleError(
            f"the bundle in {view.folder} is not signed, and bundle.public_key is set; train with bundle.signing_key"
        )
    data = view.read(file, most=_MOST_METADATA_BYTES)
    body = _parsed(view.folder / file, data)
    _require_canonical(view.folder / file, data, body)
    if body.get("signature_sha256") != sha256_json({k: v for k, v in body.items() if k != "signature_sha256"}):
        raise BundleError(f"{view.folder / file} was altered; {REPAIR}")
    if body.get("algorithm") != "ed25519" or set(body) != {"algorithm", "public_key", "signature", "signature_sha256"}:
        raise BundleError(f"{view.folder / file} is malformed: it is no Ed25519 signature; {REPAIR}")
    return body


def _canonical(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _parsed(path: Path, data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise BundleError(f"{path} is damaged: it is not JSON; {REPAIR}") from None
    if not isinstance(value, dict):
        raise BundleError(f"{path} is damaged: it is no JSON object; {REPAIR}")
    return value


def _require_canonical(path: Path, data: bytes, value: dict[str, Any]) -> None:
    """Only the one form that is written is read: a flipped blank, a key that stands twice, 1e400 are alterations."""
    try:
        same = _canonical(value) == data
    except (ValueError, RecursionError):
        same = False
    if not same:
        raise BundleError(f"{path} was altered: it is not written as a bundle's files are; {REPAIR}")


def _require_form(metadata: dict[str, Any], name: str) -> None:
    """Raise any of `ValueError`, `KeyError`, `TypeError` for metadata that a prediction would stumble over."""
    _require(metadata["name"] == name)
    _require(all(isinstance(metadata[key], str) for key in ("model", "family", "target", "currency", "run_id", "created")))
    _require(isinstance(metadata["synthetic"], bool) and isinstance(metadata["files"], dict))
    for kind, entry in metadata["files"].items():
        expected = f"{name}.{kind}" if kind in ("onnx", "joblib") else f"{name}_{kind}.json"
        _require(entry["name"] == expected and kind not in ("metadata", "signature"))
        _require(type(entry["bytes"]) is int and entry["bytes"] >= 0 and isinstance(entry["sha256"], str))
        _require("/" not in kind and "\\" not in kind and "\0" not in kind)
    _require({"onnx", "joblib"} <= set(metadata["files"]) and metadata["files"]["onnx"]["bytes"] <= _MOST_GRAPH_BYTES)
    _require_schema(ModelSchema.from_dict(metadata["schema"]))
    if metadata["intervals"] is not None:
        intervals = Intervals.from_dict({**metadata["intervals"]})
        _require(all(isinstance(value, float) for value in (intervals.bounds(1.0)[0], intervals.level)))
        for band in intervals.bands.values():
            _require(len(band.predictions) == len(band.scales) > 0 and all(map(_is_number, (*band.predictions, *band.scales))))
            _require(_is_number(band.quantile))
        grouping = Grouping.from_dict(metadata["intervals"]["by"])
        for text in grouping.strata.values():
            parse_expression(text)


def _require_schema(schema: ModelSchema) -> None:
    _require(bool(schema.features) and len(set(schema.names)) == len(schema.names))
    for feature in schema.features:
        rule = feature.rule
        _require(isinstance(feature.name, str) and feature.kind in ("numeric", "categorical", "date"))
        _require(rule.dtype in ("int", "float", "string", "date") and isinstance(rule.nullable, bool))
        _require(all(value is None or _is_number(value) for value in (rule.min, rule.max, feature.seen_min, feature.seen_max)))
        _require(all(isinstance(value, str) for value in (rule.description, *feature.categories)))
        _require(rule.allowed is None or all(isinstance(value, str) or _is_number(value) for value in rule.allowed))
    for row_rule in schema.row_rules:
        _require(isinstance(row_rule.name, str) and isinstance(row_rule.check, str))
        parse_expression(row_rule.check)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _require(holds: bool) -> None:
    if not holds:
        raise ValueError


def _require_listed(view: FolderView, name: str, metadata: dict[str, Any]) -> None:
    """Every file of the folder is of this bundle and listed, of another bundle, or hidden."""
    known = {entry["name"] for entry in metadata["files"].values()} | {name + _METADATA, name + _SIGNATURE}
    strange = sorted(set(_not_of_others(view.names(), name)) - known)
    if strange:
        raise BundleError(
            f"{view.folder / strange[0]} is not part of the bundle, so that nothing in the folder is trusted; move it away"
        )


def _not_of_others(names: Iterable[str], name: str) -> list[str]:
    """Return the names that are neither hidden nor of another bundle in the folder (the longest name that fits owns a file)."""
    listed = [each for each in names if not each.startswith(".")]
    bundles = {*bundle_names(listed), name}

    def owner(file: str) -> str | None:
        return max((each for each in bundles if file.startswith((each + ".", each + "_"))), key=len, default=None)

    return [file for file in listed if owner(file) in (name, None)]


def _carry_over(folder: Path, name: str, temporary: Path) -> None:
    import shutil

    paths = {path.name: path for path in folder.iterdir()}
    kinds = re.compile(re.escape(name) + r"(\.onnx|\.joblib|_\w+\.json)")
    own = {file for file in _not_of_others(paths, name) if kinds.fullmatch(file)}
    strange = sorted(set(_not_of_others(paths, name)) - own)
    if strange:
        raise TabtrailError(f"{folder / strange[0]} belongs to no bundle, and the folder is replaced as a whole; move it away")
    for file, path in paths.items():
        if file in own:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.copytree(path, temporary / file, symlinks=True)
        else:
            shutil.copy2(path, temporary / file, follow_symlinks=False)
