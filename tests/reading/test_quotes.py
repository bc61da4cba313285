"""Quotes are kept, doubled ones undone, and what leaves open what a field is is refused: never is a text altered."""

import csv
import io
from itertools import pairwise

import pyarrow as pa
import pyarrow.csv as pcsv
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.support.strict_csv import strict_records

from tabtrail.errors import DataError
from tabtrail.reading.header import Header
from tabtrail.reading.quotes import plain_blocks, plain_quotes

ATOMS = st.sampled_from(['"', '"', '""', ",", ",", "a", "\\", "'", " ", "\n", "\n", "\r\n", "é", "#"])
TEXT = st.lists(ATOMS, max_size=24).map("".join)


def read_by_arrow(text: bytes, width: int) -> list[list[str]]:
    """What Arrow finds in records of one width: a reader with rules of its own for quotes out of place."""
    table = pcsv.read_csv(
        io.BytesIO(text),
        read_options=pcsv.ReadOptions(column_names=[f"c{index}" for index in range(width)]),
        parse_options=pcsv.ParseOptions(newlines_in_values=True),
        convert_options=pcsv.ConvertOptions(column_types={f"c{index}": pa.string() for index in range(width)}),
    )
    return [list(row.values()) for row in table.to_pylist()]


@given(text=TEXT)
@example(text='5" pipe,1\n')
@example(text='"a"b,1\n')
@example(text='"say \\"hi\\", now",4\n')
@example(text='1,"a\n,"",y\n",x\n')
@example(text='a,"b\n",c" d\n')
def test_a_block_with_plain_quotes_says_what_the_strict_reader_finds(text: str) -> None:
    plain = plain_quotes(text.encode(), ",")
    expected = strict_records(text)
    if plain is None:
        lines = text.replace("\r\n", "\n").split("\n")
        assert expected is None or any(line.count('"') % 2 for line in lines), "only a record of several lines is not decided"
        return
    assert [each for each in csv.reader(io.StringIO(plain.decode(), newline=""), strict=True) if each] == expected
    assert strict_records(plain.decode()) == expected
    assert plain.count(b"\n") == text.count("\n"), "lines keep their numbers"


@given(text=TEXT, cuts=st.lists(st.integers(0, 24), max_size=3))
@example(text='a,"b\n",c" d\n', cuts=[])
def test_blocks_for_another_reader_hold_what_the_strict_reader_finds(text: str, cuts: list[int]) -> None:
    expected = strict_records(text)
    ends = [0, *sorted(at for at in cuts if text[at - 1 : at] == "\n"), len(text)]
    blocks = [text[start:end].encode() for start, end in pairwise(ends)]
    header = Header(("a",), 1, ",", 0, 0, b"")
    if expected is None:
        with pytest.raises(DataError, match="a quote is opened and not closed properly"):
            list(plain_blocks("x.csv", blocks, header, None))
        return
    found = b"".join(plain_blocks("x.csv", blocks, header, None))
    assert strict_records(found.decode()) == expected
    widths = {len(record) for record in expected}
    if len(widths) == 1 and (width := widths.pop()) > 1:
        assert read_by_arrow(found, width) == expected


def test_comments_between_records_are_left_out_and_those_within_quotes_are_texts() -> None:
    header = Header(("a", "b"), 1, ";", 0, 1, b"")
    found = b"".join(plain_blocks("x.csv", [b'# one\n1;"x\n# two\n', b'y"\n#three"\n2;#four\n'], header, "#"))
    assert strict_records(found.decode(), ";") == [["1", "x\n# two\ny"], ["2", "#four"]]


def test_the_line_of_a_quote_that_leaves_a_field_open_is_told() -> None:
    header = Header(("a", "b"), 3, ",", 0, 3, b"")
    with pytest.raises(DataError, match=r"^x.csv, from line 6: .*'\"'; a quote .*written twice"):
        list(plain_blocks("x.csv", [b"1,2\n", b'3,4\n5,"6"7\n'], header, None))
