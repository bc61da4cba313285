"""Rows in, predictions out, from a verified bundle, with onnxruntime and numpy alone."""

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import onnxruntime

from tabtrail.bundle.intervals import Grouping, Intervals
from tabtrail.bundle.load import Bundle
from tabtrail.bundle.values import reader_of, value_problem
from tabtrail.contract.expressions import Value, columns_of, days_of, row_function
from tabtrail.contract.schema import Feature, ModelSchema, RowRule
from tabtrail.errors import BundleError, UsageError, nearest

_MOST_NAMED = 20  # unknown columns that an answer names: a hostile row may have thousands
Row = dict[str, Value]


@dataclass(frozen=True)
class Problem:
    """Why a row is refused: the column (None for the row as a whole) and what is wrong. No value of the row is in it."""

    column: str | None
    message: str

    def __str__(self) -> str:
        return f"{self.column}: {self.message}" if self.column else self.message


class PayloadError(UsageError):
    """A row that the contract does not allow."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Interval:
    """Holds the actual value in a share `level` (0 to 1) of rows like those of the training; bounds in units of the target."""

    level: float
    low: float
    high: float


@dataclass(frozen=True)
class Prediction:
    """One answer: the prediction in units of the target, its interval (None where the model has none), the inputs as the model
    takes them, and what the model has not seen before: in words, and as the columns with a category that is new to it.
    """

    value: float
    interval: Interval | None
    inputs: Row
    warnings: tuple[str, ...]
    unseen: tuple[str, ...] = ()


class Predictor:
    """A loaded model.

    Raises `BundleError` when the graph cannot be loaded or its inputs are not those of the schema.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.metadata = bundle.metadata
        self.schema: ModelSchema = bundle.schema
        self._features = {feature.name: feature for feature in self.schema.features}
        self._readers = [(each.name, _kept_types(each), reader_of(each)) for each in self.schema.features]
        self._fills = [(each.name, each.reading.fill) for each in self.schema.features if each.reading.fill is not None]
        self._whole = [each.name for each in self.schema.features if each.rule.dtype == "int"]
        calibrated = self.metadata["intervals"]
        self.calibrated = None if calibrated is None else Intervals.from_dict(calibrated)
        self.grouping = Grouping.from_dict(calibrated["by"]) if calibrated else Grouping()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(bundle.onnx, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001 - the classes that onnxruntime raises have no common base
            raise BundleError(f"onnxruntime cannot load the graph: {type(error).__name__}") from None
        if {i.name for i in self._session.get_inputs()} != set(self._features):
            raise BundleError("the graph's inputs are not the columns of the schema")
        kinds = {each.name: each.type for each in self._session.get_inputs()}
        texts = {
            name: "tensor(string)" if feature.kind == "categorical" else "tensor(double)"
            for name, feature in self._features.items()
        }
        outputs = [(each.name, each.type) for each in self._session.get_outputs()]
        if kinds != texts or outputs[0][1] not in ("tensor(double)", "tensor(float)"):
            raise BundleError("the graph's inputs and outputs are not of the types of the schema")

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> list[Prediction]:
        """Read rows (raw column → value or text), check them against the contract and predict them.

        Raises `PayloadError` with every problem of the first row that has one.
        """
        return self.answer(self.check(rows))

    def predict_inputs(self, inputs: Sequence[Row]) -> list[Prediction]:
        """Predict rows that another model has read already: the `inputs` of its predictions. Errors as `predict`."""
        fills = dict(self._fills)
        rows = [{name: None if value == fills.get(name) else value for name, value in row.items()} for row in inputs]
        return self.answer(self._checked(rows, rows))

    def check(self, rows: Sequence[Mapping[str, Any]]) -> list[Row]:
        """Return rows that keep the contract as the model takes them: read, each value in the type of its column, filled.

        Raises `PayloadError` for a bad row.
        """
        return self._checked(rows, map(self._read, rows))

    def _checked(self, rows: Sequence[Mapping[str, Any]], read_rows: Iterable[Row]) -> list[Row]:
        checked = []
        for index, (row, read) in enumerate(zip(rows, read_rows, strict=True)):
            problems = self._problems(row, read)
            if problems:
                where = f"row {index + 1} of {len(rows)}: " if len(rows) > 1 else ""
                raise PayloadError([Problem(p.column, where + p.message) for p in problems])
            checked.append(self._completed(read))
        return checked

    def _read(self, row: Mapping[str, Any]) -> Row:
        """Return the row's columns of the model, in its order, each value read; empty for what is not a row."""
        if not isinstance(row, Mapping):
            return {}
        return {
            name: value if type(value := row[name]) in kept else read(value) for name, kept, read in self._readers if name in row
        }

    def _completed(self, read: Row) -> Row:
        """Return a good row with the words for missing texts, and 30.0 of a whole-number column as 30."""
        for name, fill in self._fills:
            if read[name] is None:
                read[name] = fill
        for name in self._whole:
            if (value := read[name]) is not None:
                read[name] = int(value)
        return read

    def answer(self, checked: Sequence[Row]) -> list[Prediction]:
        """Predict rows that `check` returned. Raises `PayloadError` when a result is not finite."""
        return [self._prediction(value, row) for value, row in zip(self.run(checked), checked, strict=True)]

    def document(self, prediction: Prediction) -> dict[str, Any]:
        """Return a prediction with model and run, as the command line and the service give it in JSON."""
        return {
            "prediction": prediction.value,
            "interval": None if prediction.interval is None else vars(prediction.interval),
            "currency": self.metadata["currency"],
            "model_name": self.metadata["model"],
            "mlflow_run_id": self.metadata["run_id"],
            "inputs": prediction.inputs,
            "warnings": prediction.warnings,
        }

    def _prediction(self, value: float, row: Row) -> Prediction:
        warnings = self.warnings(row)
        return Prediction(value, self.interval(value, row), row, warnings, self._new_categories(row) if warnings else ())

    def run(self, rows: Sequence[Mapping[str, Any]]) -> list[float]:
        """Predict rows that are known to keep the contract. Raises `PayloadError` when a result is not finite."""
        if not rows:
            return []
        values = self.run_graph(self._feed(rows))
        if not all(map(math.isfinite, values)):
            raise PayloadError([Problem(None, "the prediction is not finite; the values are too large")])
        answers: list[float] = values.tolist()
        return answers

    def _feed(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        """Return the inputs of the graph: one array for all numbers and one for all texts, of which each column is a view."""
        features = self._features.values()
        numeric, texts = ([each for each in features if (each.kind == "categorical") is text] for text in (False, True))
        parts = (
            (numeric, [[_number(each, row[each.name]) for row in rows] for each in numeric], np.float64),
            (texts, [[row[each.name] or "" for row in rows] for each in texts], object),
        )
        feed: dict[str, np.ndarray[Any, Any]] = {}
        for kind, values, dtype in parts:
            array = np.array(values, dtype=dtype).reshape(len(kind), len(rows), 1)
            feed.update((feature.name, array[index]) for index, feature in enumerate(kind))
        return feed

    def run_graph(self, feed: Mapping[str, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
        """Return the predictions, [N], of columns of shape [N, 1]: doubles (dates as days since 1970-01-01) and texts."""
        predictions: np.ndarray[Any, Any] = self._session.run(None, feed)[0].ravel()
        return predictions

    def interval(self, prediction: float, row: Mapping[str, Any]) -> Interval | None:
        """Return the interval of a prediction: a look-up in what calibration found for the group of the row."""
        if self.calibrated is None:
            return None
        return Interval(self.calibrated.level, *self.calibrated.bounds(prediction, self.grouping.group(row)))

    def problems(self, row: Mapping[str, Any]) -> list[Problem]:
        """Return what the contract does not allow in a row; an empty list for a good one."""
        return self._problems(row, self._read(row))

    def problems_of_read(self, read: Row) -> list[Problem]:
        """Return what `problems` does of a row whose values were read, with all columns and not filled yet."""
        return self._problems(read, read)

    def _problems(self, row: Mapping[str, Any], read: Row) -> list[Problem]:
        if not isinstance(row, Mapping):
            return [Problem(None, "a row is a JSON object of columns and values")]
        unfit = [] if row.keys() == self._features.keys() else self._unfit_columns(row)
        wrong = [
            Problem(name, message)
            for name, value in read.items()
            if (message := value_problem(self._features[name], value)) is not None
        ]
        bad = {problem.column for problem in unfit + wrong}
        return unfit + wrong + [Problem(None, rule) for rule in self._broken_rules(read, bad)]

    def _unfit_columns(self, row: Mapping[str, Any]) -> list[Problem]:
        names = list(self._features)
        unknown = islice((str(name)[:100] for name in row if name not in self._features), _MOST_NAMED)
        extra = [Problem(name, f"unknown column{nearest(name, names)}") for name in unknown]
        return extra + [Problem(name, "missing column") for name in names if name not in row]

    def warnings(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what the model has not seen in training: new categories, numbers outside the training range."""
        unseen = (_unseen(feature, row[name]) for name, feature in self._features.items())
        synthetic = ("the model was trained on synthetic data",) if self.metadata["synthetic"] else ()
        return (*synthetic, *(message for message in unseen if message is not None))

    def _new_categories(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(
            name for name, feature in self._features.items() if feature.kind == "categorical" and _unseen(feature, row[name])
        )

    @cached_property
    def _rules(self) -> list[tuple[RowRule, frozenset[str], Any]]:
        return [(rule, frozenset(columns_of(rule.tree)), row_function(rule.tree)) for rule in self.schema.row_rules]

    def _broken_rules(self, row: Mapping[str, Any], bad: Set[str | None]) -> list[str]:
        """Return the rules that a row breaks, of those over columns that are good by themselves."""
        return [
            f"breaks the rule {rule.name}: {rule.check}"
            for rule, columns, holds in self._rules
            if (not bad or bad.isdisjoint(columns)) and holds(row) is False
        ]


def _kept_types(feature: Feature) -> frozenset[type]:
    """Return the types of values that need no reading."""
    return frozenset({int, float}) if feature.kind == "numeric" and not feature.reading.nulls else frozenset()


def _unseen(feature: Feature, value: Any) -> str | None:
    if feature.kind == "categorical":
        return (
            None if (value or "") in feature.categories else f"{feature.name}: the model has not seen this category in training"
        )
    if value is None:
        return f"{feature.name}: missing; the training median is used"
    number = days_of(value) if feature.kind == "date" else value
    if feature.seen_min is not None and feature.seen_max is not None and not feature.seen_min <= number <= feature.seen_max:
        return f"{feature.name}: outside the training range {feature.seen_range}"
    return None


def _number(feature: Feature, value: Any) -> float:
    return math.nan if value is None else float(days_of(value) if feature.kind == "date" else value)
