"""The header of a CSV: below titles and comments, with the delimiter that the file names; what is told where it does not fit."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabtrail.contract.layout import Layout, name_columns
from tabtrail.errors import DataError
from tabtrail.reading.header import advise, open_table, read_header
from tabtrail.reading.source import UndecodableText

ROWS = "1,x,2\n2,y,3\n"
REQUIRED = ("a", "b", "y")


def advice(text: str, layout: Layout | None = None) -> str:
    layout = layout or Layout()
    return advise(read_header("x.csv", text.encode(), layout), layout, REQUIRED)


@pytest.mark.parametrize(
    ("text", "layout", "line", "rest"),
    [
        ("a,b,y\n" + ROWS, Layout(), 1, ROWS),
        ("\n\na,b,y\n" + ROWS, Layout(), 3, ROWS),
        ("Sales 2024\nby me\n\na,b,y\n" + ROWS, Layout(skip_rows=2), 4, ROWS),
        ("Sales 2024\nby me\n\na,b,y\n" + ROWS, Layout(skip_rows=3), 4, ROWS),
        ("# one\n# two\n\na,b,y\n" + ROWS, Layout(comment="#"), 4, ROWS),
        ("title\n# note\na,b,y\n" + ROWS, Layout(comment="#", skip_rows=1), 3, ROWS),
        ("a,b,y\n(pcs),,(EUR)\n" + ROWS, Layout(skip_after_header=1), 1, ROWS),
        ("sep=,\r\na,b,y\n" + ROWS, Layout(delimiter=";"), 2, ROWS),
        ('"a"' + ',b,"y"\r\n' + ROWS, Layout(), 1, ROWS),
    ],
)
def test_the_header_stands_below_what_is_skipped_and_keeps_its_line(text: str, layout: Layout, line: int, rest: str) -> None:
    header, blocks = open_table("x.csv", iter([text.encode()]), layout)
    assert (header.written, header.line, b"".join(blocks)) == (("a", "b", "y"), line, rest.encode())
    assert header.lines == text.count("\n") - rest.count("\n")


@given(cuts=st.lists(st.integers(0, 60), max_size=4))
def test_where_blocks_end_does_not_move_the_header(cuts: list[int]) -> None:
    text = b'title\n# note\n"a\nb",b,y\nunits\n1,x,2\n2,y,3\n'
    ends = [0, *sorted(at for at in cuts if text[at - 1 : at] == b"\n"), len(text)]
    blocks = (text[start:end] for start, end in pairwise(ends) if start < end)
    header, rest = open_table("x.csv", blocks, Layout(skip_rows=1, comment="#", skip_after_header=1))
    assert (header.written, header.line, header.lines, b"".join(rest)) == (("a\nb", "b", "y"), 3, 5, ROWS.encode())


@pytest.mark.parametrize(("said", "delimiter"), [("sep=;", ";"), ('"sep=;"', ";"), ("sep=\t", "\t"), ("sep=|", "|")])
def test_the_delimiter_that_a_first_line_names_goes_before_the_configured_one(said: str, delimiter: str) -> None:
    text = f"{said}\na,b,y\n{ROWS}".replace(",", delimiter).encode()
    assert read_header("x.csv", text, Layout()).written == ("a", "b", "y")
    assert read_header("x.csv", text, Layout()).delimiter == delimiter


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Sales 2024,,\nby me,2024-05-01,\n\na,b,y\n" + ROWS, "line 4 has the columns: set source.skip_rows: 3"),
        ("# one\n# two\na,b,y\n" + ROWS, 'line 3 has the columns: set source.comment: "#"'),
        ("title\na,b,c,y,z\n" + ROWS.replace("y", "w"), "line 2 has the columns: set source.skip_rows: 1"),
        ("title\nA1,B1,C1\n" + ROWS, "line 1 has 1 field, line 2 has 3: title lines? set source.skip_rows: 1"),
        ("a;b;y\n" + ROWS.replace(",", ";"), "with the delimiter ';' they are there: set source.delimiter: \";\""),
        ("a\tb\ty\n1\t2\t3\n", 'set source.delimiter: "\\t"'),
        ("title\na|b|y\n1|2|3\n", "source.skip_rows: 1; with the delimiter '|' they are there: set source.delimiter: \"|\""),
        ("A ,B_,Y\n" + ROWS, "set source.fold_header: true, or source.rename"),
    ],
)
def test_what_is_told_of_a_header_that_does_not_fit_is_what_to_set(text: str, told: str) -> None:
    assert told in advice(text)


def test_nothing_is_told_where_a_column_is_just_missing() -> None:
    assert advice("a,b,z\n1,x,2\n") == ""


def test_following_the_advice_finds_the_header() -> None:
    text = "Report\n\na;b;y\n1;x;2\n"
    assert "source.skip_rows: 2" in advice(text)
    assert read_header("x.csv", text.encode(), Layout(skip_rows=2, delimiter=";")).written == REQUIRED


def test_a_header_that_is_not_utf_8_is_not_read_with_other_letters() -> None:
    with pytest.raises(UndecodableText):
        open_table("x.csv", iter([b"a,b\xff,y\n1,2,3\n"]), Layout())


def test_a_quote_that_leaves_a_name_open_is_refused() -> None:
    with pytest.raises(DataError, match=r"x.csv, line 1: .*is it a CSV"):
        read_header("x.csv", b'"a"b,c\n1,2\n', Layout())


def test_columns_without_a_name_are_called_by_their_place_where_they_are_dropped() -> None:
    layout = Layout(unnamed="drop")
    assert name_columns(("", "a", " "), layout, ()) == ("unnamed_1", "a", "unnamed_3")
    assert read_header("x.csv", b"a,b\n1,2,\n3,4,\n", layout).written == ("a", "b", ""), "rows end in a delimiter"
    assert read_header("x.csv", b"a,b\nr1,1,2\n", layout).written == ("a", "b"), "what stands there is not dropped"


def test_names_are_folded_to_those_that_are_asked_for_alone() -> None:
    layout = Layout(fold_header=True, rename={"Unit Price": "PRICE"})
    written = ("order_date", "UNIT PRICE", "Other Column", "\ufeffqty ")
    assert name_columns(written, layout, ("ORDERDATE", "QTY")) == ("ORDERDATE", "PRICE", "Other Column", "QTY")
    assert name_columns(written, Layout(rename={"Unit Price": "PRICE"}), ("ORDERDATE",)) == written
