"""Arithmetic and comparisons of columns, written in the YAML: parsed into a small tree, never evaluated as code.

Grammar (Python's, restricted): column names, `col("any name")`, numbers, quoted text, `+ - * /`, unary minus, comparisons
(chained too), `and`, `or`, `not`. Nulls and divisions by zero give null, and a null comparison is neither true nor false.
"""

import ast
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

_NOT_PART = "is not part of the expression language (columns, numbers, text, + - * /, comparisons, and, or, not)"

Value = float | str | bool | None


@dataclass(frozen=True)
class Literal:
    value: float | str


@dataclass(frozen=True)
class ColumnRef:
    name: str


@dataclass(frozen=True)
class Operation:
    """An operator (`+ - * / neg < <= > >= == != and or not`) with its operands in order."""

    operator: str
    operands: tuple["Node", ...]


Node = Literal | ColumnRef | Operation

_BINARY: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_COMPARE: dict[type[ast.cmpop], str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
COMPARISONS = frozenset(_COMPARE.values())


class ExpressionError(ValueError):
    """The text is not an expression of this language."""


def parse_expression(text: str) -> Node:
    """Return the tree of an expression, or raise `ExpressionError` naming the part that does not belong."""
    if len(text) > 1000:
        raise ExpressionError("an expression has at most 1,000 characters")
    try:
        return _convert(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
        if isinstance(error, ExpressionError):
            raise
        raise ExpressionError(f"'{text}' cannot be read as an expression") from None


def columns_of(node: Node) -> frozenset[str]:
    """Return the names of the columns that an expression reads."""
    if isinstance(node, ColumnRef):
        return frozenset({node.name})
    if isinstance(node, Operation):
        return frozenset[str]().union(*(columns_of(operand) for operand in node.operands))
    return frozenset()


def is_condition(node: Node) -> bool:
    """Tell whether an expression gives true or false rather than a number."""
    return isinstance(node, Operation) and (node.operator in COMPARISONS or node.operator in ("and", "or", "not"))


def check_kinds(node: Node, kinds: Mapping[str, str]) -> str:
    """Return the kind of an expression (`number`, `text` or `truth`), given the kind of each column.

    Raises `ExpressionError` where kinds do not fit together, as a number compared with text.
    """
    if isinstance(node, Literal):
        return "text" if isinstance(node.value, str) else "number"
    if isinstance(node, ColumnRef):
        return kinds.get(node.name, "text")
    found = [check_kinds(operand, kinds) for operand in node.operands]
    wanted = "truth" if node.operator in ("and", "or", "not") else found[0] if node.operator in COMPARISONS else "number"
    if set(found) != {wanted} or (node.operator in COMPARISONS and wanted not in ("number", "text")):
        raise ExpressionError(f"'{node.operator}' cannot be applied to {' and '.join(found)}")
    return "truth" if wanted == "truth" or node.operator in COMPARISONS else "number"


def evaluate(node: Node, row: Mapping[str, Value]) -> Value:
    """Return the value of an expression for one row; None where a column is null, missing or the result is not finite."""
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, ColumnRef):
        return row.get(node.name)
    values = [evaluate(operand, row) for operand in node.operands]
    if node.operator in ("and", "or"):
        decisive = node.operator == "or"
        return decisive if any(value is decisive for value in values) else None if None in values else not decisive
    if any(value is None for value in values):
        return None
    try:
        result = _FUNCTIONS[node.operator](*values)
    except (ZeroDivisionError, OverflowError, TypeError):
        return None
    return None if isinstance(result, float) and not math.isfinite(result) else result


_FUNCTIONS = cast(
    "dict[str, Callable[..., Value]]",
    {
        "+": lambda a, b: a + b,
        "-": lambda a, b: a - b,
        "*": lambda a, b: a * b,
        "/": lambda a, b: a / b,
        "neg": lambda a: -a,
        "<": lambda a, b: a < b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        ">=": lambda a, b: a >= b,
        "==": lambda a, b: a == b,
        "!=": lambda a, b: a != b,
        "not": lambda a: not a,
    },
)


def _convert(node: ast.expr) -> Node:
    match node:
        case ast.Constant(value=bool()):
            raise ExpressionError(f"'{ast.unparse(node)}' {_NOT_PART}")
        case ast.Constant(value=int() | float() | str() as value):
            return Literal(value if isinstance(value, str) else float(value))
        case ast.Name(id=name):
            return ColumnRef(name)
        case ast.Call(func=ast.Name(id="col"), args=[ast.Constant(value=str() as name)], keywords=[]):
            return ColumnRef(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return Operation("neg", (_convert(operand),))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return Operation("not", (_convert(operand),))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return Operation(_BINARY[type(op)], (_convert(left), _convert(right)))
        case ast.BoolOp(op=op, values=values):
            return Operation("and" if isinstance(op, ast.And) else "or", tuple(_convert(value) for value in values))
        case ast.Compare(left=left, ops=ops, comparators=comparators) if all(type(op) in _COMPARE for op in ops):
            terms = [_convert(term) for term in (left, *comparators)]
            pairs = [Operation(_COMPARE[type(op)], (a, b)) for op, a, b in zip(ops, terms, terms[1:], strict=False)]
            return pairs[0] if len(pairs) == 1 else Operation("and", tuple(pairs))
        case _:
            raise ExpressionError(f"'{ast.unparse(node)}' {_NOT_PART}")
