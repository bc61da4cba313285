"""The ONNX graph of a fitted model, from the raw columns by name to the prediction.

Numbers enter as doubles (dates as days since 1970-01-01), texts as strings, and all is computed in double: scikit-learn's
converter (skl2onnx) builds the pipelines, with own converters where its results would differ: imputation of doubles, encoders,
and all trees, which keep their thresholds as doubles and compare them as their library does.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, StringTensorType
from sklearn.pipeline import Pipeline

from tabtrail.contract.expressions import Node, columns_of, compute
from tabtrail.export.converters import WriteTrees, own_converters
from tabtrail.export.kept import kept
from tabtrail.export.nets import add_table_net, add_window_net
from tabtrail.export.outputs import OUTPUT, QUANTILES, UNCLIPPED
from tabtrail.export.rewrite import quick_alone, without_repeats
from tabtrail.export.steps import ML
from tabtrail.export.symbols import Symbol, Symbols
from tabtrail.export.tree_nodes import write_trees, write_trees_with_categories
from tabtrail.forecast.panel.nets.table_net import TableNet
from tabtrail.forecast.panel.nets.window_net import WindowNet
from tabtrail.modeling.estimators import (
    Blend,
    ClippedRegressor,
    FormulaRegressor,
    TransformedRegressor,
    WithQuantiles,
    pipelines_of,
    unclipped,
)
from tabtrail.modeling.preprocess import splits_on_categories

# onnx 1.23 writes IR 14 and opset 28 by default; onnxruntime 1.31 reads at most IR 13 and opset 26.
_IR_VERSION = 10
_OPSET = {"": 21, ML: 3}
_ML_WITH_CATEGORIES = 5


def export_onnx(model: Any, numbers: Sequence[str], texts: Sequence[str], name: str) -> bytes:
    """Return the ONNX model of a fitted model: one [N, 1] input a raw column, one [N, 1] double output `prediction`; of one with
    quantiles also `quantiles` [N, probabilities], ascending.
    """
    categories = any(splits_on_categories(pipeline.named_steps["preprocess"]) for pipeline in pipelines_of(model))
    builder = _Builder(tuple(numbers), tuple(texts), write_trees_with_categories if categories else write_trees)
    point = model.model if isinstance(model, WithQuantiles) else model
    result = _add(builder, unclipped(point))
    if isinstance(point, ClippedRegressor):
        result = _bounded(Symbol(builder.emit("Identity", [result.name], UNCLIPPED), builder.emit, builder.constant), point)
    builder.emit("Identity", [result.name], OUTPUT)
    outputs = [onnx.helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.DOUBLE, [None, 1])]
    if isinstance(model, WithQuantiles):
        _add_quantiles(builder, model)
        width = len(model.probabilities)
        outputs.append(onnx.helper.make_tensor_value_info(QUANTILES, onnx.TensorProto.DOUBLE, [None, width]))
    nodes, constants = builder.nodes, builder.initializers
    if len(list(pipelines_of(model))) > 1:
        nodes, constants = without_repeats(nodes, constants)
    if numbers or texts:
        nodes, constants = quick_alone(nodes, constants, [*numbers, *texts][0])
    kinds = [*((column, onnx.TensorProto.DOUBLE) for column in numbers), *((column, onnx.TensorProto.STRING) for column in texts)]
    graph = onnx.helper.make_graph(
        nodes,
        name,
        [onnx.helper.make_tensor_value_info(column, kind, [None, 1]) for column, kind in kinds],
        outputs,
        constants,
    )
    versions = {**_OPSET, ML: _ML_WITH_CATEGORIES} if categories else _OPSET
    opsets = [onnx.helper.make_opsetid(domain, version) for domain, version in versions.items()]
    proto = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="tabtrail")
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString())


def _add_quantiles(builder: "_Builder", model: WithQuantiles) -> None:
    parts = [_add(builder, each).name for each in model.models]
    together = builder.emit("Concat", parts, axis=1)
    count = builder.constant(np.array([len(parts)], dtype=np.int64))
    builder.emit_all("TopK", [together, count], [QUANTILES, f"{QUANTILES}/places"], axis=1, largest=0, sorted=1)


def _bounded(values: Symbol, model: ClippedRegressor) -> Symbol:
    """Values inside the model's bounds. Max and Min leave NaN and infinity as they are; Clip would make 1.8e308 of an infinity
    beyond a bound that is not there. Those are refused where a prediction is asked for.
    """
    for operator, bound in (("Max", model.low), ("Min", model.high)):
        values = values if bound is None else values.apply(operator, bound)
    return values


def _add(builder: "_Builder", model: Any) -> Symbol:
    """Add a model to the graph and return the symbol of its predictions."""
    if isinstance(model, ClippedRegressor):
        return _bounded(_add(builder, model.model), model)
    if isinstance(model, Blend):
        parts = [_add(builder, each) * weight for each, weight in zip(model.models, model.weights, strict=True)]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total
    if isinstance(model, TableNet | WindowNet):
        output = add_table_net(builder, model) if isinstance(model, TableNet) else add_window_net(builder, model)
        return Symbol(output, builder.emit, builder.constant)
    if isinstance(model, FormulaRegressor):
        return _formula(builder, model.formulas[model.chosen_]).or_where_missing(model.mean_)
    if isinstance(model, TransformedRegressor):
        return _restored(builder, model, _add_pipeline(builder, model.pipeline) + model.center_)
    return _add_pipeline(builder, model)


def _restored(builder: "_Builder", model: TransformedRegressor, learned: Symbol) -> Symbol:
    if model.reference is None:
        return _grown(model, learned) - 1.0 if model.kind == "log1p" else _grown(model, learned)
    reference = _formula(builder, model.reference).where_positive(model.fallback_)
    return _grown(model, learned) * reference


def _grown(model: TransformedRegressor, learned: Symbol) -> Symbol:
    if model.kind in ("ratio", "level"):
        return learned
    return learned.apply("Exp") if model.factor_ == 1.0 else learned.apply("Exp") * model.factor_


def _formula(builder: "_Builder", formula: Node) -> Symbol:
    columns = {name: Symbol(name, builder.emit, builder.constant) for name in columns_of(formula)}
    return Symbols(builder.emit, builder.constant).finite(compute(formula, columns, Symbols(builder.emit, builder.constant)))


def _add_pipeline(builder: "_Builder", pipeline: Pipeline) -> Symbol:
    settings = ("nodes", builder.numbers, builder.texts, builder.write_trees)
    converted = kept(settings, (pipeline,), lambda: _converted(builder, pipeline))
    return Symbol(builder.adopt(onnx.load_from_string(converted).graph), builder.emit, builder.constant)


def _converted(builder: "_Builder", pipeline: Pipeline) -> bytes:
    conversions, shapes = own_converters(pipeline.named_steps["model"], builder.write_trees)
    inputs = [(column, DoubleTensorType([None, 1])) for column in builder.numbers]
    inputs += [(column, StringTensorType([None, 1])) for column in builder.texts]
    final = [(OUTPUT, DoubleTensorType([None, 1]))]
    proto = convert_sklearn(
        pipeline,
        name="pipeline",
        initial_types=inputs,
        final_types=final,
        target_opset=_OPSET,
        custom_conversion_functions=conversions,
        custom_shape_calculators=shapes,
    )
    return bytes(proto.SerializeToString())


class _Builder:
    """The nodes and constants of one graph, each under a name that no column has."""

    def __init__(self, numbers: tuple[str, ...], texts: tuple[str, ...], write_trees: WriteTrees) -> None:
        self.numbers, self.texts, self.write_trees = numbers, texts, write_trees
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._models = 0

    def emit(self, operator: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        name = output or f"tabtrail/{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(operator, inputs, [name], **attributes))
        return name

    def emit_all(self, operator: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        self.nodes.append(onnx.helper.make_node(operator, inputs, outputs, **attributes))

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
