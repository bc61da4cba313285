"""The words that every run is written and found by, and the plain form of what it says. Knowing them imports nothing heavy."""

from dataclasses import dataclass

TAG = "tabtrail."
COMPLETE = TAG + "complete"
KEY = TAG + "key"
PROCESS = TAG + "process"
PREDICTIONS = TAG + "predictions_sha256"
MODEL = TAG + "model_sha256"
BUNDLE = TAG + "bundle_sha256"
VERSION = TAG + "registered_version"
CONFIG = "config.json"
EVALUATION = "evaluation.npz"
LEARNED = "learned.npz"
TWIN = "twin.onnx"
FINAL = TAG + "final_fit"
BUNDLE_FOLDER = "bundle"


@dataclass(frozen=True)
class MetricItem:
    """One metric value; `step` is the fold for per-fold values, else 0."""

    key: str
    value: float
    step: int = 0


@dataclass(frozen=True)
class RunItems:
    """All that one run says: sent in one batch."""

    name: str
    params: dict[str, str]
    metrics: list[MetricItem]
    tags: dict[str, str]
    description: str = ""
