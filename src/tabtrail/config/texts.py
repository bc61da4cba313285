"""What the config says of texts: how they are spelled, and that no word of it is one that can never stand in its column."""

from collections.abc import Iterable, Iterator

from tabtrail.config.aliases import check_alias_rows, check_context, check_order, leads_on, plain_table
from tabtrail.config.cleaning import Cleaning
from tabtrail.config.dataset import TableRules
from tabtrail.config.file import KeyPath
from tabtrail.config.section import Problems
from tabtrail.contract.aliases import Stated, build_tables, in_order
from tabtrail.contract.cells import CellReading
from tabtrail.contract.expressions import COMPARISONS, ColumnRef, ExpressionError, Literal, Node, Operation, parse_expression
from tabtrail.errors import nearest


def check_texts(rules: TableRules) -> Problems:
    """Yield what is wrong with the spelling of texts: columns that are not text, aliases and allowed texts that cannot occur."""
    cleaning, columns = rules.cleaning, rules.columns
    for key, chosen in (("trim", cleaning.trim), ("fold_case", cleaning.fold_case)):
        for name in () if isinstance(chosen, bool) else chosen:
            if name in columns.derived or columns.rule(name).dtype != "string":
                yield ("cleaning", key), f"'{name}' is not a text column; numbers and dates are read as they are written"
    malformed = list(check_alias_rows(cleaning.aliases))
    yield from malformed
    for name in () if malformed else cleaning.aliases:
        yield from _check_aliases(name, rules)
    if not malformed:
        yield from _check_contexts(rules)
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
    for alias, text in plain_table(rules.cleaning.aliases[name]).items():
        known, spelled = reading.aliases[reading.spell(alias)], reading.spell(text)
        if reading.is_null(reading.spell(alias)):
            yield key, f"'{alias}' means a missing value, so it is no spelling of '{text}'; see source.null_values"
        elif reading.is_null(spelled):
            yield key, f"'{alias}' cannot stand for a missing value here; add it to source.null_values"
        elif known != spelled:
            yield key, f"'{alias}' is there twice as {_keys(reading)} reads it, for '{text}' and '{known}'"
        elif reading.aliases.get(spelled, spelled) != spelled and spelled != reading.spell(alias):
            yield key, f"'{alias}' leads to '{text}', {leads_on(reading.aliases[spelled], to=reading.spell(alias))}"


def _check_contexts(rules: TableRules) -> Problems:
    """Yield what is wrong with tables of spellings with a context."""
    cleaning, tables = rules.cleaning, rules.cleaning.stated_tables
    yield from check_order(tables)
    ordered = in_order(tables)
    for place, each in enumerate(ordered):
        key = ("cleaning", "aliases", each.column)
        for name in each.within:
            if rules.columns.rule(name).dtype != "string" or name in rules.columns.derived:
                yield key, f"'{name}' is not a text column, so that it cannot be the context of a spelling"
            elif name in cleaning.drop_columns:
                yield key, f"'{name}' is the context of a spelling; take it out of cleaning.drop_columns"
        yield from check_context(each, rules.reading, build_tables(ordered[:place], rules.reading))


def check_contexts_are_taken(tables: Iterable[Stated], taken: Iterable[str], key: str) -> Problems:
    """Yield the columns that a model takes without the contexts by which they are spelled: of a row to score it could not tell
    what a text means. `key` is that of the columns.
    """
    inputs = set(taken)
    for each in tables:
        lost = [name for name in each.within if name not in inputs]
        if each.column in inputs and lost:
            yield (
                ("cleaning", "aliases", each.column),
                f"the model takes '{each.column}' without '{lost[0]}', which tells what its texts mean, so that rows to score"
                f" could not be read as here; add '{lost[0]}' to {key}, or key the table by '{each.column}' alone",
            )


def check_alias_columns(cleaning: Cleaning, declared: Iterable[str]) -> Problems:
    """Yield the columns of `aliases` that nothing else names and that look like one that is declared."""
    known = list(declared)
    for name in cleaning.alias_columns:
        if name not in known and (near := nearest(name, known)):
            table = next((each.column for each in cleaning.stated_tables if name in each.within), name)
            yield ("cleaning", "aliases", table), f"'{name}' is not a declared column{near} Else declare it in contract.columns"


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
