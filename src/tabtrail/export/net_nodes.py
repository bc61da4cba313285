"""A net over the columns of a matrix as nodes of a graph, in double: the steps of `tabtrail.modeling.nets.net`."""

import numpy as np
import onnx

from tabtrail.export.steps import Step
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.nets.net import FARTHEST, MOST_EXPONENT, SMOOTH, Layer, Net, Periodic, Places, Scaling, Table

_GROUP = 32  # numbers whose cosines are held at once: 67 MB for the rows that a file is predicted in


def write_net(step: Step, net: Net) -> None:
    """Write a net to the step's output [N, 1]."""
    matrix = step.matrix()
    scaled = _scaled(step, matrix, net.scaling)
    plain = [scaled, *(_looked_up(step, matrix, table) for table in net.one_hot)]
    learned = [*_waves(step, scaled, net.periodic), *(_looked_up(step, matrix, table) for table in net.embedded)]
    values = step.emit("Concat", [*plain, *learned], axis=1) if len(plain) + len(learned) > 1 else scaled
    for layer in net.layers:
        values = _through(step, values, layer)
    spread = step.emit("Add", [step.emit("Mul", [values, _number(step, net.spread)]), _number(step, net.mean)])
    step.emit("Max", [step.emit("Min", [spread, _number(step, net.high)]), _number(step, net.low)], step.output)


def _scaled(step: Step, matrix: str, scaling: Scaling) -> str:
    raw = _columns(step, matrix, scaling.columns)
    shifted = step.emit("Sub", [raw, step.constant(scaling.center[None, :])])
    near = step.emit("Mul", [shifted, step.constant(scaling.factor[None, :])])
    near = step.emit("Max", [step.emit("Min", [near, _number(step, FARTHEST)]), _number(step, -FARTHEST)])
    missing = step.emit("IsNaN", [near])
    part = step.emit("Div", [step.emit("Where", [missing, _number(step, 0.0), near]), _number(step, SMOOTH)])
    root = step.emit("Sqrt", [step.emit("Add", [step.emit("Mul", [part, part]), _number(step, 1.0)])])
    clipped = step.emit("Mul", [step.emit("Div", [part, root]), _number(step, SMOOTH)])
    if not len(scaling.flags):
        return clipped
    flags = _columns(step, step.cast(missing, onnx.TensorProto.DOUBLE), scaling.flags)
    return step.emit("Concat", [clipped, flags], axis=1)


def _waves(step: Step, scaled: str, periodic: Periodic) -> list[str]:
    """Features of numbers, those of some numbers after the other: [N, numbers × features] each."""
    parts = []
    for at in range(0, len(periodic.places), _GROUP):
        own = slice(at, at + _GROUP)
        frequencies, phases, weights = periodic.frequencies[own], periodic.phases[own], periodic.weights[own]
        count, features = weights.shape[0], weights.shape[2]
        numbers = step.emit("Transpose", [_columns(step, scaled, periodic.places[own])], perm=[1, 0])
        apart = step.emit("Reshape", [numbers, step.constant(np.array([count, -1, 1], dtype=np.int64))])
        angles = step.emit("Mul", [apart, step.constant(frequencies[:, None, :])])
        waves = step.emit("Cos", [step.emit("Add", [angles, step.constant(phases[:, None, :])])])
        mixed = step.emit("MatMul", [waves, step.constant(weights)])
        found = step.emit("Add", [mixed, step.constant(periodic.biases[own][:, None, :])])
        by_row = step.emit("Transpose", [found], perm=[1, 0, 2])
        parts.append(step.emit("Reshape", [by_row, step.constant(np.array([-1, count * features], dtype=np.int64))]))
    return parts


def _looked_up(step: Step, matrix: str, table: Table) -> str:
    """The row of a table for each code, the last for one that is not known."""
    codes, unseen = _columns(step, matrix, np.array([table.column], dtype=np.int64)), len(table.rows) - 1
    known = step.emit("Less", [codes, _number(step, float(unseen))])
    place = step.cast(step.emit("Where", [known, codes, _number(step, float(unseen))]), onnx.TensorProto.INT64)
    row = step.emit("Reshape", [place, step.constant(np.array([-1], dtype=np.int64))])
    return step.emit("Gather", [step.constant(table.rows), row], axis=0)


def _through(step: Step, values: str, layer: Layer) -> str:
    found = step.emit("Add", [step.emit("MatMul", [values, step.constant(layer.weight)]), step.constant(layer.bias[None, :])])
    if layer.bend is None:
        return found
    raised = step.emit("Exp", [step.emit("Min", [found, _number(step, MOST_EXPONENT)])])
    grown = step.emit("Add", [raised, _number(step, 1.0)])
    below = step.emit("Add", [step.emit("Mul", [grown, grown]), _number(step, 1.0)])
    share = step.emit("Div", [step.constant(2.0 * layer.bend[None, :]), below])
    return step.emit("Mul", [found, step.emit("Sub", [_number(step, 1.0), share])])


def _columns(step: Step, values: str, places: Places) -> str:
    return step.emit("Gather", [values, step.constant(places)], axis=1)


def _number(step: Step, value: float) -> str:
    number: Array = np.array([[value]], dtype=np.float64)
    return step.constant(number)
