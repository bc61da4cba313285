"""How the results of the stages are printed for people."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from tabtrail.cli.contenders import figure, percent
from tabtrail.cli.leaderboard import print_leaderboard
from tabtrail.cli.output import (
    SYNTHETIC,
    command_lines,
    number,
    print_command,
    print_table,
    print_text,
    relative,
    short,
    terminal_width,
)
from tabtrail.cli.screen import WIDTH, screen_lines
from tabtrail.cli.table import fill
from tabtrail.cli.typed import Typed, program
from tabtrail.config.operation import Mlflow
from tabtrail.config.tree import Config
from tabtrail.data.manifest import Manifest
from tabtrail.data.profile import Profile
from tabtrail.project.deployment import Deployment
from tabtrail.project.overview import PERIODS, Overview, counted
from tabtrail.project.summary import Summary
from tabtrail.system.addresses import without_passwords

_WIDEST = 120  # cells; longer lines are hard to read


def print_screen(found: Overview, end: Sequence[str], typed: Typed) -> None:
    """Print what a run found on one screen, with the lines `end` below."""
    width = min(terminal_width() or WIDTH, _WIDEST)
    typer.echo("\n".join(screen_lines(found, end, typed, width=width)))


def last_lines(page: Path | None, store: Mlflow, typed: Typed, *, ended: str = "") -> list[str]:
    """Return the last lines of the screen: where the page is (None where none was written now), how the run ended, and the next
    commands, which work from here.
    """
    width = min(terminal_width() or WIDTH, _WIDEST)
    written = page is not None and page.is_file()
    lines = [f"page: {relative(page)}"] if page is not None and written else []
    lines += [*(fill(ended, width) if ended else []), "next:"]
    lines += [] if written else command_lines(*typed.words("tabtrail report"), width=width)
    lines += command_lines(*typed.words("tabtrail serve", named=True), width=width)
    if store.sqlite_file is not None:
        address = f"sqlite:///{relative(store.sqlite_file)}"
        lines += command_lines(*program("mlflow"), "ui", "--backend-store-uri", shlex.quote(address), width=width)
    elif not store.is_database:
        lines.append(f"  open {without_passwords(store.tracking_uri)} in a browser")
    return lines


def print_summary(config: Config, summary: Summary, end: Sequence[str]) -> None:
    """Print everything that a run found, where it is, and the lines `end` below."""
    print_manifest(summary.manifest, config.paths.rejects)
    if summary.leaderboard is not None:
        print_leaderboard(summary.leaderboard)
    if summary.demand is not None:
        print_demand(summary.demand)
    print_deployment(summary.deployment)
    if summary.demand_deployment is not None:
        print_deployment(summary.demand_deployment)
    if summary.importance:
        rows = [[name, number(value)] for name, value in summary.importance.items()]
        unit = config.model.currency or config.model.target
        what, by = ("a forecast", "group") if config.is_demand_only else ("a prediction", "column")
        print_table(f"what moves {what}: mean |SHAP|, {unit}", [by, "mean |SHAP|"], rows)
    _print_places(config.root, {name: path for name, path in summary.artifacts.items() if path.exists()})
    if summary.example is not None:
        typer.echo("an example:")
        print_command("tabtrail", "predict", *config.words, "--json", row=summary.example)
    typer.echo("\n".join(end))


def print_demand(found: Mapping[str, Any]) -> None:
    """Print the models of many series with their errors at the origins, best first."""
    rows = [
        [
            ("* " if each["model"] == found["champion"] else "  ") + each["model"],
            "baseline" if each["baseline"] else "",
            *(figure(each[name]) for name in ("mae", "rmsse")),
            *(percent(each[name]) for name in ("wape", "bias")),
        ]
        for each in found["models"]
    ]
    period = PERIODS[found.get("frequency", "D")]
    steps, origins, series = found["horizon"], len(found["origins"]), found["series"]
    print_table(
        f"{found['target']}: {counted(steps, period)} ahead at {counted(origins, 'origin')}, {series:,} series",
        ["model", "", "MAE", "RMSSE", "WAPE", "bias"],
        rows,
    )
    print_text(f"champion {found['champion']}: {found['reason']}")


def how_it_ended(summary: Summary) -> str:
    """Say which stages did their work, and how long each took."""
    done = [name for name, repeated in summary.repeated.items() if repeated]
    took = ", ".join(f"{name} {summary.durations[name]:.1f} s" for name in done)
    return f"done in {summary.seconds:.1f} s ({took or 'nothing had changed, no stage was repeated'})"


def _print_places(root: Path, places: Mapping[str, Path]) -> None:
    """Print where the artifacts are, from the folder of the config, which is named once, so that the lines are short."""
    print_text("\nwhere everything is" + ("" if root == Path.cwd() else f", in {relative(root)}"))
    for name, path in places.items():
        typer.echo(f"  {name:12} {path.relative_to(root) if path.is_relative_to(root) else path}")


def print_manifest(manifest: Manifest, rejects: Path) -> None:
    """Print what became of the rows of the source."""
    if manifest.synthetic:
        print_text(SYNTHETIC)
    for finding in manifest.findings:
        print_text(f"LOOK AT THIS: {finding}")
    parts = ", ".join(f"{name} {rows:,}" for name, rows in manifest.partitions.items() if name != ".")
    print_text(
        f"{manifest.source} ({manifest.encoding}): {manifest.rows_in:,} rows in, {manifest.rows_kept:,} kept,"
        f" {manifest.rows_rejected:,} rejected" + (f"; partitions {parts}" if parts else "")
    )
    for rule, count in manifest.rejects.items():
        print_text(f"  rejected, {count:,} rows: {rule} (see {relative(rejects)})")
    for rule, count in manifest.warnings.items():
        if count:
            print_text(f"  warning, {count:,} rows: {rule}")
    for shift in manifest.shifts:
        print_text(f"  warning, the unit may change: {shift}")


def print_deployment(deployed: Deployment) -> None:
    """Print which model is deployed; where it is not the benchmark's winner, why not and how to change that."""
    if deployed.is_winner:
        back = f"; to go back to the one before: {deployed.next_command}" if deployed.next_command else ""
        print_text(f"deployed: {deployed.model} (run {deployed.run_id}){back}")
        return
    now = f"{deployed.model} (run {deployed.run_id}) stays deployed" if deployed.model else "no model is deployed"
    print_text(f"NOT DEPLOYED: {now}")
    for reason in deployed.reasons:
        print_text(reason, indent=2)
    print_text(f"next: {deployed.next_command}", indent=2)


def print_profile(profile: Profile) -> None:
    """Print what is in each column, and how many rows lie far outside."""
    for finding in profile.findings:
        print_text(f"LOOK AT THIS: {finding}")
    header = ["column", "type", "missing", "filled", "distinct", "mean", "std", "min", "median", "max"]
    rows = []
    for each in profile.columns:
        own = each.numbers
        numbers = ["", "", "", "", ""] if own is None else [short(v) for v in (own.mean, own.std, own.min, own.median, own.max)]
        rows.append([each.column, each.dtype.lower(), f"{each.missing:,}", f"{each.filled:,}", f"{each.distinct:,}", *numbers])
    print_table(f"{profile.rows:,} rows, {len(profile.columns)} columns", header, rows)
    if profile.dropped:
        print_text("dropped: " + ", ".join(f"{name} ({missing:,} missing)" for name, missing in profile.dropped.items()))
    outliers = [[o.column, short(o.low), short(o.high), f"{o.below + o.above:,}", f"{o.sequential:,}"] for o in profile.outliers]
    title = f"rows beyond {profile.outlier_factor:g} × the interquartile range ({profile.outlier_action})"
    print_table(title, ["column", "below", "or above", "rows", "one after the other"], outliers)
