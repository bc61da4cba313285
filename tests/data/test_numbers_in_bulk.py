"""Polars reads numbers as the contract does."""

from collections.abc import Callable

import polars as pl
import pytest
from tests.support.number_texts import FORMATS, number_texts

from tabtrail.contract.numbers import NumberFormat, read_integer, read_number
from tabtrail.data.numbers import may_be_inexact, to_number


def _read(reader: Callable[[str, NumberFormat], float], text: str, written: NumberFormat) -> float | None:
    try:
        return reader(text, written)
    except ValueError:
        return None


@pytest.mark.parametrize("written", FORMATS, ids=str)
def test_polars_reads_numbers_of_every_format_as_the_contract_does(written: NumberFormat) -> None:
    texts = number_texts(written, 1500)
    for dtype, reader in ((pl.Float64(), read_number), (pl.Int64(), read_integer)):
        if dtype.is_integer() and written.percent:
            continue  # the config refuses percentages of integers
        found = pl.DataFrame({"t": texts}).select(to_number(pl.col("t"), written, dtype)).to_series()
        if dtype.is_float():
            found = found.to_frame().select(pl.when(pl.first().is_finite()).then(pl.first())).to_series()
        wanted = [_read(reader, text, written) for text in texts]
        wrong = [(text, here, there) for text, here, there in zip(texts, wanted, found, strict=True) if here != there]
        assert not wrong, wrong[:5]
        assert sum(each is not None for each in wanted) > len(texts) / 10


def test_what_the_readers_of_csv_files_take_for_a_number_is_one() -> None:
    """A column that Polars parses as numbers while it reads the file holds what its texts mean, or is checked as texts."""
    written, parsed = NumberFormat(), list[tuple[str, float]]()
    for text in number_texts(written, 1500):
        if any(each in text for each in ',\n"') or text.startswith("\ufeff"):
            continue  # more than one field; a mark at the start of a block is looked for before
        try:
            frame = pl.read_csv(text.encode(), has_header=False, schema={"a": pl.Float64()})
        except pl.exceptions.PolarsError:
            continue
        sure = frame.filter(pl.col("a").is_finite() & ~may_be_inexact(pl.col("a")))
        parsed += [(text, number) for number in sure["a"]]
    assert len(parsed) > 1000
    assert [(text, number) for text, number in parsed if _read(read_number, text, written) != number] == []
