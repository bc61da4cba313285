"""What the sections say together about the columns of the source and of the dataset."""

from collections.abc import Mapping
from dataclasses import dataclass

from tabtrail.config.file import KeyPath
from tabtrail.config.section import Problems, undeclared
from tabtrail.contract.expressions import ExpressionError, check_kinds, columns_of, is_condition, parse_expression
from tabtrail.contract.schema import ColumnRule

KIND = {"int": "number", "float": "number", "string": "text", "date": "date", "datetime": "datetime"}
"""What a dtype is called in expressions."""
_TEXT = ColumnRule("string")


@dataclass(frozen=True)
class Columns:
    """The columns that the config names.

    `required` are those that the source must have, contract first; `derived` those that ingest adds; `dataset` those of the
    dataset: what is required and not dropped, and what is derived.
    """

    required: tuple[str, ...]
    derived: tuple[str, ...]
    dataset: tuple[str, ...]
    rules: Mapping[str, ColumnRule]

    def rule(self, name: str) -> ColumnRule:
        """Rule of a source column: as its contract says, else as its role in the model asks, else text."""
        return self.rules.get(name, _TEXT)

    def kind(self, name: str) -> str:
        """Dtype of a column of the dataset, the ones that ingest adds included."""
        return "int" if name in self.derived else self.rule(name).dtype

    def is_number(self, name: str) -> bool:
        return self.kind(name) in ("int", "float")


def check_condition(key: KeyPath, text: str, readable: tuple[str, ...], columns: Columns) -> Problems:
    """Yield what is wrong with a comparison that may read the `readable` columns."""
    try:
        tree = parse_expression(text)
    except ExpressionError as error:
        yield key, str(error)
        return
    if not is_condition(tree):
        yield key, f"'{text}' gives a number; write a comparison"
    unknown = sorted(columns_of(tree) - set(readable))
    for name in unknown:
        yield key, undeclared(name, readable)
    if not unknown:
        kinds = {name: KIND[columns.rule(name).dtype] for name in columns.required}
        try:
            check_kinds(tree, kinds | dict.fromkeys(columns.derived, "number"))
        except ExpressionError as error:
            yield key, str(error)
