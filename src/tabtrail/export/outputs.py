"""What a graph puts out, and running it: without what writes graphs, so that a row is explained at once."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from tabtrail.export.rewrite import inputs_of

Array = NDArray[np.float64]
OUTPUT, QUANTILES = "prediction", "tabtrail/quantiles"
UNCLIPPED = "tabtrail/unclipped"


class Columns(Protocol):
    """Raw columns by name, each [rows]: those of a frame, or arrays of doubles and texts."""

    def __getitem__(self, name: str, /) -> Any: ...


def run_onnx(graph: bytes, x: Columns) -> Array:
    """Return the graph's predictions for raw columns, in one thread."""
    return open_graph(graph)(x)


def open_graph(graph: bytes) -> Callable[[Columns], Array]:
    """Return the graph as a function from raw columns to predictions [rows], in one thread."""
    outputs = open_outputs(without_quantiles(graph))
    return lambda x: np.ascontiguousarray(outputs(x)[:, 0])


def open_outputs(graph: bytes) -> Callable[[Columns], Array]:
    """Return the graph as a function from raw columns to all that it puts out [rows, outputs], the predictions first."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    names = [OUTPUT, *(each.name for each in session.get_outputs() if each.name == QUANTILES)]
    kinds = {i.name: object if i.type == "tensor(string)" else np.float64 for i in session.get_inputs()}

    def predict(x: Columns) -> Array:
        feed = {name: np.asarray(x[name], dtype=kind)[:, None] for name, kind in kinds.items()}
        parts = [np.asarray(each) for each in session.run(names, feed)]
        return np.concatenate([parts[0].reshape(-1, 1), *parts[1:]], axis=1)

    return predict


def without_clip(graph: bytes) -> bytes:
    """Return a graph that predicts what it did before the prediction is clipped, the graph itself where it is not. It has no
    quantiles.
    """
    proto = onnx.load_from_string(graph)
    places = [index for index, node in enumerate(proto.graph.node) if UNCLIPPED in node.output]
    if not places:
        return without_quantiles(graph)
    proto.graph.node[places[0]].output[0] = OUTPUT
    return _cut_after(proto, places[0])


def without_quantiles(graph: bytes) -> bytes:
    """Return a graph that puts out the prediction alone: onnxruntime computes every output, asked for or not."""
    if QUANTILES.encode() not in graph:
        return graph
    proto = onnx.load_from_string(graph)
    return _cut_after(proto, next(index for index, node in enumerate(proto.graph.node) if OUTPUT in node.output))


def _cut_after(proto: onnx.ModelProto, place: int) -> bytes:
    """Return a graph that ends with a node, whose output is the prediction."""
    del proto.graph.node[place + 1 :]
    del proto.graph.output[1:]
    used = {*inputs_of(proto.graph)}
    kept = [each for each in proto.graph.initializer if each.name in used]
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(kept)
    return bytes(proto.SerializeToString())
