"""Which files `paths.raw_csv` names."""

import glob
from itertools import takewhile
from pathlib import Path

from tabtrail.errors import ConfigError

MARK_SUFFIX = ".synthetic"  # of the file that marks the source beside it as made up

_OWNER = "~$"  # of the file that Excel keeps beside a workbook while somebody has it open


def find_sources(named: Path, root: Path) -> dict[str, Path]:
    """Return the files that a path names, a single one or those of a pattern, by name. Raises `ConfigError` for none.

    `root` is the folder of the config; what is a pattern in its own name is not taken for one. Names are in alphabetical
    order and begin below the last folder that all files share.
    """
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
    return files
