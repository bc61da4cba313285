"""What the config says of texts: how they are spelled, and that no word of it is one that can never stand in its column."""

from collections.abc import Iterable, Iterator

from tabtrail.config.dataset import TableRules
from tabtrail.config.file import KeyPath
from tabtrail.config.section import Problems
from tabtrail.contract.cells import CellReading
from tabtrail.contract.expressions import COMPARISONS, ColumnRef, ExpressionError, Literal, Node, Operation, parse_expression


def check_texts(rules: TableRules) -> Problems:
    """Yield what is wrong with the spelling of texts: columns that are not text, aliases and allowed texts that cannot occur."""
    cleaning, columns = rules.cleaning, rules.columns
    for key, chosen in (("trim", cleaning.trim), ("fold_case", cleaning.fold_case)):
        for name in () if isinstance(chosen, bool) else chosen:
            if name in columns.derived or columns.rule(name).dtype != "string":
                yield ("cleaning", key), f"'{name}' is not a text column; numbers and dates are read as they are written"
    for name in cleaning.aliases:
        yield from _check_aliases(name, rules)
    for name, rule in rules.contract.columns.items():
        for text in rule.allowed or () if rule.dtype == "string" else ():
            if problem := _misspelled(name, str(text), rules):
                yield ("contract", "columns", name, "allowed"), problem


def check_literals(expressions: Iterable[tuple[KeyPath, str]], rules: TableRules) -> Problems:
    """Yield the texts that expressions compare with a column in which they can never stand."""
    for key, text in expressions:
        try:
            tree = parse_expression(text)
        except ExpressionError:  # which the check of that section reports
            continue
        for name, literal in _compared(tree):
            if problem := _misspelled(name, literal, rules):
                yield key, problem


def _check_aliases(name: str, rules: TableRules) -> Problems:
    key, reading = ("cleaning", "aliases", name), rules.reading(name)
    if rules.columns.rule(name).dtype != "string":
        yield key, f"'{name}' is not a text column; how numbers and dates are written is said in contract.columns and dates"
    stated = rules.cleaning.aliases[name]
    for alias, text in stated.items():
        known, spelled = reading.aliases[reading.spell(alias)], reading.spell(text)
        if reading.is_null(reading.spell(alias)):
            yield key, f"'{alias}' means a missing value, so it is no spelling of '{text}'; see source.null_values"
        elif reading.is_null(spelled):
            yield key, f"'{alias}' cannot stand for a missing value here; add it to source.null_values"
        elif known != spelled:
            yield key, f"'{alias}' is there twice as {_keys(reading)} reads it, for '{text}' and '{known}'"
        elif reading.aliases.get(spelled, spelled) != spelled and spelled != reading.spell(alias):
            yield key, f"'{alias}' leads to '{text}', which is a spelling of '{reading.aliases[spelled]}' itself; write that"


def _compared(node: Node) -> Iterator[tuple[str, str]]:
    """Yield the columns that are compared with a text, and the text."""
    if not isinstance(node, Operation):
        return
    if node.operator in COMPARISONS:
        names = [each.name for each in node.operands if isinstance(each, ColumnRef)]
        texts = [each.value for each in node.operands if isinstance(each, Literal) and isinstance(each.value, str)]
        yield from ((name, text) for name in names for text in texts)
    for operand in node.operands:
        yield from _compared(operand)


def _misspelled(name: str, text: str, rules: TableRules) -> str | None:
    reading = rules.reading(name)
    if reading.spell(text) == text:
        return None
    return f"'{text}' cannot stand in {name}, whose texts {_keys(reading)} changes; write '{reading.spell(text)}'"


def _keys(reading: CellReading) -> str:
    keys = [f"cleaning.{key}" for key, on in (("trim", reading.trim), ("fold_case", reading.fold_case)) if on]
    return " and ".join(keys) or "this"
