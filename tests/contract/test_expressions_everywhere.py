"""An expression means the same row by row, in Polars, in the columns of a file to score, in training's arrays and in a graph."""

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tabtrail.bundle.columnar import CodedTexts, evaluate_columns
from tabtrail.contract.expressions import (
    DATE_PARTS,
    TIME_PARTS,
    Node,
    columns_of,
    compute,
    date_part,
    days_of,
    evaluate,
    parse_expression,
)
from tabtrail.data.polars_expressions import to_polars
from tabtrail.export.symbols import Symbol, Symbols
from tabtrail.modeling.preprocess import derive

Row = Mapping[str, Any]
NAMES = {"a": pl.Float64, "b": pl.Float64, "n": pl.Int64, "d": pl.Date, "m": pl.Datetime("ms"), "s": pl.String, "t": pl.String}
COMPARE = ("<", "<=", ">", ">=", "==", "!=")

SMALL = st.sampled_from([0.0, 1.0, -1.0, 2.0, 3.0, 0.5, -2.5, 7.25, 1e6])
NUMBERS = st.none() | SMALL | st.floats(-1e6, 1e6)
HUGE = NUMBERS | st.sampled_from([math.inf, -math.inf, 1e200, -1e200, 1.7e308])


def rows_of(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Row]]:
    """Rows with numbers in `a`, `b` and `n` (whole), a date in `d`, one with its time in `m`, texts in `s`, `t`; some missing."""
    words = st.none() | st.sampled_from(["x", "y", "Z", "é", "x y"])
    whole = st.none() | st.integers(-3, 3) | st.integers(-(2**53), 2**53)
    moments = st.none() | st.datetimes(datetime(1899, 12, 1), datetime(2101, 3, 1)).map(lambda each: each.replace(microsecond=0))
    dates = st.none() | st.dates(date(1899, 12, 1), date(2101, 3, 1))
    row = {"a": numbers, "b": numbers, "n": whole, "d": dates, "m": moments, "s": words, "t": words}
    return st.lists(st.fixed_dictionaries(row), min_size=1, max_size=6)


DAYS = [f"{part}(d)" for part in DATE_PARTS if part not in TIME_PARTS]
MOMENTS = [f"{part}(m)" for part in DATE_PARTS]
LEAVES = st.sampled_from(["a", "b", "n", "0", "1", "2.5", "7", *DAYS, *MOMENTS])


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner)
    return binary | st.builds("(-{})".format, inner) | st.builds("log1p({})".format, inner)


ARITHMETIC = st.recursive(LEAVES, _grown, max_leaves=5)
COMPARED = st.builds("({} {} {})".format, ARITHMETIC, st.sampled_from(COMPARE), ARITHMETIC)
CHAINED = st.builds("({} <= {} < {})".format, ARITHMETIC, ARITHMETIC, ARITHMETIC)
TEXTS = st.builds("({} {} {})".format, st.sampled_from(["s", "t"]), st.sampled_from(COMPARE), st.sampled_from(["s", "t", "'x'"]))
CONDITIONS = st.recursive(
    COMPARED | CHAINED | TEXTS,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner) | st.builds("(not {})".format, inner)
    ),
    max_leaves=4,
)
FORMULAS = st.recursive(ARITHMETIC | COMPARED, _grown, max_leaves=4)


def one_by_one(tree: Node, rows: Sequence[Row]) -> list[Any]:
    return [evaluate(tree, {name: as_text(value) for name, value in row.items()}) for row in rows]


def as_text(value: Any) -> Any:
    """A date as a row of JSON has it, other values as they are."""
    return value.isoformat() if isinstance(value, date) else value


def in_polars(tree: Node, rows: Sequence[Row]) -> list[Any]:
    frame = pl.DataFrame(rows, schema=NAMES)
    return frame.with_columns(to_polars(tree).alias("found"))["found"].to_list()


def as_columns(rows: Sequence[Row]) -> dict[str, Any]:
    """The columns of a file to score: doubles with NaN for a missing one, texts and dates by their codes."""
    found: dict[str, Any] = {}
    for name, dtype in NAMES.items():
        values = [as_text(row[name]) for row in rows]
        numeric = dtype.is_numeric()
        doubles = [math.nan if each is None else each for each in values] if numeric else ()
        found[name] = np.array(doubles, dtype=np.float64) if numeric else CodedTexts(tuple(values), np.arange(len(rows)))
    return found


def in_columns(tree: Node, rows: Sequence[Row]) -> list[Any]:
    found = np.broadcast_to(evaluate_columns(tree, as_columns(rows)), len(rows)).tolist()
    return [None if math.isnan(each) else each for each in found]


def as_arrays(tree: Node, rows: Sequence[Row]) -> dict[str, Any]:
    """The raw inputs of a model: doubles, dates as days since 1970-01-01, NaN for a missing one."""
    read = {name: [None if row[name] is None else days_of(as_text(row[name])) for row in rows] for name in ("d", "m")}
    read |= {name: [row[name] for row in rows] for name in ("a", "b", "n")}
    doubles = {name: [math.nan if each is None else each for each in values] for name, values in read.items()}
    return {name: np.array(doubles[name], dtype=np.float64) for name in sorted(columns_of(tree) or {"a"})}


def in_arrays(tree: Node, rows: Sequence[Row]) -> list[Any]:
    return [None if math.isnan(each) else each for each in derive(tree, as_arrays(tree, rows)).tolist()]


def in_graph(tree: Node, rows: Sequence[Row]) -> list[Any]:
    nodes, constants, columns = list[Any](), list[Any](), as_arrays(tree, rows)

    def emit(operator: str, inputs: list[str]) -> str:
        nodes.append(onnx.helper.make_node(operator, inputs, [f"n{len(nodes)}"]))
        return f"n{len(nodes) - 1}"

    def constant(value: Any) -> str:
        constants.append(onnx.numpy_helper.from_array(value, f"c{len(constants)}"))
        return f"c{len(constants) - 1}"

    symbols = Symbols(emit, constant)
    last = symbols.finite(compute(tree, {name: Symbol(name, emit, constant) for name in columns}, symbols)).name
    makes = onnx.helper.make_tensor_value_info
    inputs = [makes(name, onnx.TensorProto.DOUBLE, [None, 1]) for name in columns]
    graph = onnx.helper.make_graph(nodes, "g", inputs, [makes(last, onnx.TensorProto.DOUBLE, [None, 1])], constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=9)
    found = ort.InferenceSession(model.SerializeToString()).run(None, {name: each[:, None] for name, each in columns.items()})[0]
    return [None if math.isnan(each) else each for each in np.broadcast_to(found.ravel(), len(rows)).tolist()]


def alike(found: Sequence[Any], expected: Sequence[Any]) -> bool:
    """Whether the same rows have no value, and the others the same but for the last digits of logarithms."""
    return [each is None for each in found] == [each is None for each in expected] and all(
        one is None or math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9) for one, other in zip(found, expected, strict=True)
    )


@settings(deadline=None)
@given(text=CONDITIONS, rows=rows_of(HUGE))
def test_a_condition_is_true_false_or_unknown_for_the_same_rows_everywhere(text: str, rows: list[Row]) -> None:
    tree = parse_expression(text)
    expected = one_by_one(tree, rows)
    assert {type(each) for each in expected} <= {bool, type(None)}
    assert in_polars(tree, rows) == expected
    assert in_columns(tree, rows) == expected


@settings(deadline=None)
@given(text=ARITHMETIC, rows=rows_of(HUGE))
def test_arithmetic_gives_the_same_numbers_and_gaps_in_rules_everywhere(text: str, rows: list[Row]) -> None:
    tree = parse_expression(text)
    expected = one_by_one(tree, rows)
    assert alike(in_columns(tree, rows), expected)
    assert alike(in_polars(tree, rows), expected)


@settings(deadline=None, max_examples=50)
@given(text=FORMULAS, rows=rows_of(NUMBERS))
def test_a_derived_feature_is_the_same_row_by_row_in_training_and_in_the_graph(text: str, rows: list[Row]) -> None:
    tree = parse_expression(text)
    expected = one_by_one(tree, rows)
    assert alike(in_arrays(tree, rows), expected)
    assert alike(in_graph(tree, rows), expected)


@settings(deadline=None, max_examples=50)
@given(text=FORMULAS, rows=rows_of(HUGE))
def test_training_and_the_graph_derive_the_same_however_large_the_numbers_are(text: str, rows: list[Row]) -> None:
    tree = parse_expression(text)
    assert alike(in_graph(tree, rows), in_arrays(tree, rows))


def test_the_parts_of_every_day_of_eight_centuries_are_those_of_the_calendar() -> None:
    days = pl.select(pl.date_range(pl.date(1599, 1, 1), pl.date(2401, 12, 31))).to_series().alias("d")
    since = days.to_physical().to_numpy().astype(np.float64)
    for part in DATE_PARTS:
        text = "0 * days(d)" if part in TIME_PARTS else f"{part}(d)"
        expected = days.to_frame().select(to_polars(parse_expression(text)).alias("x"))["x"].to_numpy()
        assert np.array_equal(date_part(part, since, np.floor), expected), part
    assert [days_of("1970-01-01"), days_of("1969-12-31"), days_of("2000-03-01"), days_of("1970-01-02T06:00:00")] == [
        0,
        -1,
        11017,
        1.25,
    ]
