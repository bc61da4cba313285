"""A file read by the product's own readers as nothing but texts, with the lines on which they stand."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from tabtrail.config.cleaning import Cleaning
from tabtrail.config.columns import Columns
from tabtrail.config.data import Contract, Source
from tabtrail.config.dataset import TableRules
from tabtrail.contract.layout import Layout, is_nameless, look_alike
from tabtrail.data.account import Outputs, SplitKeys
from tabtrail.data.date_proof import DateProof
from tabtrail.data.file_sample import FileSample
from tabtrail.data.header import RESERVED
from tabtrail.data.loading import Loader, WrongEncoding
from tabtrail.data.outliers import Fences
from tabtrail.data.partitions import DatasetWriter
from tabtrail.data.rejects import RejectLog
from tabtrail.errors import DataError
from tabtrail.proposal.layout import Table, find_table
from tabtrail.proposal.look import Look
from tabtrail.reading.compressed import chunks_of
from tabtrail.reading.encoding import wide_codec
from tabtrail.reading.excel import ExcelSheet
from tabtrail.reading.json_lines import JsonLines
from tabtrail.reading.parquet import is_cell
from tabtrail.reading.source import SourceText
from tabtrail.reading.workbook import open_package, read_package
from tabtrail.storage.objects import StoredFile
from tabtrail.system.temporary import scratch_folder

MOST_COLUMNS = 2_000
"""Columns of a table at most: a benchmark of 300 takes minutes, and its audit looks at every one. A judgement."""
_HEAD = 1 << 20  # bytes of text in which the table is looked for
_OWN_WORDS = re.compile(r"^(?:\*|\^.*\$|prediction|tabtrail/.*)$", re.DOTALL)  # names that mean something else to the product


@dataclass(frozen=True)
class Texts:
    """All that is looked at: every cell as text [rows] (null for an empty one), the line of each row, and how it was read.

    `source` are the keys of the section that read it, with `rename` for names that cannot stay; `dropped` are columns that hold
    lists or objects. `ragged` are rows that are none, by what is wrong with them: how many, and the first line.
    """

    look: Look
    table: Table | None
    source: Source
    frame: pl.DataFrame
    lines: pl.Series
    encoding: str
    replaced: int
    dropped: tuple[str, ...]
    ragged: Mapping[str, tuple[int, int]]
    sheets: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def rows(self) -> int:
        return self.frame.height

    def line(self, place: int) -> str:
        """Return ` on line 7` for a row by its place; nothing where lines of the file are not known."""
        line, exact = int(self.lines[place]), self.look.exact_lines
        if exact is not None and line > exact:
            return ""
        return f" on {'row' if self.look.kind in ('excel', 'parquet') else 'line'} {line:,}"


def read_texts(look: Look, *, derived: Sequence[str] = ()) -> Texts:
    """Read what is looked at; `derived` are columns that ingest will add. Raises `DataError` where there is no table."""
    if look.file.size == 0:
        raise DataError(f"{look.file.name} is empty (0 bytes)")
    source, table, names, dropped, sheets = _layout(look)
    if len(names) > MOST_COLUMNS:
        raise DataError(
            f"{look.file.name} has {len(names):,} columns, and a proposal looks at {MOST_COLUMNS:,} at most; leave only the ones"
            " that may matter, or write the config by hand (docs/your-own-csv.md)"
        )
    source = source.model_copy(update={"rename": _renamed(names, derived)})
    trailing = table is not None and table.trailing
    source = source.model_copy(update={"unnamed": "drop" if trailing or any(map(is_nameless, names)) else "refuse"})
    shown = [source.rename.get(name, name) for name in names if not is_nameless(name)]
    if len(shown) < 2:
        raise DataError(
            f"{look.file.name} has one column only, '{shown[0] if shown else ''}': there is nothing to predict it from"
        )
    return _read(look, source, table, shown, dropped, sheets)


def _layout(look: Look) -> tuple[Source, Table | None, tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    file = look.file
    if look.kind == "parquet":
        schema = pq.read_schema(file.local)
        nested = tuple(name for name, kind in zip(schema.names, schema.types, strict=True) if not is_cell(kind))
        return Source(), None, tuple(schema.names), nested, ()
    if look.kind == "excel":
        return _sheet_layout(look)
    if look.kind == "json lines":
        names, nested = _json_columns(look)
        return Source(), None, names, nested, ()
    source = Source(encoding=wide_codec(next(chunks_of(file), b"")[:4096]) or "auto")
    head = _head(look, source.encoding)
    table = find_table(file.name, head)
    return _with_table(source, table), table, table.names, (), ()


def _with_table(source: Source, table: Table) -> Source:
    skip = 0 if table.comment and table.above else len(table.above) + (1 if table.by_sep and table.above else 0)
    return source.model_copy(
        update={
            "delimiter": table.delimiter,
            "skip_rows": skip if any(line.strip() for line in table.above) else 0,
            "skip_after_header": table.after,
            "comment": table.comment,
        }
    )


def _head(look: Look, encoding: str) -> str:
    with closing(SourceText(look.file, encoding).blocks()) as blocks:
        head = b""
        while b"\n" not in head.strip() and (block := next(blocks, b"")):  # a block may end before a long line
            head += block
    cut = head.rfind(b"\n", 0, _HEAD) + 1 if len(head) > _HEAD else len(head)
    # Below a header alone stands a line longer than that; a part of it tells the two apart.
    whole = head[:cut] if b"\n" in head[:cut].strip() else head[:_HEAD]
    if b"\0" in whole:
        raise DataError(f"{look.file.name} holds NUL characters, as binary data do; it is no table of text")
    text = whole.decode("utf-8", "replace")
    control = sum(1 for each in text[:10_000] if each < " " and each not in "\t\r\n\f\x1a")
    if control > 0.01 * min(len(text), 10_000):
        raise DataError(f"{look.file.name} holds control characters all over, as binary data do; it is no table of text")
    return text.replace("\r\n", "\n")


def _sheet_layout(look: Look) -> tuple[Source, Table | None, tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Choose the sheet with the most cells in its first rows, and find its table in them."""
    with open_package(look.file) as archive:
        shown = tuple(sheet.name for sheet in read_package(look.file.name, archive).sheets if sheet.visible)
    tables, problem = dict[str, Table](), DataError(f"{look.file.name} has no sheet that is shown")
    for sheet in shown:
        try:
            head = ExcelSheet(look.file, Layout(sheet=sheet)).header.head.decode()
            tables[sheet] = find_table(f"{look.file.name}, sheet '{sheet}'", head, ",")
        except DataError as error:
            problem = error
    if not tables:
        raise problem
    best = max(tables, key=lambda sheet: len(tables[sheet].names) * tables[sheet].looked_at)
    source = _with_table(Source(sheet=best if len(shown) > 1 else None), replace(tables[best], comment=None))
    return source.model_copy(update={"delimiter": ","}), tables[best], tables[best].names, (), shown


def _json_columns(look: Look) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the keys of the first block, and those that hold lists or objects."""
    table = JsonLines(SourceText(look.file, "auto"))
    return table.columns, table.nested


def _renamed(names: Sequence[str], derived: Sequence[str]) -> dict[str, str]:
    """Return other names for columns that cannot keep theirs: twins by case, and what means something to the product."""
    taken, found = {look_alike(name) for name in derived}, dict[str, str]()
    everything = {look_alike(name) for name in names} | taken
    for name in dict.fromkeys(names):
        if is_nameless(name):
            continue
        if look_alike(name) in taken or name.casefold().startswith(RESERVED) or _OWN_WORDS.match(name):
            base = re.sub(r"^[\W_]+|\W+$", "", name) or "column"
            new = next(each for number in range(2, 10_000) if look_alike(each := f"{base}_{number}") not in everything)
            found[name] = new
            everything.add(look_alike(new))
        taken.add(look_alike(found.get(name, name)))
    return found


class _AllTexts(DateProof):
    """Takes every row that a reader hands on."""

    def __init__(self, rules: TableRules) -> None:
        super().__init__(rules, {})
        self.frames, self.lines = list[pl.DataFrame](), list[pl.Series]()

    def see(self, _file: str, rows: pl.DataFrame, lines: pl.Series) -> None:
        self.frames.append(rows)
        self.lines.append(lines.cast(pl.Int64))


def _read(
    look: Look, source: Source, table: Table | None, names: Sequence[str], dropped: tuple[str, ...], sheets: tuple[str, ...]
) -> Texts:
    rules = TableRules(source, Cleaning(drop_columns=dropped), Contract(), Columns((), (), (), {}), names[0], needed=False)
    found, rejects, encoding = _look(look, rules)
    frames = [each.select(pl.col(name).cast(pl.String) for name in names if name not in dropped) for each in found.frames]
    frame, lines = pl.concat(frames), pl.concat(found.lines)
    frame = frame.with_columns(pl.when(pl.all() != "").then(pl.all()))
    account = {rule: (count, first) for rule, count, first in _ragged(rejects)}
    if not frame.height:
        odd = next((f"; what is below it is {rule} (first on line {first:,})" for rule, (_, first) in account.items()), "")
        raise DataError(f"{look.file.name} has a header and no rows{odd}")
    return Texts(look, table, source, frame, lines, *encoding, dropped, account, sheets)


def _ragged(rejects: RejectLog) -> Iterator[tuple[str, int, int]]:
    rows = [each.select("_rules", "_line") for each, _ in rejects.stretches]
    if rows:
        yield from pl.concat(rows).group_by("_rules").agg(pl.len(), pl.col("_line").min()).sort("_line").rows()


def _look(look: Look, rules: TableRules) -> tuple[_AllTexts, RejectLog, tuple[str, int]]:
    forced: dict[StoredFile, str] = {}
    while True:
        found, rejects = _AllTexts(rules), RejectLog()
        with scratch_folder() as scratch:
            outputs = Outputs(DatasetWriter(Path(scratch), []), rejects, SplitKeys(None, 0), FileSample())
            loader = Loader(rules, outputs, known=None, fences=Fences(1), forced=forced)
            try:
                loader.look({look.file.name: look.file.local}, found)
            except WrongEncoding as error:
                forced[look.file.local] = error.encoding
                continue
        record = loader.sources[0]
        return found, rejects, (record.encoding, record.replaced_characters)
