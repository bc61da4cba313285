"""Where to trust a model least: by its error beside that of all rows, not by how many rows there are."""

import polars as pl

from tabtrail.report.verdict import worst_slice


def slices(*rows: tuple[str, int, float, float]) -> pl.DataFrame:
    names = ["slice", "rows", "share_of_rows", "share_of_squared_error"]
    return pl.DataFrame(rows, schema=names, orient="row").with_columns(column=pl.lit("hour"))


def test_the_slice_with_the_largest_error_is_named_and_not_the_one_with_most_rows() -> None:
    found = worst_slice(slices(("night", 900, 0.9, 0.6), ("rush", 60, 0.06, 0.24), ("once", 5, 0.005, 0.16)))
    assert found is not None
    assert (found["slice"], found["rows"], found["times"]) == ("rush", 60, 2.0)


def test_no_slice_is_named_where_all_err_alike() -> None:
    assert worst_slice(slices(("night", 900, 0.9, 0.88), ("rush", 100, 0.1, 0.12))) is None
