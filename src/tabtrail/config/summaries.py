"""The sections on tables, summaries and the report: DuckDB, aggregations, the profile and the page."""

import re
from typing import Annotated, Literal

from pydantic import Field

from tabtrail.config.columns import Columns
from tabtrail.config.file import KeyPath
from tabtrail.config.section import Positive, Problems, SafeName, Section, twins, undeclared
from tabtrail.errors import nearest

MEASURES = ("sum", "avg", "min", "max", "median", "stddev", "count", "count_distinct")
_MEASURE = re.compile(rf"^({'|'.join(MEASURES)})(?:\((.+)\))?$")
BENCHMARK_TABLES = ("runs", "folds", "error_slices", "predictions")
PROMOTIONS_TABLE = "promotions"
RISK_TABLE = "segment_risks"
DRIFT_TABLE = "drift"
DEMAND_TABLES = ("demand_forecasts", "demand_scores", "demand_series")


class DuckDB(Section):
    table: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="Named after the source where not given.")] = (
        "data"
    )


class Aggregation(Section):
    """One summary. A measure is `count`, or `sum|avg|min|max|median|stddev|count_distinct` of a column in parentheses."""

    name: SafeName
    group_by: Annotated[tuple[str, ...], Field(min_length=1)]
    measures: Annotated[dict[str, str], Field(min_length=1)]
    order_by: str | None = Field(None, description="A measure or group column, optionally followed by asc or desc.")
    limit: Positive | None = None
    plot: Literal["bar"] | None = None


class Outliers(Section):
    """Rows far outside the middle half of a column (Tukey's fences): below q1 - factor × IQR or above q3 + factor × IQR."""

    factor: Annotated[float, Field(gt=0)] = 1.5
    columns: tuple[str, ...] = Field((), description="Number columns; the target and the numeric features where none is named.")
    action: Literal["report", "drop"] = Field(
        "report", description="drop: ingest rejects them, column after column, each time among the rows that are left."
    )


class Profile(Section):
    outliers: Outliers = Outliers()
    group_by: tuple[str, ...] = Field((), description="Columns by which the target is described; the text features by default.")
    scatter: tuple[tuple[str, str], ...] = Field(
        (), description="Pairs of number columns drawn against one another; the first numeric features and the target by default."
    )
    boxes: tuple[tuple[str, str], ...] = Field(
        (), description="Number column and column that groups it; the target by the first text feature by default."
    )
    points: Positive = Field(1500, description="Rows drawn in a scatter plot at most; the picture says how many it leaves out.")


class Page(Section):
    top_features: Annotated[int, Field(ge=0, le=12)] = Field(4, description="Features whose dependence is drawn.")
    learning_curve_folds: Annotated[int, Field(ge=0, le=100)] = Field(3, description="Folds of the learning curve; 0: none.")


def parse_measure(text: str) -> tuple[str, str | None]:
    """Split a measure such as `sum(SALES)` or `count` into function and column (None for `count`); `ValueError` if it is none."""
    match = _MEASURE.match(text.strip())
    if match is None or (match[2] is None) != (match[1] == "count"):
        raise ValueError(f"'{text}' is not a measure; write count, or one of {', '.join(MEASURES)} with a column, as sum(SALES)")
    return match[1], match[2].strip() if match[2] else None


def check_table(duckdb: DuckDB) -> Problems:
    """Yield the collision of the dataset's table with a table of results."""
    if duckdb.table.lower() in (own := (*BENCHMARK_TABLES, PROMOTIONS_TABLE, RISK_TABLE, DRIFT_TABLE, *DEMAND_TABLES)):
        yield ("duckdb", "table"), f"tables of results are called {', '.join(own)}; choose another name"


def check_aggregations(aggregations: tuple[Aggregation, ...], columns: Columns) -> Problems:
    """Yield what is wrong with the summaries."""
    if len({aggregation.name for aggregation in aggregations}) < len(aggregations):
        yield ("aggregations",), "two aggregations have the same name"
    names = [aggregation.name for aggregation in aggregations]
    for name, earlier in twins(names):
        yield ("aggregations", names.index(name), "name"), f"'{name}' differs from '{earlier}' by case alone; {_ONE_FILE}"
    for index, aggregation in enumerate(aggregations):
        yield from _check_aggregation(("aggregations", index), aggregation, columns)


_ONE_FILE = "their files would be one where names of files have no case"


def _check_aggregation(key: KeyPath, aggregation: Aggregation, columns: Columns) -> Problems:
    for name in aggregation.group_by:
        if name not in columns.dataset:
            yield (*key, "group_by"), undeclared(name, columns.dataset)
    for measure, text in aggregation.measures.items():
        yield from _check_measure(key, measure, text, aggregation.plot is not None, columns)
    for name, earlier in twins((*aggregation.group_by, *aggregation.measures)):
        where = (*key, "measures", name) if name in aggregation.measures else (*key, "group_by")
        yield where, f"'{name}' differs from '{earlier}' by case alone, and SQL takes such columns for one; choose another name"
    for name in set(aggregation.group_by) & set(aggregation.measures):
        yield (*key, "measures", name), f"'{name}' is a column of group_by, too; choose another name for the measure"
    if aggregation.order_by is not None:
        name, _, direction = aggregation.order_by.partition(" ")
        outputs = [*aggregation.group_by, *aggregation.measures]
        if name not in outputs or direction not in ("", "asc", "desc"):
            yield (*key, "order_by"), f"write a measure or group column, then asc or desc{nearest(name, outputs)}"


def _check_measure(key: KeyPath, measure: str, text: str, drawn: bool, columns: Columns) -> Problems:
    try:
        function, column = parse_measure(text)
    except ValueError as error:
        yield (*key, "measures", measure), str(error)
        return
    if column is None:
        return
    if column not in columns.dataset:
        yield (*key, "measures", measure), undeclared(column, columns.dataset)
    elif not columns.is_number(column):
        if function in ("sum", "avg", "median", "stddev"):
            yield (*key, "measures", measure), f"'{column}' is not a number, so it has no {function}"
        elif function in ("min", "max") and drawn:
            yield (*key, "plot"), f"'{text}' is not a number, so it cannot be drawn"


def check_profile(profile: Profile, columns: Columns) -> Problems:
    """Yield what is wrong with the columns that the profile names."""
    numbers = [
        *profile.outliers.columns,
        *(name for pair in profile.scatter for name in pair),
        *(pair[0] for pair in profile.boxes),
    ]
    for name in (*numbers, *profile.group_by, *(pair[1] for pair in profile.boxes)):
        if name not in columns.dataset:
            yield ("profile",), undeclared(name, columns.dataset)
        elif name in numbers and not columns.is_number(name):
            yield ("profile",), f"'{name}' is not a number"
    for name in profile.outliers.columns:
        if name in columns.derived:
            yield ("profile", "outliers", "columns"), f"'{name}' is made of the date; it has no outliers of its own"
