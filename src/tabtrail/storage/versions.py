"""A folder in a bucket that is replaced as a whole: every state of it is a version, and one small object names the current one.

Below an address lie `_current.json`, which lists the files of the current version with their hashes, and one prefix for each
version. A writer sends all files under a prefix of their own and then writes `_current.json` on condition that it is still the
one that was there before, so that a reader always finds a whole state, and of two writers one is refused. The version before
stays for those who are reading it.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from tabtrail.errors import ConflictError, StorageError
from tabtrail.storage.address import Address
from tabtrail.storage.bucket import Bucket, Listed, NoObjectError
from tabtrail.system.hashes import sha256_file

_FORMAT = 1
_CURRENT = "_current.json"
_VERSION = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
_SETTLED = timedelta(hours=1)  # an upload of another machine may be under way for so long


@dataclass(frozen=True)
class StoredAs:
    """A file of a version: its sha256, and its size in bytes."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Version:
    """A state of the folder: its files by name (with slashes), the version before it, and the ETag of what names it."""

    name: str
    files: Mapping[str, StoredAs]
    previous: str = ""
    written: str = ""
    etag: str = field(default="", compare=False)

    def to_json(self) -> bytes:
        """Return the form in the bucket."""
        body = {"format": _FORMAT, **asdict(self)}
        del body["etag"]
        return (json.dumps(body, indent=2, sort_keys=True) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes, etag: str, where: str) -> "Version":
        """Read the form in the bucket. Raises `StorageError` for what is none of this format."""
        try:
            value = json.loads(data)
            files = {str(name): StoredAs(str(each["sha256"]), int(each["bytes"])) for name, each in value["files"].items()}
            if value["format"] != _FORMAT or not _VERSION.fullmatch(value["name"]) or not all(map(_is_safe, files)):
                raise ValueError
            return cls(str(value["name"]), files, str(value["previous"]), str(value["written"]), etag)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise StorageError(
                f"{where}/{_CURRENT} was not written by this version of tabtrail; name another prefix, or remove what is there"
            ) from None


@dataclass(frozen=True)
class Versioned:
    """The folder of an address."""

    address: Address
    bucket: Bucket

    def current(self, known: Version | None = None) -> Version | None:
        """Return the current version, None where there is none yet; one that is `known` is not sent again."""
        try:
            found = self.bucket.read(self._name(_CURRENT), unless=known.etag if known else "")
        except NoObjectError:
            return None
        return known if found is None else Version.from_json(*found, str(self.address))

    def publish(self, files: Mapping[str, bytes | Path], known: Version | None) -> Version:
        """Make files the current version, if it is still the one that is `known` (None: there was none), and return it.

        Raises `ConflictError` where another process published meanwhile. Whatever is raised, the state before stays.
        """
        listed = {name: _describe(contents) for name, contents in sorted(files.items())}
        now = datetime.now(UTC)
        version = Version(
            f"{now:%Y%m%dT%H%M%S}Z-{os.urandom(4).hex()}", listed, known.name if known else "", now.isoformat(timespec="seconds")
        )
        try:
            self._send(version, files, known)
            # What is there now, and neither current nor the one before it, belongs to nobody once the next line has succeeded:
            # a writer that began earlier is refused.
            superseded = self._objects_but(version.name, known.name if known else "")
            etag = self._point_to(version, known)
        except ConflictError:
            self._remove([self._name(version.name, name) for name in listed])
            raise ConflictError(
                f"{self.address} was replaced by another process meanwhile; what it wrote stays, and nothing of this one was"
                " published; run the command again"
            ) from None
        self._remove([each.name for each in superseded])
        return Version(version.name, listed, version.previous, version.written, etag)

    def fetch(self, version: Version, name: str, target: Path) -> None:
        """Write a file of a version to a path, and verify it. Raises `NoObjectError`, and `StorageError` for an altered one."""
        stored, object_name = version.files[name], self._name(version.name, name)
        digest, place = sha256(), 0
        with target.open("wb") as file:
            for block in self.bucket.stream(object_name, stored.bytes):
                digest.update(block)
                place += len(block)
                file.write(block)
        if StoredAs(digest.hexdigest(), place) != stored:
            raise StorageError(f"{self._shown(object_name)} is not the file that was published; publish it again")

    def leftovers(self) -> list[Listed]:
        """Return the objects that interrupted uploads left: of no version that counts, and older than an hour."""
        current = self.current()
        counted = () if current is None else (current.name, current.previous)
        old = datetime.now(UTC) - _SETTLED
        return [each for each in self._objects_but(*counted) if each.written < old]

    def remove(self, objects: Sequence[Listed]) -> None:
        """Delete objects."""
        self.bucket.delete(each.name for each in objects)

    def _send(self, version: Version, files: Mapping[str, bytes | Path], known: Version | None) -> None:
        for name, contents in files.items():
            target = self._name(version.name, name)
            if known is not None and known.files.get(name) == version.files[name]:
                try:
                    self.bucket.copy(self._name(known.name, name), target)
                except NoObjectError:
                    raise ConflictError(str(self.address)) from None
            else:
                self.bucket.put(target, contents)

    def _point_to(self, version: Version, known: Version | None) -> str:
        try:
            return self.bucket.replace(self._name(_CURRENT), version.to_json(), known.etag if known else "")
        except ConflictError:
            # An answer that was lost, or came too late, makes the client write once more: that finds its own first write.
            current = self.current()
            if current is None or current.name != version.name:
                raise
            return current.etag

    def _objects_but(self, *versions: str) -> list[Listed]:
        """Return the objects of all versions but some. What else lies below the address is nobody's business here."""
        found = []
        for each in self.bucket.list(self.address.key):
            version, slash, _ = each.name[len(self.address.key) + 1 :].partition("/")
            if slash and _VERSION.fullmatch(version) and version not in versions:
                found.append(each)
        return found

    def _remove(self, names: Sequence[str]) -> None:
        with suppress(StorageError):  # nothing depends on it: `tabtrail doctor` lists what stays, and the next writer removes it
            self.bucket.delete(names)

    def _name(self, *parts: str) -> str:
        return "/".join((self.address.key, *parts))

    def _shown(self, name: str) -> str:
        return f"s3://{self.address.bucket}/{name}"


def _describe(contents: bytes | Path) -> StoredAs:
    if isinstance(contents, Path):
        return StoredAs(sha256_file(contents), contents.stat().st_size)
    return StoredAs(sha256(contents).hexdigest(), len(contents))


def _is_safe(name: Any) -> bool:
    """Tell whether a name stays within the folder that it is written to."""
    return isinstance(name, str) and not name.startswith("/") and "\\" not in name and not {"", ".", ".."} & set(name.split("/"))
