"""Own converters for the steps that skl2onnx converts inexactly or not at all. They are handed to each conversion.

skl2onnx can also register converters for the whole process, which would change what other code in it exports.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from skl2onnx.common.data_types import DoubleTensorType
from sklearn.dummy import DummyRegressor
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, TargetEncoder

from tabtrail.contract.expressions import compute
from tabtrail.export.net_nodes import write_net
from tabtrail.export.steps import Step
from tabtrail.export.symbols import Symbol, Symbols
from tabtrail.modeling.families import family_of, read_trees
from tabtrail.modeling.preprocess import (
    COSINES,
    SINES,
    CategoryCodes,
    DerivedFeatures,
    FrequencyEncoder,
    RotatedCoordinates,
    one_hot_positions,
)
from tabtrail.modeling.trees import Trees

WriteTrees = Callable[[Step, Trees], None]


@dataclass(frozen=True)
class Converter:
    """How many columns a fitted step makes, and how its nodes are written."""

    width: Callable[[Any], int]
    write: Callable[[Step], None]

    def shape(self, operator: Any) -> None:
        """Set the type of the output."""
        operator.outputs[0].type = DoubleTensorType([None, self.width(operator.raw_operator)])

    def convert(self, scope: Any, operator: Any, container: Any) -> None:
        """Write the nodes into skl2onnx's container."""
        self.write(Step(scope, operator, container))


def own_converters(regressor: Any, write: WriteTrees) -> tuple[dict[type, Callable[..., None]], dict[type, Callable[..., None]]]:
    """Return what `convert_sklearn` takes as conversion functions and shape calculators for the pipeline of a fitted regressor.

    `write` writes the trees of a regressor that has some.
    """
    own = dict(_STEPS)
    family = family_of(regressor)
    if family is not None and family.read_trees is not None:
        own[type(regressor)] = Converter(lambda model: 1, lambda step: _write_regressor(step, write))
    elif family is not None and (read_net := family.read_net) is not None:
        own[type(regressor)] = Converter(lambda model: 1, lambda step: write_net(step, read_net(step.fitted)))
    return {kind: each.convert for kind, each in own.items()}, {kind: each.shape for kind, each in own.items()}


def _write_regressor(step: Step, write: WriteTrees) -> None:
    trees = read_trees(step.fitted)
    assert trees is not None  # noqa: S101 - asked by who calls
    write(step, trees)


def _write_imputer(step: Step) -> None:
    """NaN becomes the statistic of its column: IsNaN and Where, because onnxruntime imputes no doubles."""
    source = step.matrix()
    fill = step.constant(step.fitted.statistics_.astype(np.float64)[None, :], "statistics")
    step.emit("Where", [step.emit("IsNaN", [source], label="missing"), fill, source], step.output)


def _write_mean(step: Step) -> None:
    """The mean for every row: zero times the first column, plus the constant."""
    source = step.matrix()
    first = step.emit("Gather", [source, step.constant(np.array([0], dtype=np.int64), "index")], label="first", axis=1)
    zero = step.emit("Sub", [first, first], label="zero")
    mean = step.constant(np.asarray(step.fitted.constant_, dtype=np.float64).reshape(1, 1), "mean")
    step.emit("Add", [zero, mean], step.output)


def _write_derived(step: Step) -> None:
    """The formulas in double, null where an operand is null or a result is not finite."""
    names = zip(step.fitted.sources, step.columns(), strict=True)
    columns = {name: Symbol(each, step.emit, step.constant) for name, each in names}
    symbols = Symbols(step.emit, step.constant)
    derived = [symbols.finite(compute(formula, columns, symbols)).name for formula in step.fitted.formulas]
    step.emit("Concat", derived, step.output, axis=1)


def _write_rotated(step: Step) -> None:
    """Two products and a sum in double for each pair, all directions at once."""
    columns = step.columns()
    cosines, sines = step.constant(COSINES[None, :], "cosines"), step.constant(SINES[None, :], "sines")
    rotated = [
        step.emit("Add", [step.emit("Mul", [first, cosines]), step.emit("Mul", [second, sines])])
        for first, second in zip(columns[0::2], columns[1::2], strict=True)
    ]
    step.emit("Concat", rotated, step.output, axis=1)


def _write_one_hot(step: Step) -> None:
    """A text becomes the position of its 0/1 column: rare texts share the last one, unknown texts too where there is one."""
    parts = []
    fitted = step.fitted
    for name, texts, rare in zip(step.columns(), fitted.categories_, fitted.infrequent_categories_, strict=True):
        positions, unknown = one_hot_positions(texts, rare)
        position = step.position(name, positions, unknown)
        every = step.constant(np.arange(max(positions.values()) + 1, dtype=np.int64)[None, :])
        parts.append(step.cast(step.emit("Equal", [position, every]), onnx.TensorProto.DOUBLE))
    step.emit("Concat", parts, step.output, axis=1)


def _write_codes(step: Step) -> None:
    _write_numbers(step, step.fitted.unknown_)


def _write_encoder(step: Step) -> None:
    _write_numbers(step, [float(getattr(step.fitted, "target_mean_", 0.0))] * len(step.fitted.categories_))


def _write_numbers(step: Step, unknown_numbers: list[float]) -> None:
    """A text becomes its position among the known ones, the position its number; unknown texts have the last position."""
    columns = []
    tables = zip(step.columns(), step.fitted.categories_, step.fitted.encodings_, unknown_numbers, strict=True)
    for name, texts, numbers, unknown in tables:
        position = step.position(name, {text: index for index, text in enumerate(texts)}, len(texts))
        columns.append(step.emit("Gather", [step.constant(np.array([*numbers, unknown], dtype=np.float64)), position]))
    step.emit("Concat", columns, step.output, axis=1)


_STEPS: dict[type, Converter] = {
    SimpleImputer: Converter(lambda step: len(step.statistics_), _write_imputer),
    DummyRegressor: Converter(lambda step: 1, _write_mean),
    DerivedFeatures: Converter(lambda step: len(step.names), _write_derived),
    RotatedCoordinates: Converter(lambda step: len(step.names), _write_rotated),
    CategoryCodes: Converter(lambda step: len(step.categories_), _write_codes),
    FrequencyEncoder: Converter(lambda step: len(step.categories_), _write_encoder),
    TargetEncoder: Converter(lambda step: len(step.categories_), _write_encoder),
    OneHotEncoder: Converter(lambda step: len(step.get_feature_names_out()), _write_one_hot),
}
