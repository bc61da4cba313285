import math
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tabtrail.contract.expressions import (
    DATE_PARTS,
    ExpressionError,
    check_formula,
    check_kinds,
    columns_of,
    date_part,
    date_text,
    days_of,
    evaluate,
    is_condition,
    moment_text,
    parse_expression,
    replace_columns,
)
from tabtrail.data.dates import to_doubles
from tabtrail.data.polars_expressions import to_polars

NUMBERS = st.one_of(st.none(), st.floats(-1e6, 1e6).map(lambda x: round(x, 3)))
TEXTS = st.sampled_from(
    [
        "a / b / c >= 0.75 and a / b / c <= 1.25",
        "0.75 <= a / b <= 1.25",
        "3 * a - 2 <= b <= 3 * a",
        "a > b or not (b > c)",
        "-a < b",
        "a * b != c",
        "a + b == c and a < 0",
    ]
)


@given(text=TEXTS, a=NUMBERS, b=NUMBERS, c=NUMBERS)
def test_python_and_polars_compute_the_same(text: str, a: float | None, b: float | None, c: float | None) -> None:
    tree = parse_expression(text)
    frame = pl.DataFrame({"a": [a], "b": [b], "c": [c]}, schema=dict.fromkeys("abc", pl.Float64))
    assert evaluate(tree, {"a": a, "b": b, "c": c}) == frame.select(to_polars(tree).alias("x")).item()


@pytest.mark.parametrize("a", [1.0, 2.0, 3.0])
@pytest.mark.parametrize(
    "text",
    [
        "a < b",
        "a <= b",
        "a > b",
        "a >= b",
        "a == b",
        "a != b",
        "a < b <= c",
        "a + b",
        "a - b",
        "a * b",
        "a / b",
        "-a",
        "not a > b",
        "a > 1 and b > 1",
        "a > 2 or b > 2",
    ],
)
def test_operators_mean_what_they_mean_in_python(text: str, a: float) -> None:
    values = {"a": a, "b": 2.0, "c": 2.0}
    assert evaluate(parse_expression(text), values) == eval(text, {}, values)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('x')",
        "a.b",
        "a[0]",
        "lambda: 1",
        "a if b else c",
        "f(a)",
        "a ** 2",
        "a := 1",
        "",
        "a <",
        "True",
        "'" + "a" * 2000,
    ],
)
def test_anything_but_arithmetic_and_comparison_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse_expression(text)


def test_a_column_of_any_name_can_be_read() -> None:
    tree = parse_expression('col("unit price (€)") * QTY > 3')
    assert columns_of(tree) == {"unit price (€)", "QTY"}
    assert is_condition(tree)
    assert evaluate(tree, {"unit price (€)": 2.0, "QTY": 2}) is True


def test_division_by_zero_and_nulls_give_null() -> None:
    assert evaluate(parse_expression("a / b"), {"a": 1.0, "b": 0.0}) is None
    assert evaluate(parse_expression("a > 1"), {"a": None}) is None


def test_whole_numbers_do_not_begin_anew_where_64_bits_end() -> None:
    rows = pl.DataFrame({"a": [10**12, 3], "b": [10**12, 5]})
    found = rows.select(
        to_polars(parse_expression("a * b > 20")).alias("large"), to_polars(parse_expression("a * b")).alias("product")
    )
    assert found.to_dict(as_series=False) == {"large": [True, False], "product": [1e24, 15.0]}


def test_a_column_without_values_gives_as_many_gaps_as_it_has_rows() -> None:
    rows = pl.DataFrame({"a": [None, None]}, schema={"a": pl.Float64})
    for text in ("1 < -log1p(a)", "1 < -(1 / a)"):
        assert rows.with_columns(to_polars(parse_expression(text)).alias("x"))["x"].to_list() == [None, None]


def test_a_logarithm_ends_where_it_is_none() -> None:
    log = parse_expression("log1p(a)")
    assert evaluate(log, {"a": -1.0}) is None
    assert evaluate(log, {"a": 0.0}) == 0
    assert evaluate(log, {"a": math.e - 1}) == pytest.approx(1)


def test_an_expression_of_a_thousand_characters_is_the_longest() -> None:
    assert parse_expression("a + 1".ljust(1000)) == parse_expression("a + 1")
    with pytest.raises(ExpressionError, match="at most 1,000 characters"):
        parse_expression("a + 1".ljust(1001))


KINDS = {"a": "number", "b": "number", "t": "text", "d": "date"}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a + b", "number"),
        ("month(d)", "number"),
        ("a < b", "truth"),
        ("t == 'x'", "truth"),
        ("not a < b", "truth"),
        ("t", "text"),
    ],
)
def test_the_kind_of_an_expression_follows_from_its_columns(text: str, kind: str) -> None:
    assert check_kinds(parse_expression(text), KINDS) == kind


@pytest.mark.parametrize(
    "text", ["a + t", "a < t", "d < d", "month(a)", "month(a + b)", "a and b", "(a < b) == (b < a)", "-t", "not a"]
)
def test_kinds_that_do_not_fit_together_are_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        check_kinds(parse_expression(text), KINDS)


def test_a_formula_is_arithmetic_in_which_comparisons_count_as_one_or_zero() -> None:
    check_formula(parse_expression("(a >= 1) * b + month(d) - log1p(a)"), KINDS)
    for text in ("a + t", "not a < b", "(a < b and b < a) * 2", "t", "d"):
        with pytest.raises(ExpressionError):
            check_formula(parse_expression(text), KINDS)


def test_days_are_written_as_their_dates() -> None:
    assert [date_text(days) for days in (0, -1, 11017, 11017.9)] == ["1970-01-01", "1969-12-31", "2000-03-01", "2000-03-01"]


def test_a_plus_sign_says_nothing_and_a_number_without_end_is_refused() -> None:
    assert parse_expression("-a + +2.5") == parse_expression("-a + 2.5")
    with pytest.raises(ExpressionError, match="a number in an expression is at most 1e300"):
        parse_expression("1e999 * a")


def test_an_expression_too_deep_or_too_large_to_work_with_is_refused() -> None:
    deep = "+".join("A" * 100)
    row = {"A": 1.0}
    assert evaluate(parse_expression(deep), row) == 100
    assert pl.DataFrame(row).select(to_polars(parse_expression(deep))).item() == 100
    assert pl.DataFrame(row).select(to_polars(parse_expression("/".join("A" * 100)))).item() == 1
    for text in ("-" * 900 + "A", deep + "+A", "not " * 200 + "A > 1", "(" * 90 + "A" + ")" * 90 + "+1" * 150):
        with pytest.raises(ExpressionError):
            parse_expression(text)
    trees = {"D0": parse_expression("A")}
    with pytest.raises(ExpressionError, match="parts; at most 10,000"):
        for level in range(1, 60):
            trees[f"D{level}"] = replace_columns(parse_expression(f"D{level - 1} * D{level - 1} + 1"), trees)


def part_in_python(part: str, moment: datetime) -> int:
    """A part of a point in time, as the standard library has it."""
    if part == "days":
        return moment.toordinal() - date(1970, 1, 1).toordinal()
    known = {"weekday": moment.isoweekday(), "quarter": (moment.month + 2) // 3, "season": moment.month % 12 // 3 + 1}
    return known[part] if part in known else int(getattr(moment, part))


@given(moment=st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)), part=st.sampled_from(DATE_PARTS))
@example(moment=datetime(1969, 12, 31, 23, 59, 59, 999_999), part="hour")
@example(moment=datetime(9999, 12, 31, 22, 59, 59), part="hour")
@example(moment=datetime(2024, 2, 29), part="days")
def test_parts_of_a_point_in_time_are_those_of_the_calendar_in_rows_columns_and_polars(moment: datetime, part: str) -> None:
    expected, tree = part_in_python(part, moment), parse_expression(f"{part}(X)")
    column = pl.DataFrame({"X": [moment]})
    days = to_doubles(column["X"])[0]
    assert evaluate(tree, {"X": moment.isoformat()}) == expected
    assert column.select(to_polars(tree)).item() == expected
    assert date_part(part, np.array([days]), np.floor)[0] == date_part(part, days, math.floor) == expected


@given(moment=st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)))
def test_a_point_in_time_is_the_same_double_everywhere_to_the_second(moment: datetime) -> None:
    days, text = days_of(moment.isoformat()), moment.isoformat(timespec="seconds")
    assert to_doubles(pl.Series([moment]))[0] == days == days_of(text)
    assert moment_text(days) == text
    seconds = moment.replace(tzinfo=UTC, microsecond=0).timestamp()
    assert days == seconds / 86_400


def test_the_hour_of_a_column_of_days_is_refused_with_what_keeps_it() -> None:
    kinds = {"D": "date", "T": "datetime", "x": "number"}
    assert check_kinds(parse_expression("hour(T) + month(T) + month(D) >= 3"), kinds) == "truth"
    with pytest.raises(ExpressionError, match=r"contract.columns.D.dtype: datetime"):
        check_kinds(parse_expression("hour(D)"), kinds)
    with pytest.raises(ExpressionError, match="'minute' takes a date column, not number"):
        check_kinds(parse_expression("minute(x)"), kinds)
