"""The expression language as Polars expressions."""

import math
from functools import reduce

import polars as pl

from tabtrail.contract.expressions import COMPARISONS, DATE_PARTS, ColumnRef, Literal, Node


def to_polars(node: Node) -> pl.Expr:
    """Return an expression tree as a Polars expression; division by zero and non-finite results are null."""
    if isinstance(node, Literal):
        return pl.lit(node.value)
    if isinstance(node, ColumnRef):
        return pl.col(node.name)
    operands = [to_polars(operand) for operand in node.operands]
    match node.operator:
        case "and":
            return reduce(lambda a, b: a & b, operands)
        case "or":
            return reduce(lambda a, b: a | b, operands)
        case "not":
            return ~operands[0]
        case part if part in DATE_PARTS:
            return _date_part(part, operands[0])
        case operator if operator in COMPARISONS:
            return _BINARY[operator](*operands)
    numbers = [operand.cast(pl.Float64) for operand in operands]  # 64-bit integers would wrap around beyond their largest
    if node.operator == "log1p":
        return _finite((1 + numbers[0]).log())
    return _finite(-numbers[0] if node.operator == "neg" else _BINARY[node.operator](*numbers))


def _finite(number: pl.Expr) -> pl.Expr:
    """Null where a number is infinite or NaN. `when` names its input twice, which doubles with each level of an expression, and
    makes one row of many that are all null.
    """
    return number.replace([math.inf, -math.inf, math.nan], None)


def _date_part(part: str, date: pl.Expr) -> pl.Expr:
    if part == "days":
        return (date.cast(pl.Date) - pl.date(1970, 1, 1)).dt.total_days()
    if part == "season":
        return date.dt.month() % 12 // 3 + 1
    found: pl.Expr = getattr(date.dt, part)()
    return found.cast(pl.Int64)


_BINARY = {
    "+": pl.Expr.__add__,
    "-": pl.Expr.__sub__,
    "*": pl.Expr.__mul__,
    "/": pl.Expr.__truediv__,
    "<": pl.Expr.__lt__,
    "<=": pl.Expr.__le__,
    ">": pl.Expr.__gt__,
    ">=": pl.Expr.__ge__,
    "==": pl.Expr.__eq__,
    "!=": pl.Expr.__ne__,
}
