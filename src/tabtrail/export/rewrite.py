"""A graph that computes the same to the bit, faster: steps that its models share once, and long gathers of a row by itself."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx

from tabtrail.export.steps import ML

Nodes = list[onnx.NodeProto]
Constants = list[onnx.TensorProto]

# From about so many indices on, asking for the number of rows (2 µs) costs less than it saves.
_LONG = 200
_ROWS, _ROW_ALONE, _AS_ROW, _AS_COLUMN = "tabtrail/rows", "tabtrail/alone", "tabtrail/as row", "tabtrail/as column"


def without_repeats(nodes: Nodes, constants: Constants) -> tuple[Nodes, Constants]:
    """Return nodes, in an order in which they can be computed, and constants without those that are there already.

    The models of a bag take the same columns, and most of their steps before the trees are alike. onnxruntime sees that of few,
    since their constants are named apart: on bike sharing a blend of ten takes 202 µs a row so, and 244 without.
    """
    first: dict[tuple[Any, ...], list[str]] = {}
    names: dict[str, str] = {}
    kept = Constants(), Nodes()
    for constant in constants:
        texts = constant.data_type == onnx.TensorProto.STRING
        values = tuple(constant.string_data) if texts else onnx.numpy_helper.to_array(constant).tobytes()
        names[constant.name] = first.setdefault((constant.data_type, *constant.dims, values), [constant.name])[0]
        if names[constant.name] == constant.name:
            kept[0].append(constant)
    for node in nodes:
        own = onnx.NodeProto()
        own.CopyFrom(node)
        own.input[:] = [names.get(name, name) for name in node.input]
        attributes = sorted(attribute.SerializeToString(deterministic=True) for attribute in own.attribute)
        outputs = first.setdefault((own.op_type, own.domain, *own.input, *attributes), list(own.output))
        if outputs == list(own.output) or own.op_type == "Identity":  # gives an output of the graph its name
            kept[1].append(own)
        else:
            names |= zip(own.output, outputs, strict=True)
    return kept[1], kept[0]


def quick_alone(nodes: Nodes, constants: Constants, column: str) -> tuple[Nodes, Constants]:
    """Return nodes and constants that gather from a matrix [anything, N] in another way where N is 1, as `column` [N, 1] tells.

    onnxruntime copies block by block, of one row number by number: 2,800 bytes take 20 µs, and 5 as an array's features. A
    bag of five CatBoosts of 400 trees takes 122 µs so, and 240 without.
    """
    lengths = {each.name: each.dims[0] for each in constants if len(each.dims) == 1 and each.data_type == onnx.TensorProto.INT64}
    made = {name: node for node in nodes for name in node.output}
    found = list[onnx.NodeProto]()
    for node in nodes:
        is_long = node.op_type == "Gather" and _axis(node) == 0 and lengths.get(node.input[1], 0) >= _LONG
        kind = _kind(made.get(node.input[0])) if is_long else None
        found.append(node if kind is None else _by_number_of_rows(node, kind))
    if found == nodes:
        return nodes, constants
    shape = onnx.helper.make_node("Shape", [column], [_ROWS], start=0, end=1)
    one = onnx.numpy_helper.from_array(np.array([1], dtype=np.int64), "tabtrail/one")
    alone = onnx.helper.make_node("Equal", [_ROWS, one.name], [_ROW_ALONE])
    shapes = [
        onnx.numpy_helper.from_array(np.array(shape, dtype=np.int64), name)
        for name, shape in ((_AS_ROW, [1, -1]), (_AS_COLUMN, [-1, 1]))
    ]
    return [shape, alone, *found], [*constants, one, *shapes]


def inputs_of(graph: onnx.GraphProto) -> Iterator[str]:
    """Yield the names that the nodes of a graph take, those within branches too."""
    for node in graph.node:
        yield from node.input
        for attribute in node.attribute:
            yield from inputs_of(attribute.g)


def _kind(source: onnx.NodeProto | None) -> int | None:
    """Return the element type of a matrix of one column for each row, None where it is no such one."""
    if source is None:
        return None
    if source.op_type == "Transpose":
        return int(onnx.TensorProto.DOUBLE)
    cast = source.op_type == "Cast" and source.attribute[0].i == onnx.TensorProto.UINT8
    joined = source.op_type == "Concat" and _axis(source) == 0
    return int(onnx.TensorProto.UINT8) if cast or joined else None


def _axis(node: onnx.NodeProto) -> int:
    return next((int(attribute.i) for attribute in node.attribute if attribute.name == "axis"), 0)


def _by_number_of_rows(gather: onnx.NodeProto, kind: int) -> onnx.NodeProto:
    source, indices, output = gather.input[0], gather.input[1], gather.output[0]
    make = onnx.helper.make_node
    row, picked, column = (f"{output}/{name}" for name in ("row", "picked", "column"))
    steps = [make("Reshape", [source, _AS_ROW], [row])]
    if kind == onnx.TensorProto.UINT8:  # array features are not bytes
        steps += [make("Cast", [row], [f"{row}/int"], to=onnx.TensorProto.INT32)]
        steps += [make("ArrayFeatureExtractor", [f"{row}/int", indices], [f"{picked}/int"], domain=ML)]
        steps += [make("Cast", [f"{picked}/int"], [picked], to=kind)]
    else:
        steps += [make("ArrayFeatureExtractor", [row, indices], [picked], domain=ML)]
    steps += [make("Reshape", [picked, _AS_COLUMN], [column])]
    blocks = make("Gather", [source, indices], [f"{output}/blocks"], axis=0)
    branches = {
        name: onnx.helper.make_graph(nodes, name, [], [onnx.helper.make_tensor_value_info(nodes[-1].output[0], kind, None)])
        for name, nodes in (("then_branch", steps), ("else_branch", [blocks]))
    }
    return make("If", [_ROW_ALONE], [output], name=f"{gather.name}/rows", **branches)
