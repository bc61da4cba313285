"""Arithmetic and comparisons of columns, written in the YAML: parsed into a small tree, never evaluated as code.

Grammar (Python's, restricted): column names, `col("any name")`, numbers, quoted text, `+ - * /`, unary minus, comparisons
(chained too), `and`, `or`, `not`, `log1p(x)`, of a column of dates `year month quarter season weekday days` (season 1 is
December to February, weekday 1 is Monday, days count from 1970-01-01), and of one with times of day (dtype datetime) `hour` (0
to 23) and `minute` too. Nulls, divisions by zero and logarithms of what has none give null, and a null comparison is neither
true nor false.
"""

import ast
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, cast

TIME_PARTS = ("hour", "minute")
DATE_PARTS = ("year", "month", "quarter", "season", "weekday", "days", *TIME_PARTS)
FUNCTIONS = ("log1p", *DATE_PARTS)
DAY_SECONDS = 86_400
_EPOCH = datetime(1970, 1, 1)
_NOT_PART = (
    f"is not part of the expression language (columns, numbers, text, + - * /, comparisons, and, or, not, {', '.join(FUNCTIONS)})"
)

Value = float | str | bool | None


@dataclass(frozen=True)
class Literal:
    value: float | str


@dataclass(frozen=True)
class ColumnRef:
    name: str


@dataclass(frozen=True)
class Operation:
    """An operator (`+ - * / neg < <= > >= == != and or not`) or function (`log1p`, date parts) with its operands in order."""

    operator: str
    operands: tuple["Node", ...]


Node = Literal | ColumnRef | Operation

_BINARY: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_COMPARE: dict[type[ast.cmpop], str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
_LARGEST = 1e300
_DEEPEST = 100
"""Operations within operations: a function that walks a tree takes two or three calls a level, and Python allows about 1,000."""
_MOST_PARTS = 10_000
"""Parts of a formula with the derived features in it written out: each may name one twice, so that 30 lines make 2**30 parts."""
COMPARISONS = frozenset(_COMPARE.values())


class ExpressionError(ValueError):
    """The text is not an expression of this language."""


def parse_expression(text: str) -> Node:
    """Return the tree of an expression, or raise `ExpressionError` naming the part that does not belong."""
    if len(text) > 1000:
        raise ExpressionError("an expression has at most 1,000 characters")
    try:
        return _checked_size(_convert(ast.parse(text.strip(), mode="eval").body))
    except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
        if isinstance(error, ExpressionError):
            raise
        shown = text if len(text) <= 80 else f"{text[:80]}…"
        raise ExpressionError(f"'{shown}' cannot be read as an expression") from None


def columns_of(node: Node) -> frozenset[str]:
    """Return the names of the columns that an expression reads."""
    if isinstance(node, ColumnRef):
        return frozenset({node.name})
    if isinstance(node, Operation):
        return frozenset[str]().union(*(columns_of(operand) for operand in node.operands))
    return frozenset()


def replace_columns(node: Node, trees: Mapping[str, Node]) -> Node:
    """Return the expression with the named columns replaced by expressions. Raises `ExpressionError` where it grows too large."""
    return _checked_size(_replaced(node, trees))


def _replaced(node: Node, trees: Mapping[str, Node]) -> Node:
    if isinstance(node, ColumnRef):
        return trees.get(node.name, node)
    if isinstance(node, Operation):
        return Operation(node.operator, tuple(_replaced(operand, trees) for operand in node.operands))
    return node


def _checked_size(node: Node) -> Node:
    """Return the expression, or raise `ExpressionError` where it is too deep or too large to work with."""
    depth, parts = _size(node, {})
    if depth > _DEEPEST:
        raise ExpressionError(f"{depth} operations within one another are more than {_DEEPEST}; write it with fewer")
    if parts > _MOST_PARTS:
        raise ExpressionError(f"with the derived features in it, it has {parts:,} parts; at most {_MOST_PARTS:,} can be computed")
    return node


def _size(node: Node, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Return the levels and parts of an expression; what it contains several times is measured once."""
    if not isinstance(node, Operation):
        return 1, 1
    if id(node) not in known:
        depths, parts = zip(*(_size(operand, known) for operand in node.operands), strict=True)
        known[id(node)] = 1 + max(depths), 1 + sum(parts)
    return known[id(node)]


def is_condition(node: Node) -> bool:
    """Whether an expression gives true or false rather than a number."""
    return isinstance(node, Operation) and (node.operator in COMPARISONS or node.operator in ("and", "or", "not"))


def check_formula(node: Node, kinds: Mapping[str, str]) -> None:
    """Raise `ExpressionError` unless an expression is arithmetic on numbers, where a comparison of numbers counts as 1 or 0."""
    if isinstance(node, Operation) and node.operator not in DATE_PARTS:
        if node.operator in ("and", "or", "not"):
            raise ExpressionError(f"'{node.operator}' does not give a number; multiply comparisons instead")
        for operand in node.operands:
            check_formula(operand, kinds)
    elif (found := check_kinds(node, kinds)) != "number":
        raise ExpressionError(f"a derived feature is arithmetic on numbers, and this takes {found}")


def check_kinds(node: Node, kinds: Mapping[str, str]) -> str:
    """Return the kind of an expression (`number`, `text` or `truth`), given the kind of each column.

    Raises `ExpressionError` where kinds do not fit together, as a number compared with text.
    """
    if isinstance(node, Literal):
        return "text" if isinstance(node.value, str) else "number"
    if isinstance(node, ColumnRef):
        return kinds.get(node.name, "text")
    found = [check_kinds(operand, kinds) for operand in node.operands]
    if node.operator in DATE_PARTS:
        return _check_date_part(node, found[0])
    wanted = "truth" if node.operator in ("and", "or", "not") else found[0] if node.operator in COMPARISONS else "number"
    if set(found) != {wanted} or (node.operator in COMPARISONS and wanted not in ("number", "text")):
        raise ExpressionError(f"'{node.operator}' cannot be applied to {' and '.join(found)}")
    return "truth" if wanted == "truth" or node.operator in COMPARISONS else "number"


def _check_date_part(node: Operation, found: str) -> str:
    part, column = node.operator, node.operands[0]
    if not (isinstance(column, ColumnRef) and found in ("date", "datetime")):
        raise ExpressionError(f"'{part}' takes a date column, not {found}")
    if part in TIME_PARTS and found == "date":
        raise ExpressionError(
            f"'{part}' takes a column that keeps the time of day; set contract.columns.{column.name}.dtype: datetime"
        )
    return "number"


def evaluate(node: Node, row: Mapping[str, Value]) -> Value:
    """Return the value of an expression for one row; None where a column is null, missing or the result is not finite."""
    return row_function(node)(row)


def row_function(node: Node) -> Callable[[Mapping[str, Value]], Value]:
    """Return an expression as a function of one row, for many rows; see `evaluate`."""
    if isinstance(node, Literal):
        value = node.value
        return lambda row: value
    if isinstance(node, ColumnRef):
        name = node.name
        return lambda row: row.get(name)
    operands = [row_function(operand) for operand in node.operands]
    if node.operator in ("and", "or"):
        return _connective(node.operator == "or", operands)
    function = _FUNCTIONS[node.operator]
    if len(operands) == 1:
        only = operands[0]
        return lambda row: _applied(function, only(row))
    left, right = operands
    return lambda row: _applied(function, left(row), right(row))


def _connective(decisive: bool, operands: list[Callable[[Mapping[str, Value]], Value]]) -> Callable[[Mapping[str, Value]], Value]:
    def connect(row: Mapping[str, Value]) -> Value:
        unknown = False
        for operand in operands:
            value = operand(row)
            if value is decisive:
                return decisive
            unknown = unknown or value is None
        return None if unknown else not decisive

    return connect


def _applied(function: Callable[..., Value], *values: Value) -> Value:
    if None in values:
        return None
    try:
        result = function(*values)
    except (ZeroDivisionError, OverflowError, TypeError, ValueError):
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
        "log1p": lambda a: math.log(1 + a) if a > -1 else None,
        **{part: lambda text, part=part: date_part(part, days_of(text), math.floor) for part in DATE_PARTS},
    },
)


def operate(operator: str, *values: Any) -> Any:
    """Return the result of one of `+ - * / neg < <= > >= == !=` on plain numbers or, element by element, on arrays."""
    return _FUNCTIONS[operator](*values)


class Arithmetic(Protocol):
    """What a kind of column (an array, a symbol of a graph) can do beyond its operators `+ - *`."""

    def literal(self, value: float) -> Any: ...
    def divide(self, a: Any, b: Any) -> Any: ...
    def floor(self, a: Any) -> Any: ...
    def log1p(self, a: Any) -> Any: ...
    def compare(self, operator: str, a: Any, b: Any) -> Any: ...


def compute(node: Node, columns: Mapping[str, Any], arithmetic: Arithmetic) -> Any:
    """Return an arithmetic expression over whole columns: arrays, or the symbols of a graph.

    Dates are days since 1970-01-01, their time of day as a fraction, a comparison is 1 where it holds and 0 where not.
    """
    if isinstance(node, Literal):
        return arithmetic.literal(cast("float", node.value))
    if isinstance(node, ColumnRef):
        return columns[node.name]
    values = [compute(operand, columns, arithmetic) for operand in node.operands]
    if node.operator == "/":
        return arithmetic.divide(*values)
    if node.operator == "log1p":
        return arithmetic.log1p(*values)
    if node.operator in COMPARISONS:
        return arithmetic.compare(node.operator, *values)
    if node.operator in DATE_PARTS:
        return date_part(node.operator, values[0], arithmetic.floor)
    return operate(node.operator, *values)


def date_part(part: str, days: Any, floor: Callable[[Any], Any]) -> Any:
    """Return a part of a date given as days since 1970-01-01, in arithmetic alone, so that a graph can do the same.

    Civil-from-days of Hinnant, "chrono-Compatible Low-Level Date Algorithms" (2013), exact in doubles. The time of day is the
    fraction of `days`, of whole seconds: the nearest one is it, since doubles hold the days until 9999 to 0.02 milliseconds.
    """
    moment, days = days, floor(days)
    if part == "days":
        return days
    if part in TIME_PARTS:
        seconds = floor((moment - days) * DAY_SECONDS + 0.5) + 0.5
        hour = floor(seconds * (1 / 3600))
        return hour if part == "hour" else floor(seconds * (1 / 60)) - 60 * hour
    if part == "weekday":
        return days + 3 - 7 * floor((days + 3.5) * (1 / 7)) + 1
    shifted = days + 719468
    era = floor((shifted + 0.5) * (1 / 146097))
    day_of_era = shifted - era * 146097
    middle = day_of_era + 0.5  # noon: a quotient never falls on a whole number, however it is rounded
    leaps = floor(middle * (1 / 1460)) - floor(middle * (1 / 36524)) + floor(middle * (1 / 146096))
    year_of_era = floor((day_of_era - leaps + 0.5) * (1 / 365))
    century_days = floor((year_of_era + 0.5) * (1 / 4)) - floor((year_of_era + 0.5) * (1 / 100))
    day_of_year = day_of_era - (365 * year_of_era + century_days)
    from_march = floor((5 * day_of_year + 2.5) * (1 / 153))
    wrapped = floor((from_march + 0.5) * (1 / 10))
    month = from_march + 3 - 12 * wrapped
    if part == "year":
        return year_of_era + 400 * era + wrapped
    if part == "month":
        return month
    if part == "quarter":
        return floor((month + 2.5) * (1 / 3))
    return floor((month - 12 * floor((month + 0.5) * (1 / 12)) + 0.5) * (1 / 3)) + 1


def days_of(text: Any) -> float:
    """Return the days since 1970-01-01 of a date written YYYY-MM-DD, or of a date with its time, YYYY-MM-DDTHH:MM:SS, with the
    time as their fraction (or of what is a number of days already). `ValueError` for any other text.
    """
    if isinstance(text, int | float):
        return text
    since = datetime.fromisoformat(text) - _EPOCH
    return (since.days * DAY_SECONDS + since.seconds) / DAY_SECONDS if since.seconds else since.days


def date_text(days: float) -> str:
    """Return the date of days since 1970-01-01 as YYYY-MM-DD."""
    return moment_text(days)[:10]


def moment_text(days: float) -> str:
    """Return days since 1970-01-01, the time of day as their fraction, as YYYY-MM-DDTHH:MM:SS."""
    whole = math.floor(days)
    return (_EPOCH + timedelta(days=whole, seconds=round((days - whole) * DAY_SECONDS))).isoformat()


def _convert(node: ast.expr) -> Node:
    match node:
        case ast.Constant(value=bool()):
            raise ExpressionError(f"'{ast.unparse(node)}' {_NOT_PART}")
        case ast.Constant(value=int() | float() as value) if not abs(value) <= _LARGEST:
            raise ExpressionError("a number in an expression is at most 1e300")
        case ast.Constant(value=int() | float() | str() as value):
            return Literal(value if isinstance(value, str) else float(value))
        case ast.Name(id=name):
            return ColumnRef(name)
        case ast.Call(func=ast.Name(id="col"), args=[ast.Constant(value=str() as name)], keywords=[]):
            return ColumnRef(name)
        case ast.Call(func=ast.Name(id=function), args=[operand], keywords=[]) if function in FUNCTIONS:
            return Operation(function, (_convert(operand),))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return Operation("neg", (_convert(operand),))
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _convert(operand)
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
