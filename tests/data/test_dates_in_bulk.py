"""Dates of many texts are those that the contract reads one by one."""

import random
from datetime import datetime

import polars as pl
import pytest

from tabtrail.contract.dates import DateFormat, ImplausibleYear, moment_of, read_moment
from tabtrail.data.dates import read_moments

WRITTEN = {
    "numbers": DateFormat(("%m/%d/%Y %H:%M", "%m/%d/%Y", "%Y-%m-%d")),
    "two digits": DateFormat(("%d/%m/%y", "%d-%b-%y", "%d-%b-%Y", "%y%m%d")),
    "names": DateFormat(("%A, %e %B %Y", "%a %d %b %Y %I:%M %p", "%B %d, %Y")),
    "no separators": DateFormat(("%Y%m%d", "%Y%m%dT%H%M%S", "%d%b%Y")),
    "offsets": DateFormat(("%Y-%m-%dT%H:%M:%S%.f%z", "%F %T%z", "%F %T"), time_zone="America/New_York"),
    "Excel": DateFormat(("excel", "%Y-%m-%d")),
    "Excel from 1904": DateFormat(("excel-1904",), plausible_years=(1904, 2050)),
    "any year": DateFormat(("%Y-%m-%d", "%d.%m.%Y"), plausible_years=(1, 9999)),
}
ODD_TEXTS = (
    "12-AUG-20|01/02/03"
    "|+2003-01-02| 985- 2-04|0000-01-01|-001-01-01|+10000-01-01|٢٠٠٣-٠١-٠٢|2003-01-02 |\t2003-01-02|2003-01-02x"
    "|2003-02-30|2004-02-29|2003-02-29|1900-02-29|2000-02-29|2003-1-2|2003-01-02T24:00:00|2003-01-02 23:59:60|2/24/2003 0:00|"
    "2/24/2003 24:00|2/24/2003 0:60"
    "|13/1/2003|9999-12-31|0001-01-01|31/12/69|31/12/68|31/12/00|12-aug-0020|1-ſep-20|Auguſt 3, 2020"
    "|20030102|2003012|200301022|20030102T010203|20030102T240000|3Jan2003|2024-03-31T23:30:00-05:00|2024-04-01T00:30:00+02:00|"
    "2024-04-01T04:30:00Z|2024-04-01T04:30:00.123Z|2024-04-01T04:30:00z|2024-04-01 04:30:00+00|2024-04-01 04:30:00+24:00|"
    "2024-03-10 07:30:00+0000|2024-12-31 22:00:00|0001-01-01 00:00:00+14:00|9999-12-31 23:00:00-12:00|44949|44949.5|60|59|61|0|1|"
    "44949.041666666664|2958465|2958466|9999999|1e5|-5|44949.999999999|1904|12:00|Monday,  3 January 2022|Monday, 3 January 2022|"
    "Tuesday, 3 January 2022|Mon 03 Jan 2022 12:00 AM|mon 3 JAN 2022 12:59 pm|Mon 3 Jan 2022 13:00 pm|Mon 3 Jan 2022 0:00 am|"
    "May 3, 2022|Maya 3, 2022|\u00a02003-01-02\u3000|2003-01-02\u200b|2003 -01-02|2003-01-02\n|2003\u201301\u201302||   |null|NaT"
)


def candidates(seed: int, count: int) -> list[str]:
    """Texts like dates in all these formats, most of them with something changed."""
    rng = random.Random(seed)
    forms = [form for written in WRITTEN.values() for form in written.formats if "%" in form]
    alphabet = "0123456789-/.: TZ+٣apmJan"
    texts = []
    for _ in range(count):
        year = rng.choice([1, 99, 999, 1899, 1900, 1968, 1969, 2000, 2003, 2024, 2068, 2100, 2101, 9999])
        day = datetime(year, rng.randint(1, 12), rng.randint(1, 28), rng.randint(0, 23), rng.randint(0, 59), rng.randint(0, 59))
        form = (
            rng.choice(forms)
            .replace("%F", "%Y-%m-%d")
            .replace("%T", "%H:%M:%S")
            .replace("%.f", rng.choice(["", ".5", ".1234567"]))
        )
        text = day.strftime(form.replace("%z", rng.choice(["Z", "+0530", "-03:30", "+02"])).replace("%Y", f"{year:04}"))
        for _ in range(rng.choice([0, 0, 1, 1, 2])):
            at = rng.randrange(len(text) + 1)
            text = text[:at] + rng.choice([rng.choice(alphabet), ""]) + text[at + rng.randint(0, 1) :]
        texts.append(text)
    return texts + [f"{rng.uniform(0, 3e6):.{rng.randint(0, 12)}f}" for _ in range(count // 10)]


def one_by_one(text: str, written: DateFormat) -> datetime | None:
    """What the authority says, of any year."""
    try:
        return read_moment(text, written)
    except ImplausibleYear:
        stripped = text.strip()
        return next(found for form in written.formats if (found := moment_of(stripped, form, written.time_zone)) is not None)
    except ValueError:
        return None


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_column_of_texts_means_what_each_text_means(kind: str) -> None:
    written = WRITTEN[kind]
    texts = [*ODD_TEXTS.split("|"), *candidates(len(kind), 4000)]
    expected = [one_by_one(text, written) for text in texts]
    assert sum(each is not None for each in expected) > 100
    found = read_moments(pl.Series([*texts, None]), written).to_list()
    assert [(text, each) for text, each in zip(texts, found, strict=False)] == list(zip(texts, expected, strict=True))
    assert found[-1] is None


def test_a_column_without_texts_has_no_dates() -> None:
    assert read_moments(pl.Series("d", [None, None], dtype=pl.String), DateFormat()).to_list() == [None, None]
