"""What the text of a date means."""

import time
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabtrail.contract.dates import (
    DateFormat,
    ImplausibleYear,
    check_format,
    contradict,
    disproven_format,
    has_offset,
    has_time,
    is_time_zone,
    read_date,
    read_moment,
)

READ = [
    ("2/24/2003 0:00", "%m/%d/%Y %H:%M", "2003-02-24"),
    ("02/24/2003 00:00", "%m/%d/%Y %H:%M", "2003-02-24"),
    ("2003-1-2", "%Y-%m-%d", "2003-01-02"),
    (" 2003-01-02\u00a0", "%Y-%m-%d", "2003-01-02"),
    ("2004-02-29", "%Y-%m-%d", "2004-02-29"),
    ("31/12/69", "%d/%m/%y", "1969-12-31"),
    ("31/12/68", "%d/%m/%y", "2068-12-31"),
    ("31/12/00", "%d/%m/%y", "2000-12-31"),
    ("12-aUg-2020", "%d-%b-%Y", "2020-08-12"),
    ("3 JANUARY 2022", "%d %B %Y", "2022-01-03"),
    ("20030102", "%Y%m%d", "2003-01-02"),
    ("2024-03-31T23:30:00-05:00", "%Y-%m-%dT%H:%M:%S%z", "2024-04-01"),
    ("2024-04-01T00:30:00.25+02", "%Y-%m-%dT%H:%M:%S%.f%z", "2024-03-31"),
    ("44949", "excel", "2023-01-23"),
    ("44949.75", "excel", "2023-01-23"),
    ("59", "excel", "1900-02-28"),
    ("61", "excel", "1900-03-01"),
    ("43487", "excel-1904", "2023-01-23"),
]
NO_DATES = [
    ("12-AUG-20", "%d-%b-%Y"),
    ("01/02/03", "%m/%d/%Y"),
    ("+2003-01-02", "%Y-%m-%d"),
    (" 985- 2-04", "%Y-%m-%d"),
    ("0000-01-01", "%Y-%m-%d"),
    ("-001-01-01", "%Y-%m-%d"),
    ("+10000-01-01", "%Y-%m-%d"),
    ("10000-01-01", "%Y-%m-%d"),
    ("٢٠٠٣-٠١-٠٢", "%Y-%m-%d"),
    ("2003-02-30", "%Y-%m-%d"),
    ("2003-02-29", "%Y-%m-%d"),
    ("2003-01-02 00:00", "%Y-%m-%d"),
    ("2003-01-02x", "%Y-%m-%d"),
    ("", "%Y-%m-%d"),
    ("2/24/2003 24:00", "%m/%d/%Y %H:%M"),
    ("2003-01-02 23:59:60", "%Y-%m-%d %H:%M:%S"),
    ("2003112", "%Y%m%d"),
    ("Tuesday, 3 January 2022", "%A, %d %B %Y"),
    ("60", "excel"),
    ("0", "excel"),
    ("2958466", "excel"),
    ("4.4949e4", "excel"),
    ("0001-01-01T00:00:00+05:00", "%Y-%m-%dT%H:%M:%S%z"),
]


@pytest.mark.parametrize(("text", "form", "expected"), READ)
def test_a_text_of_the_format_is_its_date(text: str, form: str, expected: str) -> None:
    assert read_date(text, DateFormat((form,), time_zone="UTC")).isoformat() == expected


@pytest.mark.parametrize(("text", "form"), NO_DATES)
def test_a_text_that_is_not_wholly_of_the_format_is_no_date(text: str, form: str) -> None:
    with pytest.raises(ValueError, match="not a date of the formats"):
        read_date(text, DateFormat((form,), (1, 9999), "UTC"))


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2100, 12, 31)), st.sampled_from(["%Y-%m-%d", "%d %B %Y", "%A %b %d %Y", "%Y%m%d"])
)
def test_what_strftime_writes_is_read_back(moment: datetime, form: str) -> None:
    assert read_date(moment.strftime(form), DateFormat((form,))) == moment.date()
    whole = moment.replace(microsecond=0)
    assert read_moment(whole.strftime(f"{form} %I:%M:%S %p"), DateFormat((f"{form} %I:%M:%S %p",))) == whole


def test_a_year_that_is_not_plausible_is_told_from_a_text_that_is_no_date() -> None:
    with pytest.raises(ImplausibleYear, match="the year 9999 is outside 1900 to 2100"):
        read_date("9999-12-31", DateFormat())
    assert read_date("1850-06-01", DateFormat(plausible_years=(1800, 1899))) == date(1850, 6, 1)


def test_a_month_without_a_day_is_its_first_one() -> None:
    written = DateFormat(("%Y-%m", "%b %Y"))
    assert [read_date(text, written) for text in ("2019-03", "mar 2019")] == [date(2019, 3, 1)] * 2
    with pytest.raises(ValueError, match="not a date"):
        read_date("2019-13", written)


def test_a_later_format_is_tried_where_an_earlier_one_gives_no_plausible_year() -> None:
    assert read_date("200131", DateFormat(("excel", "%y%m%d"))) == date(2020, 1, 31)


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ("%H", "gives no date"),
        ("%Y", "gives no date"),
        ("%Y-%m %H:%M", "gives no date"),
        ("%Y-%m-%Q", "%Q is not read"),
        ("%Y-%m-%d %I:%M", "%I and %p without the other"),
        ("%Y %y-%m-%d", "says a part twice"),
        ("%Y-%m-%d %d", "says a part twice"),
        ("%Y-%m-%d%", "ends in a single %"),
    ],
)
def test_a_format_that_gives_no_date_is_named(form: str, problem: str) -> None:
    assert problem in str(check_format(form))
    assert check_format("%d.%m.%Y") is None


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("%m/%d/%Y", "%d/%m/%Y", True),
        ("%Y-%m-%d", "%Y-%d-%m", True),
        ("%d/%m/%y", "%y/%m/%d", True),
        ("%m%d%Y", "%d%m%Y", True),
        ("%d.%m.%Y", "%d/%m/%Y", False),
        ("%Y-%m-%d", "excel", False),
        ("%d %b %Y", "%d %B %Y", False),
    ],
)
def test_formats_contradict_each_other_where_one_text_is_two_dates(first: str, second: str, expected: bool) -> None:
    assert contradict(first, second, DateFormat()) is expected
    assert contradict(second, first, DateFormat()) is expected


def test_a_format_says_whether_its_texts_have_an_offset_and_a_zone_is_one_of_the_database() -> None:
    assert [has_offset(form) for form in ("%Y-%m-%dT%H:%M%z", "%Y-%m-%d", "excel")] == [True, False, False]
    assert [has_time(form) for form in ("%Y-%m-%d %H:%M", "%d.%m.%Y %I %p", "%Y-%m-%d", "excel")] == [True, True, False, True]
    assert [is_time_zone(name) for name in ("Europe/Berlin", "Europe/Nowhere", "../x")] == [True, False, False]


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        ("202003-5", "%Y%m-%d", "2020-03-05"),
        ("5mar2020", "%d%b%Y", "2020-03-05"),
        ("105/3/2020", "1%d/%m/%Y", "2020-03-05"),
        ("1/5/3/2020", "1/%d/%m/%Y", "2020-03-05"),
        ("2020-3-050", "%Y-%m-%d0", "2020-03-05"),
        ("2020-3-5/0", "%Y-%m-%d/0", "2020-03-05"),
        ("5 mar 2020", "%d %h %Y", "2020-03-05"),
        ("5% 2020-3-5", "5%% %Y-%m-%d", "2020-03-05"),
    ],
)
def test_a_part_has_two_digits_where_it_stands_beside_others(text: str, form: str, expected: str) -> None:
    assert read_moment(text, DateFormat((form,))) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("20203-5", "%Y%m-%d"),
        ("15/3/2020", "1%d/%m/%Y"),
        ("2020-3-50", "%Y-%m-%d0"),
        ("2020-3-50/", "%Y-%m-%d0/"),
        ("/15/3/2020", "/1%d/%m/%Y"),
        ("20203-05", "%Y%m-%d"),
    ],
)
def test_one_digit_beside_others_is_no_part(text: str, form: str) -> None:
    with pytest.raises(ValueError, match="not a date of the formats"):
        read_moment(text, DateFormat((form,)))


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the time zone of the process cannot be set here")
def test_an_offset_is_turned_into_the_time_of_the_zone_wherever_the_process_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        for text in ("2024-03-31T22:30:00Z", "2024-04-01T01:30:00+03:00", "2024-03-31T17:30:00-0500", "2024-04-01T00:30:00+02"):
            found = read_moment(text, DateFormat(("%Y-%m-%dT%H:%M:%S%z",), time_zone="Europe/Berlin"))
            assert found == datetime(2024, 4, 1, 0, 30)
            assert read_moment(text, DateFormat(("%Y-%m-%dT%H:%M:%S%z",))) == datetime(2024, 3, 31, 22, 30)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_fraction_of_a_serial_number_is_its_time_to_the_nearest_second() -> None:
    excel = DateFormat(("excel",))
    assert read_moment("44949.5", excel) == datetime(2023, 1, 23, 12)
    assert read_moment("44949.999999999", excel) == datetime(2023, 1, 23, 23, 59, 59)
    assert read_moment("44949.000011", excel) == datetime(2023, 1, 23, 0, 0, 1)


def test_a_text_of_a_disproven_format_is_told_and_a_fraction_has_the_digits_that_its_format_says() -> None:
    written = DateFormat(("%m/%d/%Y",), disproven=("%d/%m/%Y",))
    assert disproven_format(" 23/01/2023", written) == "%d/%m/%Y"
    assert disproven_format("23/01/1823", written) is None
    assert disproven_format("2023-01-23", written) is None
    exact = DateFormat(("%Y-%m-%d %H:%M:%S%.3f",))
    assert read_moment("2023-01-23 01:02:03.250", exact) == datetime(2023, 1, 23, 1, 2, 3, 250_000)
    for text in ("2023-01-23 01:02:03.25", "2023-01-23 01:02:03"):
        with pytest.raises(ValueError, match="not a date of the formats"):
            read_moment(text, exact)
