"""What the keys of the layout go for, and what a reader of the accounting would not expect of a file."""

from collections.abc import Sequence

from tabtrail.contract.layout import Layout
from tabtrail.errors import ConfigError
from tabtrail.reading.compressed import SourceFile
from tabtrail.reading.header import Header
from tabtrail.reading.kinds import Kind, kind_of

_GOES_FOR: dict[str, tuple[Kind, ...]] = {
    "skip_rows": ("csv", "excel"),
    "skip_after_header": ("csv", "excel"),
    "comment": ("csv",),
    "sheet": ("excel",),
}


def require_layout(files: Sequence[SourceFile], layout: Layout) -> None:
    """Raise `ConfigError` for a key of the layout that goes for none of the files, and would do nothing."""
    given = {key: kinds for key, kinds in _GOES_FOR.items() if getattr(layout, key)}
    found = {kind_of(file)[0]: file.name for file in files} if given else {}
    for key, kinds in given.items():
        if not found.keys() & set(kinds):
            kind, name = next(iter(found.items()))
            allowed = " and ".join(_CALLED[each] for each in kinds)
            raise ConfigError(f"source.{key}: {name} is {_CALLED[kind]}, and this goes for {allowed} alone; remove it")


_CALLED: dict[Kind, str] = {"csv": "CSV", "excel": "Excel", "parquet": "Parquet", "json lines": "JSON lines"}


def rounded_finding(file: str, name: str, cells: int) -> str:
    """Return the finding on so many ids of a column that a file has as doubles."""
    return (
        f"{file}: {cells:,} {'cell' if cells == 1 else 'cells'} of the text column {name} hold numbers of 16 digits or more as"
        " doubles, which lose the last ones, so that two ids may have become one; have them written as text"
    )


def layout_notes(name: str, header: Header, delimiter: str, comments: int) -> list[str]:
    """Return what a reader of the accounting would not expect of a file."""
    notes = [f"{name}: line 1 says that fields are parted by {header.delimiter!r}"] if header.delimiter != delimiter else []
    return [*notes, f"{name}: {comments:,} lines below the header are comments and were left out"] if comments else notes
