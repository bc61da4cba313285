"""A YAML file as it would be once its faults are mended, so that what else is wrong with it can be looked for."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tabtrail.config.file import KeyPath


@dataclass(frozen=True)
class Fault:
    """A key that is wrong: `suggestion` is the known name that it is taken for; `is_missing` where it is required."""

    key: KeyPath
    suggestion: str | None = None
    is_missing: bool = False


def mend(values: dict[str, Any], faults: Sequence[Fault]) -> tuple[dict[str, Any], set[str]] | None:
    """Return the values with each faulty key called as suggested, or left out where nothing is; and the sections of the latter.

    None where a required key is missing that no other stands for, and for a fault of the whole file.
    """
    found, cut = deepcopy(values), set[str]()
    for fault in sorted(faults, key=lambda each: each.suggestion is None):  # a missing key may be one of those that are renamed
        parent, name = _nearest_mapping(found, fault.key)
        if fault.is_missing:
            if name != fault.key[-1] or name not in parent:
                return None
        elif fault.suggestion is not None and fault.suggestion not in parent and name in parent:
            parent[fault.suggestion] = parent.pop(name)
        elif name in parent:
            del parent[name]
            if fault.suggestion is None:  # else the known name is there, and what is left out had no effect
                cut.add(str(fault.key[0]))
        else:
            return None
    return found, cut


def _nearest_mapping(values: dict[str, Any], key: KeyPath) -> tuple[dict[str, Any], str | int]:
    """Return the innermost mapping on the way to a key, and the name in it that leads on: items of a list go with the list."""
    mapping, name = values, key[0] if key else ""
    value: Any = values
    for part in key:
        if not isinstance(value, dict):
            break
        mapping, name = value, part
        value = value.get(part)
    return mapping, name
