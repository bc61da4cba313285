"""What a filter shows is what SQL says of the same rows, whatever is chosen."""

import random
from collections.abc import Iterator
from datetime import timedelta

import duckdb
import polars as pl
import pytest

from tabtrail.dashboard.filters import Filters, Selection, read_filters
from tabtrail.dashboard.place import Place
from tabtrail.data.warehouse import open_rows

COMBINATIONS = 200


def by_hand(selection: Selection) -> str:
    """The same condition as a person would write it, with its values in it."""

    def literal(value: object) -> str:
        return "'" + str(value).replace("'", "''") + "'" if isinstance(value, str) else str(value)

    parts = []
    for column, values in selection.values:
        each = [f'"{column}" IS NULL' if value is None else f'"{column}" = {literal(value)}' for value in values]
        parts.append(f"({' OR '.join(each)})")
    if selection.since:
        parts.append(f"\"{selection.date_column}\" >= DATE '{selection.since}'")
    if selection.until:
        parts.append(f"\"{selection.date_column}\" <= DATE '{selection.until}'")
    if selection.conditions:
        parts.append(f"({' OR '.join(selection.conditions)})")  # of the config of the sales: comparisons, which SQL writes alike
    return " AND ".join(parts) or "true"


def draws(filters: Filters) -> Iterator[Selection]:
    dice = random.Random(18)
    assert filters.days is not None
    days = (filters.days.last - filters.days.first).days
    for _ in range(COMBINATIONS):
        chosen = dice.sample(filters.choices, dice.randint(0, 3))
        values = tuple(
            (each.column, tuple(dice.sample(each.values, dice.randint(1, min(3, len(each.values)))))) for each in chosen
        )
        since = filters.days.first + timedelta(days=dice.randint(0, days)) if dice.random() < 0.4 else None
        until = filters.days.last - timedelta(days=dice.randint(0, days)) if dice.random() < 0.4 else None
        strata = tuple(condition for _, condition in dice.sample(filters.strata, dice.randint(0, len(filters.strata))))
        yield Selection(values, filters.days.column, since, until, strata)


def test_what_a_filter_leaves_equals_sql_on_the_same_rows_for_200_random_combinations(rows_only: Place) -> None:
    at = rows_only
    rows = pl.read_parquet(at.config.paths.processed_dir / "**/*.parquet", hive_partitioning=True)
    files = f"read_parquet('{at.config.paths.processed_dir}/**/*.parquet', hive_partitioning=true)"
    some = 0
    with open_rows(at.database) as shown, duckdb.connect() as judge:
        for selection in draws(read_filters(at)):
            where, bound = selection.where()
            counted = "count(*), sum(SALES), min(ORDERNUMBER), max(MSRP)"
            found = shown.execute(f"SELECT {counted} FROM {at.table} WHERE {where}", bound or None).fetchall()[0]
            right = judge.execute(f"SELECT {counted} FROM {files} WHERE {by_hand(selection)}").fetchall()[0]
            assert (found[0], *found[2:]) == (right[0], *right[2:]), selection
            assert (found[1] or 0) == pytest.approx(right[1] or 0, rel=1e-12), selection
            assert rows.filter(selection.expression()).height == right[0], selection
            some += right[0] > 0
    assert some > COMBINATIONS / 4, "most of the combinations must not be empty by themselves"


def test_values_that_come_after_the_first_glance_are_counted_too(rows_only: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read_filters(rows_only)
    monkeypatch.setattr("tabtrail.dashboard.filters._GLANCE", 1)
    assert read_filters(rows_only) == whole


def test_filters_are_the_columns_with_few_values_first_those_that_the_config_names(rows_only: Place) -> None:
    filters = read_filters(rows_only)
    assert [each.column for each in filters.choices][:3] == ["PRODUCTLINE", "COUNTRY", "DEALSIZE"]
    assert "CUSTOMERNAME" not in [each.column for each in filters.choices]
    assert "QUANTITYORDERED" not in [each.column for each in filters.choices]
    assert filters.days is not None
    assert [name for name, _ in filters.strata] == ["price_at_cap", "price_below_cap"]
