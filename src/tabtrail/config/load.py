"""Reading the config: the YAML file typed, checked and resolved, with file and line in every message; its JSON Schema."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import ValidationError

from tabtrail.config.aliases import read_alias_files
from tabtrail.config.file import KeyPath, Places, config_path, dotted, read_raw, resolve_path
from tabtrail.config.operation import SQLITE, BundleKeys, Mlflow
from tabtrail.config.section import SAFE_NAME
from tabtrail.config.tree import Config, inconsistencies
from tabtrail.errors import ConfigError, nearest
from tabtrail.storage.address import NO_SECRETS

# A key like one of AWS; keys of others, as serve.api_key_file, are known ones.
_SECRET = re.compile(r"(?i)access_?key|secret|session_?token|password|credential|aws_")


def load_config(path: Path | None = None, overrides: Iterable[str] = ()) -> Config:
    """Read, check and resolve the configuration; precedence flag > environment > file > default.

    Raises `ConfigError` with one line for each problem: file and line (or the override), key path, what is wrong.
    """
    overrides = tuple(overrides)
    raw = read_raw(config_path(path), overrides)
    read_alias_files(raw)
    try:
        config = Config.model_validate(raw.values)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(raw.places, dict(detail)) for detail in error.errors())) from None
    problems = [f"{raw.places.locate(key)}: {dotted(key)}: {message}" for key, message in inconsistencies(config)]
    if problems:
        raise ConfigError("\n".join(problems))
    words = ("--config", str(raw.path), *(word for each in overrides for word in ("--set", each)))
    return _resolve(config, raw.root).placed(raw.root, raw.places, words)


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


def _explain(places: Places, detail: dict[str, Any]) -> str:
    unknown = detail["type"] in ("extra_forbidden", "unexpected_keyword_argument")
    # Pydantic ends the path of a key that cannot be one with "[key]".
    key: KeyPath = detail["loc"] if unknown or detail["loc"][-1:] != ("[key]",) else detail["loc"][:-1]
    where = f"{places.locate(key)}: {dotted(key)}"
    if unknown:
        if _SECRET.search(str(key[-1])):
            return f"{where}: unknown key; {NO_SECRETS}"
        return f"{where}: unknown key{nearest(str(key[-1]), _fields_at(key[:-1]))}"
    if detail["type"] in ("missing", "missing_argument"):
        return f"{where}: this key is required"
    message = str(detail["msg"])
    if detail["type"] == "string_pattern_mismatch" and SAFE_NAME in message:
        message = "a name has letters, digits, '_', '-' and '.', and begins with a letter, a digit or '_'"
    return f"{where}: {message[:1].lower()}{message[1:]}"


def _fields_at(key: KeyPath) -> list[str]:
    """Return the key names that are valid below a key path."""
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
            return []
        annotation = _without_none(annotation)
    return list(getattr(annotation, "model_fields", None) or getattr(annotation, "__dataclass_fields__", None) or {})


def _without_none(annotation: Any) -> Any:
    """Return what a key holds where it is not null."""
    own = [each for each in get_args(annotation) if each is not type(None)]
    return own[0] if type(None) in get_args(annotation) and len(own) == 1 else annotation
