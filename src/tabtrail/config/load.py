"""Reading the config: the YAML file typed, checked and resolved, with file and line in every message; its JSON Schema."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import ValidationError

from tabtrail.config.aliases import read_alias_files
from tabtrail.config.file import KeyPath, Places, config_path, dotted, read_raw, resolve_path
from tabtrail.config.mend import Fault, mend
from tabtrail.config.operation import SQLITE, BundleKeys, Mlflow
from tabtrail.config.section import SAFE_NAME, Problems
from tabtrail.config.shape import describe_shape
from tabtrail.config.tree import Config, inconsistencies
from tabtrail.errors import ConfigError, nearest, nearest_name
from tabtrail.storage.address import NO_SECRETS

# A key like one of AWS; keys of others, as serve.api_key_file, are known ones.
_SECRET = re.compile(r"(?i)access_?key|secret|session_?token|password|credential|aws_")

# What the others are checked against: a value that is left out here would make faults of what is right there.
_SOURCES_OF_OTHERS = frozenset(["paths", "source", "cleaning", "contract", "model", "demand"])


def load_config(path: Path | None = None, overrides: Iterable[str] = ()) -> Config:
    """Read, check and resolve the configuration; precedence flag > environment > file > default.

    Raises `ConfigError` with one line for each problem: file and line (or the override), key path, what is wrong.
    """
    config, problems = read_config(path, overrides)
    if problems or config is None:
        raise ConfigError("\n".join(problems))
    return config


def read_config(path: Path | None = None, overrides: Iterable[str] = ()) -> tuple[Config | None, list[str]]:
    """Return the config, and one line for each of its problems. With problems it is what the file would be once they are mended,
    as far as that is certain: None where it is not. Raises `ConfigError` where there is no such YAML.
    """
    overrides = tuple(overrides)
    raw = read_raw(config_path(path), overrides)
    read_alias_files(raw)
    values, faults, cut, known = raw.values, list[str](), set[str](), set[KeyPath]()
    while True:
        try:
            config = Config.model_validate(values)
            break
        except ValidationError as error:
            # What is required and was left out, or wrong again under another name, was said before.
            details = [dict(detail) | {"loc": _without_variants(dict(detail), values)} for detail in error.errors()]
            faults += [_explain(raw.places, detail) for detail in _first_of_each(details) if _key_of(detail) not in known]
            known.update(map(_key_of, details))
            mended = mend(values, [_fault(detail) for detail in details])
            if mended is None:
                return None, faults
            values = mended[0]
            cut |= mended[1]
    faults += [
        f"{raw.places.locate(key)}: {dotted(key)}: {message}" for key, message in _independent(inconsistencies(config), cut)
    ]
    words = ("--config", str(raw.path), *(word for each in overrides for word in ("--set", each)))
    whole = _resolve(config, raw.root).placed(raw.root, raw.places, words) if not cut else None
    return whole, faults


def _independent(problems: Problems, cut: Set[str]) -> Problems:
    """Yield what sections say against one another, but what may follow from a value left out of those `cut`."""
    return (each for each in problems if not cut & _SOURCES_OF_OTHERS and each[0][0] not in cut)


def config_from_run(tree: dict[str, Any], here: Config) -> Config:
    """Return the config that a run recorded, with the paths, the MLflow store and the engine of this project."""
    own = here.model_dump(mode="json", include={"paths", "mlflow", "bundle", "promotion", "engine"})
    own["engine"]["final"] = (tree.get("engine") or {}).get("final")  # the one key of the engine that results depend on
    try:
        config = Config.model_validate({**tree, **own})
    except ValidationError as error:
        raise ConfigError(f"the config that the run recorded cannot be read: {error.errors()[0]['msg']}") from None
    return config.changed(alerts=here.alerts).placed(here.root, Places("the config that the run recorded"))


def config_schema() -> dict[str, Any]:
    """Return the JSON Schema of the YAML file, for editors."""
    schema = Config.model_json_schema()
    schema["required"].remove("model")  # a config with a demand has a model that is made from it
    either = {"anyOf": [{"required": ["model"]}, {"required": ["demand"]}]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, **either}


def _resolve(config: Config, root: Path) -> Config:
    keys = {name: None if value is None else resolve_path(root, value) for name, value in config.bundle}
    serve = {name: resolve_path(root, value) for name, value in config.serve if isinstance(value, Path)}
    return config.changed(
        paths=config.paths.resolved(lambda path: resolve_path(root, path)),
        mlflow=config.mlflow.model_copy(update=_store_addresses(config.mlflow, root)),
        bundle=BundleKeys.model_validate(keys),
        serve=config.serve.model_copy(update=serve),
    )


def _store_addresses(mlflow: Mlflow, root: Path) -> dict[str, str]:
    """Return the addresses of the store with absolute paths; MLflow's default for artifacts is mlruns of the working folder."""
    found = {
        name: SQLITE + str(resolve_path(root, uri.removeprefix(SQLITE)))
        for name, uri in (("tracking_uri", mlflow.tracking_uri), ("registry_uri", mlflow.registry_uri or ""))
        if uri.startswith(SQLITE)
    }
    location = mlflow.artifact_location or ("mlruns" if mlflow.is_database else None)
    if location is not None:
        found["artifact_location"] = location if "://" in location else str(resolve_path(root, location))
    return found


def _without_variants(detail: Mapping[str, Any], values: Any) -> KeyPath:
    """Return the path of a key without what Pydantic adds of the types that a value may have, as in (cleaning, trim, bool)."""
    found: list[str | int] = []
    if not detail["loc"]:
        return ()
    *above, last = detail["loc"]
    for part in above:
        if part in values if isinstance(values, dict) else isinstance(values, list) and isinstance(part, int):
            found.append(part)
            values = values[part] if not isinstance(values, list) or part < len(values) else None
    is_there = last in values if isinstance(values, dict) else isinstance(values, list) and isinstance(last, int)
    return (*found, last) if is_there or last == "[key]" or _is_missing(detail) else tuple(found)


def _first_of_each(details: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield one finding a key: where a value may have several types, there is one for each. That of a list says most, and of a
    list that is short of items since they are wrong, these.
    """
    by_key: dict[KeyPath, Mapping[str, Any]] = {}
    for each in sorted(details, key=lambda each: not str(each["type"]).startswith("tuple")):
        by_key.setdefault(each["loc"], each)
    above = {key[:-1] for key in by_key}
    yield from (
        each for each in details if by_key[each["loc"]] is each and not (each["type"] == "too_short" and each["loc"] in above)
    )


def _key_of(detail: Mapping[str, Any]) -> KeyPath:
    """Return the path of the key that a finding of Pydantic is about; of one that cannot be a key it ends with "[key]"."""
    key: KeyPath = detail["loc"]
    return key if _is_unknown(detail) or key[-1:] != ("[key]",) else key[:-1]


def _is_unknown(detail: Mapping[str, Any]) -> bool:
    return detail["type"] in ("extra_forbidden", "unexpected_keyword_argument")


def _fault(detail: Mapping[str, Any]) -> Fault:
    key = _key_of(detail)
    suggestion = nearest_name(str(key[-1]), _fields_at(key[:-1])) if _is_unknown(detail) else None
    return Fault(key, suggestion, _is_missing(detail))


def _is_missing(detail: Mapping[str, Any]) -> bool:
    return detail["type"] in ("missing", "missing_argument")


def _explain(places: Places, detail: Mapping[str, Any]) -> str:
    key = _key_of(detail)
    where = f"{places.locate(key)}: {dotted(key)}"
    if _is_unknown(detail):
        if _SECRET.search(str(key[-1])):
            return f"{where}: unknown key; {NO_SECRETS}"
        return f"{where}: unknown key{nearest(str(key[-1]), _fields_at(key[:-1]))}"
    if _is_missing(detail):
        return f"{where}: this key is required"
    annotation = _annotation_at(key)
    of_mappings = get_origin(annotation) is dict and get_origin(_without_none(get_args(annotation)[1])) is dict
    name = next((str(part) for part in reversed(key) if isinstance(part, str)), "")
    if shape := describe_shape(name, detail, _fields_of(annotation), of_mappings=of_mappings):
        return f"{where}: {shape}"
    message = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] == "string_pattern_mismatch" and SAFE_NAME in message:
        message = "a name has letters, digits, '_', '-' and '.', and begins with a letter, a digit or '_'"
    return f"{where}: {message[:1].lower()}{message[1:]}"


def _fields_at(key: KeyPath) -> list[str]:
    """Return the key names that are valid below a key path."""
    return _fields_of(_annotation_at(key))


def _fields_of(annotation: Any) -> list[str]:
    return list(getattr(annotation, "model_fields", None) or getattr(annotation, "__dataclass_fields__", None) or {})


def _annotation_at(key: KeyPath) -> Any:
    """Return the type of what a key path leads to; None for a path that leads nowhere."""
    annotation: Any = Config
    for part in key:
        if get_origin(annotation) is dict:
            annotation = get_args(annotation)[1]
        elif get_origin(annotation) is tuple or get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif hasattr(annotation, "model_fields") and part in annotation.model_fields:
            annotation = annotation.model_fields[part].annotation
        elif part in getattr(annotation, "__dataclass_fields__", {}):
            annotation = get_type_hints(annotation)[str(part)]
        else:
            return None
        annotation = _without_none(annotation)
    return annotation


def _without_none(annotation: Any) -> Any:
    """Return what a key holds where it is not null."""
    own = [each for each in get_args(annotation) if each is not type(None)]
    return own[0] if type(None) in get_args(annotation) and len(own) == 1 else annotation
