"""The expression language as Polars expressions."""

from functools import reduce

import polars as pl

from tabtrail.contract.expressions import DATE_PARTS, ColumnRef, Literal, Node


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
        case "neg":
            return -operands[0]
        case "/":
            quotient = operands[0] / operands[1]
            return pl.when(quotient.is_finite()).then(quotient)
        case "log1p":
            return pl.when(operands[0] > -1).then((1 + operands[0]).log())
        case part if part in DATE_PARTS:
            return _date_part(part, operands[0])
        case _:
            return _BINARY[node.operator](*operands)


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
    "<": pl.Expr.__lt__,
    "<=": pl.Expr.__le__,
    ">": pl.Expr.__gt__,
    ">=": pl.Expr.__ge__,
    "==": pl.Expr.__eq__,
    "!=": pl.Expr.__ne__,
}
