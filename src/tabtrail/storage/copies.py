"""A folder of this machine that is a copy of one in a bucket: fetched when another version is current there, or published.

A hidden file in the folder says which version it is; a folder without it is to be fetched again.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tabtrail.errors import NotTrainedError, StorageError
from tabtrail.storage.address import Address
from tabtrail.storage.bucket import PATIENCE_SECONDS, Bucket, NoObjectError
from tabtrail.storage.versions import Version, Versioned
from tabtrail.system.files import atomic_folder_and_files, link_or_copy
from tabtrail.system.hashes import known_sha256

MARK = ".published.json"  # of a copy: the version that it is of
_TRIES = 3  # a version may be replaced twice while it is fetched, and is gone then


@dataclass(frozen=True)
class Copy:
    """A copy of an address in a folder. `inner` is the folder's name within a version ("": the version itself), and `beside` are
    files of the version, by name, that belong beside the folder.
    """

    address: Address
    folder: Path
    inner: str = ""
    beside: Mapping[str, Path] = field(default_factory=dict)

    def known(self) -> Version | None:
        """Return the version that the folder is a copy of, None for none."""
        mark = self.folder / MARK
        try:
            body = json.loads(mark.read_bytes())
            version = Version.from_json(mark.read_bytes(), str(body["etag"]), str(self.folder))
            return version if body["address"] == str(self.address) and self._is_there(version) else None
        except (OSError, ValueError, KeyError, TypeError, StorageError):
            return None

    def refresh(self, patience: float = PATIENCE_SECONDS) -> bool:
        """Fetch the current version where the folder is not a copy of it; tell whether anything was fetched.

        Where there is no version yet, the folder is a copy of none. Raises `StorageError`; the folder then stays as it was.
        """
        known, place = self.known(), self.place(patience)
        for _ in range(_TRIES):
            current = place.current(known)
            if current is None:
                (self.folder / MARK).unlink(missing_ok=True)
                return False
            if known is not None and current.name == known.name:
                return False
            try:
                self._fetch(place, current)
                return True
            except NoObjectError as error:
                gone = str(error)
        raise StorageError(f"{self.address} has no whole version ({gone}); publish it again")

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Publish the folder after the work within, if nothing was published meanwhile. Raises `ConflictError`, `StorageError`.

        Where anything is raised, the folder is a copy of nothing any more, and the next `refresh` fetches what is current.
        """
        base = self.known()
        (self.folder / MARK).unlink(missing_ok=True)
        yield
        self._mark(self.folder, self.place().publish(self._contents(), base))

    def prefix(self, version: Version) -> Address:
        """Return where the folder's files of a version lie, for as long as that is the current one or the one before it."""
        return Address(self.address.bucket, "/".join(filter(None, (self.address.key, version.name, self.inner))))

    def place(self, patience: float = PATIENCE_SECONDS) -> Versioned:
        """Return the folder in the bucket."""
        return Versioned(self.address, Bucket.of(self.address, patience))

    def _fetch(self, place: Versioned, version: Version) -> None:
        own = self._places(version)
        beside = {name: path for name, path in own.items() if name in self.beside}
        with atomic_folder_and_files(self.folder, *beside.values()) as (folder, *files):
            targets = dict(zip(beside, files, strict=True))
            for name, path in own.items():
                target = targets.get(name) or folder / path.relative_to(self.folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                if not _took(path, version.files[name].sha256, target):
                    place.fetch(version, name, target)
            self._mark(folder, version)

    def _places(self, version: Version) -> dict[str, Path]:
        """Return where the files of a version belong here, by their names in it."""
        start = f"{self.inner}/" if self.inner else ""
        inner = {name: self.folder / name[len(start) :] for name in version.files if name.startswith(start)}
        return inner | {name: path for name, path in self.beside.items() if name in version.files}

    def _contents(self) -> dict[str, bytes | Path]:
        start = f"{self.inner}/" if self.inner else ""
        found: dict[str, bytes | Path] = {start + name: path for name, path in visible_files(self.folder)}
        return found | {name: path for name, path in self.beside.items() if path.is_file()}

    def _is_there(self, version: Version) -> bool:
        """Tell whether the files are there in their sizes; whoever reads them compares their hashes."""
        places = self._places(version).items()
        return all(path.is_file() and path.stat().st_size == version.files[name].bytes for name, path in places)

    def _mark(self, folder: Path, version: Version) -> None:
        body = {**json.loads(version.to_json()), "etag": version.etag, "address": str(self.address)}
        (folder / MARK).write_bytes(json.dumps(body).encode())


def _took(own: Path, sha256: str, target: Path) -> bool:
    """Take a file over from the copy of before, where it is the same there; another process may be exchanging that copy."""
    try:
        if known_sha256(own) != sha256:
            return False
        link_or_copy(own, target)
        return True
    except OSError:
        return False


def fetch_prefix(address: Address, folder: Path) -> None:
    """Write all objects below an address into a folder, by their names. Raises `ConfigError`, `StorageError`."""
    start = len(address.key) + 1
    fetch_files(address, {each.name[start:]: each.size for each in Bucket.of(address).list(address.key)}, folder)


def fetch_files(address: Address, files: Mapping[str, int], folder: Path) -> None:
    """Write some objects below an address, given by their names there with their bytes, into a folder, by these names.

    Raises `ConfigError`, `StorageError`.
    """
    bucket = Bucket.of(address)
    for name, size in files.items():
        target = folder.joinpath(*(part for part in name.split("/") if part not in ("", ".", "..")))
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            for block in bucket.stream(f"{address.key}/{name}", size):
                file.write(block)


def served_copy(address: Address, cache_dir: Path) -> Copy:
    """Return the models of a bucket with the copy that is predicted from, which nothing is deployed to."""
    return Copy(address, cache_dir / "served" / address.bucket / address.key)


def fetch_served(address: Address, cache_dir: Path) -> Path:
    """Return the folder of a copy of the models of a bucket, brought up to date.

    Raises `NotTrainedError` where nothing is published there, `StorageError` for a bucket that cannot be read.
    """
    copy = served_copy(address, cache_dir)
    copy.refresh()
    if copy.known() is None:
        raise no_model_in(address)
    return copy.folder


def no_model_in(address: Address) -> NotTrainedError:
    """Return what is said of a bucket's address where nothing is published."""
    return NotTrainedError(
        f"there is no model in {address}; run `tabtrail run` first, or `tabtrail bundle push FOLDER --to {address}`"
    )


def visible_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files of a folder with their names within it, without those that are hidden."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            yield name.as_posix(), path
