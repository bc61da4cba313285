"""The metadata of a bundle: its one written form, its own hash, what it must hold, and the signature beside it.

The metadata is the bundle's manifest. It states size and sha256 of every other file and its own sha256, and only the exact
bytes that `canonical` writes are accepted, so that no bit of any file can change unnoticed.
"""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from tabtrail.bundle.folder_view import REPAIR, FolderView
from tabtrail.bundle.intervals import Grouping, Intervals
from tabtrail.bundle.signing import verify
from tabtrail.contract.aliases import ContextAliases
from tabtrail.contract.cells import CellReading
from tabtrail.contract.dates import DateFormat
from tabtrail.contract.expressions import parse_expression
from tabtrail.contract.layout import Layout
from tabtrail.contract.numbers import NumberFormat
from tabtrail.contract.schema import ColumnRule, Dtype, Feature, ModelSchema
from tabtrail.contract.wide import Melted, pattern_problem
from tabtrail.errors import BundleError, NotTrainedError
from tabtrail.system.hashes import sha256_json
from tabtrail.system.imports import Late

intervals_form = Late("tabtrail.bundle.demand.intervals_form")  # brings numpy, which a look at a model of rows does without

FORMAT = 3
OWN_HASH = "metadata_sha256"
REFERENCE = "reference"  # the kind of the file that drift is measured against
MOST_METADATA_BYTES = 16_000_000
_METADATA, _SIGNATURE = "_metadata.json", "_signature.json"
_HINTS: dict[type, list[Any]] = {
    kind: list(get_type_hints(kind).values()) for kind in (CellReading, NumberFormat, DateFormat, Layout, ContextAliases)
}
_MOST_GRAPH_BYTES = 2**31 - 1  # what a protocol buffer, and so an ONNX file, can have


def metadata_name(name: str) -> str:
    """Name of the metadata file of the bundle `name`."""
    return name + _METADATA


def signature_name(name: str) -> str:
    """Name of the signature file of the bundle `name`."""
    return name + _SIGNATURE


def metadata_path(folder: Path, name: str) -> Path:
    """Path of the metadata file of a bundle."""
    return folder / metadata_name(name)


def bundle_name(file: str) -> str | None:
    """Name of the bundle whose metadata file this is, None for any other file."""
    return file.removesuffix(_METADATA) if file.endswith(_METADATA) else None


def canonical(value: Any) -> bytes:
    """The only text in which metadata and signatures are written and accepted."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def parse_metadata(view: FolderView, name: str, public_key: Path | None) -> tuple[dict[str, Any], str]:
    """Read and check the metadata of a bundle; return it without its own hash, and that hash.

    Raises `NotTrainedError` where there is none, and `BundleError` for another format, altered or malformed metadata, or,
    where there is a public key, a missing or wrong signature.
    """
    file = metadata_name(name)
    path = view.folder / file
    if file not in view.names():
        raise NotTrainedError(f"there is no model in {view.folder} ({file} is missing); run `tabtrail run` first")
    head = view.read(file, most=MOST_METADATA_BYTES)
    metadata = _parsed(path, head)
    _require_format(path, metadata.get("format"))
    _require_canonical(path, head, metadata)
    digest = metadata.pop(OWN_HASH, None)
    if digest != sha256_json(metadata):
        raise BundleError(f"{path} was altered: its sha256 is not the one it states; {REPAIR}")
    if public_key is not None:
        verify(head, str(parse_signature(view, name)["signature"]), public_key)
    try:
        _require_form(metadata, name)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, IndexError):
        raise BundleError(f"{path} is malformed: it does not hold what a bundle holds; {REPAIR}") from None
    return metadata, str(digest)


def layout_of(metadata: Mapping[str, Any]) -> Layout:
    """Return how the table lay in the files that the model learned from, which is the default for files to score."""
    return Layout(**metadata.get("layout", {}))


def melted_of(metadata: Mapping[str, Any]) -> Melted | None:
    """Return how wide files are read, None where the model learned from long ones."""
    stated = metadata.get("melt")
    return None if stated is None else Melted(dict(stated["columns"]), tuple(stated["dropped"]))


def date_column_of(metadata: Mapping[str, Any]) -> Feature | None:
    """Return the column that says of which day a row is: the config's date column, else the only date that the model takes.

    None where there is none; a bundle of an earlier version does not name the first.
    """
    if (stated := metadata.get("date_column")) is not None:
        rule = ColumnRule(stated.get("dtype", "date"))
        return Feature(stated["name"], "date", rule, reading=CellReading.from_dict(stated["reading"]))
    dates = [each for each in ModelSchema.from_dict(metadata["schema"]).features if each.kind == "date"]
    return dates[0] if len(dates) == 1 else None


def parse_signature(view: FolderView, name: str) -> dict[str, Any]:
    """Read the signature file of a bundle and check its form. Raises `BundleError` where it is missing or malformed."""
    file = signature_name(name)
    path = view.folder / file
    if file not in view.names():
        raise BundleError(
            f"the bundle in {view.folder} is not signed, and bundle.public_key is set; train with bundle.signing_key"
        )
    data = view.read(file, most=MOST_METADATA_BYTES)
    body = _parsed(path, data)
    _require_canonical(path, data, body)
    if body.get("signature_sha256") != sha256_json({k: v for k, v in body.items() if k != "signature_sha256"}):
        raise BundleError(f"{path} was altered; {REPAIR}")
    if body.get("algorithm") != "ed25519" or set(body) != {"algorithm", "public_key", "signature", "signature_sha256"}:
        raise BundleError(f"{path} is malformed: it is not an Ed25519 signature; {REPAIR}")
    return body


def _parsed(path: Path, data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise BundleError(f"{path} is damaged: it is not JSON; {REPAIR}") from None
    if not isinstance(value, dict):
        raise BundleError(f"{path} is damaged: it is not a JSON object; {REPAIR}")
    return value


def _require_format(path: Path, found: object) -> None:
    if found == FORMAT and not isinstance(found, bool):
        return
    shown = f"format {found}" if isinstance(found, int) else "no known format"
    older = ", made by an older version" if isinstance(found, int) and 0 < found < FORMAT else ""
    raise BundleError(f"{path} is a bundle of {shown}{older}; this version reads format {FORMAT}; {REPAIR}")


def _require_canonical(path: Path, data: bytes, value: dict[str, Any]) -> None:
    """A flipped blank, a repeated key or 1e400 read as the same value: only the text that we write is accepted."""
    try:
        same = canonical(value) == data
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
    _require(metadata["files"].get(REFERENCE, {"bytes": 0})["bytes"] <= MOST_METADATA_BYTES)
    _require({"onnx", "joblib"} <= set(metadata["files"]) and metadata["files"]["onnx"]["bytes"] <= _MOST_GRAPH_BYTES)
    _require_schema(ModelSchema.from_dict(metadata["schema"]))
    _require_fields(layout_of(metadata))
    if (dated := date_column_of(metadata)) is not None:
        _require(isinstance(dated.name, str) and dated.rule.is_date)
        _require_reading(dated.reading)
    if (melted := melted_of(metadata)) is not None:
        _require(bool(melted.patterns) and all(isinstance(name, str) for name in melted.dropped))
        _require(all(pattern_problem(pattern) is None for pattern in melted.patterns.values()))
    for name, last in metadata.get("last_dates", {}).items():
        _require(isinstance(name, str) and bool(date.fromisoformat(last)))
    if metadata["intervals"] is not None:
        _require_intervals(metadata["intervals"])
    if (refit := metadata.get("refit")) is not None:
        _require(all(type(refit[key]) is int and refit[key] >= 0 for key in ("rows", "training_rows", "test_rows")))
        _require(isinstance(refit["rounds"], dict) and isinstance(refit["twin_sha256"], str))
    if (stated := metadata.get("demand_intervals")) is not None:
        intervals_form.require_form(stated)


def _require_intervals(stated: dict[str, Any]) -> None:
    intervals = Intervals.from_dict({**stated})
    _require(all(isinstance(value, float) for value in (*intervals.bounds(1.0), intervals.level)))
    for band in intervals.bands.values():
        _require(len(band.predictions) == len(band.scales) > 0 and all(map(_is_number, (*band.predictions, *band.scales))))
        _require(_is_number(band.quantile))
    for text in Grouping.from_dict(stated["by"]).strata.values():
        parse_expression(text)


def _require_schema(schema: ModelSchema) -> None:
    _require(bool(schema.required) and len(set(schema.names)) == len(schema.names))
    _require(all(not each.optional or (each.kind == "categorical" and each.optional is True) for each in schema.features))
    for feature in schema.features:
        rule = feature.rule
        _require(isinstance(feature.name, str) and feature.kind in ("numeric", "categorical", "date"))
        _require(rule.dtype in get_args(Dtype) and isinstance(rule.nullable, bool))
        _require(all(value is None or _is_number(value) for value in (rule.min, rule.max, feature.seen_min, feature.seen_max)))
        _require(all(isinstance(value, str) for value in (rule.description, *feature.categories)))
        _require(rule.allowed is None or all(isinstance(value, str) or _is_number(value) for value in rule.allowed))
        _require_reading(feature.reading)
    texts = {each.name for each in schema.features if each.kind == "categorical" and each.rule.dtype == "string"}
    for table in schema.aliases:
        _require_fields(table)
        _require({table.column, *table.within} <= texts and bool(table.within))
        _require(all(len(row) == len(table.within) + 2 and None not in row[-2:] for row in table.rows))
    for row_rule in schema.row_rules:
        _require(isinstance(row_rule.name, str) and isinstance(row_rule.check, str))
        parse_expression(row_rule.check)


def _require_reading(reading: CellReading) -> None:
    for part in (reading, reading.number, reading.date):
        _require_fields(part)


def _require_fields(part: object) -> None:
    """Raise `ValueError` for a dataclass of `_HINTS` with a value of another type than it has."""
    _require(all(_is_of(value, hint) for value, hint in zip(vars(part).values(), _HINTS[type(part)], strict=True)))


def _is_of(value: object, hint: Any) -> bool:
    """Tell whether a value is of a type of those that a reading is made of: plain ones, unions, tuples and mappings of texts."""
    kinds = get_args(hint)
    if isinstance(hint, UnionType):
        return any(_is_of(value, kind) for kind in kinds)
    if get_origin(hint) is tuple:
        wanted = [kinds[0]] * len(value) if isinstance(value, tuple) and kinds[-1] is ... else list(kinds)
        return isinstance(value, tuple) and len(value) == len(wanted) and all(map(_is_of, value, wanted))
    if get_origin(hint) is Literal:
        return value in kinds
    if get_origin(hint) is Mapping:
        return isinstance(value, dict) and all(isinstance(text, str) for pair in value.items() for text in pair)
    return type(value) is hint


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _require(holds: bool) -> None:
    if not holds:
        raise ValueError
