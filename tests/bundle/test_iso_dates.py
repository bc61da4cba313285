"""Dates of rows to score may be YYYY-MM-DD beside the formats of the training files."""

from tabtrail.bundle.values import iso_too
from tabtrail.contract.cells import CellReading
from tabtrail.contract.dates import DateFormat
from tabtrail.contract.schema import ColumnRule, Dtype, Feature


def test_iso_dates_are_read_beside_the_formats_of_the_training_files() -> None:
    assert iso_too(dated("%d.%m.%Y")).formats == ("%d.%m.%Y", "%Y-%m-%d")


def test_iso_dates_are_not_read_where_they_contradict_a_format_of_the_training_files() -> None:
    assert iso_too(dated("%Y-%d-%m")).formats == ("%Y-%d-%m",)
    assert iso_too(dated("%Y-%d-%m %H:%M", dtype="datetime")).formats == ("%Y-%d-%m %H:%M",)


def test_offsets_from_utc_are_read_in_rows_to_score_where_the_training_has_a_zone_alone() -> None:
    times = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f")
    assert iso_too(dated("%d.%m.%Y %H:%M", dtype="datetime")).formats == ("%d.%m.%Y %H:%M", *times)
    zoned = iso_too(dated("%d.%m.%Y %H:%M", dtype="datetime", time_zone="UTC")).formats
    assert zoned == ("%d.%m.%Y %H:%M", times[0], times[0] + "%z", times[1], times[1] + "%z")


def dated(form: str, dtype: Dtype = "date", time_zone: str | None = None) -> Feature:
    return Feature("d", "date", ColumnRule(dtype), reading=CellReading(date=DateFormat((form,), time_zone=time_zone)))
