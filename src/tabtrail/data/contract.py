"""The data contract as Polars expressions: what each row breaks, and when so many do that everything stops."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import polars as pl

from tabtrail.config import Config
from tabtrail.errors import DataError
from tabtrail.expressions import DATE_PARTS, ColumnRef, Literal, Node, parse_expression

RAW = "_raw_"
_POLARS_DTYPE = {"int": pl.Int64, "float": pl.Float64, "string": pl.String}


@dataclass(frozen=True)
class Rules:
    """Conditions that are true where a row breaks them, by rule name (`COLUMN: what` for column rules)."""

    reject: dict[str, pl.Expr]
    warn: dict[str, pl.Expr]


def typed(config: Config, name: str) -> pl.Expr:
    """Return the expression that turns a column of text into its declared type; what cannot be turned becomes null."""
    rule = config.column_rule(name)
    column = pl.col(name)
    if rule.dtype == "date":
        parsed = [column.str.strip_chars().str.to_date(form, strict=False) for form in config.cleaning.date_formats]
        return pl.coalesce(parsed).alias(name)
    if rule.dtype == "string":
        return column
    return column.str.strip_chars().cast(_POLARS_DTYPE[rule.dtype], strict=False)


def build_rules(config: Config) -> Rules:
    """Return the contract as expressions over typed columns `X` and their texts `_raw_X`."""
    reject: dict[str, pl.Expr] = {}
    for name in config.required_columns:
        if name not in config.cleaning.drop_columns:
            reject.update(_column_rules(config, name))
    cleaning = config.cleaning
    if cleaning.date_column is not None:
        date = pl.col(cleaning.date_column).dt
        for part, column in (("year", cleaning.year_check_column), ("month", cleaning.month_check_column)):
            if column is not None:
                stated = pl.col(column).cast(pl.Int64, strict=False)
                reject[f"{cleaning.date_column}: disagrees with {column}"] = getattr(date, part)().cast(pl.Int64) != stated
    warn: dict[str, pl.Expr] = {}
    for row in config.contract.rows:
        (reject if row.action == "reject" else warn)[row.name] = ~to_polars(parse_expression(row.check))
    return Rules(*({name: broken.fill_null(False) for name, broken in rules.items()} for rules in (reject, warn)))


def _column_rules(config: Config, name: str) -> dict[str, pl.Expr]:
    rule = config.column_rule(name)
    column, raw = pl.col(name), pl.col(RAW + name)
    rules: dict[str, pl.Expr] = {}
    if rule.dtype != "string":
        rules[f"{name}: not {'a date of the formats' if rule.dtype == 'date' else rule.dtype}"] = (
            column.is_null() & raw.is_not_null()
        )
    if rule.dtype == "float":
        rules[f"{name}: not finite"] = ~column.is_finite()
    if (not rule.nullable or name == config.model.target) and name not in config.cleaning.fill_unknown_columns:
        rules[f"{name}: missing"] = raw.is_null()
    if rule.min is not None:
        rules[f"{name}: below {rule.min:g}"] = column < rule.min
    if rule.max is not None:
        rules[f"{name}: above {rule.max:g}"] = column > rule.max
    if rule.allowed is not None:
        rules[f"{name}: not an allowed value"] = ~column.is_in(list(rule.allowed))
    return rules


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
        return (date - pl.date(1970, 1, 1)).dt.total_days()
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


def break_circuit(
    source: str, rows: int, rejects: Mapping[str, int], rejected: int, max_share: float, first_line: int | None
) -> None:
    """Raise `DataError` when more than `max_share` of the rows were set aside, naming the rules that most rows broke."""
    if rejected <= max_share * rows:
        return
    worst = "; ".join(
        f"{rule} ({count:,} rows)" for rule, count in sorted(rejects.items(), key=lambda item: -item[1])[:3] if count
    )
    dates = (
        " Do cleaning.date_formats have day, month and year in the file's order?"
        if any("date" in r or "disagrees" in r for r in rejects if rejects[r])
        else ""
    )
    raise DataError(
        f"{source}: {rejected:,} of {rows:,} rows break the contract, more than contract.max_reject_share {max_share:g} allows"
        f" (first on line {first_line:,}): {worst}.{dates} Nothing was replaced."
    )
