"""`tabtrail forecast`: the forecast of a segment or of all, each with its risk, or the champion's errors over time."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tabtrail.cli import later
from tabtrail.cli.contenders import figure
from tabtrail.cli.job import begin_job
from tabtrail.cli.options import Command, ConfigOption, FormatOption, QuietOption, SetOption, new_group
from tabtrail.cli.output import SYNTHETIC, cell, print_json, print_paths, print_table, print_text
from tabtrail.cli.progress_line import progress_on_stderr
from tabtrail.config.file import config_path, read_raw
from tabtrail.errors import ConfigError, UsageError
from tabtrail.forecast.result import SegmentResult, result_schema

if TYPE_CHECKING:
    from tabtrail.forecast.error_over_time import ErrorOverTime
    from tabtrail.forecast.sweep import Evaluation, Reconciliation, Sweep
    from tabtrail.workflows.forecast import StoredForecast

Frequency = Literal["MS", "W", "D"]
app = new_group()


class ForecastCommand(Command):
    """The command, whose help names the segments of the config that the command line means."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse as the other commands do, with the segments in the help."""
        if "--help" in args:
            self.epilog = f"{self.epilog}\n\n{_segments_text(args)}"
        return super().parse_args(ctx, args)


def _segments_text(args: Sequence[str]) -> str:
    """Say which segments the config has, by its file as written; nothing where that cannot be read."""
    flags = [pair[1] for pair in pairwise(args) if pair[0] == "--config"]
    flags += [each.partition("=")[2] for each in args if each.startswith("--config=")]
    path = config_path(Path(flags[-1]) if flags else None)
    try:
        risk = read_raw(path).values.get("risk")
    except ConfigError:
        return ""
    segments = risk.get("segments") if isinstance(risk, dict) else None
    if not segments or not isinstance(segments, dict):
        return f"{path.name} names no columns in risk.segments: a forecast is of all rows"
    named = ", ".join(f"{name} (column {column})" for name, column in segments.items())
    return f"segments of {path.name}: {named}; as --segment {next(iter(segments))}=VALUE"


@app.command(
    cls=ForecastCommand, epilog='example: python -m src.train_sales_timeseries_risk --product-line "Classic Cars" --country USA'
)
def forecast(
    config: ConfigOption = None,
    set_: SetOption = None,
    product_line: Annotated[str | None, typer.Option(help="The segment `product_line` of risk.segments.")] = None,
    country: Annotated[str | None, typer.Option(help="The segment `country` of risk.segments.")] = None,
    segment: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="Any segment or its column.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every segment, and a ranked table.")] = False,
    by: Annotated[list[str] | None, typer.Option(metavar="NAME", help="With --all: the segments by this one alone.")] = None,
    frequency: Annotated[Frequency | None, typer.Option(help="Months, weeks, days.", show_default="risk.frequency")] = None,
    forecast_steps: Annotated[
        int | None, typer.Option(min=1, max=120, help="Periods to forecast.", show_default="risk.forecast_steps")
    ] = None,
    garch_horizon: Annotated[
        int | None, typer.Option(min=1, max=120, help="Periods of variance.", show_default="risk.garch_horizon")
    ] = None,
    champion: Annotated[bool, typer.Option("--champion", help="The champion's own error over time instead.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of a segment's result, and stop.")] = False,
    format_: FormatOption = "text",
    quiet: QuietOption = False,
) -> None:
    """Forecast a segment and its risk (all rows where none is named), each with its measured accuracy."""
    if schema:
        print_json(result_schema())
        return
    wanted = _segment({"product_line": product_line, "country": country}, segment or [])
    if (all_ and wanted) or (by and not all_) or (champion and (all_ or wanted)):
        raise UsageError("--all takes every segment, --champion none: leave out the others; --by goes with --all")
    changes = {"frequency": frequency, "forecast_steps": forecast_steps, "garch_horizon": garch_horizon}
    overrides = [f"risk.{key}={value}" for key, value in changes.items() if value is not None]
    loaded = begin_job(config, [*(set_ or []), *overrides])
    with progress_on_stderr(quiet) as progress:
        if champion:
            errors = later.forecast.measure_error_over_time(loaded, progress=progress)
        elif all_:
            results, sweep = later.forecast.forecast_all(loaded, by or [], progress=progress)
        else:
            written = later.forecast.forecast_segment(loaded, wanted, progress=progress)
    if champion:
        _print_errors(errors, as_json=format_ == "json")
    elif all_:
        files = later.forecast.forecast_files(loaded.paths.output_dir, loaded.model.name)
        paths = (files.ranking, files.ranking.with_suffix(".csv"), files.ranking.with_suffix(".png"), files.sweep)
        _print_sweep(results, sweep, list(loaded.risk.segments), as_json=format_ == "json")
        print_paths(*([] if format_ == "json" else paths), err=True)
    else:
        _print_forecast(written, as_json=format_ == "json")


def _segment(given: Mapping[str, str | None], named: list[str]) -> dict[str, str]:
    """Return the values that rows of the segment have, by the names of `risk.segments` or by columns."""
    wanted = {name: value for name, value in given.items() if value is not None}
    for text in named:
        name, equals, value = text.partition("=")
        if not equals or wanted.setdefault(name, value) != value:
            raise UsageError(f"--segment {text}: write NAME=VALUE, each name once")
    return wanted


def _print_errors(errors: "ErrorOverTime", *, as_json: bool) -> None:
    if as_json:
        print_json(errors.model_dump(mode="json"))
        return
    for line in errors.summary:
        print_text(line)


def _print_forecast(written: "StoredForecast", *, as_json: bool) -> None:
    result, path = written.result, written.path
    if as_json:
        print_json(result.model_dump(mode="json"))
        return
    if result.synthetic:
        print_text(SYNTHETIC)
    for line in result.summary:
        print_text(line)
    if result.forecast is not None:
        for flag in result.forecast.flags:
            typer.echo(f"note: {flag}", err=True)
    print_paths(path, *(path.with_name(name) for name in result.plots), err=True)


def _print_sweep(results: list[SegmentResult], sweep: "Sweep", segments: list[str], *, as_json: bool) -> None:
    if as_json:
        print_json({**sweep.model_dump(mode="json"), "results": [each.model_dump(mode="json") for each in results]})
        return
    if any(each.synthetic for each in results):
        print_text(SYNTHETIC)
    columns = ["label", "status", "model", "forecast_total", "mase", "baseline_mase", "volatility", "trend", "sarima_verdict"]
    table = later.ranking.ranking(results, segments).head(20)
    rows = [
        [figure(value) if isinstance(value, float) else cell(value) for value in row] for row in table.select(columns).iter_rows()
    ]
    less = ("sarima_verdict", "trend", "volatility", "baseline_mase")
    print_table(f"the {table.height} largest forecasts of {len(results)} segments", columns, rows, optional=less)
    for line in (*map(_reconciliation_line, sweep.reconciliation), *_trust_lines(sweep.outer)):
        print_text(line)
    print_text(f"statuses: {', '.join(f'{count} {status}' for status, count in sweep.statuses.items())}")


def _reconciliation_line(each: "Reconciliation") -> str:
    missing = f"; {each.without_forecast} of the segments without a forecast" if each.without_forecast else ""
    share = "" if each.difference_share is None else f" ({each.difference_share:+.1%})"
    return (
        f"sum over {each.segments} segments by {' × '.join(each.by)}: {sum(each.bottom_up):,.0f}, forecast of all rows"
        f" {sum(each.aggregate):,.0f}{share}{missing}"
    )


def _trust_lines(outer: "Evaluation") -> Iterator[str]:
    if outer.mean_mase is not None and outer.best_baseline is not None:
        best = outer.baseline_mean_mase[outer.best_baseline]
        yield (
            f"trust: mean MASE {outer.mean_mase:.4f}, best fixed baseline {best:.4f} ({outer.best_baseline}),"
            f" over {outer.segments} segments at origins that the choice knew nothing after"
        )
    for level, held in outer.coverage.items():
        yield f"trust: {float(level):.0%} intervals held {held:.1%} of {outer.coverage_points[level]:,} outcomes"
