"""A folder of this machine that is a copy of one in a bucket: fetched when another version is current there, or published.

A hidden file in the folder says which version it is; a folder without it is to be fetched again.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tabtrail.errors import StorageError
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

    def is_current(self, patience: float) -> bool:
        """Tell whether the folder is a copy of the current version, or there is none."""
        known = self.known()
        current = self.place(patience).current(known)
        return current is None or (known is not None and current.name == known.name)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Publish the folder after the work within, if nothing was published meanwhile. Raises `ConflictError`, `StorageError`.

        Where anything is raised, the folder is a copy of nothing any more, and the next `refresh` fetches what is current.
        """
        base = self.known()
        (self.folder / MARK).unlink(missing_ok=True)
        yield
        self._mark(self.folder, self.place().publish(self._contents(), base))

    def verify(self) -> Version:
        """Read every file of the current version and compare its hash. Raises `StorageError`, also where there is none."""
        place = self.place()
        current = place.current()
        if current is None:
            raise StorageError(f"nothing is published in {self.address}")
        place.verify(current)
        return current

    def place(self, patience: float = PATIENCE_SECONDS) -> Versioned:
        """Return the folder in the bucket."""
        return Versioned(self.address, Bucket.of(self.address, patience))

    def _fetch(self, place: Versioned, version: Version) -> None:
        names = self._names(version)
        files = [path for name, path in self.beside.items() if name in version.files]
        with atomic_folder_and_files(self.folder, *files) as (folder, *beside):
            targets = {name: folder / inner for name, inner in names.items()}
            targets |= dict(zip([name for name in self.beside if name in version.files], beside, strict=True))
            for name, target in targets.items():
                target.parent.mkdir(parents=True, exist_ok=True)
                own = self.folder / names[name] if name in names else None
                if own is not None and own.is_file() and known_sha256(own) == version.files[name].sha256:
                    link_or_copy(own, target)
                else:
                    place.fetch(version, name, target)
            self._mark(folder, version)

    def _names(self, version: Version) -> dict[str, str]:
        """Return the names of the folder's files within it, by their names in the version."""
        start = f"{self.inner}/" if self.inner else ""
        return {name: name[len(start) :] for name in version.files if name.startswith(start) and name not in self.beside}

    def _contents(self) -> dict[str, bytes | Path]:
        start = f"{self.inner}/" if self.inner else ""
        found: dict[str, bytes | Path] = {start + name: path for name, path in visible_files(self.folder)}
        return found | {name: path for name, path in self.beside.items() if path.is_file()}

    def _is_there(self, version: Version) -> bool:
        """Tell whether the files are there in their sizes; whoever reads them compares their hashes."""
        places = {name: self.folder / inner for name, inner in self._names(version).items()}
        places |= {name: path for name, path in self.beside.items() if name in version.files}
        return all(path.is_file() and path.stat().st_size == version.files[name].bytes for name, path in places.items())

    def _mark(self, folder: Path, version: Version) -> None:
        body = {**json.loads(version.to_json()), "etag": version.etag, "address": str(self.address)}
        (folder / MARK).write_bytes(json.dumps(body).encode())


def served_copy(address: Address, cache_dir: Path) -> Copy:
    """Return the models of a bucket with the copy that is predicted from, which nothing is deployed to."""
    return Copy(address, cache_dir / "served" / address.bucket / address.key)


def visible_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files of a folder with their names within it, without those that are hidden."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            yield name.as_posix(), path
