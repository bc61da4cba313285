"""Rows in, predictions out, from a verified bundle, with onnxruntime and numpy alone."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np
import onnxruntime

from tabtrail.bundle.demand.inputs import DemandInputs, Forecast
from tabtrail.bundle.demand.window import read_window, window_size
from tabtrail.bundle.intervals import Grouping, Intervals
from tabtrail.bundle.load import Bundle
from tabtrail.bundle.metadata import melted_of
from tabtrail.bundle.rows import PayloadError, Problem, Row, RowReader
from tabtrail.contract.expressions import days_of
from tabtrail.contract.schema import Feature
from tabtrail.contract.wide import fits_wide
from tabtrail.errors import BundleError

MISSING = ": missing"
"""What a warning says of a column without a value, after its name; other warnings are of values that training has not seen."""


@dataclass(frozen=True)
class Interval:
    """Holds the actual value in a share `level` (0 to 1) of rows like those of the training; bounds in units of the target."""

    level: float
    low: float
    high: float


@dataclass(frozen=True)
class Prediction:
    """One answer: the prediction in units of the target, its interval (None where the model has none), the inputs as the model
    takes them, and what the model has not seen before: in words, and as the columns with a category that is new to it. Of a
    model of series also how far ahead it is, and an interval for each level, the last of which is `interval`.
    """

    value: float
    interval: Interval | None
    inputs: Row
    warnings: tuple[str, ...]
    unseen: tuple[str, ...] = ()
    forecast: Forecast | None = None
    intervals: tuple[Interval, ...] = ()

    @property
    def ahead(self) -> dict[str, Any]:
        """Horizon, last known day and intervals of a forecast, in JSON; nothing of another prediction."""
        if self.forecast is None:
            return {}
        return {**vars(self.forecast), "intervals": [vars(each) for each in self.intervals]}


class Predictor(RowReader):
    """A loaded model.

    Raises `BundleError` when the graph cannot be loaded or its inputs are not those of the schema.
    """

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle.schema)
        self.metadata = bundle.metadata
        self._numbers = [(each.name, each.kind == "date") for each in self.schema.features if each.kind != "categorical"]
        self._texts = [each.name for each in self.schema.features if each.kind == "categorical"]
        calibrated = self.metadata["intervals"]
        self.calibrated = None if calibrated is None else Intervals.from_dict(calibrated)
        self.grouping = Grouping.from_dict(calibrated["by"]) if calibrated else Grouping()
        self.demand = None if self.metadata.get("panel") is None else DemandInputs(self.metadata, bundle.history, self.run_graph)
        self._seen = [(each, _plainly_seen(each)) for each in self.schema.features]
        if self.demand is not None:
            own = self.demand.known_ahead
            self._seen = [(each, partial(_sent_and_new, seen)) for each, seen in self._seen if each.name in own]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(bundle.onnx, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001 - the classes that onnxruntime raises have no common base
            raise BundleError(f"onnxruntime cannot load the graph: {type(error).__name__}") from None
        kinds = {each.name: each.type for each in self._session.get_inputs()}
        texts = self._inputs()
        if kinds.keys() != texts.keys():
            raise BundleError("the graph's inputs are not the columns of the schema")
        outputs = [(each.name, each.type) for each in self._session.get_outputs()]
        if kinds != texts or outputs[0][1] not in ("tensor(double)", "tensor(float)"):
            raise BundleError("the graph's inputs and outputs are not of the types of the schema")
        # onnxruntime's own wrapper looks at every input in every call, which costs a tenth of what the graph does.
        self._run = getattr(self._session, "_sess", self._session).run
        self._output_names = [name for name, _ in outputs]
        self._has_quantiles = self._require_quantiles()

    def _require_quantiles(self) -> bool:
        """Return whether the graph puts out quantiles. Raises `BundleError` where they are not those of the intervals."""
        bands = None if self.demand is None else self.demand.bands
        wanted = [] if bands is None else [[len(bands.intervals.quantiles)]]
        shapes = [each.shape[1:] for each in self._session.get_outputs()[1:]]
        if shapes != [each for each in wanted if each != [0]]:
            raise BundleError("the graph's outputs are not those that the intervals are made of")
        return bool(shapes)

    def _inputs(self) -> dict[str, str]:
        """Return the type of each input that the graph must have."""
        if self.demand is not None:
            own = self.demand.panel.texts
            return {name: "tensor(string)" if name in own else "tensor(double)" for name in self.demand.names}
        return {
            name: "tensor(string)" if feature.kind == "categorical" else "tensor(double)"
            for name, feature in self._features.items()
        }

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> list[Prediction]:
        """Read rows (raw column → value or text), check them against the contract and predict them.

        Raises `PayloadError` with every problem of the first row that has one.
        """
        return self.answer(self.check(rows))

    def predict_inputs(self, inputs: Sequence[Row]) -> list[Prediction]:
        """Predict rows that another model has read already: the `inputs` of its predictions. Errors as `predict`."""
        return self.answer(self.check_inputs(inputs))

    def answer(self, checked: Sequence[Row]) -> list[Prediction]:
        """Predict rows that `check` returned. Raises `PayloadError` when a result is not finite."""
        if not checked:
            return []
        values, quantiles = self.outputs(self.graph_inputs(checked))
        own = repeat(None) if quantiles is None else quantiles
        return [self._prediction(*each) for each in zip(self._finite(values), checked, own, strict=False)]

    def document(self, prediction: Prediction) -> dict[str, Any]:
        """Return a prediction with model and run, as the command line and the service give it in JSON."""
        return {
            "prediction": prediction.value,
            "interval": None if prediction.interval is None else vars(prediction.interval),
            "currency": self.metadata["currency"],
            "model_name": self.metadata["model"],
            "mlflow_run_id": self.metadata["run_id"],
            "inputs": self._said(prediction.inputs),
            "warnings": prediction.warnings,
            **({"model_version": self.metadata["run_id"]} if prediction.forecast else {}),
            **prediction.ahead,
        }

    def _said(self, inputs: Row) -> Row:
        """Return inputs without the optional columns that were left out, and with what the stored plan has for unsent ones."""
        inputs = inputs if self.demand is None else self.demand.used(inputs)
        left_out = [name for name in self._optional if inputs[name] is None]
        return {name: value for name, value in inputs.items() if name not in left_out} if left_out else inputs

    def _unfit_columns(self, row: Mapping[str, Any]) -> list[Problem]:
        """Say of the columns of a wide row, which only files may have, what to send instead."""
        found, melted = super()._unfit_columns(row), melted_of(self.metadata)
        if melted is None:
            return found
        instead = (
            f"is a column of the wide form, which files may have; send a row for each series, with {', '.join(self._required)}"
        )
        wide = {
            each.column for each in found if each.column not in self._features and fits_wide(str(each.column), melted.patterns)
        }
        return [Problem(each.column, instead) if each.column in wide else each for each in found]

    def _problems(self, row: Mapping[str, Any], read: Row) -> list[Problem]:
        found = super()._problems(row, read)
        own = None if found or self.demand is None else self.demand.problem(read)
        return found if own is None else [Problem(*own)]

    def _prediction(self, value: float, row: Row, quantiles: np.ndarray[Any, Any] | None) -> Prediction:
        warnings = self.warnings(row)
        unseen = self._new_categories(row) if warnings else ()
        if self.demand is None:
            return Prediction(value, self.interval(value, row), row, warnings, unseen)
        ahead, levels = self.demand.forecast(row), self.demand.levels
        bounds = self.demand.bounds_of_row(row, value, ahead.horizon, quantiles)
        intervals = tuple([Interval(level, low, high) for level, (low, high) in zip(levels, bounds, strict=False)])
        return Prediction(value, intervals[-1] if intervals else None, row, warnings, unseen, ahead, intervals)

    def run(self, rows: Sequence[Mapping[str, Any]]) -> list[float]:
        """Predict rows that are known to keep the contract. Raises `PayloadError` when a result is not finite."""
        if not rows:
            return []
        return self._finite(self.run_graph(self.graph_inputs(rows)))

    @staticmethod
    def _finite(values: np.ndarray[Any, Any]) -> list[float]:
        if not all(map(math.isfinite, values)):
            raise PayloadError([Problem(None, "the prediction is not finite; the values are too large")])
        answers: list[float] = values.tolist()
        return answers

    def _feed(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        """Return the inputs of the graph: one array for all numbers and one for all texts, of which each column is a view."""
        numbers = [_day_number(row[name]) if dated else row[name] for name, dated in self._numbers for row in rows]
        texts = [row[name] or "" for name in self._texts for row in rows]
        shape = (-1, len(rows), 1)
        feed: dict[str, np.ndarray[Any, Any]] = dict(zip(self._texts, np.array(texts, dtype=object).reshape(shape), strict=True))
        columns = np.array(numbers, dtype=np.float64).reshape(shape)  # numpy takes None for NaN
        feed.update((name, column) for (name, _), column in zip(self._numbers, columns, strict=True))
        return feed

    def run_graph(self, feed: Mapping[str, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
        """Return the predictions, [N], of what the graph takes, [N, 1]: doubles (dates as days since 1970-01-01), texts."""
        return self.outputs(feed)[0]

    def outputs(self, feed: Mapping[str, np.ndarray[Any, Any]]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]:
        """Return the predictions [N] with their quantiles [N, probabilities], None where intervals are by errors."""
        found = self._run(self._output_names, feed, None)
        return found[0].ravel(), found[1] if self._has_quantiles else None

    def predict_window(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the value after the last ones of a series, which the body holds: for a model that reads windows of values.

        Raises `PayloadError` for a body that is not of the documented form.
        """
        size = window_size(self.metadata)
        if size is None or self.demand is None:
            raise PayloadError([Problem(None, "the model reads no window of values")])
        feed = read_window(body, self.demand.panel, self.demand.history, size, read=self._read)
        value = float(self._run(self._output_names, feed, None)[0].ravel()[0])
        if not math.isfinite(value):
            raise PayloadError([Problem(None, "the prediction is not finite; the values are too large")])
        return {
            "prediction": value,
            "horizon": 1,
            "window": size,
            "currency": self.metadata["currency"],
            "model_name": self.metadata["model"],
            "mlflow_run_id": self.metadata["run_id"],
            "warnings": ["the model was trained on synthetic data"] if self.metadata["synthetic"] else [],
        }

    def graph_inputs(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        """Return what the graph takes for rows that `check` returned: columns of shape [N, 1]."""
        return self._feed(rows) if self.demand is None else self.demand.feed_rows(rows)

    @property
    def interval_level(self) -> float | None:
        """The level of the interval of an answer; None where answers have none."""
        if self.demand is not None and self.demand.bands is not None:
            return self.demand.bands.intervals.levels[-1]
        return None if self.calibrated is None else self.calibrated.level

    def interval(self, prediction: float, row: Mapping[str, Any]) -> Interval | None:
        """Return the interval of a prediction: a look-up in what calibration found for the group of the row."""
        if self.calibrated is None:
            return None
        return Interval(self.calibrated.level, *self.calibrated.bounds(prediction, self.grouping.group(row)))

    def warnings(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what the model has not seen in training: new categories, numbers outside the training range."""
        new = [
            message
            for feature, seen in self._seen
            if not seen(value := row[feature.name]) and (message := _unseen(feature, value)) is not None
        ]
        if self.demand is not None:
            new = [*self.demand.warnings(row), *new]
        synthetic = ("the model was trained on synthetic data",) if self.metadata["synthetic"] else ()
        return (*synthetic, *new)

    def _new_categories(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        said = [
            each for each in self.schema.features if each.kind == "categorical" and not (each.optional and row[each.name] is None)
        ]
        return tuple(each.name for each in said if _unseen(each, row[each.name]))


def _unseen(feature: Feature, value: Any) -> str | None:
    if feature.kind == "categorical":
        if (value or "") in feature.categories:
            return None
        return f"{feature.name}: the model has not seen this category in training" if value else f"{feature.name}{MISSING}"
    if value is None:
        return f"{feature.name}{MISSING}; the training median is used"
    number = days_of(value) if feature.kind == "date" else value
    if feature.seen_min is not None and feature.seen_max is not None and not feature.seen_min <= number <= feature.seen_max:
        return f"{feature.name}: outside the training range {feature.seen_range}"
    return None


def _sent_and_new(seen: Callable[[Any], bool], value: Any) -> bool:
    """Whether nothing is to be said of a value known ahead: it is usual, or the stored plan has it."""
    return value is None or seen(value)


def _plainly_seen(feature: Feature) -> Callable[[Any], bool]:
    """Return what tells at little cost that training has seen a value: True only where `_unseen` finds nothing."""
    low, high = feature.seen_min, feature.seen_max
    if feature.kind == "categorical":
        known = frozenset(feature.categories)
        return lambda value: (value or "") in known
    if feature.kind == "date" or low is None or high is None:
        return lambda value: False
    return lambda value: value is not None and low <= value <= high


def _day_number(value: str | None) -> float:
    return math.nan if value is None else float(days_of(value))
