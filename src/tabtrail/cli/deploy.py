"""The commands around what is deployed: `tabtrail promote`, `rollback`, `history`, `bundle verify` and `bundle inspect`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tabtrail.cli.options import ConfigOption, JsonOption, SetOption, print_json, print_table
from tabtrail.errors import BundleError, require_extra
from tabtrail.progress import Progress

if TYPE_CHECKING:
    from tabtrail.cli.predict import Place
    from tabtrail.config.tree import Config
    from tabtrail.workflows.deploy import Decision

_SAY = Progress(say=lambda text: typer.echo(text, err=True))
_NEEDED = ("polars", "duckdb", "sklearn", "mlflow", "filelock")
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it stands in the history.")]
FolderArgument = Annotated[Path | None, typer.Argument(help="A bundle's folder.", show_default="the deployed one")]
KeyOption = Annotated[Path | None, typer.Option("--public-key", help="The key that must have signed it.", show_default="config")]

bundle_app = typer.Typer(help="Verify a bundle, or show what is in it.", no_args_is_help=True, rich_markup_mode=None)


def promote(
    what: Annotated[str, typer.Argument(metavar="RUN_ID|VERSION", help="A benchmark's run, its winner's run, or a version.")],
    force: Annotated[bool, typer.Option("--force", help="Deploy it although the gate refuses; needs --reason.")] = False,
    reason: ReasonOption = "",
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deploy a trained model, if it holds its own against the deployed one on the same rows (exit code 4 where not)."""
    loaded = _load(config, set_)
    from tabtrail.workflows import promote as workflow

    _print_decision(workflow.promote(loaded, what, force=force, reason=reason, progress=_SAY), as_json=as_json)


def rollback(reason: ReasonOption = "", config: ConfigOption = None, set_: SetOption = None, as_json: JsonOption = False) -> None:
    """Deploy again, byte for byte, what was deployed before; again to go back further."""
    loaded = _load(config, set_)
    from tabtrail.workflows import promote as workflow

    _print_decision(workflow.rollback(loaded, reason=reason, progress=_SAY), as_json=as_json)


def history(config: ConfigOption = None, set_: SetOption = None, as_json: JsonOption = False) -> None:
    """List every change of what is deployed: when, who, from, to, why, and what the gate measured."""
    loaded = _load(config, set_)
    from tabtrail.workflows.promote import history as read_all

    entries = read_all(loaded)
    if as_json:
        print_json([entry.to_dict() for entry in entries])
        return
    header = ["#", "when (UTC)", "who", "action", "from", "to", "run", "difference in RMSE", "why"]
    rows = []
    for entry in entries:
        figures = (entry.verdict or {}).get("comparison") or {}
        change = "{difference:+.4g} ({low:+.4g} to {high:+.4g})".format(**figures) if figures else ""
        sides = [f"{each.version or '?'} {each.model}" if each else "–" for each in (entry.before, entry.after)]
        action = entry.action + (" (forced)" if entry.forced else "")
        rows.append([str(entry.number), entry.when[:19], entry.who, action, *sides, entry.after.run_id, change, entry.reason])
    print_table(f"what was deployed as {loaded.model.name}", header, rows)


@bundle_app.command("verify", epilog="example: tabtrail bundle verify models")
def verify(
    folder: FolderArgument = None,
    public_key: KeyOption = None,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check every byte of a bundle, its signature where a key is known, and that its graph loads and predicts its example."""
    from tabtrail.bundle.load import load_bundle
    from tabtrail.bundle.predictor import Predictor

    place = _place(folder, public_key, config, set_)
    bundle = load_bundle(*place)
    predictor = Predictor(bundle)
    value = predictor.predict([bundle.schema.example])[0].value
    files = bundle.metadata["files"]
    if as_json:
        print_json(
            {"verified": True, "folder": str(place.folder), "sha256": bundle.sha256, "signed": place.public_key is not None}
        )
        return
    typer.echo(
        f"verified: {bundle.metadata['model']} of run {bundle.metadata['run_id']}, {len(files) + 1} files, sha256 {bundle.sha256}"
    )
    typer.echo(
        "signature: " + (f"of {place.public_key.name}" if place.public_key else "not looked at, there is no bundle.public_key")
    )
    typer.echo(f"the example is predicted: {value:,.7g} {bundle.metadata['currency']}".rstrip())


@bundle_app.command("inspect", epilog="example: tabtrail bundle inspect --json")
def inspect(
    folder: FolderArgument = None,
    public_key: KeyOption = None,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a bundle says of itself: model, run, metrics, proof, columns, files with their hashes."""
    from tabtrail.bundle.load import read_metadata

    place = _place(folder, public_key, config, set_)
    metadata = read_metadata(*place)
    if as_json:
        print_json(metadata)
        return
    typer.echo("the metadata is intact; whether the other files are: tabtrail bundle verify")
    for key in ("format", "name", "model", "family", "target", "currency", "run_id", "created", "synthetic", "data_sha256"):
        typer.echo(f"{key:12} {_line(metadata.get(key))}")
    typer.echo(f"{'columns':12} {_line(', '.join(each['name'] for each in metadata['schema']['features']))}")
    metrics: dict[str, Any] = metadata.get("metrics") or {}
    for key, value in metrics.items():
        if not isinstance(value, dict):
            typer.echo(f"{key:22} {_line(value)}")
    for key, value in (metadata.get("parity") or {}).items():
        if not isinstance(value, dict):
            typer.echo(f"{'parity ' + key:22} {_line(value)}")
    for entry in metadata["files"].values():
        typer.echo(f"{entry['sha256']}  {entry['name']} ({entry['bytes']:,} bytes)")


def _place(folder: Path | None, public_key: Path | None, config: Path | None, overrides: list[str] | None) -> "Place":
    """Return the bundle that is meant: that of the config, or the only one of a folder."""
    from tabtrail.bundle.load import bundle_names
    from tabtrail.cli.predict import Place, locate_bundle

    if folder is None:
        place = locate_bundle(config, overrides or [])
        return place._replace(public_key=public_key or place.public_key)
    names = bundle_names(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if len(names) != 1:
        found = f"it holds {', '.join(names)}; name one with --set model.name=…" if names else "there is none"
        raise BundleError(f"{folder} is not the folder of one bundle: {found}")
    return Place(folder, names[0], public_key)


def _line(value: object) -> str:
    """Show a text of a bundle, which anyone may have written, on one line and without control characters."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in str(value))


def _print_decision(decision: "Decision", *, as_json: bool) -> None:
    if as_json:
        print_json(decision.to_dict())
        return
    typer.echo(str(decision))
    for note in () if decision.verdict is None else decision.verdict.notes:
        typer.echo(f"NOTE  {note}")
    for reason in decision.reasons:
        typer.echo(f"overruled: {reason}")
    if decision.promoted:
        typer.echo(
            "to take it back: tabtrail rollback" if decision.action != "rollback" else "`tabtrail history` lists all of it"
        )


def _load(config: Path | None, overrides: list[str] | None) -> "Config":
    require_extra("train", *_NEEDED)
    from tabtrail.config.load import load_config
    from tabtrail.system.interrupt import end_in_time
    from tabtrail.tracking.process import quiet_mlflow

    end_in_time()
    quiet_mlflow()
    return load_config(config, overrides or [])
