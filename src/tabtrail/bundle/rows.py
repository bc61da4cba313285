"""Rows to score as the model takes them: each value read, the row held to the contract."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

from tabtrail.bundle.values import plainly_good, reader_of, value_problem
from tabtrail.contract.aliases import respell
from tabtrail.contract.expressions import Value, columns_of, row_function
from tabtrail.contract.schema import Feature, ModelSchema, RowRule
from tabtrail.errors import UsageError, nearest_name

_MOST_NAMED = 20  # unknown columns that an answer names: a hostile row may have thousands
Row = dict[str, Value]


@dataclass(frozen=True)
class Problem:
    """Why a row is refused: the column (None for the row as a whole) and what is wrong. No value of the row is in it."""

    column: str | None
    message: str

    def __str__(self) -> str:
        return f"{self.column}: {self.message}" if self.column else self.message


class PayloadError(UsageError):
    """A row that the contract does not allow."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


class RowReader:
    """Reads rows of a schema's columns, and says what its contract does not allow in them."""

    def __init__(self, schema: ModelSchema) -> None:
        self.schema = schema
        self._features = {feature.name: feature for feature in schema.features}
        self._required = dict.fromkeys(schema.required)
        self._optional = [each.name for each in schema.features if each.optional]
        self._readers = [(each.name, _kept_types(each), reader_of(each)) for each in schema.features]
        self._good = {each.name: plainly_good(each) for each in schema.features}
        self._fills = [(each.name, each.reading.fill) for each in schema.features if each.reading.fill is not None]
        self._whole = [each.name for each in schema.features if each.kind == "numeric" and each.rule.dtype == "int"]

    def check(self, rows: Sequence[Mapping[str, Any]]) -> list[Row]:
        """Return rows that keep the contract as the model takes them: read, each value in the type of its column, filled.

        Raises `PayloadError` for a bad row.
        """
        return self._checked(rows, map(self._read, rows))

    def check_inputs(self, inputs: Sequence[Row]) -> list[Row]:
        """Return rows that a model has read already, as `check` does: in these, a missing text is filled."""
        fills = dict(self._fills)
        rows = [{name: None if value == fills.get(name) else value for name, value in row.items()} for row in inputs]
        return self._checked(rows, rows)

    def _checked(self, rows: Sequence[Mapping[str, Any]], read_rows: Iterable[Row]) -> list[Row]:
        checked = []
        for index, (row, read) in enumerate(zip(rows, read_rows, strict=True)):
            problems = self._problems(row, read)
            if problems:
                where = f"row {index + 1} of {len(rows)}: " if len(rows) > 1 else ""
                raise PayloadError([Problem(p.column, where + p.message) for p in problems])
            checked.append(self._completed(read))
        return checked

    def _read(self, row: Mapping[str, Any]) -> Row:
        """Return the row's columns of the model, in its order, each value read; empty for what is not a row."""
        if not isinstance(row, Mapping):
            return {}
        found = {
            name: value if type(value := row[name]) in kept else read(value) for name, kept, read in self._readers if name in row
        }
        for name in self._optional:
            found.setdefault(name, None)
        if self.schema.aliases:
            respell(found, self.schema.aliases)
        return found

    def _completed(self, read: Row) -> Row:
        """Return a good row with the words for missing texts, and 30.0 of a whole-number column as 30."""
        for name, fill in self._fills:
            if read[name] is None:
                read[name] = fill
        for name in self._whole:
            if (value := read[name]) is not None:
                read[name] = int(value)
        return read

    def problems(self, row: Mapping[str, Any]) -> list[Problem]:
        """Return what the contract does not allow in a row; an empty list for a good one."""
        return self._problems(row, self._read(row))

    def problems_of_read(self, read: Row) -> list[Problem]:
        """Return what `problems` does of a row whose values were read, with all columns and not filled yet."""
        return self._problems(read, read)

    def _problems(self, row: Mapping[str, Any], read: Row) -> list[Problem]:
        if not isinstance(row, Mapping):
            return [Problem(None, "a row is a JSON object of columns and values")]
        whole = row.keys() == self._required.keys() or row.keys() == self._features.keys()
        unfit = [] if whole else self._unfit_columns(row)
        wrong = [
            Problem(name, message)
            for name, value in read.items()
            if not self._good[name](value) and (message := value_problem(self._features[name], value)) is not None
        ]
        bad = {problem.column for problem in unfit + wrong}
        return unfit + wrong + [Problem(None, rule) for rule in self._broken_rules(read, bad)]

    def _unfit_columns(self, row: Mapping[str, Any]) -> list[Problem]:
        names = list(self._features)
        unknown = islice((str(name)[:100] for name in row if name not in self._features), _MOST_NAMED)
        extra = [Problem(name, f"unknown column{_instead(name, names, row)}") for name in unknown]
        return extra + [Problem(name, "missing column") for name in self._required if name not in row]

    @cached_property
    def _rules(self) -> list[tuple[RowRule, frozenset[str], Any]]:
        return [(rule, frozenset(columns_of(rule.tree)), row_function(rule.tree)) for rule in self.schema.row_rules]

    def _broken_rules(self, row: Mapping[str, Any], bad: Set[str | None]) -> list[str]:
        """Return the rules that a row breaks, of those over columns that are good by themselves."""
        return [
            f"breaks the rule {rule.name}: {rule.check}"
            for rule, columns, holds in self._rules
            if (not bad or bad.isdisjoint(columns)) and holds(row) is False
        ]


def _kept_types(feature: Feature) -> frozenset[type]:
    """Return the types of values that need no reading."""
    return frozenset({int, float}) if feature.kind == "numeric" and not feature.reading.nulls else frozenset()


def _instead(name: str, names: list[str], row: Mapping[str, Any]) -> str:
    """Return what to do with a column that the model does not take: another name, where that one is not there yet."""
    if (alike := nearest_name(name, names)) is None:
        return "; the model does not take it: leave it out"
    return f"; did you mean '{alike}'?" + (" That one is there: leave this out" if alike in row else "")
