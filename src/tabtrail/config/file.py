"""The YAML file as written, before types: lines of keys, overrides from the environment and the command line.

Kept apart from `config` so that a prediction, which needs two values of the file, does not pay for validating the rest.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError
from yaml.reader import ReaderError

from tabtrail.errors import ConfigError
from tabtrail.system.addresses import without_passwords

DEFAULT_CONFIG = Path("config_v2.yaml")
CONFIG_VARIABLE = "TABTRAIL_CONFIG"
DEMAND_ENDING = "_demand"
CACHE_FOLDER = "data/cache"
_PREFIX = "TABTRAIL__"
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MOST_VALUES = 100_000
"""Values of a config with its aliases written out: 435 bytes of them can stand for billions. A real config has some hundred."""
KeyPath = tuple[str | int, ...]
Override = tuple[tuple[str, ...], Any, str]


class _Exponent(_Loader):  # type: ignore[misc]
    """A safe loader that reads `1e-5` as a number (YAML 1.2), where PyYAML's YAML 1.1 rule makes it text."""


_Exponent.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+$"), list("-+0123456789.")
)


class _NoDateError(ConstructorError):
    """What is written like a date, and is none."""


def _construct_date(loader: Any, node: Any) -> Any:
    try:
        return loader.construct_yaml_timestamp(node)
    except ValueError as error:
        problem = f"a date or number in it cannot be read ({error}): {node.value}"
        raise _NoDateError(None, None, problem, node.start_mark) from None


_Exponent.add_constructor("tag:yaml.org,2002:timestamp", _construct_date)


@dataclass(frozen=True)
class Places:
    """The places of the keys of a config: `lines` of the `file`, and the `origins` of overrides.

    All places are equal, so that configs compare by what they say.
    """

    file: str = field(default="the config", compare=False)
    lines: Mapping[KeyPath, int] = field(default_factory=dict, compare=False)
    origins: Mapping[KeyPath, str] = field(default_factory=dict, compare=False)

    def locate(self, key: KeyPath) -> str:
        """Place of a key: the override that set it, or file and line of it or of its nearest parent."""
        overridden = [self.origins[key[:size]] for size in range(1, len(key) + 1) if key[:size] in self.origins]
        if overridden:
            return overridden[-1]
        for size in range(len(key), 0, -1):
            if (line := self.lines.get(key[:size])) is not None:
                return f"{self.file}:{line}"
        return self.file


@dataclass(frozen=True)
class RawConfig:
    """The values of a YAML file with overrides applied, and the place of each key."""

    path: Path
    values: dict[str, Any]
    places: Places

    @property
    def root(self) -> Path:
        """The folder that relative paths of the file start from."""
        return self.path.parent


def dotted(key: KeyPath) -> str:
    """Key path as people write it, such as `model.target`."""
    return ".".join(str(part) for part in key)


def config_path(given: Path | None) -> Path:
    """Return the YAML file to read: the one given, else `TABTRAIL_CONFIG`, else `config_v2.yaml` of this folder."""
    return given or Path(os.environ.get(CONFIG_VARIABLE) or DEFAULT_CONFIG)


def read_raw(path: Path, overrides: Iterable[str] = (), environment: Mapping[str, str] | None = None) -> RawConfig:
    """Read a YAML file and apply overrides, the command line's (`section.key=value`) over the environment's.

    Raises `ConfigError` for a missing file, text that is not a YAML mapping, a repeated key, or an override that
    cannot be applied.
    """
    path = Path(os.path.abspath(path))
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"there is no config file {path}; name one with --config, or start where config_v2.yaml is") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error.strerror if isinstance(error, OSError) else 'it is not UTF-8'}") from None
    values, lines = _load(path, text)
    origins: dict[KeyPath, str] = {}
    for key, value, origin in _overrides(overrides, environment):
        _put(values, key, value, origin)
        origins[key] = origin
    return RawConfig(path, values, Places(path.name, lines, origins))


def read_overrides(section: str, overrides: Iterable[str], environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the keys of one section that the command line or the environment sets, without those of the file."""
    values: dict[str, Any] = {}
    for key, value, origin in _overrides(overrides, environment):
        _put(values, key, value, origin)
    found = values.get(section, {})
    return found if isinstance(found, dict) else {}


def _overrides(flags: Iterable[str], environment: Mapping[str, str] | None) -> Iterable[Override]:
    return (*_from_environment(os.environ if environment is None else environment), *_from_flags(flags))


def demand_folder(models_dir: Path) -> Path:
    """Folder of the model of series in a project that has a model of rows too."""
    return models_dir.with_name(models_dir.name + DEMAND_ENDING)


def resolve_path(root: Path, value: str | Path) -> Path:
    """Return `value` as an absolute path, a relative one starting at `root`."""
    return Path(os.path.abspath(root / Path(value).expanduser()))


def _load(path: Path, text: str) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    loader = _Exponent(text)
    try:
        node = loader.get_single_node()
        lines: dict[KeyPath, int] = {}
        if node is not None:
            _collect_lines(path, node, (), lines, set())
        values = {} if node is None else _construct(loader, node)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{path.name}{line}: this is not YAML: {error.problem}") from None
    except _TooLargeError as error:
        raise ConfigError(f"{path.name}: {error}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"{path.name}: this is not YAML: {_reason(error)}") from None
    finally:
        loader.dispose()
    if not isinstance(values, dict):
        raise ConfigError(f"{path.name}: the file must be a mapping of sections (version, paths, model, ...)")
    return values, lines


def _reason(error: Exception) -> str:
    """Return in words why a text cannot be read, where PyYAML does not know the line."""
    if isinstance(error, RecursionError):
        return "its lists and mappings are nested too deeply"
    if isinstance(error, ReaderError):
        return f"the character #x{error.character:04x}, {error.position} characters from the start, is not allowed in it"
    return f"a date or number in it cannot be read ({str(error).partition(';')[0]})"


class _TooLargeError(ValueError):
    """The aliases of a YAML text stand for more than a config can hold."""


def _construct(loader: Any, root: yaml.Node) -> Any:
    """Return the values of a YAML document, once it is known how many they are with each alias written out."""
    if _count(root, {}) > _MOST_VALUES:
        raise _TooLargeError(f"its aliases stand for more than {_MOST_VALUES:,} values; write out what is needed")
    return loader.construct_document(root)


def _count(node: yaml.Node, counts: dict[int, int]) -> int:
    """Return how many values a node stands for. One inside itself counts as too many."""
    if id(node) not in counts:
        counts[id(node)] = _MOST_VALUES + 1  # until it is known: an alias met meanwhile stands for a node around it
        parts: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            parts = node.value
        counts[id(node)] = 1 + sum(_count(part, counts) for part in parts)
    return counts[id(node)]


def _collect_lines(path: Path, node: yaml.Node, key: KeyPath, lines: dict[KeyPath, int], seen: set[int]) -> None:
    if id(node) in seen:
        return  # an alias: its lines were collected at its anchor, and aliases of aliases would grow without end
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*key, index)] = item.start_mark.line + 1
            _collect_lines(path, item, (*key, index), lines, seen)
    elif isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            child = (*key, str(name.value))
            if child in lines:
                where = f"{path.name}:{name.start_mark.line + 1}: {dotted(child)}"
                raise ConfigError(f"{where}: this key is given twice, first on line {lines[child]}; keep one")
            lines[child] = name.start_mark.line + 1
            _collect_lines(path, value, child, lines, seen)


def _from_environment(environment: Mapping[str, str]) -> Iterable[Override]:
    for name in ("tracking_uri", "registry_uri"):
        variable = f"MLFLOW_{name.upper()}"
        if uri := environment.get(variable):
            yield ("mlflow", name), uri, f"environment variable {variable}"
    for name, text in sorted(environment.items()):
        if name.upper().startswith(_PREFIX):
            parts = name[len(_PREFIX) :].lower().split("__")
            yield tuple(parts), _scalar(text, name), f"environment variable {name}"


def _from_flags(overrides: Iterable[str]) -> Iterable[Override]:
    for override in overrides:
        name, equals, text = override.partition("=")
        if not equals or not all(name.split(".")):
            raise ConfigError(f"--set {without_passwords(override)}: write it as section.key=value")
        yield tuple(name.split(".")), _scalar(text, f"--set {name}"), f"--set {name}"


def _scalar(text: str, origin: str) -> Any:
    if len(text) == 1 and text.isspace():
        return text  # a delimiter; YAML would take it for nothing
    loader = _Exponent(text)
    try:
        node = loader.get_single_node()
        return None if node is None else _construct(loader, node)
    except _TooLargeError as error:
        raise ConfigError(f"{origin}: {error}") from None
    except _NoDateError as error:
        raise ConfigError(f"{origin}: the value is not YAML; quote it, or mend it: {error.problem}") from None
    except (yaml.YAMLError, RecursionError, ValueError):
        if len(text) == 1:  # a comma, say, as source.decimal has it
            return text
        raise ConfigError(f"{origin}: the value is not YAML; quote it") from None
    finally:
        loader.dispose()


def _put(values: dict[str, Any], key: tuple[str, ...], value: Any, origin: str) -> None:
    for part in key[:-1]:
        inner = values.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{origin}: '{part}' is not a section, so nothing can be set in it")
        values = inner
    values[key[-1]] = value
