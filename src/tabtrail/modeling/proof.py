"""What a parity proof found: does the deployed graph predict what the measured model predicts."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Cost:
    """CPU time of one thread that the graph takes for a row by itself, and for one of a large batch [microseconds]."""

    row_us: float
    batch_row_us: float


@dataclass(frozen=True)
class Tried:
    """One class of rows: the differences of graph and model in standard deviations of the target.

    `left_out` rows are those that the Python model refuses (features beyond float32). `worst` says which row it was.
    """

    rows: int
    left_out: int
    max_difference: float
    p999_difference: float
    worst: str


@dataclass(frozen=True)
class Parity:
    """A proof: the rows tried by class, the thresholds of the model and how many were tried, the bar.

    Differences are in standard deviations of the target; of a prediction beyond all that the data gets, relative to that
    prediction. `error` says why there is no graph at all.
    """

    tolerance: float
    classes: Mapping[str, Tried]
    thresholds: int = 0
    thresholds_tried: int = 0
    error: str | None = None

    @property
    def rows(self) -> int:
        return sum(tried.rows for tried in self.classes.values())

    @property
    def max_difference(self) -> float | None:
        return max((tried.max_difference for tried in self.classes.values()), default=None)

    @property
    def passed(self) -> bool:
        return self.max_difference is not None and self.max_difference <= self.tolerance

    @property
    def complaint(self) -> str:
        """Why the model is not deployable, in one sentence."""
        if self.max_difference is None:
            return f"it has no ONNX graph: {self.error}"
        worst = max(self.classes.values(), key=lambda tried: tried.max_difference)
        return (
            f"the ONNX graph differs from the Python model by {worst.max_difference:.2g} standard deviations of the target"
            f" on {worst.worst}; allowed is {self.tolerance:g}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        found = {"rows": self.rows, "max_difference": self.max_difference, "passed": self.passed}
        return {**found, **asdict(self)}

    def summary(self) -> dict[str, Any]:
        """Return the JSON form without the classes."""
        return {key: value for key, value in self.to_dict().items() if key != "classes"}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Parity":
        """Rebuild a proof from its JSON form."""
        computed = ("rows", "max_difference", "passed", "classes")
        classes = {name: Tried(**tried) for name, tried in value["classes"].items()}
        return cls(classes=classes, **{key: each for key, each in value.items() if key not in computed})


Proof = tuple[bytes | None, Parity]
"""The graph of a fitted model, None where it cannot be exported, and the proof of it."""
Prove = Callable[[Any, pd.DataFrame], Proof]
"""Exports a fitted model and proves the graph on raw columns; it can be sent to another machine."""
