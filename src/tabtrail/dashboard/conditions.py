"""The expression language as SQL with bound values, with the meaning that it has everywhere: what cannot be computed is null."""

from tabtrail.contract.expressions import COMPARISONS, DATE_PARTS, ColumnRef, Literal, Node, Operation
from tabtrail.data.warehouse import quoted

_SIGNS = {"==": "=", "!=": "<>"}
_ARITHMETIC = ("+", "-", "*", "/", "neg", "log1p")


class Bound(dict[str, object]):
    """The values of a question by the names that stand for them in its SQL."""

    def name(self, value: object) -> str:
        """Keep a value and return what stands for it, as `$v3`."""
        self[f"v{len(self)}"] = value
        return f"$v{len(self) - 1}"


def to_sql(node: Node, bound: Bound) -> str:
    """Return an expression tree as SQL whose values are in `bound`."""
    if isinstance(node, Literal):
        return bound.name(node.value)
    if isinstance(node, ColumnRef):
        return quoted(node.name)
    texts = [to_sql(operand, bound) for operand in node.operands]
    if node.operator in ("and", "or"):
        return "(" + f" {node.operator} ".join(texts) + ")"
    if node.operator == "not":
        return f"(NOT {texts[0]})"
    if node.operator in COMPARISONS:
        left, right = (_finite(text, each) for text, each in zip(texts, node.operands, strict=True))
        return f"({left} {_SIGNS.get(node.operator, node.operator)} {right})"
    return _date_part(node.operator, texts[0]) if node.operator in DATE_PARTS else _number(node.operator, texts)


def _number(operator: str, texts: list[str]) -> str:
    numbers = [f"CAST({text} AS DOUBLE)" for text in texts]  # whole numbers would overflow
    match operator:
        case "neg":
            return f"(-{numbers[0]})"
        case "log1p":
            return f"TRY(ln(1 + {numbers[0]}))"
        case "/":
            return f"({numbers[0]} / nullif({numbers[1]}, 0))"
    return f"({numbers[0]} {operator} {numbers[1]})"


def _finite(text: str, node: Node) -> str:
    """Null where a result is infinite or NaN. The text stands there once: a CASE, which names it twice, would double it at each
    level of an expression.
    """
    computed = isinstance(node, Operation) and node.operator in _ARITHMETIC
    return f"list_filter([{text}], lambda each: isfinite(each))[1]" if computed else text


def _date_part(part: str, text: str) -> str:
    if part == "days":
        return f"date_diff('day', DATE '1970-01-01', CAST({text} AS DATE))"
    if part == "season":
        return f"(month({text}) % 12 // 3 + 1)"
    return f"{'isodow' if part == 'weekday' else part}({text})"
