"""Spans of days as people write them."""

from datetime import date, timedelta

import numpy as np
import pytest

from tabtrail.errors import UsageError
from tabtrail.monitor.spans import Span, parse_span


def days(span: Span) -> tuple[str, str]:
    """First and last day of a span."""
    start = date(1970, 1, 1)
    return str(start + timedelta(span.first)), str(start + timedelta(span.after - 1))


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2003", "2003-01-01", "2003-12-31"),
        ("2004Q1", "2004-01-01", "2004-03-31"),
        ("2005-q2", "2005-04-01", "2005-06-30"),
        ("2004-02", "2004-02-01", "2004-02-29"),
        ("2003-06-15", "2003-06-15", "2003-06-15"),
        ("2004..2005Q2", "2004-01-01", "2005-06-30"),
        ("1969Q4", "1969-10-01", "1969-12-31"),
    ],
)
def test_a_span_holds_the_days_that_its_text_names(text: str, first: str, last: str) -> None:
    assert days(parse_span(text)) == (first, last)


@pytest.mark.parametrize("text", ["", "03", "2005Q5", "2005-13", "2003-02-29", "2005-06-00", "2005..", "2005..2004", "last year"])
def test_a_text_that_names_no_span_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_span(text)


def test_a_span_is_cut_into_whole_quarters_in_their_order() -> None:
    assert [each.name for each in parse_span("2004..2005Q2").cut("quarter")] == [
        "2004Q1",
        "2004Q2",
        "2004Q3",
        "2004Q4",
        "2005Q1",
        "2005Q2",
    ]


def test_a_missing_day_lies_in_no_span() -> None:
    assert parse_span("1970").holds(np.array([np.nan, 0.0, 364.5, 365.0])).tolist() == [False, True, True, False]
