"""A bundle into a bucket, whole, and what lies there read back and verified. Needs no package that trains."""

from dataclasses import dataclass
from pathlib import Path

from tabtrail.bundle.build import deploy_bundle
from tabtrail.bundle.load import Bundle, load_bundle, read_whole_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.storage.address import Address
from tabtrail.storage.copies import Copy, no_model_in
from tabtrail.system.temporary import scratch_folder


@dataclass(frozen=True)
class Pushed:
    """What lies in the bucket after a push: the bundle and the version that holds it. `sent`: whether it was not there before."""

    bundle: Bundle
    version: str
    files: int
    sent: bool


def push_bundle(folder: Path, name: str, public_key: Path | None, address: Address) -> Pushed:
    """Publish the bundle of a folder, in the place of that of the same name, and verify what lies in the bucket then.

    Raises `BundleError` for one that is not whole, `ConflictError` where another process published meanwhile, `StorageError`;
    what was published before then stays.
    """
    files = read_whole_bundle(folder, name, public_key)[1]
    with scratch_folder() as scratch:
        copy = Copy(address, Path(scratch) / "models")
        copy.refresh()
        sent = not _holds(copy.folder, files)
        if sent:
            with copy.changing():
                deploy_bundle(copy.folder, name, files)
    return verify_pushed(name, public_key, address, sent=sent)


def verify_pushed(name: str, public_key: Path | None, address: Address, *, sent: bool = False) -> Pushed:
    """Read a bundle of a bucket back, every file of it, check its hashes and signature, and predict its example."""
    with scratch_folder() as scratch:
        copy = Copy(address, Path(scratch) / "models")
        copy.refresh()
        version = copy.known()
        if version is None:
            raise no_model_in(address)
        bundle = load_bundle(copy.folder, name, public_key)
        Predictor(bundle).predict([bundle.schema.example])
        return Pushed(bundle, version.name, len(version.files), sent)


def _holds(folder: Path, files: dict[str, bytes]) -> bool:
    return all((folder / file).is_file() and (folder / file).read_bytes() == data for file, data in files.items())
