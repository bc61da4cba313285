"""What of a file is looked at: all of it, or parts from its whole length where it is large, in seconds and bounded memory."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tabtrail.errors import UsageError
from tabtrail.reading.compressed import SourceFile, chunks_of
from tabtrail.reading.encoding import mark_of, wide_codec
from tabtrail.reading.kinds import Kind, kind_of
from tabtrail.system.temporary import scratch_folder

WHOLE = 64 << 20
"""Bytes up to which a file is looked at as a whole: about a million rows of ten columns, some seconds."""
_HEAD, _PIECE, _PIECES = 8 << 20, 512 << 10, 48  # 32 MB in all: enough to see a value that one row in 100,000 has
_ROWS, _GROUPS = 4_096, 32  # of a Parquet file: rows from each of so many of its row groups
_ONE_LINE = 17 << 20  # more than the longest line that is read (16 MB), so that the reader itself refuses it


_ADDRESS = re.compile(r"(?i)(s3|gs|az|abfss?|https?|ftp|postgres|postgresql|mysql|mssql|oracle|sqlite|duckdb):/")
_MANY = "Then write a pattern, as raw/*.csv, as paths.raw_csv of the config, and all its files are read as one table"
_BUCKET = (
    "an object in a bucket is not looked at: download one file of it and propose from that; then write the address as"
    " paths.raw_csv of the config (docs/team.md)"
)
_DATABASE = (
    "a database is not looked at: export some rows as CSV, for example with \\copy (SELECT …) TO 'rows.csv' CSV HEADER, and"
    " propose from that; then write source.table and order_by in place of paths.raw_csv (docs/your-own-csv.md, for PostgreSQL)"
)
_ELSEWHERE = {"s3": _BUCKET} | dict.fromkeys(
    ("postgres", "postgresql", "mysql", "mssql", "oracle", "sqlite", "duckdb"), _DATABASE
)


@dataclass(frozen=True)
class Look:
    """What is looked at in place of a file. `sampled` says in words what of the file it is, None for all of it; up to
    `exact_lines` its lines are those of the file (None: all are).
    """

    file: SourceFile
    kind: Kind
    sampled: str | None = None
    exact_lines: int | None = None


@contextmanager
def looked_at(path: Path) -> Iterator[Look]:
    """Yield what is looked at of a file. Raises `UsageError` for what is no file, `DataError` for a format that is not read."""
    require_file(path)
    file = SourceFile(path, path.name, named_by="FILE")
    kind = kind_of(file)[0] if file.size else "csv"
    with scratch_folder() as scratch:
        yield _sampled(Look(file, kind), Path(scratch) / path.name)


def require_file(path: Path) -> None:
    """Raise `UsageError` for a path at which there is no file, and say what to do for what is another kind of source."""
    if address := _ADDRESS.match(str(path)):
        raise UsageError(_ELSEWHERE.get(address[1].lower(), f"{path} is an address, and no file; download it first"))
    if path.is_dir():
        first = next((each.name for each in sorted(path.iterdir()) if each.is_file() and not each.name.startswith(".")), None)
        shown = f", such as {path / first}" if first else ""
        raise UsageError(f"{path} is a folder; name one file of it{shown}. {_MANY}")
    if not path.is_file() and set("*?[") & set(path.name):
        found = sorted(path.parent.glob(path.name)) if path.parent.is_dir() else []
        shown = f", such as {found[0]}" if found else ""
        raise UsageError(f"{path} is a pattern of {len(found):,} files; name one of them{shown}. {_MANY}")
    if not path.is_file():
        raise UsageError(f"there is no file {path}")


def _sampled(look: Look, copy: Path) -> Look:
    size = look.file.size
    if look.kind == "parquet":
        return _sampled_groups(look, copy) if size > WHOLE else look
    if look.kind == "excel":
        return look
    with look.file.path.open("rb") as opened:
        start = opened.read(4096)
    if start.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")):
        return _beginning(look, copy)
    if size <= WHOLE:
        return look
    wide = mark_of(start[:4]) not in (None, "utf-8-sig") or wide_codec(start)
    return _beginning(look, copy) if wide else _pieces(look, copy)


def _beginning(look: Look, copy: Path) -> Look:
    """Take the first megabytes of a file in which no line can be found from its middle; of a short one that is all."""
    taken = bytearray()
    for chunk in chunks_of(look.file):
        taken += chunk
        if len(taken) > WHOLE:
            break
    else:
        return look
    cut = taken.rfind(b"\n") + 1 or _ONE_LINE
    cut += cut % 4 and 4 - cut % 4 if mark_of(bytes(taken[:4])) not in (None, "utf-8-sig") else 0  # whole characters
    copy.write_bytes(taken[:cut])
    return replace(look, file=replace(look.file, path=copy), sampled=f"the first {cut >> 20:,} MB of it, unpacked")


def _pieces(look: Look, copy: Path) -> Look:
    """Take the beginning and pieces from the whole length, each of whole lines; pieces with a quote left open are left out."""
    size = look.file.size
    with look.file.path.open("rb") as source, copy.open("wb") as target:
        head = source.read(_HEAD)
        cut = head.rfind(b"\n") + 1
        if not cut:
            head += source.read(_ONE_LINE - len(head))
            cut = head.rfind(b"\n") + 1 or len(head)
        target.write(head[:cut])
        for piece in range(_PIECES):
            source.seek(_HEAD + (size - _HEAD - _PIECE) * piece // (_PIECES - 1))
            block = source.read(_PIECE)
            lines = block[block.find(b"\n") + 1 : block.rfind(b"\n") + 1]
            if lines and all(line.count(b'"') % 2 == 0 for line in lines.split(b"\n")):
                target.write(lines)
    said = f"{copy.stat().st_size >> 20:,} MB of its {size >> 20:,} MB: the beginning, and {_PIECES} places over its whole length"
    return replace(look, file=replace(look.file, path=copy), sampled=said, exact_lines=head[:cut].count(b"\n"))


def _sampled_groups(look: Look, copy: Path) -> Look:
    """Take the first rows of row groups spread over a Parquet file."""
    with pq.ParquetFile(look.file.local) as opened:
        groups = opened.num_row_groups
        taken = sorted({groups * place // _GROUPS for place in range(_GROUPS)} | {groups - 1})
        firsts = [next(opened.iter_batches(_ROWS, row_groups=[group]), None) for group in taken]
        rows = pa.Table.from_batches([each for each in firsts if each is not None])
        pq.write_table(rows, copy)
        said = f"{rows.num_rows:,} of its {opened.metadata.num_rows:,} rows, from {len(taken)} of its {groups:,} row groups"
    return replace(look, file=replace(look.file, path=copy), sampled=said, exact_lines=0)
