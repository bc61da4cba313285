"""Why the deployed model predicts what it does for one row of the user's own: by the served graph, without what trains."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from tabtrail.bundle.load import Bundle
from tabtrail.bundle.predictor import Prediction, Predictor
from tabtrail.contract.texts import unit_of
from tabtrail.errors import TabtrailError, UsageError
from tabtrail.explain.coalitions import explain_one
from tabtrail.explain.stored import explained_columns
from tabtrail.export.outputs import open_graph, without_clip
from tabtrail.project.paths import Artifacts
from tabtrail.system.files import read_json

# Of the largest number in the sum: what the served graph and the explained model may differ by, far above what a proof allows.
_TOLERANCE = 1e-5


@dataclass(frozen=True)
class LocalExplanation:
    """Base value + contributions (by raw column, largest first) = `unclipped`, in units of the target; `values` as given.

    The `prediction` that is served is that, inside the bounds of `model.clip`. For a forecast of series, contributions are
    `by_group` of features. `warnings` are those of the prediction.
    """

    model: str
    run_id: str
    unit: str
    base_value: float
    contributions: dict[str, float]
    values: dict[str, Any]
    unclipped: float
    prediction: float
    by_group: bool
    warnings: tuple[str, ...]

    @property
    def is_clipped(self) -> bool:
        return self.unclipped != self.prediction

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def explain_row(bundle: Bundle, row: Any, artifacts: Artifacts, fetch: Callable[[str], bytes]) -> LocalExplanation:
    """Explain the prediction of a row (raw column → value) by a deployed model, relative to the rows of its global explanation.

    `fetch` brings the table of the rows of a run from the store, where the last run is not that of the deployed model. Raises
    `PayloadError` for a row that does not keep the contract, `TabtrailError` where the contributions do not add up to the
    prediction that is served, or bundle and explanation are of different runs: there is then no explanation, and the reason why.
    """
    predictor, served = predict_one(bundle, row)
    run_id = bundle.metadata["run_id"]
    is_last = (read_json(artifacts.importance) or {}).get("run_id") == run_id and artifacts.shap.is_file()
    background = explained_columns(pl.read_parquet(artifacts.shap if is_last else fetch(run_id), columns=["value"]))
    inputs = predictor.graph_inputs([served.inputs])
    found = explain_one(open_graph(without_clip(bundle.onnx)), background, {name: inputs[name].ravel() for name in background})
    parts = dict(zip(background, map(float, found.values[0]), strict=True))
    return as_served(bundle, served, (found.base_value, parts), served.inputs)


def predict_one(bundle: Bundle, row: Any) -> tuple[Predictor, Prediction]:
    """Return a model and what it predicts for a row. Raises `UsageError` for what is not one row, `PayloadError`."""
    if not isinstance(row, dict):
        raise UsageError("--json: one row is explained at a time; give one JSON object")
    predictor = Predictor(bundle)
    return predictor, predictor.predict([row])[0]


def as_served(
    bundle: Bundle, served: Prediction, added: tuple[float, dict[str, float]], values: Mapping[str, Any]
) -> LocalExplanation:
    """Return the explanation of a prediction of what is `added` up: base value and contributions.

    Raises `TabtrailError` where they do not make what is served.
    """
    base, parts = added
    total, size = base + sum(parts.values()), sum(map(abs, parts.values()))
    low, high = bundle.metadata.get("clip") or (None, None)
    bounded = max(total, total if low is None else low)
    bounded = min(bounded, bounded if high is None else high)
    if not abs(bounded - served.value) <= _TOLERANCE * max(abs(served.value), abs(base), size):
        raise TabtrailError(
            f"base value and contributions make {bounded:.7g}, the served prediction is {served.value:.7g}; nothing is shown"
        )
    return LocalExplanation(
        model=bundle.metadata["model"],
        run_id=bundle.metadata["run_id"],
        unit=unit_of(bundle.metadata["target"], bundle.metadata["currency"]),
        base_value=base,
        contributions=dict(sorted(parts.items(), key=lambda item: (-abs(item[1]), item[0]))),
        values={name: values[name] for name in parts},
        unclipped=served.value if bounded == total else total,
        prediction=served.value,
        by_group=served.forecast is not None,
        warnings=served.warnings,
    )
