"""One step of a scikit-learn pipeline under conversion: its inputs, and the nodes that compute its output in double."""

from typing import Any

import numpy as np
import onnx

ML = "ai.onnx.ml"
# What skl2onnx is given as the versions of operators; the graph's own opset is set where it is made.
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
    "Cast": 13,
    "IsNaN": 20,
    "LabelEncoder": 2,
    "TreeEnsembleRegressor": 3,
    "TreeEnsemble": 3,  # of version 5, which skl2onnx does not know
    "CumSum": 14,
    "Exp": 13,
    "Sigmoid": 13,
    "Transpose": 13,
    "Reshape": 14,
    "MatMulInteger": 10,
    "GatherElements": 13,
    "ReduceSum": 13,
    "MatMul": 13,
    "Cos": 7,
    "Sqrt": 13,
    "Min": 13,
    "Max": 13,
}
_KINDS = {"int64": onnx.TensorProto.INT64, "uint8": onnx.TensorProto.UINT8}


class Step:
    """A fitted step, and skl2onnx's container that its nodes are written to."""

    def __init__(self, scope: Any, operator: Any, container: Any) -> None:
        self._scope, self._container = scope, container
        self._inputs: list[str] = [variable.full_name for variable in operator.inputs]
        self.fitted = operator.raw_operator
        self.output: str = operator.outputs[0].full_name

    def emit(
        self, operator: str, inputs: list[str], output: str | None = None, *, domain: str = "", label: str = "", **attributes: Any
    ) -> str:
        """Add a node and return the name of its output, one that begins with `label` where none is given."""
        name: str = output or self._scope.get_unique_variable_name(label or operator.lower())
        node = self._scope.get_unique_operator_name(operator)
        self._container.add_node(operator, inputs, name, name=node, op_domain=domain, op_version=_SINCE[operator], **attributes)
        return name

    def constant(self, value: np.ndarray[Any, Any], label: str = "constant") -> str:
        """Add an array of int64, uint8 or float64 and return its name."""
        name: str = self._scope.get_unique_variable_name(label)
        kind = _KINDS.get(value.dtype.name, onnx.TensorProto.DOUBLE)
        self._container.add_initializer(name, kind, list(value.shape), value.ravel().tolist())
        return name

    def cast(self, source: str, dtype: int) -> str:
        """Add a cast to an element type of ONNX."""
        return self.emit("Cast", [source], to=dtype)

    def matrix(self) -> str:
        """Inputs as one double matrix: scikit-learn's column transformer hands over several at times."""
        joined = self.emit("Concat", self._inputs, label="joined", axis=1) if len(self._inputs) > 1 else self._inputs[0]
        return self.cast(joined, onnx.TensorProto.DOUBLE)

    def columns(self) -> list[str]:
        """Inputs as one [N, 1] tensor a column: the column transformer hands over several, or a joined one."""
        count = getattr(self.fitted, "n_features_in_", len(self._inputs))
        if len(self._inputs) == count:
            return self._inputs
        (joined,) = self._inputs
        return [self.emit("Gather", [joined, self.constant(np.array([index], dtype=np.int64))], axis=1) for index in range(count)]

    def position(self, texts: str, positions: dict[str, int], unknown: int) -> str:
        """Add the position of each text as an int64 [N, 1] tensor."""
        return self.emit(
            "LabelEncoder",
            [texts],
            domain=ML,
            label="position",
            keys_strings=list(positions),
            values_int64s=list(positions.values()),
            default_int64=unknown,
        )
