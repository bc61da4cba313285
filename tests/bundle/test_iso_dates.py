"""Dates of rows to score may be YYYY-MM-DD beside the formats of the training files."""

from tabtrail.bundle.values import iso_too
from tabtrail.contract.dates import DateFormat


def test_iso_dates_are_read_beside_the_formats_of_the_training_files() -> None:
    assert iso_too(DateFormat(("%d.%m.%Y",))).formats == ("%d.%m.%Y", "%Y-%m-%d")


def test_iso_dates_are_not_read_where_they_contradict_a_format_of_the_training_files() -> None:
    assert iso_too(DateFormat(("%Y-%d-%m",))).formats == ("%Y-%d-%m",)
