"""The ONNX graph of a fitted pipeline, and the proof that it predicts what the pipeline predicts.

The graph takes the raw columns by name, numbers as doubles and texts as strings, and computes in double: scikit-learn's
converter (skl2onnx) builds it, with own converters where its results would differ: imputation of doubles, and all trees,
which keep their thresholds as doubles and compare them as their library does.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
from skl2onnx import convert_sklearn, update_registered_converter
from skl2onnx.common.data_types import DoubleTensorType, StringTensorType
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline

from tabtrail.errors import ParityError
from tabtrail.evidence.trees import read_trees
from tabtrail.modeling.metrics import Array

OUTPUT = "prediction"
# onnx 1.23 writes IR 14 and opset 28 by default; onnxruntime 1.31 reads at most IR 13 and opset 26.
_IR_VERSION = 10
_OPSET = {"": 21, "ai.onnx.ml": 3}
_SHOWN = 5


@dataclass(frozen=True)
class Parity:
    """The differences of graph and pipeline over `rows` rows, in standard deviations of the target."""

    rows: int
    max_difference: float
    p999_difference: float
    worst_row: int
    tolerance: float

    @property
    def passed(self) -> bool:
        return self.max_difference <= self.tolerance

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "passed": self.passed}


def export_onnx(pipeline: Pipeline, numeric: list[str], categorical: list[str], name: str) -> bytes:
    """Return the ONNX model of a fitted pipeline: one [N, 1] input a raw column, one [N, 1] double output `prediction`."""
    _register_converters(pipeline.named_steps["model"])
    inputs = [(column, DoubleTensorType([None, 1])) for column in numeric]
    inputs += [(column, StringTensorType([None, 1])) for column in categorical]
    model = convert_sklearn(
        pipeline, name=name, initial_types=inputs, final_types=[(OUTPUT, DoubleTensorType([None, 1]))], target_opset=_OPSET
    )
    _restore_names(model, [*numeric, *categorical])
    model.ir_version = _IR_VERSION
    model.producer_name, model.producer_version = "tabtrail", ""
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _restore_names(model: Any, columns: list[str]) -> None:
    """Name the inputs as the raw columns, where skl2onnx makes `unit_price` of `unit price`, and all else out of their way."""
    graph = model.graph
    names = dict(zip([each.name for each in graph.input], columns, strict=True)) | {OUTPUT: OUTPUT, "": ""}
    for node in graph.node:
        for side in (node.input, node.output):
            side[:] = [names.get(name, f"tabtrail/{name}") for name in side]
    for initializer in graph.initializer:
        initializer.name = names.get(initializer.name, f"tabtrail/{initializer.name}")
    for each in graph.input:
        each.name = names[each.name]
    del graph.value_info[:]


def prove_parity(model: bytes, pipeline: Pipeline, x: pd.DataFrame, scale: float, tolerance: float) -> Parity:
    """Compare graph and pipeline on every row of `x` and return the proof.

    `scale` is the standard deviation of the target. Raises `ParityError`, which names the worst rows (counted from 0 in the
    order of `x`), when a difference is above `tolerance` or not a number.
    """
    expected = np.asarray(pipeline.predict(x), dtype=np.float64).ravel()
    difference = np.abs(run_onnx(model, x) - expected) / scale
    difference = np.where(np.isfinite(difference), difference, np.inf)
    worst = np.argsort(difference)[::-1]
    parity = Parity(
        rows=len(x),
        max_difference=float(difference[worst[0]]),
        p999_difference=float(np.quantile(difference, 0.999, method="higher")),
        worst_row=int(worst[0]),
        tolerance=tolerance,
    )
    if not parity.passed:
        beyond = int(np.sum(difference > tolerance))
        shown = ", ".join(f"row {row} by {difference[row]:.2g}" for row in worst[: min(beyond, _SHOWN)])
        raise ParityError(
            f"the ONNX graph differs from the Python model on {beyond:,} of {len(x):,} rows by more than {tolerance:g} standard"
            f" deviations of the target ({shown}); it is not deployed, the previous bundle stays"
        )
    return parity


def run_onnx(model: bytes, x: pd.DataFrame) -> Array:
    """Return the graph's predictions for raw columns, in one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feed = {
        i.name: x[i.name].to_numpy(dtype=object if i.type == "tensor(string)" else np.float64)[:, None]
        for i in session.get_inputs()
    }
    return np.asarray(session.run([OUTPUT], feed)[0]).ravel()


def _register_converters(model: Any) -> None:
    """Teach skl2onnx the steps that it converts inexactly or not at all; the boosters only where one is used."""
    update_registered_converter(
        SimpleImputer, "TabtrailSimpleImputer", _same_shape, _convert_imputer, overwrite=True, options=None
    )
    update_registered_converter(DummyRegressor, "TabtrailDummyRegressor", _one_column, _convert_constant, overwrite=True)
    kinds = {RandomForestRegressor, GradientBoostingRegressor}
    if type(model).__module__.partition(".")[0] in ("xgboost", "lightgbm", "catboost"):
        kinds.add(type(model))
    for kind in kinds:
        update_registered_converter(kind, f"Tabtrail{kind.__name__}", _one_column, _convert_trees, overwrite=True)


def _same_shape(operator: Any) -> None:
    columns = operator.raw_operator.statistics_.shape[0]
    operator.outputs[0].type = DoubleTensorType([None, columns])


def _one_column(operator: Any) -> None:
    operator.outputs[0].type = DoubleTensorType([None, 1])


def _convert_imputer(scope: Any, operator: Any, container: Any) -> None:
    """NaN becomes the statistic of its column: IsNaN and Where, because onnxruntime imputes no doubles."""
    source, output = _joined_inputs(scope, operator, container), operator.outputs[0].full_name
    statistics = operator.raw_operator.statistics_.astype(np.float64)
    fill = _constant(scope, container, "statistics", statistics[None, :])
    missing = scope.get_unique_variable_name("missing")
    container.add_node("IsNaN", [source], missing, name=scope.get_unique_operator_name("IsNaN"), op_version=20)
    container.add_node("Where", [missing, fill, source], output, name=scope.get_unique_operator_name("Where"), op_version=16)


def _convert_constant(scope: Any, operator: Any, container: Any) -> None:
    """The mean for every row: zero times the first column, plus the constant."""
    source, output = _joined_inputs(scope, operator, container), operator.outputs[0].full_name
    first, zero = scope.get_unique_variable_name("first"), scope.get_unique_variable_name("zero")
    index = _constant(scope, container, "index", np.array([0], dtype=np.int64))
    container.add_node("Gather", [source, index], first, axis=1, name=scope.get_unique_operator_name("Gather"), op_version=13)
    container.add_node("Sub", [first, first], zero, name=scope.get_unique_operator_name("Sub"), op_version=14)
    mean = _constant(scope, container, "mean", np.asarray(operator.raw_operator.constant_, dtype=np.float64).reshape(1, 1))
    container.add_node("Add", [zero, mean], output, name=scope.get_unique_operator_name("Add"), op_version=14)


def _convert_trees(scope: Any, operator: Any, container: Any) -> None:
    """A TreeEnsembleRegressor in double. Its output is float32 by its definition, so it sums deviations from the middle leaf."""
    trees = read_trees(operator.raw_operator)
    source, output = _joined_inputs(scope, operator, container), operator.outputs[0].full_name
    if trees.float32_inputs:
        source = _cast(scope, container, source, onnx.TensorProto.FLOAT)
        source = _cast(scope, container, source, onnx.TensorProto.DOUBLE)
    leaves = [index for index, mode in enumerate(trees.modes) if mode == "LEAF"]
    count = max(trees.tree) + 1 if trees.tree else 0
    center = sum(trees.value[index] for index in leaves) / len(leaves) if leaves else 0.0
    attributes = {
        "name": scope.get_unique_operator_name("TreeEnsembleRegressor"),
        "n_targets": 1,
        "nodes_treeids": trees.tree,
        "nodes_nodeids": trees.node,
        "nodes_modes": trees.modes,
        "nodes_featureids": trees.feature,
        "nodes_values_as_tensor": _doubles("thresholds", trees.threshold),
        "nodes_truenodeids": trees.true_id,
        "nodes_falsenodeids": trees.false_id,
        "nodes_missing_value_tracks_true": trees.missing_true,
        "target_treeids": [trees.tree[index] for index in leaves],
        "target_nodeids": [trees.node[index] for index in leaves],
        "target_ids": [0] * len(leaves),
        "target_weights_as_tensor": _doubles("leaves", [trees.value[index] - center for index in leaves]),
    }
    deviation = scope.get_unique_variable_name("deviation")
    container.add_node("TreeEnsembleRegressor", source, deviation, op_domain="ai.onnx.ml", op_version=3, **attributes)
    deviation = _cast(scope, container, deviation, onnx.TensorProto.DOUBLE)
    base = _constant(scope, container, "base", np.array([[trees.base + center * count]], dtype=np.float64))
    container.add_node("Add", [deviation, base], output, name=scope.get_unique_operator_name("Add"), op_version=14)


def _joined_inputs(scope: Any, operator: Any, container: Any) -> str:
    """Return one double matrix: scikit-learn's column transformer hands over several inputs at times."""
    names = [variable.full_name for variable in operator.inputs]
    if len(names) > 1:
        joined = scope.get_unique_variable_name("joined")
        container.add_node("Concat", names, joined, axis=1, name=scope.get_unique_operator_name("Concat"), op_version=13)
        names = [joined]
    return _cast(scope, container, names[0], onnx.TensorProto.DOUBLE)


def _cast(scope: Any, container: Any, source: str, dtype: int) -> str:
    target: str = scope.get_unique_variable_name("cast")
    container.add_node("Cast", [source], target, to=dtype, name=scope.get_unique_operator_name("Cast"), op_version=13)
    return target


def _constant(scope: Any, container: Any, name: str, value: np.ndarray[Any, Any]) -> str:
    unique: str = scope.get_unique_variable_name(name)
    kind = onnx.TensorProto.INT64 if value.dtype == np.int64 else onnx.TensorProto.DOUBLE
    container.add_initializer(unique, kind, list(value.shape), value.ravel().tolist())
    return unique


def _doubles(name: str, values: list[float]) -> onnx.TensorProto:
    return onnx.helper.make_tensor(name, onnx.TensorProto.DOUBLE, [len(values)], values)
