"""Many rows at once, as columns: what `Predictor` answers for each row, in a few array operations a column.

Arrays only sort out the rows that may break the contract or may be new to the model; the words about those come from
`Predictor` itself, so that a file, a request and the command line get the same words and the same numbers.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tabtrail.bundle.alike import alike_rows
from tabtrail.bundle.intervals import ALL, Band
from tabtrail.bundle.predictor import Predictor
from tabtrail.bundle.values import MOST_EXACT, Unread, plainly_good, value_problem
from tabtrail.contract.aliases import ContextAliases
from tabtrail.contract.expressions import COMPARISONS, ColumnRef, Literal, Node, date_part, days_of, operate, parse_expression
from tabtrail.contract.schema import Feature

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class CodedTexts:
    """A column of texts (or dates, YYYY-MM-DD): the distinct `values`, None for a missing one, and each row's index in them."""

    values: tuple[Any, ...]
    codes: Array

    def map(self, function: Any, dtype: Any) -> Array:
        """Return the function of each row's text, called once for each distinct text."""
        result: Array = np.array([function(value) for value in self.values], dtype=dtype)[self.codes]
        return result

    def filled(self, fill: str | None) -> "CodedTexts":
        """Return the column with a text for missing ones."""
        return CodedTexts(tuple(fill if value is None else value for value in self.values), self.codes)

    def take(self, rows: Array) -> "CodedTexts":
        """Return some of the rows."""
        return CodedTexts(self.values, self.codes[rows])


def no_texts(rows: int) -> CodedTexts:
    """Return a column in which every text is missing."""
    return CodedTexts((None,), np.zeros(rows, dtype=np.int64))


Column = Array | CodedTexts
Columns = Mapping[str, Column]


def respell_columns(columns: dict[str, Column], tables: Iterable[ContextAliases]) -> dict[str, int]:
    """Replace the other spellings in columns that were read, and return in how many rows, by column."""
    counts: dict[str, int] = {}
    for table in tables:
        names = (*table.within, table.column)
        texts = {name: column for name in names if isinstance(column := columns[name], CodedTexts)}
        own = texts[table.column]
        rows = np.flatnonzero(own.map(lambda text, known=table.spellings: text in known, bool))
        if not len(rows):
            continue
        keys, which = np.unique(np.stack([texts[name].codes[rows] for name in names]), axis=1, return_inverse=True)
        read = ({name: texts[name].values[code] for name, code in zip(names, codes, strict=True)} for codes in keys.T.tolist())
        means = list(map(table.find, read))
        new = np.array([-1 if text is None else len(own.values) + place for place, text in enumerate(means)])[which.ravel()]
        codes = own.codes.copy()
        codes[rows] = np.where(new < 0, codes[rows], new)
        columns[table.column] = CodedTexts((*own.values, *means), codes)
        counts[table.column] = int((new >= 0).sum())
    return counts


@dataclass(frozen=True)
class Scores:
    """Predictions of rows that kept the contract, with the bounds of their intervals (None where the model has none)."""

    values: Array
    low: Array | None
    high: Array | None


class ColumnScorer:
    """A model that takes columns whose values were read: numbers as doubles with NaN for a missing one, texts and dates as
    `CodedTexts`.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._features = predictor.schema.features
        self._good = {feature.name: plainly_good(feature) for feature in self._features}
        self._rules = [rule.tree for rule in predictor.schema.row_rules]

    def refused(self, columns: Columns, unread: Mapping[int, Mapping[str, Unread]]) -> dict[int, str]:
        """Return why a row is refused, by its index. `unread` are the values that could not be read, by row."""
        features = self._features
        suspect = np.zeros(self._rows(columns), dtype=bool)
        for feature in features:
            suspect |= self._suspect(feature, columns[feature.name])
        for tree in self._rules:
            suspect |= evaluate_columns(tree, columns) == 0
        if self._predictor.demand is not None:
            suspect |= self._predictor.demand.suspect(columns, len(suspect))
        suspect[list(unread)] = True
        rows = {int(index): self.row(columns, int(index)) for index in np.flatnonzero(suspect)}
        for index, wrong in unread.items():
            rows[index].update(wrong)
        found = {index: self._predictor.problems_of_read(row) for index, row in rows.items()}
        return {index: "; ".join(map(str, problems)) for index, problems in found.items() if problems}

    def filled(self, columns: Columns) -> Columns:
        """Return the columns of good rows with the words for missing texts."""
        fills = {feature.name: feature.reading.fill for feature in self._features}
        return {
            name: column.filled(fills[name]) if isinstance(column, CodedTexts) else column for name, column in columns.items()
        }

    def warnings(self, columns: Columns) -> CodedTexts:
        """Return what there is to know of good rows, None of those of which there is nothing.

        `Predictor` finds the words, once for all rows of which the same holds: they name columns, never a row's values.
        """
        demand, rows = self._predictor.demand, self._rows(columns)
        marks = [] if demand is None else demand.marks(columns, rows)
        for feature in self._features:
            if demand is None or feature.name in demand.known_ahead:
                marks.append(_mark(feature, columns[feature.name], is_missing_new=demand is None))
        one, kinds = alike_rows(marks, rows)
        words = (self._predictor.warnings(self.row(columns, int(index))) for index in one)
        return CodedTexts(tuple("; ".join(each) or None for each in words), kinds)

    def _rows(self, columns: Columns) -> int:
        return len(_codes(columns[self._features[0].name]))

    def score(self, columns: Columns, *, intervals: bool) -> Scores:
        """Predict rows that keep the contract. A prediction that is not finite stays so: the caller refuses its row."""
        demand = self._predictor.demand
        feed = (
            {feature.name: _fed(feature, columns[feature.name])[:, None] for feature in self._features}
            if demand is None
            else demand.feed_columns(columns, self._rows(columns))
        )
        predictions, quantiles = self._predictor.outputs(feed)
        values = predictions.astype(np.float64)
        if intervals and demand is not None:
            bounds = demand.bounds_of_columns(columns, values, quantiles)
            return Scores(values, None, None) if bounds is None else Scores(values, bounds[0][:, -1], bounds[1][:, -1])
        calibrated = self._predictor.calibrated
        if not intervals or calibrated is None:
            return Scores(values, None, None)
        half = np.empty(len(values))
        groups = self._groups(columns, len(values))
        for group in np.unique(groups):
            band = calibrated.bands.get(str(group), calibrated.bands[ALL])
            half[groups == group] = _half_width(band, values[groups == group])
        low, high = values - half, values + half
        if calibrated.floor is not None:
            low, high = np.maximum(low, calibrated.floor), np.maximum(high, calibrated.floor)
        if calibrated.ceiling is not None:
            low, high = np.minimum(low, calibrated.ceiling), np.minimum(high, calibrated.ceiling)
        return Scores(values, np.minimum(low, values), np.maximum(high, values))

    def row(self, columns: Columns, index: int) -> dict[str, Any]:
        """Return one row as `Predictor` takes it."""
        return {feature.name: _value(feature, columns[feature.name], index) for feature in self._features}

    def _suspect(self, feature: Feature, column: Column) -> Array:
        rule = feature.rule
        if isinstance(column, CodedTexts):
            good = self._good[feature.name]
            return column.map(lambda value: not good(value) and bool(value_problem(feature, value)), bool)
        with np.errstate(invalid="ignore"):
            wrong = np.isnan(column) if not rule.nullable else np.zeros(len(column), dtype=bool)
            wrong |= np.abs(column) > MOST_EXACT
            if rule.min is not None:
                wrong |= column < rule.min
            if rule.max is not None:
                wrong |= column > rule.max
            if rule.dtype == "int":
                wrong |= (column != np.floor(column)) & ~np.isnan(column)
        return wrong

    def _groups(self, columns: Columns, rows: int) -> Array:
        grouping = self._predictor.grouping
        if grouping.column is not None:
            column = columns[grouping.column]
            return (
                column.map(lambda value: value or ALL, object)
                if isinstance(column, CodedTexts)
                else np.full(rows, ALL, dtype=object)
            )
        groups, free = np.full(rows, ALL, dtype=object), np.ones(rows, dtype=bool)
        for name, condition in grouping.strata.items():
            holds = free & (evaluate_columns(parse_expression(condition), columns) == 1)
            groups[holds] = name
            free &= ~holds
        return groups


def evaluate_columns(node: Node, columns: Columns) -> Array:
    """Return an expression for each row, as `expressions.evaluate` has it: NaN for null, 1 and 0 for true and false; a text
    column gives its texts.
    """
    if isinstance(node, Literal):
        return np.array([node.value], dtype=object if isinstance(node.value, str) else np.float64)
    if isinstance(node, ColumnRef):
        column = columns[node.name]
        return column.map(lambda value: value, object) if isinstance(column, CodedTexts) else column
    values = [evaluate_columns(operand, columns) for operand in node.operands]
    with np.errstate(all="ignore"):
        if node.operator in ("and", "or"):
            decisive = float(node.operator == "or")
            stacked = np.stack(np.broadcast_arrays(*values))
            open_or_other = np.where(np.isnan(stacked).any(axis=0), np.nan, 1 - decisive)
            return np.where((stacked == decisive).any(axis=0), decisive, open_or_other)
        if node.operator in COMPARISONS:
            return _compared(node.operator, *values)
        result: Array = np.asarray(_arithmetic(node.operator, values), dtype=np.float64)
    return np.where(np.isfinite(result), result, np.nan)


def _compared(operator: str, left: Array, right: Array) -> Array:
    left, right = np.broadcast_arrays(left, right)
    if left.dtype == object:
        missing = np.equal(left, np.array(None)) | np.equal(right, np.array(None))
        left, right = np.where(missing, "", left), np.where(missing, "", right)
    else:
        missing = np.isnan(left) | np.isnan(right)
    return np.where(missing, np.nan, np.asarray(operate(operator, left, right), dtype=np.float64))


def _arithmetic(operator: str, values: list[Array]) -> Any:
    first = values[0]
    match operator:
        case "+" | "-" | "*" | "/" | "neg":
            return operate(operator, *values)
        case "not":
            return 1 - first
        case "log1p":
            return np.where(first > -1, np.log(1 + first), np.nan)
        case _:
            return date_part(operator, _dates(first), np.floor)


def _dates(texts: Array) -> Array:
    return np.array([np.nan if text is None else days_of(text) for text in texts], dtype=np.float64)


def _mark(feature: Feature, column: Column, *, is_missing_new: bool) -> Array:
    """Return what of a feature is new to the model [rows]: 0 nothing, 1 the value, 2 that it is missing."""
    if isinstance(column, CodedTexts) and feature.kind == "categorical":
        known = frozenset(feature.categories)
        return column.map(lambda value: (value or "") not in known, np.int64)
    numbers = _numbers(column)
    found = 2 * np.isnan(numbers) if is_missing_new else np.zeros(len(numbers), dtype=np.int64)
    if feature.seen_min is not None and feature.seen_max is not None:
        found[(numbers < feature.seen_min) | (numbers > feature.seen_max)] = 1
    return found


def _half_width(band: Band, predictions: Array) -> Array:
    return band.quantile * np.interp(predictions, band.predictions, band.scales)


def _fed(feature: Feature, column: Column) -> Array:
    if feature.kind == "categorical":
        assert isinstance(column, CodedTexts)  # noqa: S101 - so the columns are made
        return column.map(lambda value: value or "", object)
    return _numbers(column)


def _numbers(column: Column) -> Array:
    return (
        column.map(lambda value: np.nan if value is None else days_of(value), np.float64)
        if isinstance(column, CodedTexts)
        else column
    )


def _codes(column: Column) -> Array:
    return column.codes if isinstance(column, CodedTexts) else column


def _value(feature: Feature, column: Column, index: int) -> Any:
    if isinstance(column, CodedTexts):
        return column.values[column.codes[index]]
    number = float(column[index])
    if np.isnan(number):
        return None
    return int(number) if feature.rule.dtype == "int" and number.is_integer() else number
