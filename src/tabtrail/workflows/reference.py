"""What drift is later measured against, made from the rows that a champion learned from: it goes into its bundle."""

from collections.abc import Mapping

import numpy as np

from tabtrail.bundle.intervals import Intervals
from tabtrail.contract.schema import Feature, ModelSchema
from tabtrail.modeling.intervals import interval_groups
from tabtrail.modeling.problem import Problem
from tabtrail.modeling.results import Benchmark
from tabtrail.modeling.split import Mask
from tabtrail.modeling.table import Table
from tabtrail.monitor.reference import ErrorSample, Reference, make_reference, sample_errors
from tabtrail.monitor.sketch import ERROR, PREDICTION, Array, Column, Kind, Values

_MOST_ROWS = 100_000  # which take 2.4 CPU-seconds to sketch; a million would take a minute
_KINDS: Mapping[str, Kind] = {"numeric": "number", "categorical": "category", "date": "date"}


def watched_columns(features: tuple[Feature, ...]) -> list[Column]:
    """Return the inputs of a model as columns to watch."""
    return [Column(each.name, _KINDS[each.kind], rule=each.rule) for each in features]


def training_reference(benchmark: Benchmark, schema: ModelSchema, intervals: Intervals | None) -> Reference:
    """Sketch the training rows of a benchmark: inputs, and the out-of-fold predictions of its champion and their errors.

    Only rows with an out-of-fold prediction are used: the same rows stand behind every column. Of more than 100,000 the newest
    are: consecutive ones, since windows are slid over them.
    """
    champion, table = benchmark.champion, benchmark.table
    predicted = champion.out_of_fold(benchmark.split)
    known = _newest(~np.isnan(predicted), table)
    rows, predicted = table.take(known), predicted[known]
    values = {**table_values(rows), PREDICTION: predicted, ERROR: rows.y - predicted}
    columns = [*watched_columns(schema.features), *outcome_columns()]
    errors = _errors(benchmark.problem, rows, predicted, intervals)
    return make_reference(columns, values, days=rows.keys.date, errors=errors)


def _newest(known: Mask, table: Table) -> Mask:
    """Return at most 100,000 of the known rows: the newest, without dates evenly spread ones."""
    places, days = np.flatnonzero(known), table.keys.date
    if len(places) <= _MOST_ROWS:
        return known
    if days is None:
        kept = places[np.linspace(0, len(places) - 1, _MOST_ROWS).astype(np.int64)]
    else:
        kept = places[np.argsort(np.nan_to_num(days[places], nan=-np.inf), kind="stable")[-_MOST_ROWS:]]
    chosen = np.zeros(len(known), dtype=bool)
    chosen[kept] = True
    return chosen


def outcome_columns() -> list[Column]:
    """Return the columns of predictions and errors."""
    return [Column(PREDICTION, "number", "prediction"), Column(ERROR, "number", "error")]


def table_values(rows: Table) -> dict[str, Values]:
    """Return the inputs of rows by column: numbers and days as doubles, texts with None for a missing one."""
    numbers: dict[str, Values] = {name: values.astype(np.float64) for name, values in rows.numbers.items()}
    texts = {
        name: np.array([text or None for text in coded.values], dtype=object)[coded.codes] for name, coded in rows.texts.items()
    }
    return numbers | texts


def _errors(problem: Problem, rows: Table, predicted: Array, intervals: Intervals | None) -> ErrorSample:
    slices = {name: coded.plain() for name, coded in rows.texts.items()}
    if intervals is None:
        return sample_errors(rows.y, predicted, slices=slices)
    groups = interval_groups(problem, rows)
    bounds = np.array([intervals.bounds(value, group) for value, group in zip(predicted.tolist(), groups, strict=True)])
    return sample_errors(rows.y, predicted, interval=(bounds[:, 0], bounds[:, 1], intervals.level), slices=slices)
