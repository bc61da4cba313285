"""Texts to numbers in bulk, by Polars: what `contract.numbers` says of one text."""

from functools import partial

import polars as pl

from tabtrail.contract.numbers import LARGEST_EXACT, MINUS, NumberFormat, mark_variants, patterns, power_of


def to_number(text: pl.Expr, written: NumberFormat, dtype: pl.DataType) -> pl.Expr:
    """Return texts as `Int64` or `Float64`; null for a text that is no number of the format.

    Not finite numbers are left to their rule: Polars takes `nan` and `inf` for numbers.
    """
    # A function of series rather than an expression: it looks twice only where the first look leaves something.
    return text.map_batches(partial(_numbers, written=written, dtype=dtype), return_dtype=dtype, is_elementwise=True)


def may_be_inexact(number: pl.Expr) -> pl.Expr:
    """Tell which doubles may stand for an integer that no double equals: only the text can tell."""
    return number.abs() >= LARGEST_EXACT


def _numbers(texts: pl.Series, written: NumberFormat, dtype: pl.DataType) -> pl.Series:
    plain = texts.str.strip_chars() if written.is_plain else _in_plain_form(texts, written)
    numbers = plain.cast(dtype, strict=False)
    if written.is_plain and numbers.null_count() > plain.null_count():
        plain = plain.str.replace(f"^{MINUS}", "-")
        numbers = plain.cast(dtype, strict=False)
    return numbers if dtype.is_integer() else _exact(numbers, plain)


def _exact(numbers: pl.Series, plain: pl.Series) -> pl.Series:
    """Return doubles, with null for those that stand for an integer that no double equals."""
    found = pl.DataFrame({"number": numbers, "plain": plain}).with_row_index()
    wide = found.filter(may_be_inexact(pl.col("number")) & pl.col("number").is_finite())
    integers = wide.filter(pl.col("plain").str.contains("^[-+]?[0-9]+$"))
    same = pl.col("plain").cast(pl.Int128, strict=False) == pl.col("number").cast(pl.Int128, strict=False)
    inexact = integers.filter(~same.fill_null(False)).get_column("index")
    return numbers.scatter(inexact, None) if len(inexact) else numbers


def _in_plain_form(texts: pl.Series, written: NumberFormat) -> pl.Series:
    if patterns(written) != patterns(NumberFormat(written.decimal, written.thousands)):
        forms = [_parts(pl.col("t"), pattern, sign, written) for pattern, sign in patterns(written)]
    else:  # far cheaper than taking the parts of a match
        matching = pl.when(pl.col("t").str.contains(patterns(written)[0][0])).then(pl.col("t").str.strip_chars())
        forms = [_without_marks(matching.str.replace(MINUS, "-", literal=True), written)]
    return texts.rename("t").to_frame().select(pl.coalesce(forms)).to_series()


def _parts(text: pl.Expr, pattern: str, sign: str | None, written: NumberFormat) -> pl.Expr:
    groups = text.str.extract_groups(pattern)
    before = pl.lit(sign) if sign else groups.struct.field("sign").fill_null("").str.replace(MINUS, "-", literal=True)
    number = _without_marks(groups.struct.field("number"), written)
    exponent = pl.lit("e-2" if written.percent else "")
    if written.multipliers:
        powers = {word: power_of(word) for word in written.multipliers}
        exponent = groups.struct.field("multiplier").replace_strict(powers, default="").fill_null("")
    return pl.concat_str(before, number, exponent)


def _without_marks(number: pl.Expr, written: NumberFormat) -> pl.Expr:
    for mark in mark_variants(written):
        number = number.str.replace_all(mark, "", literal=True)
    return number if written.decimal == "." else number.str.replace(written.decimal, ".", literal=True)
