"""The JSON of one checked window: what was compared with what, the check, and PSI as people know it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from tabtrail.monitor.check import DriftCheck
from tabtrail.monitor.performance import Estimate, Performance
from tabtrail.monitor.plain_psi import PlainPsi
from tabtrail.monitor.shapes import Shape

FORMAT = 1
_DIGITS = 6


@dataclass(frozen=True)
class Compared:
    """What stood against what.

    `window` and `reference` are names for people, `source` is where the window's rows came from. `run_id` is the run of the model
    whose predictions were looked at, None where there were none; `deployed` the time from which on it predicts. `left_out` counts
    rows that were not compared, by the reason; `notes` say how dates and other spellings were read.
    """

    window: str
    reference: str
    source: str
    model: str
    target: str
    unit: str
    run_id: str | None
    created: str
    synthetic: bool
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class MartingaleState:
    """The conformal test martingale over all rows since the deployment: its value, 1 at the start, and the largest yet. It alarms
    at 20, by chance in at most 5 % of all deployments, however often it is looked at. `parts` are those of inputs, prediction and
    errors, `leading` the columns that gained most.
    """

    value: float
    largest: float
    alarmed: bool
    looks: int
    parts: Mapping[str, float]
    leading: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Together:
    """Whether a model can tell the rows of the window from those of the reference: its `auc` (0.5: it cannot) on rows that it did
    not learn from, and the share of `permutations` of the labels that did no worse. `columns` is the share of each in what the
    model goes by, largest first. It describes, and never alarms.
    """

    auc: float
    p_value: float
    permutations: int
    rows: tuple[int, int]
    columns: Mapping[str, float]


@dataclass(frozen=True)
class DriftReport:
    """One window. `alarm` is that of the check, or of the martingale where a log is looked at again and again.

    `performance` is measured where there are labels, else estimated. `together` and `plain_psi` (of the number columns) are
    there where rows of both sides are at hand.
    """

    compared: Compared
    check: DriftCheck
    alarm: bool
    performance: Performance | Estimate | None = None
    martingale: MartingaleState | None = None
    together: Together | None = None
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    plain_psi: Mapping[str, PlainPsi] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    format: int = FORMAT

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, numbers at six digits."""
        told: dict[str, Any] = _short(TypeAdapter(DriftReport).dump_python(self, mode="json"))
        return told


def report_schema() -> dict[str, Any]:
    """Return the JSON Schema of a checked window."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **TypeAdapter(DriftReport).json_schema()}


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, dict):
        return {key: _short(each) for key, each in value.items()}
    return [_short(each) for each in value] if isinstance(value, list) else value
