"""Which files `paths.raw_csv` names."""

import glob
import re
from itertools import takewhile
from pathlib import Path

from tabtrail.errors import ConfigError
from tabtrail.storage.address import Address
from tabtrail.storage.bucket import Bucket, Listed
from tabtrail.storage.objects import ObjectFile, StoredFile

MARK_SUFFIX = ".synthetic"  # of the file that marks the source beside it as made up

_TOKEN = re.compile(r"\[!?\]?[^\]]*\]|\*+|.", re.DOTALL)  # of a pattern, as `fnmatch` has them
_OWNER = "~$"  # of the file that Excel keeps beside a workbook while somebody has it open


def find_sources(named: Path | Address, root: Path) -> dict[str, StoredFile]:
    """Return the files that a path or an address names, a single one or those of a pattern, by name.

    Raises `ConfigError` for none, and what `storage.bucket` does.

    `root` is the folder of the config; what is a pattern in its own name is not taken for one. Names are in alphabetical
    order and begin below the last folder that all files share.
    """
    if isinstance(named, Address):
        return dict(_find_objects(named))
    if named.is_file():
        return {named.name: named}
    root = root if named.is_relative_to(root) else Path(named.anchor)
    pattern = named.relative_to(root)
    if named.is_dir():
        raise ConfigError(f"paths.raw_csv: {named} is a folder; name its files by a pattern, as {named.name}/*.csv")
    if not glob.has_magic(str(pattern)):
        raise ConfigError(
            f"paths.raw_csv: there is no file {named}; put the CSV there, or `tabtrail sample` writes a synthetic one"
        )
    shared = root.joinpath(*takewhile(lambda part: not glob.has_magic(part), pattern.parts))
    names = glob.glob(str(pattern), root_dir=root, recursive=True)  # noqa: PTH207 - so that the root is not part of the pattern
    found = [root / name for name in sorted(names) if not (name.endswith(MARK_SUFFIX) or Path(name).name.startswith(_OWNER))]
    if not (files := {each.relative_to(shared).as_posix(): each for each in found if each.is_file()}):
        raise ConfigError(f"paths.raw_csv: no file matches {named}")
    return dict(files)


def _find_objects(named: Address) -> dict[str, ObjectFile]:
    """Return the objects that an address names, as `find_sources` does files. Raises `ConfigError`, `StorageError`."""
    bucket, parts = Bucket.of(named), named.key.split("/")
    plain = list(takewhile(lambda part: not glob.has_magic(part), parts))
    listed = list(bucket.list("/".join(plain[:-1] if len(plain) == len(parts) else plain)))
    exact = [each for each in listed if each.name == named.key]
    if not exact and any(each.name.startswith(f"{named.key}/") for each in listed):
        raise ConfigError(f"paths.raw_csv: {named} is a folder; name its files by a pattern, as {named}/*.csv")
    found = exact or [each for each in listed if _pattern(parts).fullmatch(each.name) and not _is_aside(each)]
    if not found:
        raise ConfigError(f"paths.raw_csv: there is no object {named}; put the CSV there, or correct the address")
    folder = "/".join(parts[:-1] if exact else plain)
    shared = len(folder) + 1 if folder else 0
    return {
        each.name[shared:]: ObjectFile(Address(named.bucket, each.name), each.size, each.etag, bucket)
        for each in sorted(found, key=lambda each: each.name)
    }


def _pattern(parts: list[str]) -> re.Pattern[str]:
    """Return the pattern of names that `glob` would find: * and ? stay within a part, and ** stands for any number of parts."""
    *folders, name = ["(?:[^/]+/)*" if part == "**" else "".join(map(_token, _TOKEN.findall(part))) for part in parts]
    start = "".join(each if each.endswith(")*") else f"{each}/" for each in folders)
    return re.compile(start + (".+" if parts[-1] == "**" else name))


def _token(token: str) -> str:
    if token[0] == "[" and len(token) > 1:
        inner = token[1:-1].replace("\\", r"\\")
        return f"[^{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"
    return {"*": "[^/]*", "?": "[^/]"}.get(token[0], re.escape(token))


def _is_aside(each: Listed) -> bool:
    """Tell whether an object is no source, whatever pattern it matches: a mark, a lock of Excel, or stands for a folder."""
    name = each.name.rpartition("/")[2]
    return name.endswith(MARK_SUFFIX) or name.startswith((_OWNER, ".")) or not name
