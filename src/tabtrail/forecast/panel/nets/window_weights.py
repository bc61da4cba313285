"""A convolution and an LSTM with their weights, computed by numpy."""

import numpy as np

from tabtrail.bundle.demand.features import Array


class WindowWeights:
    """The weights of one net over windows of T values: `front` [T, T × channels] is the convolution written as a matrix, the
    gates of the LSTM stand in the order input, forget, cell, output, and the head gives one forecast a horizon.
    """

    def __init__(self, front: Array, front_bias: Array, gates: tuple[Array, Array, Array], head: tuple[Array, Array]) -> None:
        self.front, self.front_bias = front, front_bias
        self.inputs, self.recurrent, self.gate_bias = gates
        self.head, self.head_bias = head

    def run(self, windows: Array) -> Array:
        """Return the forecasts [rows, horizon] of windows [rows, T], oldest value first, in standard deviations."""
        rows, steps = windows.shape
        seen = np.maximum(windows @ self.front + self.front_bias, 0.0).reshape(rows, steps, len(self.inputs))
        driven = seen @ self.inputs + self.gate_bias
        size = len(self.recurrent)
        state, cell = np.zeros((rows, size)), np.zeros((rows, size))
        for step in range(steps):
            gates = driven[:, step] + state @ self.recurrent
            enter, forget, new, leave = np.split(gates, 4, axis=1)
            cell = _sigmoid(forget) * cell + _sigmoid(enter) * np.tanh(new)
            state = _sigmoid(leave) * np.tanh(cell)
        return np.asarray(state @ self.head + self.head_bias)


def _sigmoid(values: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-values)))
