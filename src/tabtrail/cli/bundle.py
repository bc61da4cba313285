"""`tabtrail bundle verify` and `inspect`: what a bundle holds, without any package that trains."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tabtrail.bundle.load import bundle_names, load_bundle, read_metadata
from tabtrail.bundle.predictor import Predictor
from tabtrail.cli.options import ConfigOption, DemandOption, JsonOption, SetOption, new_group
from tabtrail.cli.output import print_json, printable
from tabtrail.cli.place import Place, locate_bundle
from tabtrail.errors import BundleError

FolderArgument = Annotated[Path | None, typer.Argument(help="A bundle's folder.", show_default="the deployed one")]
KeyOption = Annotated[Path | None, typer.Option("--public-key", help="The key that must have signed it.", show_default="config")]
app = new_group("Verify a bundle, or show what is in it.")


@app.command("verify", epilog="example: tabtrail bundle verify models")
def verify(
    folder: FolderArgument = None,
    public_key: KeyOption = None,
    demand: DemandOption = False,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check every byte of a bundle, its signature where a key is known, and that its graph loads and predicts its example."""
    place = _place(folder, public_key, locate_bundle(config, set_ or [], demand=demand) if folder is None else None)
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
        "signature: " + (f"of {place.public_key.name}" if place.public_key else "not checked, since bundle.public_key is not set")
    )
    typer.echo(f"the example is predicted: {value:,.7g} {bundle.metadata['currency']}".rstrip())


@app.command("inspect", epilog="example: tabtrail bundle inspect --json")
def inspect(
    folder: FolderArgument = None,
    public_key: KeyOption = None,
    demand: DemandOption = False,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a bundle says about itself: model, run, metrics, proof, columns, files with their hashes."""
    place = _place(folder, public_key, locate_bundle(config, set_ or [], demand=demand) if folder is None else None)
    metadata = read_metadata(*place)
    if as_json:
        print_json(metadata)
        return
    typer.echo("the metadata is intact; whether the other files are: tabtrail bundle verify")
    for key in ("format", "name", "model", "family", "target", "currency", "run_id", "created", "synthetic", "data_sha256"):
        typer.echo(f"{key:12} {printable(metadata.get(key))}")
    typer.echo(f"{'columns':12} {printable(', '.join(each['name'] for each in metadata['schema']['features']))}")
    metrics: dict[str, Any] = metadata.get("metrics") or {}
    for key, value in metrics.items():
        if not isinstance(value, dict):
            typer.echo(f"{key:22} {printable(value)}")
    for key, value in (metadata.get("parity") or {}).items():
        if not isinstance(value, dict):
            typer.echo(f"{'parity ' + key:22} {printable(value)}")
    for entry in metadata["files"].values():
        typer.echo(f"{entry['sha256']}  {entry['name']} ({entry['bytes']:,} bytes)")


def _place(folder: Path | None, public_key: Path | None, own: Place | None) -> Place:
    """Return the bundle that is meant: that of the config, or the only one of a folder."""
    if folder is None or own is not None:
        assert own is not None  # noqa: S101 - without a folder it is that of the config
        return own._replace(public_key=public_key or own.public_key)
    names = bundle_names(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if len(names) != 1:
        found = f"it holds {', '.join(names)}; name one with --set model.name=…" if names else "there is none"
        raise BundleError(f"{folder} is not the folder of one bundle: {found}")
    return Place(folder, names[0], public_key)
