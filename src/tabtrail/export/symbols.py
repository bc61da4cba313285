"""Arithmetic on the columns of a graph under construction: formulas are written into it as they are computed in Python."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Emit = Callable[..., str]
Constant = Callable[[np.ndarray[Any, Any]], str]


@dataclass(frozen=True)
class Symbol:
    """A double [N, 1] tensor of a graph under construction, with the arithmetic of a column."""

    name: str
    emit: Emit
    constant: Constant

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
class Symbols:
    """The arithmetic of expressions over symbols, NaN for null, as `ArrayArithmetic` has it over arrays."""

    emit: Emit
    constant: Constant

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
