"""The section on the demand of many series over time."""

from typing import Annotated, Literal

from pydantic import Field

from tabtrail.config.columns import Columns, check_condition
from tabtrail.config.section import Parameter, Positive, Problems, SafeName, Section, undeclared
from tabtrail.contract.wide import braced, made_columns, pattern_problem
from tabtrail.errors import nearest

ONE = "series"
"""What the column of a series is called where the data has none, since all rows are of one."""
Level = Annotated[float, Field(gt=0, lt=1)]


class Melt(Section):
    """How a wide file, with one column an item, becomes a long one."""

    columns: Annotated[dict[str, str], Field(min_length=1)] = Field(
        description="Each long column with the pattern of its wide ones, such as qty: 'QTY_{brand}_{item}'; what stands in"
        " braces becomes a text column of the series."
    )

    @property
    def made(self) -> tuple[str, ...]:
        """The columns that the long rows have instead of the wide ones."""
        return made_columns(self.columns)


class DemandChoice(Section):
    metric: Literal["mae", "rmse", "wape", "rmsse", "mase"] = Field("mae", description="What the chosen model is best by.")
    max_bias: Annotated[float, Field(gt=0)] | None = Field(
        0.10, description="Largest |bias| as a share of the demand that the chosen model may have; null for any."
    )
    deploy_unless_beaten: bool = Field(False, description="Deploy a model although the best baseline beats it.")


class Demand(Section):
    """The demand of many series: what it is, what is known ahead of it, how it is forecast and judged."""

    name: SafeName = "demand"
    currency: str = Field("", description="Unit of the target, as people read it: pieces, EUR.")
    target: str = Field(description="The column that is forecast: pieces sold, orders, sales.")
    series: tuple[str, ...] = Field((), description="Columns whose values make a series; none where all rows are of one.")
    frequency: Literal["D", "W", "MS"] = Field("D", description="Days, weeks from Monday on, or months.")
    horizon: Annotated[int, Field(ge=1, le=370)] = Field(14, description="Periods ahead that are forecast at most.")
    known_ahead: tuple[str, ...] = Field(
        (), description="Numbers and flags whose values are planned, such as price and promotion."
    )
    price: str | None = Field(None, description="The column of `known_ahead` by which errors are counted in money.")
    static: tuple[str, ...] = Field((), description="Columns that never change within a series, such as a region or a category.")
    hierarchy: tuple[str, ...] = Field((), description="Columns of the series or static ones whose totals are judged too.")
    holidays: str | None = Field(
        None, description="Country of the holidays, as ISO 3166: IT, US, DE-BY; of weeks and months their number is read."
    )
    melt: Melt | None = Field(None, description="How a wide file, with one column an item, is read.")
    duplicates: Literal["refuse", "sum", "mean", "last"] = Field("refuse", description="Two rows of a series in one period.")
    drop_incomplete: bool = Field(
        True, description="Leave out the demand of the last week or month where the data ends within it."
    )
    missing_periods: Literal["zero", "missing", "forward_fill"] = Field(
        "zero", description="Periods without a row: no demand, not known, or as before (which makes targets copies of the past)."
    )
    closed: str | None = Field(None, description="Condition on a row, such as OPEN == 0: neither learned from nor judged.")
    stockout: str | None = Field(None, description="Condition on a row, such as STOCK == 0: neither learned from nor judged.")
    negative: Literal["keep", "zero", "missing", "refuse"] = Field("keep", description="Demand below zero, such as returns.")
    lead_time: Positive | None = Field(None, description="Periods over which demand is summed for an order; null: no sums.")
    service_level: Level = Field(0.95, description="Of the order quantity over the lead time.")
    interval_method: Literal["errors", "quantiles"] = Field(
        "errors",
        description="What intervals are made of: errors alone, or quantiles beside the forecast, moved by how far off they were.",
    )
    interval_levels: Annotated[tuple[Level, ...], Field(min_length=1)] = (0.8, 0.9)
    calibration_origins: Annotated[int, Field(ge=0, le=400)] = Field(
        26, description="Origins, a week apart for days, whose errors make the intervals; a model fitted before them predicts."
    )
    origins: Annotated[int, Field(ge=1, le=400)] = Field(3, description="Origins of the evaluation, the latest ones.")
    step: Positive | None = Field(None, description="Periods between origins; null: the horizon.")
    gap: Annotated[int, Field(ge=0)] = Field(0, description="Periods between an origin and the first that is judged.")
    max_rows: Annotated[int, Field(ge=1000)] = Field(
        200_000, description="Rows (series, origin, horizon) that a pooled model learns from at most."
    )
    random_state: int = 42
    choice: DemandChoice = DemandChoice()
    candidates: dict[SafeName, dict[str, Parameter]] = Field(
        {},
        description="Candidates by name; the part before the first underscore is the family. `scale: level` learns demand"
        " over the size of its series, `strategy: recursive` one period after another. Baselines are always there.",
    )
    search: dict[SafeName, dict[str, Annotated[tuple[Parameter, ...], Field(min_length=1)]]] = Field(
        {}, description="Values of a candidate's parameters, tried at an origin before those that are judged."
    )


def series_columns(demand: Demand) -> tuple[str, ...]:
    """Return the columns that make a series: those of the data, or the one that stands for them."""
    return demand.series or (ONE,)


def check_demand(demand: Demand, date: str | None, columns: Columns) -> Problems:
    """Yield what is wrong with the columns and sizes of the demand."""
    if date is None:
        yield ("demand",), "a demand is over time: name the column of its days in cleaning.date_column"
    texts = {"series": demand.series, "static": demand.static}
    named = [(("demand", key, place), name) for key, names in texts.items() for place, name in enumerate(names)]
    numbers = [(("demand", "known_ahead", place), name) for place, name in enumerate(demand.known_ahead)]
    own: list[tuple[tuple[str | int, ...], str]] = [(("demand", "target"), demand.target)]
    for key, name in [*named, *numbers, *own]:
        if name not in columns.dataset:
            yield key, undeclared(name, columns.dataset)
    for key, name in named:
        if name in columns.dataset and columns.rule(name).dtype not in ("string", "int"):
            yield key, f"'{name}' is neither text nor a whole number; set contract.columns.{name}.dtype: string, or leave it out"
    for key, name in [*numbers, *own]:
        if name in columns.dataset and not columns.is_number(name):
            yield key, f"'{name}' is not a number; declare it so in contract.columns, or leave it out"
    everything = [name for _, name in [*named, *numbers, *own]]
    if not demand.series and ONE in everything:
        yield (
            ("demand", "series"),
            f"the only series of the data is called '{ONE}', as one of your columns; rename it (source.rename)",
        )
    if twice := next((name for name in everything if everything.count(name) > 1), None):
        yield ("demand",), f"'{twice}' is named twice; a column has one role"
    if demand.price is not None and demand.price not in demand.known_ahead:
        yield ("demand", "price"), f"'{demand.price}' is not in demand.known_ahead"
    for place, name in enumerate(demand.hierarchy):
        if name not in (*demand.series, *demand.static):
            yield ("demand", "hierarchy", place), f"'{name}' is neither in demand.series nor in demand.static"
    for name, text in (("closed", demand.closed), ("stockout", demand.stockout)):
        if text is not None:
            yield from check_condition(("demand", name), text, columns.dataset, columns)
    for name in demand.search:
        if name not in demand.candidates:
            yield ("demand", "search", name), f"demand.candidates has no such name{nearest(name, list(demand.candidates))}"
    if demand.lead_time is not None and demand.lead_time > demand.horizon:
        yield (
            ("demand", "lead_time"),
            f"{demand.lead_time} periods are more than demand.horizon, {demand.horizon}: set that higher",
        )
    if demand.interval_method == "quantiles":
        yield from _check_no_recursion(demand)
    if demand.gap >= demand.horizon:
        yield ("demand", "gap"), f"a gap of {demand.gap} leaves nothing of a horizon of {demand.horizon}"
    if demand.melt is not None:
        yield from _check_melt(demand.melt, demand.target, date, columns)


def _check_no_recursion(demand: Demand) -> Problems:
    """Yield the candidates whose forecasts further ahead are made from their own, of which quantiles would say nothing."""
    tried: dict[str, tuple[Parameter, ...]] = {name: (own.get("strategy", ""),) for name, own in demand.candidates.items()}
    for name, grid in demand.search.items():
        tried[name] = (*tried.get(name, ()), *grid.get("strategy", ()))
    for name in (name for name, strategies in tried.items() if "recursive" in strategies):
        yield (
            ("demand", "interval_method"),
            f"quantiles are of direct models, and candidate {name} is recursive: its quantiles would be of one period ahead;"
            " leave its strategy out, or set interval_method: errors",
        )


def _check_melt(melt: Melt, target: str, date: str | None, columns: Columns) -> Problems:
    """Yield what is wrong with the patterns of a wide file's columns."""
    key = ("demand", "melt", "columns")
    bad = {long: problem for long, pattern in melt.columns.items() if (problem := pattern_problem(pattern))}
    for long, problem in bad.items():
        yield (*key, long), problem
    if bad:
        return
    first, *others = melt.columns
    texts = braced(melt.columns[first])
    for long in others:
        if set(braced(melt.columns[long])) != set(texts):
            yield (*key, long), f"it names other columns in braces than the pattern of {first}: {', '.join(texts)}"
    for name in texts:
        if name in melt.columns:
            yield key, f"'{name}' is both a column of numbers and one in braces"
    for name in melt.made:
        if name in columns.derived or name == date:
            yield key, f"'{name}' is made by ingest or stands on each row of the file; give it another name"
    if target not in melt.columns:
        yield key, f"no pattern makes the target; add {target}: '…_{{{texts[0]}}}'"
