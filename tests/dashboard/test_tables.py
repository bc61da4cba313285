"""Tables of the pages: figures as the report writes them."""

import polars as pl

from tabtrail.dashboard.tables import written


def test_figures_are_written_as_in_the_report_and_what_is_missing_is_a_dash() -> None:
    numbers = {"a": [1234.5678, None, 123456.7], "share": [0.1234, 1.0, None], "n": [1234567, 1, None]}
    frame = pl.DataFrame({**numbers, "b": [True, False, None], "t": ["x", None, ""]})
    assert written(frame, ("share",)).to_dict(as_series=False) == {
        "a": ["1,235", "–", "123,457"],
        "share": ["12.34 %", "100.00 %", "–"],
        "n": ["1,234,567", "1", "–"],
        "b": ["yes", "", "–"],
        "t": ["x", "–", ""],
    }
