"""The nodes of a net, in double: the weights as constants, embeddings as look-ups, an LSTM written out step by step.

onnxruntime 1.31 has neither Conv nor LSTM for doubles, and a float graph would not keep the proof: the convolution is a matrix,
and the LSTM the few nodes of each of its steps.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from tabtrail.bundle.demand.features import HORIZON, Array
from tabtrail.export.steps import ML
from tabtrail.forecast.panel.nets import table_net, window_net
from tabtrail.forecast.panel.nets.table_net import TableNet
from tabtrail.forecast.panel.nets.window_net import SEPARATOR, WindowNet
from tabtrail.forecast.panel.nets.window_weights import WindowWeights


class Builder(Protocol):
    """What writes nodes and constants."""

    def emit(self, operator: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str: ...

    def constant(self, value: np.ndarray[Any, Any]) -> str: ...


def add_table_net(builder: Builder, net: TableNet) -> str:
    """Add a perceptron with embeddings; return the name of its forecasts [N, 1]."""
    numbers = builder.emit("Concat", list(net.numbers), axis=1)
    standard = _standard(builder, numbers, (net.center_[None, :], net.spread_[None, :]), table_net.MOST_DEVIATIONS)
    tables = [
        _looked_up(builder, _code(builder, name, net.categories_[name], first=1), table)
        for name, table in zip(net.texts, net.tables_, strict=True)
    ]
    found = builder.emit("Concat", [standard, *tables], axis=1)
    for place, (weight, bias) in enumerate(net.layers_):
        found = _dense(builder, found, weight, bias)
        if place + 1 < len(net.layers_):
            found = builder.emit("Relu", [found])
    if net.exponential:
        found = builder.emit("Exp", [_between(builder, found, table_net.MOST_EXPONENT)])
    if net.unit is None:
        return builder.emit("Mul", [found, _number(builder, net.size_)])
    positive = builder.emit("Greater", [net.unit, _number(builder, 0.0)])
    return builder.emit("Mul", [found, builder.emit("Where", [positive, net.unit, _number(builder, 0.0)])])


def add_window_net(builder: Builder, net: WindowNet) -> str:
    """Add the nets over windows; return the name of their forecasts [N, 1]."""
    keys = list(net.scales_)
    scales = np.array([net.overall_, *(net.scales_[key] for key in keys)])
    code = _code(builder, _joined(builder, net.series), keys, first=1)
    mean, spread = (_looked_up(builder, code, scales[:, [column]]) for column in (0, 1))
    values = builder.emit("Concat", net.lags, axis=1)
    windows = _standard(builder, values, (mean, spread), window_net.MOST_DEVIATIONS)
    steps = builder.constant(np.arange(1.0, net.horizon + 1.0)[None, :])
    picked = builder.emit("Equal", [HORIZON, steps])
    total = _number(builder, 0.0)
    for group, weights in net.nets_.items():
        own = builder.emit("Where", [picked, _add_window(builder, weights, windows), _number(builder, 0.0)])
        found = builder.emit("ReduceSum", [own, builder.constant(np.array([1], dtype=np.int64))], keepdims=1)
        if net.settings.per is not None:
            same = builder.emit("Equal", [net.settings.per, builder.constant(np.array([[group]], dtype=object))])
            found = builder.emit("Where", [same, found, _number(builder, 0.0)])
        total = builder.emit("Add", [total, found])
    return builder.emit("Add", [mean, builder.emit("Mul", [spread, total])])


def _add_window(builder: Builder, net: WindowWeights, windows: str) -> str:
    steps, size = len(net.front), len(net.recurrent)
    seen = builder.emit("Relu", [_dense(builder, windows, net.front, net.front_bias)])
    shaped = builder.emit("Reshape", [seen, builder.constant(np.array([-1, steps, len(net.inputs)], dtype=np.int64))])
    driven = _dense(builder, shaped, net.inputs, net.gate_bias)
    recurrent = builder.constant(net.recurrent)
    state = cell = ""
    for step in range(steps):
        gates = builder.emit("Gather", [driven, builder.constant(np.array(step, dtype=np.int64))], axis=1)
        if state:
            gates = builder.emit("Add", [gates, builder.emit("MatMul", [state, recurrent])])
        enter, forget, new, leave = (_columns(builder, gates, at * size, (at + 1) * size) for at in range(4))
        entered = builder.emit("Mul", [builder.emit("Sigmoid", [enter]), builder.emit("Tanh", [new])])
        cell = builder.emit("Add", [builder.emit("Mul", [builder.emit("Sigmoid", [forget]), cell]), entered]) if cell else entered
        state = builder.emit("Mul", [builder.emit("Sigmoid", [leave]), builder.emit("Tanh", [cell])])
    return _dense(builder, state, net.head, net.head_bias)


def _standard(builder: Builder, values: str, scale: tuple[Array | str, Array | str], most: float) -> str:
    """Values in standard deviations from a mean, at most so many; 0 for what is missing."""
    mean, spread = (each if isinstance(each, str) else builder.constant(each) for each in scale)
    found = builder.emit("Div", [builder.emit("Sub", [values, mean]), spread])
    missing = builder.emit("IsNaN", [found])
    return builder.emit("Where", [missing, _number(builder, 0.0), _between(builder, found, most)])


def _between(builder: Builder, values: str, most: float) -> str:
    return builder.emit("Max", [builder.emit("Min", [values, _number(builder, most)]), _number(builder, -most)])


def _dense(builder: Builder, values: str, weight: Array, bias: Array) -> str:
    return builder.emit("Add", [builder.emit("MatMul", [values, builder.constant(weight)]), builder.constant(bias)])


def _columns(builder: Builder, values: str, start: int, stop: int) -> str:
    bounds = [builder.constant(np.array([each], dtype=np.int64)) for each in (start, stop, 1)]
    return builder.emit("Slice", [values, *bounds])


def _joined(builder: Builder, texts: Sequence[str]) -> str:
    joined = texts[0]
    separator = builder.constant(np.array([[SEPARATOR]], dtype=object))
    for name in texts[1:]:
        joined = builder.emit("StringConcat", [builder.emit("StringConcat", [joined, separator]), name])
    return joined


def _code(builder: Builder, texts: str, known: Sequence[str], *, first: int) -> str:
    """Place of a text among the known ones, from `first` on; 0 for any other."""
    places = list(range(first, first + len(known)))
    return builder.emit("LabelEncoder", [texts], domain=ML, keys_strings=list(known), values_int64s=places, default_int64=0)


def _looked_up(builder: Builder, code: str, table: Array) -> str:
    """Rows of a table [N, columns] for places [N, 1]."""
    found = builder.emit("Gather", [builder.constant(table), code], axis=0)
    return builder.emit("Squeeze", [found, builder.constant(np.array([1], dtype=np.int64))])


def _number(builder: Builder, value: float) -> str:
    return builder.constant(np.array([[value]], dtype=np.float64))
