"""How the results of the stages are printed for people."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from tabtrail.cli.leaderboard import print_leaderboard
from tabtrail.cli.output import SYNTHETIC, number, print_command, print_table, print_text, relative, short
from tabtrail.config.operation import Mlflow
from tabtrail.config.tree import Config
from tabtrail.data.manifest import Manifest
from tabtrail.data.profile import Profile
from tabtrail.project.deployment import Deployment
from tabtrail.project.summary import Summary
from tabtrail.system.addresses import without_passwords

_PERIODS = {"D": "day", "W": "week", "MS": "month"}  # as `contract.periods`, which costs an import of numpy


def print_summary(config: Config, summary: Summary, config_file: Path | None) -> None:
    """Print what a run found, where it is, how long it took and what to do next; `config_file` as it was given."""
    print_manifest(summary.manifest, config.paths.rejects)
    if summary.leaderboard is not None:
        print_leaderboard(summary.leaderboard)
    if summary.demand is not None:
        print_demand(summary.demand)
    print_deployment(summary.deployment)
    if summary.demand_deployment is not None:
        print_deployment(summary.demand_deployment)
    if summary.importance:
        rows = [[name, number(value)] for name, value in list(summary.importance.items())[:10]]
        unit = config.model.currency or config.model.target
        what, by = ("a forecast", "group") if config.is_demand_only else ("a prediction", "column")
        print_table(f"what moves {what}: mean |SHAP|, {unit}", [by, "mean |SHAP|"], rows)
    _print_places(config.root, {name: path for name, path in summary.artifacts.items() if path.exists()})
    print_durations(summary)
    print_next_steps(summary.artifacts["report"], config.mlflow, config_file, example=summary.example)


def print_demand(found: Mapping[str, Any]) -> None:
    """Print the models of many series with their errors at the origins, best first."""
    rows = [
        [
            ("* " if each["model"] == found["champion"] else "  ") + each["model"],
            "baseline" if each["baseline"] else "",
            *(_figure(each[name]) for name in ("mae", "rmsse")),
            *(_percent(each[name]) for name in ("wape", "bias")),
        ]
        for each in found["models"]
    ]
    period = _PERIODS[found.get("frequency", "D")]
    steps, origins, series = found["horizon"], len(found["origins"]), found["series"]
    print_table(
        f"{found['target']}: {_counted(steps, period)} ahead at {_counted(origins, 'origin')}, {series:,} series",
        ["model", "", "MAE", "RMSSE", "WAPE", "bias"],
        rows,
    )
    print_text(f"champion {found['champion']}: {found['reason']}")


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _figure(value: float | None) -> str:
    """Show four significant digits: more than origins can tell apart."""
    return "–" if value is None else f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:#.4g}".removesuffix(".")


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def print_durations(summary: Summary) -> None:
    """Print which stages did their work, and how long each took."""
    done = [name for name, repeated in summary.repeated.items() if repeated]
    took = ", ".join(f"{name} {summary.durations[name]:.1f} s" for name in done)
    print_text(f"\ndone in {summary.seconds:.1f} s ({took or 'nothing had changed, no stage was repeated'})")


def _print_places(root: Path, places: Mapping[str, Path]) -> None:
    """Print where the artifacts are, from the folder of the config, which is named once, so that the lines are short."""
    print_text("\nwhere everything is" + ("" if root == Path.cwd() else f", in {relative(root)}"))
    for name, path in places.items():
        typer.echo(f"  {name:12} {path.relative_to(root) if path.is_relative_to(root) else path}")


def print_next_steps(page: Path, mlflow: Mlflow, config_file: Path | None, *, example: Mapping[str, Any] | None = None) -> None:
    """Print the commands that look at the results; with an `example`, also that which predicts it."""
    typer.echo("next:")
    if page.is_file():
        print_text(f"open {relative(page)} in a browser", indent=2)
    if mlflow.sqlite_file is not None:
        print_command("mlflow", "ui", "--backend-store-uri", f"sqlite:///{relative(mlflow.sqlite_file)}")
    elif mlflow.is_database:
        typer.echo("  mlflow ui --backend-store-uri, followed by what mlflow.tracking_uri names")
    else:
        print_text(f"open {without_passwords(mlflow.tracking_uri)} in a browser", indent=2)
    prefix = [f"TABTRAIL_CONFIG={shlex.quote(str(config_file))}"] if config_file else []
    if example is not None:
        print_command(*prefix, "tabtrail", "predict", "--json", row=example)
    door = Path("src", "api_sales_v2.py").is_file()  # it is not in the wheel
    print_command(*prefix, *(("uvicorn", "src.api_sales_v2:app") if door else ("tabtrail", "serve")))


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
