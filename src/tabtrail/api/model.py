"""A deployed model in Python: what it takes, its predictions with their intervals and warnings, and why it predicts them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, overload

from tabtrail.api import later
from tabtrail.api.frames import answer_like, arrow_of, is_row, plain_row
from tabtrail.api.html import facts, page, shown, table
from tabtrail.bundle.load import Bundle
from tabtrail.bundle.predictor import Prediction as Answer
from tabtrail.bundle.predictor import Predictor
from tabtrail.contract.described import describe
from tabtrail.contract.schema import ModelSchema
from tabtrail.contract.texts import unit_of
from tabtrail.errors import DataError, UsageError, require_extra
from tabtrail.tracking.process import mlflow_kept_quiet

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from tabtrail.api.background import Background

_SHOWN = 5  # refused rows that a message names

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Prediction:
    """The answer for one row: the prediction and the bounds of its interval, in units of the target; what the model has not seen.

    A share `level` (0 to 1) of rows like those of the training has its value between `low` and `high`; all three are None for a
    model without intervals. `ahead` is of a forecast: `horizon`, `as_of` (the last known day) and the `intervals` of each level.
    """

    value: float
    low: float | None
    high: float | None
    level: float | None
    warnings: tuple[str, ...]
    unit: str = ""
    ahead: Mapping[str, Any] = field(default_factory=dict)

    def __float__(self) -> float:
        return self.value

    def _repr_html_(self) -> str:
        interval = "" if self.low is None else f"{shown(self.low)} to {shown(self.high)} ({self.level:.0%} interval)"
        rows = {"prediction": f"{shown(self.value)} {self.unit}".strip(), "interval": interval, "warnings": self.warnings}
        return page(facts({name: each for name, each in rows.items() if each}))


@dataclass(frozen=True)
class Explanation:
    """Why a model predicts what it does for a row: `base_value` + `contributions` (largest first) = `prediction`, in units of the
    target (where a bound clips it, the sum is beyond that). `values` are the row's, as the model read them.
    """

    prediction: float
    base_value: float
    contributions: dict[str, float]
    values: dict[str, Any]
    unit: str
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the explanation as plain values."""
        return asdict(self)

    def _repr_html_(self) -> str:
        rows = [("base value", "", shown(self.base_value))]
        values = {name: "missing" if value in (None, "") else f"{value}" for name, value in self.values.items()}
        rows += [(name, values[name], f"{value:+,.4g}") for name, value in self.contributions.items()]
        rows += [("prediction", "", f"{shown(self.prediction)} {self.unit}".strip())]
        return page(table(("column", "value", "adds"), rows))


@dataclass(frozen=True)
class Schema:
    """What a model takes: the target, its raw columns in order, and a row that it can predict."""

    target: str
    columns: tuple[dict[str, str], ...]
    example: dict[str, Any]
    stated: ModelSchema

    def to_dict(self) -> dict[str, Any]:
        """Return the whole schema as the bundle states it: types, ranges, categories, how cells are read."""
        return self.stated.to_dict()

    def _repr_html_(self) -> str:
        return page(table(tuple(self.columns[0]), [tuple(each.values()) for each in self.columns]))


class Model:
    """A verified model. It may be used by many threads at once, and reads nothing of its files any more."""

    def __init__(self, bundle: Bundle, background: Callable[[], Background]) -> None:
        self._bundle, self._background = bundle, background
        self._predictor = Predictor(bundle)
        self._held: object = None

    def holding(self, held: object) -> Self:
        """Return the model, which refers to `held` from now on."""
        self._held = held
        return self

    @property
    def name(self) -> str:
        """Name of the bundle, as the config's `model.name` has it."""
        return str(self._bundle.metadata["name"])

    @property
    def candidate(self) -> str:
        """Name of the candidate that won the benchmark."""
        return str(self._bundle.metadata["model"])

    @property
    def run_id(self) -> str:
        """The MLflow run that trained it."""
        return str(self._bundle.metadata["run_id"])

    @property
    def unit(self) -> str:
        """The unit of its predictions."""
        return unit_of(self._bundle.metadata["target"], self._bundle.metadata["currency"])

    @property
    def metadata(self) -> dict[str, Any]:
        """All that the bundle states of itself."""
        return self._bundle.metadata

    @cached_property
    def schema(self) -> Schema:
        """The columns that it takes, their types, what is allowed and what was seen in training, and an example."""
        schema = self._predictor.schema
        return Schema(schema.target, tuple(describe(each) for each in schema.features), dict(schema.example), schema)

    @overload
    def predict(self, data: Row) -> Prediction: ...
    @overload
    def predict(self, data: Sequence[Row]) -> list[Prediction]: ...
    @overload
    def predict(self, data: pl.DataFrame, *, refused: str = ...) -> pl.DataFrame: ...
    @overload
    def predict(self, data: pd.DataFrame, *, refused: str = ...) -> pd.DataFrame: ...
    def predict(self, data: Any, *, refused: str = "raise") -> Any:
        """Predict a row (a mapping of columns to values), a list of rows, or a frame of pandas, Polars or Arrow.

        Of a frame the answer is one too, of the same kind, with a row (and index) for each of its rows: `prediction`, `low` and
        `high` (the bounds of the interval, where the model has them) in units of the target, and `warnings` (null for none).
        Columns that the model does not take are left out of account there; in a row they are refused, as the service does.

        Values are read and held to the contract as on the command line and by the service. Raises `UsageError` for a row that
        breaks it, `DataError` for a frame with such rows, naming the first of them; with `refused="keep"` the answer of a frame
        keeps them instead: their predictions are null, and a column `refused` says why.
        """
        if is_row(data):
            return self._said(self._predictor.predict([plain_row(data)])[0])
        if isinstance(data, Sequence) and not isinstance(data, str | bytes):
            return list(map(self._said, self._predictor.predict([plain_row(each) if is_row(each) else each for each in data])))
        if refused not in ("raise", "keep"):
            raise UsageError(f"refused: write raise or keep, not {refused!r:.20}")
        scored = later.score_frame.score_frame(self._predictor, arrow_of(data))
        if refused == "keep":
            return answer_like(data, _with_reasons(scored))
        _raise_refused(scored.refused, scored.table.num_rows)
        return answer_like(data, scored.table)

    def explain(self, row: Row) -> Explanation:
        """Explain the prediction of one row by exact or sampled Shapley values of its columns.

        Raises `UsageError` for a row that breaks the contract or where the rows of the training's explanation are not known, and
        `TabtrailError` where contributions do not add up to the prediction.
        """
        if not is_row(row):
            raise UsageError("one row is explained at a time; give a mapping of columns to values")
        require_extra("train", "polars", "onnx", "mlflow", "filelock")
        with mlflow_kept_quiet():
            found = _explained(self._bundle, plain_row(row), self._background())
        return Explanation(
            found.prediction, found.base_value, found.contributions, found.values, found.unit, tuple(found.warnings)
        )

    def _said(self, answer: Answer) -> Prediction:
        interval = answer.interval
        low, high, level = (None, None, None) if interval is None else (interval.low, interval.high, interval.level)
        unit, warnings = self._bundle.metadata["currency"], tuple(answer.warnings)
        return Prediction(answer.value, low, high, level, warnings, unit, answer.ahead)

    def __repr__(self) -> str:
        return f"<tabtrail.Model {self.name}: {self.candidate} predicts {self._predictor.schema.target}, run {self.run_id[:8]}>"

    def _repr_html_(self) -> str:
        schema = self.schema
        stated = {"predicts": f"{schema.target} ({self.unit})", "model": self.candidate, "MLflow run": self.run_id}
        return page(facts(stated), table(tuple(schema.columns[0]), [tuple(each.values()) for each in schema.columns]))


def _explained(bundle: Bundle, row: dict[str, Any], place: Background) -> Any:
    if bundle.metadata.get("panel") is not None:
        if place.folder is None or place.mlflow is None:
            raise UsageError(
                "a forecast is explained with the Python model, beside the deployed one: load_model('config_v2.yaml')"
            )
        return later.explain_demand.explain_forecast(bundle, row, place.artifacts, place.mlflow, place.folder)

    def fetch(run_id: str) -> bytes:
        if place.mlflow is None:
            raise UsageError(
                f"the rows that run {run_id} was explained with are not in {place.artifacts.shap.parent}; name the project's"
                " config, which knows the MLflow store: load_model(…, config='config_v2.yaml')"
            )
        return bytes(later.explained_rows.fetch_explained_rows(place.mlflow, run_id))

    return later.explain.explain_row(bundle, row, place.artifacts, fetch)


def _raise_refused(refused: Mapping[int, str], rows: int) -> None:
    if not refused:
        return
    named = "; ".join(f"row {index} (from 0): {refused[index]}" for index in sorted(refused)[:_SHOWN])
    more = f"; and {len(refused) - _SHOWN:,} more" if len(refused) > _SHOWN else ""
    raise DataError(
        f"{len(refused):,} of {rows:,} rows do not keep the contract: {named}{more}; mend them, or predict(…, refused='keep')"
    )


def _with_reasons(scored: Any) -> Any:
    reasons = [scored.refused.get(index) for index in range(scored.table.num_rows)]
    return scored.table.append_column("refused", later.arrow_arrays.texts_to_arrow(reasons))
