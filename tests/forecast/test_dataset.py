"""Series of segments by SQL: of a table, and of the real file's Parquet layer."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import duckdb
import numpy as np
import pytest
from tests.support.projects import Project

from tabtrail import pipeline
from tabtrail.data.warehouse import parquet_view
from tabtrail.errors import DataError, UsageError
from tabtrail.forecast.dataset import SeriesSource, find_segment, list_segments, read_series
from tabtrail.forecast.series import Segment

SEGMENTS = {"line": "LINE", "country": "COUNTRY"}


@pytest.fixture
def source() -> Iterator[SeriesSource]:
    with duckdb.connect() as connection:
        connection.execute(
            """CREATE TABLE orders AS SELECT * FROM (VALUES
            (DATE '2003-01-05', 1.5, 'Cars', 'USA'), (DATE '2003-01-31', 2.5, 'Cars', 'USA'),
            (DATE '2003-03-01', 4.0, 'Cars', 'USA'),
            (DATE '2003-02-01', 8.0, 'Ships', 'France'), (NULL, 99.0, 'Cars', 'USA'), (DATE '2003-03-31', 16.0, 'Ships', NULL)
            ) AS t(DAY, AMOUNT, LINE, COUNTRY)"""
        )
        yield SeriesSource(connection, "orders", "DAY", "AMOUNT", SEGMENTS, "MS", drop_incomplete=True)


def test_amounts_are_summed_by_month_for_each_segment_and_for_all_rows(source: SeriesSource) -> None:
    cars = Segment((("line", "Cars"), ("country", "USA")))
    found = read_series(source, [cars, Segment()])
    assert [each.values.tolist() for each in found] == [[4.0, 0.0, 4.0], [4.0, 8.0, 20.0]]
    assert [each.start for each in found] == [date(2003, 1, 1)] * 2
    assert found[0].segment == cars


class Counting:
    """A connection that counts what is asked of it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection, self.asked = connection, 0

    def execute(self, sql: str, parameters: list[Any] | None = None) -> Any:
        self.asked += 1
        return self.connection.execute(sql, parameters)


def test_segments_of_the_same_names_are_read_together_and_given_in_the_order_asked(source: SeriesSource) -> None:
    few = [Segment((("line", "Ships"),)), Segment()]
    many = [few[0], Segment((("line", "Cars"), ("country", "USA"))), *few, Segment((("line", "Cars"),))]
    asked = []
    for wanted in (few, many):
        counting = Counting(source.connection)
        found = read_series(replace(source, connection=counting), wanted)  # type: ignore[arg-type]
        asked.append(counting.asked)
    assert [each.segment for each in found] == many
    assert [each.values.tolist() for each in found] == [[8, 16], [4, 0, 4], [8, 16], [4, 8, 20], [4, 0, 4]]
    assert asked[1] == asked[0] + 1  # the names of both columns


def test_segments_are_the_combinations_of_values_that_have_rows(source: SeriesSource) -> None:
    assert list_segments(source, ["line"]) == [Segment((("line", "Cars"),)), Segment((("line", "Ships"),))]
    both = [segment.label for segment in list_segments(source, ["line", "country"])]
    assert both == ["Cars · USA", "Ships · France"]


def test_a_segment_is_named_by_its_own_names_or_by_columns() -> None:
    assert find_segment(SEGMENTS, {"COUNTRY": "USA", "line": "Cars"}) == Segment((("line", "Cars"), ("country", "USA")))
    assert find_segment(SEGMENTS, {}) == Segment()
    with pytest.raises(UsageError, match=r"risk.segments has no 'contry' .*did you mean 'country'"):
        find_segment(SEGMENTS, {"contry": "USA"})
    with pytest.raises(UsageError, match="two values are given for country"):
        find_segment(SEGMENTS, {"country": "USA", "COUNTRY": "France"})


def test_an_unknown_segment_is_answered_with_the_nearest_value(source: SeriesSource) -> None:
    with pytest.raises(UsageError, match=r"there is no line 'Car' \(there are Cars, Ships\).*did you mean 'Cars'"):
        read_series(source, [Segment((("line", "Car"),))])


def test_values_that_do_not_occur_together_are_answered_with_those_that_do(source: SeriesSource) -> None:
    message = r"no rows are Ships · USA: .* \(line with USA: Cars; country with Ships: France, None\)"
    with pytest.raises(UsageError, match=message):
        read_series(source, [Segment((("line", "Ships"), ("country", "USA")))])


def test_a_table_without_dates_is_a_clear_error(source: SeriesSource) -> None:
    source.connection.execute("UPDATE orders SET DAY = NULL")
    with pytest.raises(DataError, match="the column DAY has no dates"):
        read_series(source, [Segment()])


def test_the_real_series_of_classic_cars_in_the_usa_has_27_months_and_one_without_sales(real_project: Project) -> None:
    config = real_project.config()
    pipeline.run_stage("ingest", config)
    segments = config.risk.segments
    with parquet_view(config.database) as connection:
        source = SeriesSource(connection, config.duckdb.table, "ORDERDATE", "SALES", segments, "MS", drop_incomplete=True)
        wanted = find_segment(segments, {"product_line": "Classic Cars", "COUNTRY": "USA"})
        series, whole, *alone = read_series(source, [wanted, Segment(), *list_segments(source, ["product_line"])])
        assert len(list_segments(source, ["product_line", "country"])) == 116
    assert (series.periods[0], series.periods[-1]) == (date(2003, 3, 1), date(2005, 5, 1))
    assert (len(series.values), int(np.sum(series.values == 0))) == (27, 1)
    assert series.values[0] == pytest.approx(27398.82)
    assert len(alone) == 7
    assert sum(float(each.values.sum()) for each in alone) == pytest.approx(float(whole.values.sum()))
