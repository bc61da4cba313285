"""The section on cleaning: what becomes of the texts, dates and rows of the source."""

from typing import Annotated, Literal

from pydantic import Field

from tabtrail.config.aliases import AliasTable, tables_with_context
from tabtrail.config.columns import Columns
from tabtrail.config.section import Names, Problems, Section
from tabtrail.contract.aliases import Stated
from tabtrail.contract.dates import check_format, has_offset, has_time, is_time_zone
from tabtrail.errors import nearest

DateFormats = Annotated[tuple[str, ...], Field(min_length=1)]
Year = Annotated[int, Field(ge=1, le=9999)]
Chosen = bool | tuple[str, ...]
"""Columns by name, all of them, or none."""


class Deduplicate(Section):
    """Which rows with the same key are kept: the first or the last in the order of files and lines, or none of them."""

    key: Names = Field(min_length=1, description="The columns that tell rows apart, as the dataset has them.")
    keep: Literal["first", "last", "none"] = "first"

    @property
    def rule(self) -> str:
        """Name of the rule that a row breaks whose key another row has."""
        kept = "none is kept" if self.keep == "none" else f"the {self.keep} is kept"
        return f"duplicate of the key {', '.join(self.key)} ({kept})"


class Cleaning(Section):
    drop_columns: tuple[str, ...] = ()
    fill_unknown_columns: tuple[str, ...] = ()
    fill_value: str = "Unknown"
    aliases: dict[str, AliasTable] = Field(
        {},
        description="Other spellings of texts, by column: {U.S.A.: USA}, rows with a context as"
        " {STATE: CA, CITY: Glendle, means: Glendale}, or the path of a CSV file of such rows.",
    )
    trim: Chosen = Field(
        False,
        description="Text columns, or true for all: blanks around and doubled, invisible signs and composition are no matter.",
    )
    fold_case: Chosen = Field(False, description="Text columns, or true for all, whose texts are written in capitals.")
    deduplicate: Deduplicate | None = Field(
        None, description="Rows with the key of another row are set aside: {key: [ORDER, LINE], keep: first}, or last, or none."
    )
    date_column: str | None = None
    date_formats: DateFormats = ("%Y-%m-%d",)
    dates: dict[str, DateFormats] = Field({}, description="Further columns of dates, each with its own formats.")
    time_zone: str | None = Field(None, description="The zone of the dates, as Europe/Berlin; offsets (%z) are turned into it.")
    plausible_years: tuple[Year, Year] = Field((1900, 2100), description="First and last year; a date outside is rejected.")
    year_check_column: str | None = Field(None, description="A column that must hold the year of the date.")
    month_check_column: str | None = Field(None, description="A column that must hold the month of the date.")

    @property
    def changed_columns(self) -> tuple[str, ...]:
        """The columns of which the dataset does not show the missing values."""
        return tuple(dict.fromkeys((*self.drop_columns, *self.fill_unknown_columns)))

    @property
    def stated_tables(self) -> list[Stated]:
        """The tables of other spellings that have a context."""
        return tables_with_context(self.aliases)

    @property
    def alias_columns(self) -> tuple[str, ...]:
        """The columns of `aliases` and their contexts."""
        contexts = (name for each in self.stated_tables for name in each.within)
        return tuple(dict.fromkeys((*self.aliases, *contexts)))

    @property
    def spelled_columns(self) -> tuple[str, ...]:
        """The columns that `trim` and `fold_case` name."""
        named = [each for each in (self.trim, self.fold_case) if not isinstance(each, bool)]
        return tuple(dict.fromkeys(name for each in named for name in each))

    @property
    def derived_columns(self) -> tuple[str, ...]:
        """The columns that ingest adds."""
        return ("YEAR", "MONTH") if self.date_column else ()

    def formats_of(self, column: str) -> tuple[str, ...]:
        """The formats of a column's dates: its own, else those of all."""
        return self.dates.get(column, self.date_formats)


def check_cleaning(cleaning: Cleaning, target: str, columns: Columns) -> Problems:
    """Yield what does not go together among cleaning and the columns."""
    yield from _check_dates(cleaning, columns)
    date = cleaning.date_column
    if date is not None and not columns.rule(date).is_date:
        yield ("contract", "columns", date), "the date column must be date or datetime"
    for name in cleaning.fill_unknown_columns:
        if columns.rule(name).dtype != "string" or name == target:
            yield ("cleaning", "fill_unknown_columns"), f"'{name}' is not a text column, so it cannot hold a word"


def _check_dates(cleaning: Cleaning, columns: Columns) -> Problems:
    """Yield what is wrong with formats of dates, the zone and the years."""
    if cleaning.plausible_years[0] > cleaning.plausible_years[1]:
        yield ("cleaning", "plausible_years"), "the first year comes after the last"
    if cleaning.time_zone is not None and not is_time_zone(cleaning.time_zone):
        yield ("cleaning", "time_zone"), f"'{cleaning.time_zone}' is not a time zone; write one as UTC or Europe/Berlin"
    for column, formats in ((None, cleaning.date_formats), *cleaning.dates.items()):
        for problem in filter(None, map(check_format, formats)):
            yield ("cleaning", *(("date_formats",) if column is None else ("dates", column))), problem
    everything = [form for formats in (cleaning.date_formats, *cleaning.dates.values()) for form in formats]
    offset = next((form for form in everything if check_format(form) is None and has_offset(form)), None)
    if offset is not None and cleaning.time_zone is None:
        message = f"'{offset}' reads offsets from UTC, and which day that is depends on the zone; set cleaning.time_zone, as UTC"
        yield ("cleaning", "time_zone"), message
    for name in cleaning.dates:
        if not columns.rule(name).is_date:
            yield ("contract", "columns", name), "cleaning.dates has this column, so it must be date or datetime"
    for name in columns.required:
        if columns.rule(name).dtype == "datetime" and not any(map(has_time, cleaning.formats_of(name))):
            where = f"cleaning.dates.{name}" if name in cleaning.dates else "cleaning.date_formats"
            message = f"a datetime keeps the time of day, and no format of {where} has one; write one as %Y-%m-%d %H:%M:%S"
            yield ("contract", "columns", name), message


def check_deduplicate(deduplicate: Deduplicate | None, columns: Columns, *, has_series: bool) -> Problems:
    """Yield what is wrong with the key of rows: columns that the dataset has not, and rows of series, which are added up."""
    if deduplicate is None:
        return
    for index, name in enumerate(deduplicate.key):
        if name in columns.required and name not in columns.dataset:
            yield ("cleaning", "deduplicate", "key"), f"'{name}' is in cleaning.drop_columns; take it out there"
        elif name not in columns.dataset:
            near = nearest(name, list(columns.dataset))
            advice = f"{near} Else declare it in contract.columns" if near else "; declare it in contract.columns"
            yield ("cleaning", "deduplicate", "key"), f"'{name}' is not a declared column{advice}"
        elif name in deduplicate.key[:index]:
            yield ("cleaning", "deduplicate", "key"), f"'{name}' is there twice; remove one"
    if has_series:
        message = "rows of a demand are added up by series and period, so that equal ones are sales and no copies; remove it"
        yield ("cleaning", "deduplicate"), message
