"""Stored forecasts: what their files are called, and how one is looked up without fitting anything."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tabtrail.errors import TabtrailError, UsageError
from tabtrail.system.files import read_json

_ALL = "all"
_MAX_PART = 60  # characters of a value in a file name: with several values, systems allow 255 in all
_SHOWN = ("label", "segment", "status", "reason", "created", "run_id", "data_sha256", "synthetic")


class NoForecastError(TabtrailError):
    """No forecast of this segment is stored."""


class AmbiguousForecastError(TabtrailError):
    """Several stored forecasts are of this segment."""


class TooManyStepsError(UsageError):
    """More steps are asked for than are stored, or none."""


def forecast_folder(output_dir: Path) -> Path:
    """Path of the folder of the stored forecasts."""
    return output_dir / "timeseries"


def result_name(prefix: str, values: list[str | None]) -> str:
    """Return the file name, less `.json`, of the segment with these values, one for each configured segment (None: all).

    Spaces become `_`. Other characters than letters, digits, dots and hyphens are replaced too, and a short hash keeps
    such values apart from those that then look the same.
    """
    return f"{prefix}_ts_risk_" + "_".join(safe_part(value) for value in values or [None])


def safe_part(value: str | None) -> str:
    """Return a value as part of a file name; `all` for None."""
    if value is None:
        return _ALL
    text = re.sub(r"[^A-Za-z0-9.-]+", "_", value).strip("._")[:_MAX_PART]
    unchanged = text and text == value.replace(" ", "_") and "_" not in value and value.casefold() != _ALL
    return text if unchanged else f"{text}-{_digest([value])}"


def result_path(output_dir: Path, prefix: str, segment: Mapping[str, str], names: list[str]) -> Path:
    """Path of the result of a segment, existing or new; `names` are all configured segments in order.

    Two segments can have one safe name (`A B` and `C`, `A` and `B C`; `usa` and `USA` on some file systems): the second one
    gets a hash.
    """
    values = [segment.get(name) for name in names]
    path = forecast_folder(output_dir) / f"{result_name(prefix, values)}.json"
    if not path.exists():
        return path
    found = read_json(path)
    if found is None or found.get("segment") == dict(segment):
        return path
    return path.with_name(f"{path.stem}-{_digest(values)}.json")


def _digest(values: list[str | None] | list[str]) -> str:
    return hashlib.sha256(repr(values).encode()).hexdigest()[:8]


def look_up(output_dir: Path, segment: Mapping[str, str], steps: int | None = None) -> dict[str, Any]:
    """Return the stored forecast of the segment with these values by segment name, its first `steps` periods.

    Keys: label, segment, status, reason, frequency, unit, model, steps, periods, mean, intervals, flags, mase, created, run_id,
    data_sha256, synthetic. Raises `NoForecastError` where none is stored or the stored result has no forecast,
    `AmbiguousForecastError` where several are of this segment, `TooManyStepsError` for more steps than are stored.
    """
    parts = [safe_part(value) for value in segment.values()]
    paths = sorted(forecast_folder(output_dir).glob("*_ts_risk_*.json"))
    likely = [path for path in paths if all(part in path.stem for part in parts)]
    found = [result for path in likely if (result := read_json(path)) and result.get("segment") == dict(segment)]
    asked = ", ".join(f"{name} {value}" for name, value in segment.items()) or "all rows"
    if not found:
        raise NoForecastError(f"no forecast of {asked} is stored; `tabtrail forecast` makes it")
    if len(found) > 1:
        raise AmbiguousForecastError(
            f"{len(found)} stored forecasts are of {asked}; remove the outdated ones from {output_dir.name}"
        )
    try:
        return _excerpt(found[0], steps)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise NoForecastError(
            f"the stored forecast of {asked} is not of this version; `tabtrail forecast` makes it again"
        ) from None


def stored_segments(output_dir: Path, most: int) -> list[dict[str, str]]:
    """Return the segments of the first stored forecasts, by name of the file; what is not of this version is left out."""
    paths = sorted(forecast_folder(output_dir).glob("*_ts_risk_*.json"))[:most]
    found = [(read_json(path) or {}).get("segment") for path in paths]
    return [each for each in found if isinstance(each, dict)]


def _excerpt(result: dict[str, Any], steps: int | None) -> dict[str, Any]:
    forecast = result.get("forecast")
    if not forecast:
        raise NoForecastError(f"there is no forecast of {result['label']}: {result['reason']}")
    stored = int(forecast["steps"])
    wanted = stored if steps is None else steps
    if not 1 <= wanted <= stored:
        raise TooManyStepsError(f"steps must be 1 to {stored}: so many periods are stored")
    intervals = [{**each, "lower": each["lower"][:wanted], "upper": each["upper"][:wanted]} for each in forecast["intervals"]]
    return {
        **{name: result[name] for name in _SHOWN},
        "frequency": result["series"]["frequency"],
        "unit": result["series"]["unit"],
        "model": forecast["model"],
        "steps": wanted,
        "periods": forecast["periods"][:wanted],
        "mean": forecast["mean"][:wanted],
        "intervals": intervals,
        "flags": forecast["flags"],
        "mase": (result.get("outer") or {}).get("chosen", {}).get("mase"),
    }
