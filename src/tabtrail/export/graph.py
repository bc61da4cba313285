"""The ONNX graph of a fitted model, from the raw columns by name to the prediction.

Numbers enter as doubles (dates as days since 1970-01-01), texts as strings, and all is computed in double: scikit-learn's
converter (skl2onnx) builds the pipelines, with own converters where its results would differ: imputation of doubles, encoders,
and all trees, which keep their thresholds as doubles and compare them as their library does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from skl2onnx import convert_sklearn, update_registered_converter
from skl2onnx.common.data_types import DoubleTensorType, StringTensorType
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, TargetEncoder

from tabtrail.contract.expressions import Node, columns_of, compute
from tabtrail.modeling.estimators import Blend, FormulaRegressor, TransformedRegressor
from tabtrail.modeling.preprocess import DerivedFeatures, FrequencyEncoder
from tabtrail.modeling.trees import read_trees

OUTPUT = "prediction"
# onnx 1.23 writes IR 14 and opset 28 by default; onnxruntime 1.31 reads at most IR 13 and opset 26.
_IR_VERSION = 10
_OPSET = {"": 21, "ai.onnx.ml": 3}


def export_onnx(model: Any, numbers: Sequence[str], texts: Sequence[str], name: str) -> bytes:
    """Return the ONNX model of a fitted model: one [N, 1] input a raw column, one [N, 1] double output `prediction`."""
    builder = _Builder(tuple(numbers), tuple(texts))
    result = _add(builder, model)
    builder.emit("Identity", [result.name], OUTPUT)
    kinds = [*((column, onnx.TensorProto.DOUBLE) for column in numbers), *((column, onnx.TensorProto.STRING) for column in texts)]
    graph = onnx.helper.make_graph(
        builder.nodes,
        name,
        [onnx.helper.make_tensor_value_info(column, kind, [None, 1]) for column, kind in kinds],
        [onnx.helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.DOUBLE, [None, 1])],
        builder.initializers,
    )
    opsets = [onnx.helper.make_opsetid(domain, version) for domain, version in _OPSET.items()]
    proto = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="tabtrail")
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString())


def _add(builder: "_Builder", model: Any) -> "Symbol":
    """Add a model to the graph and return the symbol of its predictions."""
    if isinstance(model, Blend):
        parts = [_add(builder, each) * weight for each, weight in zip(model.models, model.weights, strict=True)]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total
    if isinstance(model, FormulaRegressor):
        return _formula(builder, model.formulas[model.chosen_]).or_where_missing(model.mean_)
    if isinstance(model, TransformedRegressor):
        return _restored(builder, model, _add_pipeline(builder, model.pipeline) + model.center_)
    return _add_pipeline(builder, model)


def _restored(builder: "_Builder", model: TransformedRegressor, learned: "Symbol") -> "Symbol":
    if model.kind == "log1p":
        return learned.apply("Exp") - 1.0
    assert model.reference is not None  # noqa: S101 - the other kinds have one
    reference = _formula(builder, model.reference).where_positive(model.fallback_)
    return (learned.apply("Exp") if model.kind == "log_ratio" else learned) * reference


def _formula(builder: "_Builder", formula: Node) -> "Symbol":
    columns = {name: Symbol(name, builder.emit, builder.constant) for name in columns_of(formula)}
    return _Symbols(builder.emit, builder.constant).finite(compute(formula, columns, _Symbols(builder.emit, builder.constant)))


def _add_pipeline(builder: "_Builder", pipeline: Pipeline) -> "Symbol":
    _register_converters(pipeline.named_steps["model"])
    inputs = [(column, DoubleTensorType([None, 1])) for column in builder.numbers]
    inputs += [(column, StringTensorType([None, 1])) for column in builder.texts]
    final = [(OUTPUT, DoubleTensorType([None, 1]))]
    proto = convert_sklearn(pipeline, name="pipeline", initial_types=inputs, final_types=final, target_opset=_OPSET)
    return Symbol(builder.adopt(proto.graph), builder.emit, builder.constant)


class _Builder:
    """The nodes and constants of one graph, each under a name that no column has."""

    def __init__(self, numbers: tuple[str, ...], texts: tuple[str, ...]) -> None:
        self.numbers, self.texts = numbers, texts
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._models = 0

    def emit(self, operator: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        name = output or f"tabtrail/{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(operator, inputs, [name], **attributes))
        return name

    def constant(self, value: np.ndarray[Any, Any]) -> str:
        name = f"tabtrail/c{len(self.initializers)}"
        self.initializers.append(onnx.numpy_helper.from_array(value, name))
        return name

    def adopt(self, graph: Any) -> str:
        """Take over the nodes of a converted pipeline and return the name of its output.

        skl2onnx makes `unit_price` of the input `unit price`: the inputs get the columns' names back, all else a prefix.
        """
        prefix = f"tabtrail/m{self._models}/"
        self._models += 1
        names = dict(zip([each.name for each in graph.input], [*self.numbers, *self.texts], strict=True)) | {"": ""}
        for node in graph.node:
            for side in (node.input, node.output):
                side[:] = [names.get(name, prefix + name) for name in side]
            node.name = prefix + node.name
        for initializer in graph.initializer:
            initializer.name = names.get(initializer.name, prefix + initializer.name)
        self.nodes += graph.node
        self.initializers += graph.initializer
        return prefix + OUTPUT


@dataclass(frozen=True)
class Symbol:
    """A double [N, 1] tensor of a graph under construction, with the arithmetic of a column."""

    name: str
    emit: Callable[..., str]
    constant: Callable[[np.ndarray[Any, Any]], str]

    def apply(self, operator: str, *others: "Symbol | float") -> "Symbol":
        """Return the result of an operator on this and other symbols or numbers."""
        names = [self.name, *(self._as_symbol(other).name for other in others)]
        return Symbol(self.emit(operator, names), self.emit, self.constant)

    def choose(self, condition: "Symbol", other: float) -> "Symbol":
        """Return this where the condition holds, else a number."""
        names = [condition.name, self.name, self._as_symbol(other).name]
        return Symbol(self.emit("Where", names), self.emit, self.constant)

    def or_where_missing(self, value: float) -> "Symbol":
        """Return this, with a number in the place of NaN."""
        return self.choose(self.apply("IsNaN").apply("Not"), value)

    def where_positive(self, value: float) -> "Symbol":
        """Return this, with a number in the place of NaN and of what is not above zero."""
        return self.choose(self.apply("Greater", 0.0), value)

    def __add__(self, other: "Symbol | float") -> "Symbol":
        return self.apply("Add", other)

    def __sub__(self, other: "Symbol | float") -> "Symbol":
        return self.apply("Sub", other)

    def __mul__(self, other: "Symbol | float") -> "Symbol":
        return self.apply("Mul", other)

    def __radd__(self, other: float) -> "Symbol":
        return self._as_symbol(other).apply("Add", self)

    def __rsub__(self, other: float) -> "Symbol":
        return self._as_symbol(other).apply("Sub", self)

    def __rmul__(self, other: float) -> "Symbol":
        return self._as_symbol(other).apply("Mul", self)

    def __neg__(self) -> "Symbol":
        return self.apply("Neg")

    def _as_symbol(self, other: "Symbol | float") -> "Symbol":
        if isinstance(other, Symbol):
            return other
        return Symbol(self.constant(np.array([[other]], dtype=np.float64)), self.emit, self.constant)


_COMPARE = {"<": "Less", "<=": "LessOrEqual", ">": "Greater", ">=": "GreaterOrEqual", "==": "Equal"}


@dataclass(frozen=True)
class _Symbols:
    """The arithmetic of expressions over symbols, NaN for null, as `ArrayArithmetic` has it over arrays."""

    emit: Callable[..., str]
    constant: Callable[[np.ndarray[Any, Any]], str]

    def literal(self, value: float) -> Symbol:
        return Symbol(self.constant(np.array([[value]], dtype=np.float64)), self.emit, self.constant)

    def divide(self, a: Symbol, b: Symbol) -> Symbol:
        return self.finite(a.apply("Div", b))

    def floor(self, a: Symbol) -> Symbol:
        return a.apply("Floor")

    def log1p(self, a: Symbol) -> Symbol:
        return self.finite((1.0 + a).apply("Log"))

    def compare(self, operator: str, a: Symbol, b: Symbol) -> Symbol:
        if operator == "!=":
            return 1.0 - self.compare("==", a, b)
        holds = a.apply(_COMPARE[operator], b)
        number = self.literal(1.0).choose(holds, 0.0)
        return number + (a - a) * 0.0 + (b - b) * 0.0  # null where either is

    def finite(self, a: Symbol) -> Symbol:
        return a.choose((a - a).apply("Equal", 0.0), float("nan"))


def _register_converters(model: Any) -> None:
    """Teach skl2onnx the steps that it converts inexactly or not at all; the boosters only where one is used."""
    own = {
        SimpleImputer: (_same_shape, _convert_imputer),
        DummyRegressor: (_one_column, _convert_constant),
        DerivedFeatures: (_derived_shape, _convert_derived),
        FrequencyEncoder: (_encoded_shape, _convert_encoder),
        TargetEncoder: (_encoded_shape, _convert_encoder),
        OneHotEncoder: (_one_hot_shape, _convert_one_hot),
        RandomForestRegressor: (_one_column, _convert_trees),
        GradientBoostingRegressor: (_one_column, _convert_trees),
    }
    if type(model).__module__.partition(".")[0] in ("xgboost", "lightgbm", "catboost"):
        own[type(model)] = (_one_column, _convert_trees)
    for kind, (shape, convert) in own.items():
        options = {"options": None} if kind is SimpleImputer else {}
        update_registered_converter(kind, f"Tabtrail{kind.__name__}", shape, convert, overwrite=True, **options)


def _derived_shape(operator: Any) -> None:
    operator.outputs[0].type = DoubleTensorType([None, len(operator.raw_operator.names)])


def _encoded_shape(operator: Any) -> None:
    operator.outputs[0].type = DoubleTensorType([None, len(operator.raw_operator.categories_)])


def _convert_derived(scope: Any, operator: Any, container: Any) -> None:
    """The formulas in double, null where an operand is null or a result is not finite."""
    step = operator.raw_operator
    emit, constant = _emitter(scope, container), _constants(scope, container)
    names = _separate_inputs(operator, emit, constant)
    columns = {name: Symbol(each, emit, constant) for name, each in zip(step.sources, names, strict=True)}
    symbols = _Symbols(emit, constant)
    derived = [symbols.finite(compute(formula, columns, symbols)).name for formula in step.formulas]
    emit("Concat", derived, operator.outputs[0].full_name, axis=1)


def _one_hot_shape(operator: Any) -> None:
    operator.outputs[0].type = DoubleTensorType([None, len(operator.raw_operator.get_feature_names_out())])


def _convert_one_hot(scope: Any, operator: Any, container: Any) -> None:
    """A text becomes the position of its 0/1 column: rare texts share the last one, unknown texts too where there is one."""
    step = operator.raw_operator
    emit, constant = _emitter(scope, container), _constants(scope, container)
    parts = []
    rare_texts = step.infrequent_categories_
    for name, texts, rare in zip(_separate_inputs(operator, emit, constant), step.categories_, rare_texts, strict=True):
        apart = set() if rare is None else set(rare)
        columns = {text: index for index, text in enumerate(text for text in texts if text not in apart)}
        last = len(columns) if apart else -1
        position = _position(scope, container, name, {text: columns.get(text, last) for text in texts}, last)
        every = constant(np.arange(len(columns) + bool(apart), dtype=np.int64)[None, :])
        parts.append(_cast(scope, container, emit("Equal", [position, every]), onnx.TensorProto.DOUBLE))
    emit("Concat", parts, operator.outputs[0].full_name, axis=1)


def _convert_encoder(scope: Any, operator: Any, container: Any) -> None:
    """A text becomes its position among the known ones, the position its number; unknown texts have the last position."""
    step = operator.raw_operator
    emit, constant = _emitter(scope, container), _constants(scope, container)
    unknown = float(getattr(step, "target_mean_", 0.0))
    columns = []
    names = _separate_inputs(operator, emit, constant)
    for name, texts, numbers in zip(names, step.categories_, step.encodings_, strict=True):
        position = _position(scope, container, name, {text: index for index, text in enumerate(texts)}, len(texts))
        columns.append(emit("Gather", [constant(np.array([*numbers, unknown], dtype=np.float64)), position]))
    emit("Concat", columns, operator.outputs[0].full_name, axis=1)


def _position(scope: Any, container: Any, texts: str, positions: dict[str, int], unknown: int) -> str:
    """Return an int64 [N, 1] tensor: the position of each text."""
    output: str = scope.get_unique_variable_name("position")
    container.add_node(
        "LabelEncoder",
        [texts],
        output,
        op_domain="ai.onnx.ml",
        op_version=2,
        name=scope.get_unique_operator_name("LabelEncoder"),
        keys_strings=list(positions),
        values_int64s=list(positions.values()),
        default_int64=unknown,
    )
    return output


def _separate_inputs(operator: Any, emit: Callable[..., str], constant: Callable[..., str]) -> list[str]:
    """Return one [N, 1] tensor a column: scikit-learn's column transformer hands over several inputs, or a joined one."""
    names = [variable.full_name for variable in operator.inputs]
    columns = getattr(operator.raw_operator, "n_features_in_", len(names))
    if len(names) == columns:
        return names
    return [emit("Gather", [names[0], constant(np.array([index], dtype=np.int64))], axis=1) for index in range(columns)]


def _emitter(scope: Any, container: Any) -> Callable[..., str]:
    def emit(operator: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        name: str = output or scope.get_unique_variable_name(operator.lower())
        container.add_node(
            operator, inputs, name, name=scope.get_unique_operator_name(operator), op_version=_SINCE[operator], **attributes
        )
        return name

    return emit


_SINCE = {
    "Add": 14,
    "Sub": 14,
    "Mul": 14,
    "Div": 14,
    "Neg": 13,
    "Floor": 13,
    "Log": 13,
    "Equal": 19,
    "Less": 13,
    "LessOrEqual": 16,
    "Greater": 13,
    "GreaterOrEqual": 16,
    "Where": 16,
    "Gather": 13,
    "Concat": 13,
}


def _constants(scope: Any, container: Any) -> Callable[[np.ndarray[Any, Any]], str]:
    return lambda value: _constant(scope, container, "constant", value)


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
