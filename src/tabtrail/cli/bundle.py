"""`tabtrail bundle verify`, `inspect` and `push`: what a bundle holds, and into a bucket, without any package that trains."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from tabtrail.bundle.load import bundle_names, load_bundle, read_metadata
from tabtrail.bundle.predictor import Predictor
from tabtrail.cli.options import ConfigOption, DemandOption, FormatOption, SetOption, new_group
from tabtrail.cli.output import print_json, print_text, printable
from tabtrail.cli.place import Place, bundle_address, locate_bundle
from tabtrail.errors import BundleError, UsageError
from tabtrail.storage.address import Address, is_address
from tabtrail.storage.copies import Copy
from tabtrail.system.temporary import scratch_folder
from tabtrail.workflows.push import push_bundle, verify_pushed

FolderArgument = Annotated[str | None, typer.Argument(help="A bundle's folder, or its s3://…", show_default="the deployed one")]
KeyOption = Annotated[Path | None, typer.Option("--public-key", help="The key that must have signed it.", show_default="config")]
app = new_group("Verify a bundle, show what is in it, or put it into a bucket.")


@app.command("verify", epilog="example: tabtrail bundle verify models")
def verify(
    folder: FolderArgument = None,
    public_key: KeyOption = None,
    demand: DemandOption = False,
    config: ConfigOption = None,
    set_: SetOption = None,
    format_: FormatOption = "text",
) -> None:
    """Check every byte of a bundle, its signature where a key is known, and that its graph loads and predicts its example."""
    with _place(folder, public_key, locate_bundle(config, set_ or [], demand=demand) if folder is None else None) as place:
        bundle = load_bundle(*place)
    value = Predictor(bundle).predict([bundle.schema.example])[0].value
    files = bundle.metadata["files"]
    if format_ == "json":
        print_json(
            {
                "verified": True,
                "folder": folder or str(place.folder),
                "sha256": bundle.sha256,
                "signed": place.public_key is not None,
            }
        )
        return
    typer.echo(
        f"verified: {bundle.metadata['model']} of run {bundle.metadata['run_id']}, {len(files) + 1} files, sha256 {bundle.sha256}"
    )
    typer.echo(
        "signature: " + (f"of {place.public_key.name}" if place.public_key else "not checked, since bundle.public_key is not set")
    )
    typer.echo(f"the example is predicted: {value:,.7g} {bundle.metadata['currency']}".rstrip())


@app.command("inspect", epilog="example: tabtrail bundle inspect --format json")
def inspect(
    folder: FolderArgument = None,
    public_key: KeyOption = None,
    demand: DemandOption = False,
    config: ConfigOption = None,
    set_: SetOption = None,
    format_: FormatOption = "text",
) -> None:
    """Show what a bundle says about itself: model, run, metrics, proof, columns, files with their hashes."""
    with _place(folder, public_key, locate_bundle(config, set_ or [], demand=demand) if folder is None else None) as place:
        metadata = read_metadata(*place)
    if format_ == "json":
        print_json(metadata)
        return
    typer.echo("the metadata is intact; whether the other files are: tabtrail bundle verify")
    for key in ("format", "name", "model", "family", "target", "currency", "run_id", "created", "synthetic", "data_sha256"):
        typer.echo(f"{key:12} {printable(metadata.get(key))}")
    names = ", ".join(each["name"] for each in metadata["schema"]["features"])
    print_text(f"{'columns':12} {printable(names)}", hang=13)
    if refit := metadata.get("refit"):
        typer.echo(
            f"learned from {refit['rows']:,} rows; the metrics are of its twin, which learned from {refit['training_rows']:,}"
        )
    for key, value in ((metadata.get("held_out") or {}).get("metrics") or {}).items():
        typer.echo(f"{'held_out_' + key:22} {printable(value)}")
    metrics: dict[str, Any] = metadata.get("metrics") or {}
    for key, value in metrics.items():
        if not isinstance(value, dict):
            typer.echo(f"{key:22} {printable(value)}")
    for key, value in (metadata.get("parity") or {}).items():
        if not isinstance(value, dict):
            typer.echo(f"{'parity ' + key:22} {printable(value)}")
    for entry in metadata["files"].values():
        print_text(f"{entry['sha256']}  {entry['name']} ({entry['bytes']:,} bytes)", hang=2)


@app.command("push", epilog="example: tabtrail bundle push models --to s3://bucket/models")
def push(
    folder: FolderArgument = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="ADDRESS", help="Where to: s3://bucket/prefix.", show_default="paths.models_dir")
    ] = None,
    public_key: KeyOption = None,
    demand: DemandOption = False,
    config: ConfigOption = None,
    set_: SetOption = None,
    format_: FormatOption = "text",
) -> None:
    """Put a bundle into a bucket, whole, and verify every byte of what lies there then; what is there already is not sent."""
    address = to or bundle_address(config, set_ or [], demand=demand)
    if address is None:
        raise UsageError("paths.models_dir is a folder of this machine; name the place in a bucket with --to s3://bucket/prefix")
    target = _address(address)
    own = locate_bundle(config, set_ or [], demand=demand) if folder is None else None
    if folder is None and own is not None and to is None:
        done = verify_pushed(own.name, public_key or own.public_key, target)
    else:
        with _place(folder, public_key, own) as place:
            done = push_bundle(*place, target)
    bundle = done.bundle
    if format_ == "json":
        said = {"address": address, "version": done.version, "sent": done.sent, "sha256": bundle.sha256, "verified": True}
        print_json(said)
        return
    where = f"{'sent to' if done.sent else 'is in'} {target}"
    typer.echo(f"{where}: {bundle.metadata['model']} of run {bundle.metadata['run_id']}")
    typer.echo(f"verified there: {done.files} files of version {done.version}, sha256 {bundle.sha256}")


def _address(text: str) -> Address:
    try:
        return Address.parse(text)
    except ValueError as error:
        raise UsageError(f"--to: {error}") from None


@contextmanager
def _place(folder: str | None, public_key: Path | None, own: Place | None) -> Iterator[Place]:
    """Yield the place of the bundle that is meant: that of the config, or the only one of a folder or an address."""
    if folder is None:
        assert own is not None  # noqa: S101 - without a folder it is that of the config
        yield own._replace(public_key=public_key or own.public_key)
    elif is_address(folder):
        with scratch_folder() as scratch:
            copy = Copy(_address(folder), Path(scratch) / "models")
            copy.refresh()
            yield _only(copy.folder, folder, public_key)
    else:
        yield _only(Path(folder), folder, public_key)


def _only(folder: Path, named: str, public_key: Path | None) -> Place:
    names = bundle_names(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if len(names) != 1:
        found = f"it holds {', '.join(names)}; name one with --set model.name=…" if names else "there is none"
        raise BundleError(f"{named} is not the folder of one bundle: {found}")
    return Place(folder, names[0], public_key)
