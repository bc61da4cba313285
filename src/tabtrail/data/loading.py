"""One pass over the source files: rows to the writers, and the account of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from functools import partial
from typing import cast

import polars as pl

from tabtrail.config.dataset import TableRules
from tabtrail.data.account import Account, Found, Outputs
from tabtrail.data.blocks import BlockReader
from tabtrail.data.categories import CategoryWatch, RecordedTexts, TextLog
from tabtrail.data.checks import Checked, RowChecker
from tabtrail.data.date_proof import DateLook, DateProof
from tabtrail.data.duplicates import KeyLook
from tabtrail.data.header import check_header, require_same_columns, rules_for
from tabtrail.data.layout_notes import layout_notes, require_layout, rounded_finding
from tabtrail.data.manifest import Manifest, SourceRecord
from tabtrail.data.melt import WideChecker, wide_of, wide_rules
from tabtrail.data.meter import Meter
from tabtrail.data.offenders import worst_rules
from tabtrail.data.outliers import Fences
from tabtrail.data.rejects import RejectCounts, RejectLog, TextTargetError, TooManyRejectsError, break_circuit
from tabtrail.data.repeats import RepeatWatch
from tabtrail.data.sample import is_synthetic
from tabtrail.data.subtotals import SubtotalWatch
from tabtrail.data.table_rows import parse_rows
from tabtrail.data.thousands import ThousandsWatch
from tabtrail.data.ties import TieWatch
from tabtrail.data.totals import TotalWatch
from tabtrail.data.typed_cells import from_frame, from_values, rounded_texts
from tabtrail.errors import DataError
from tabtrail.progress import SILENT, Progress
from tabtrail.reading.compressed import SourceFile, readable, seekable
from tabtrail.reading.excel import ExcelSheet
from tabtrail.reading.header import Header, header_of, open_table
from tabtrail.reading.json_lines import JsonLines
from tabtrail.reading.kinds import Kind, kind_of
from tabtrail.reading.parquet import ParquetTable
from tabtrail.reading.postgres import PostgresTable, Relation, opened_table
from tabtrail.reading.source import SourceText, UndecodableText
from tabtrail.storage.objects import StoredFile

Source = SourceText | ExcelSheet | ParquetTable | PostgresTable
Sources = Mapping[str, StoredFile | Relation]
"""Files by name, or one table of a database."""


class WrongEncoding(Exception):  # noqa: N818 - not an error: the file is read again
    """A file was taken for UTF-8 by its beginning, and is to be read again in another encoding."""

    def __init__(self, path: StoredFile, encoding: str) -> None:
        super().__init__(path, encoding)
        self.path, self.encoding = path, encoding


class Loader:
    """Reads files one after the other; `known` is the account of the dataset that their rows are added to.

    `forced` is the encoding of files for which `auto` first found a wrong one.
    """

    def __init__(
        self, rules: TableRules, outputs: Outputs, *, known: Manifest | None, fences: Fences, forced: Mapping[StoredFile, str]
    ) -> None:
        self._rules, self._outputs, self._known = rules, outputs, known
        self._fences, self._forced = fences, forced
        self._proof: DateProof | None = None
        self._look: KeyLook | None = None
        self._account = Account(header=() if known is None else tuple(known.columns))
        self._account.categories = CategoryWatch(rules.source.null_values)
        self._account.repeats = RepeatWatch(() if known is None else known.target_sums)
        columns = rules.columns
        floats = [name for name in columns.required if columns.kind(name) == "float"]
        self._thousands = ThousandsWatch({name: rules.reading(name).number for name in floats})
        self._thousands_of_file, self._texts = self._thousands, TextLog(self._account.categories.dropped)
        readings = map(rules.reading, rules.cleaning.fill_unknown_columns)
        self._fills = frozenset(each.fill for each in readings if each.fill is not None)
        self._rounded = Counter[str]()
        self._total, self._subtotals = TotalWatch("", self._fills), SubtotalWatch("", self._fills, ())

    @property
    def header(self) -> tuple[str, ...]:
        """The columns that the files have, as far as they were read."""
        return self._account.header

    @property
    def sources(self) -> tuple[SourceRecord, ...]:
        """The files that were read."""
        return tuple(self._account.sources)

    def read(self, sources: Sources, progress: Progress, found: Iterable[Found | None] = ()) -> Account:
        """Read all files; `DataError` where they have no rows, too many rejects, other columns, or one is there twice.

        `found` is what was read of them elsewhere, in their order; a file of which it has None is read here.
        """
        files = [SourceFile(each, name) for name, each in sources.items() if not isinstance(each, Relation)]
        meter = Meter(progress, sum(map(_size, files)))
        require_layout(files, self._rules.source.layout)
        self._read_all(sources, meter, found)
        account = self._account
        label = account.sources[0].name if len(sources) == 1 else f"{len(sources)} files"
        self._require_good_rows(label)
        account.notes += self._outputs.rejects.offenders.all_advice(self._rules)
        account.findings += self._thousands.findings()
        meter.finish(account.rows)
        return account

    def read_alone(self, name: str, file: StoredFile) -> Found:
        """Read one file, to be joined to others elsewhere. Raises `WrongEncoding`, and what `read` does for a file by itself."""
        account, outputs = self._account, self._outputs
        account.categories = RecordedTexts()
        self._read_all({name: file}, Meter(SILENT, 1))
        rejects = tuple(outputs.rejects.stretches) if isinstance(outputs.rejects, RejectLog) else ()
        return Found(account, self._thousands, outputs.rows.written(), rejects, outputs.keys.values, outputs.sample)

    def look(self, sources: Sources, proof: DateProof) -> None:
        """Show the rows of all files to a proof of their dates; none of them goes anywhere."""
        self._proof = proof
        self._read_all(sources, Meter(SILENT, 1))
        self._proof = None

    def look_at_keys(self, sources: Sources, look: KeyLook) -> None:
        """Show the good rows of all files to a look at their keys; none of them goes anywhere."""
        self._look = look
        self._read_all(sources, Meter(SILENT, 1))

    def _read_all(self, sources: Sources, meter: Meter, found: Iterable[Found | None] = ()) -> None:
        elsewhere = iter(found)
        for name, source in sources.items():
            there = next(elsewhere, None)
            if there is not None and there.account.header == (self._account.header or there.account.header):
                self._join(there, meter)
            elif isinstance(source, Relation):
                with opened_table(source, self._dropped) as table:
                    self._read_source(name, partial(self._read_relation, table, meter), meter)
            else:
                with seekable(SourceFile(source, name)) as file:
                    self._read_file(file, meter)

    def _join(self, found: Found, meter: Meter) -> None:
        account, outputs, record = self._account, self._outputs, found.account.sources[0]
        self._require_new(record)
        account.join(found.account)
        self._thousands.join(found.thousands)
        outputs.rows.take(found.rows)
        for rejects, rules in found.rejects:
            outputs.rejects.add(rejects, rules)
        outputs.keys.join(found.keys)
        outputs.sample.join(found.sample)
        meter.end_file(record.bytes)
        meter.show(account.rows, 0)

    def _require_good_rows(self, label: str) -> None:
        account, known = self._account, self._known
        rows, rejected = account.rows, account.rows - account.kept
        rules = account.rejected + Counter(known.rejects if known else {})
        if known is not None:
            rows, rejected = rows + known.rows_in, rejected + known.rows_rejected
        duplicates = self._outputs.duplicates
        # An outlier breaks no rule of the contract, and a duplicate neither.
        others = sum(rules[rule] for rule in (*self._fences.rules, *([duplicates.rule] if duplicates else ())))
        counts = RejectCounts(rows, rejected - others, rules, self._outputs.rejects.first)
        self._refuse_text_target(label, counts)
        break_circuit(label, counts, self._rules.contract.max_reject_share, shown=self._explain)
        if rejected == rows:  # outliers or duplicates among them
            raise TooManyRejectsError(f"{label}: every row was rejected: {worst_rules(rules, self._explain)}")

    def _explain(self, rule: str) -> str:
        """Return values that broke a rule with their lines, and the edit that would read them."""
        offenders = self._outputs.rejects.offenders
        advice = offenders.advice(rule, self._rules)
        return offenders.examples(rule) + (f": set {advice}" if advice else "")

    def _refuse_text_target(self, label: str, counts: RejectCounts) -> None:
        target, allowed = self._rules.target, self._rules.contract.max_reject_share
        too_many = counts.rejected > allowed * counts.rows or counts.rejected == counts.rows
        if too_many and (words := self._outputs.rejects.words(target)):
            raise TextTargetError(
                f"{label}: the target {target} is text ({', '.join(map(repr, words))}) in {counts.rejected:,} of"
                f" {counts.rows:,} rows: tabtrail does regression only, it predicts numbers and not classes; name a column of"
                " numbers as model.target. Nothing was replaced.",
                counts,
            )

    def _read_file(self, file: SourceFile, meter: Meter) -> None:
        kind, note = kind_of(file)
        read = self._read_text if kind in ("csv", "json lines") else self._read_table
        self._account.notes += [note] if note else []
        self._read_source(file.name, partial(read, file, kind, meter), meter)

    def _read_source(self, name: str, read: Callable[[], Source], meter: Meter) -> None:
        account = self._account
        rows, kept = account.rows, account.kept
        derived = self._rules.cleaning.derived_columns
        self._rounded = Counter()
        self._total, self._subtotals = TotalWatch(name, self._fills), SubtotalWatch(name, self._fills, derived)
        self._thousands_of_file, self._texts = self._thousands.next_file(), TextLog(account.categories.dropped)
        account.file, account.rows_before = name, rows
        source = read()
        if account.rows == rows:
            raise DataError(f"{name} has {'columns' if isinstance(source, PostgresTable) else 'a header'} and no rows")
        self._require_new(source)
        total = self._total.finding(derived)
        subtotals = self._subtotals.finding(except_line=self._total.line if total else None)
        account.findings += [each for each in (total, subtotals) if each is not None]
        account.findings += [rounded_finding(name, *each) for each in self._rounded.items()]
        self._thousands.join(self._thousands_of_file)
        self._outputs.rows.end_file()
        meter.end_file(source.size)
        account.notes += source.notes
        account.sources.append(_record(source, account.rows - rows, account.kept - kept))

    def _read_text(self, file: SourceFile, kind: Kind, meter: Meter) -> SourceText:
        source = SourceText(file, self._rules.source.encoding, self._forced.get(file.path))
        try:
            if kind == "csv":
                self._read_rows(source, meter)
            else:
                self._read_cells(JsonLines(source), source, meter)
        except UndecodableText as error:
            if source.tried_utf8:
                raise WrongEncoding(file.path, source.fallback()) from None
            raise source.refuse(error.line) from None
        return source

    def _read_table(self, file: SourceFile, kind: Kind, meter: Meter) -> ExcelSheet | ParquetTable:
        if kind == "excel":
            sheet = ExcelSheet(file, self._rules.source.layout)
            self._read_cells(sheet, sheet, meter)
            return sheet
        table = ParquetTable(file, self._dropped)
        checker = self._checker(table.name, header_of(table.columns, 0))
        for first, batch in table.batches():
            frame = cast(pl.DataFrame, pl.from_arrow(batch))
            missing = (pl.lit(None, dtype=pl.String).alias(name) for name in table.columns if name not in frame.columns)
            frame = (
                frame.with_columns(missing).select(table.columns).rename(dict(zip(table.columns, checker.header, strict=True)))
            )
            whole, size = pl.int_range(first, first + frame.height, eager=True), batch.nbytes
            for part, lines in checker.long_frames(frame, whole):
                self._rounded += rounded_texts(part.columns, part.get_columns(), self._rules)
                self._take(checker.check_cells(from_frame(part, self._rules), lines, {}, size), checker)
                size = 0  # the batch is counted once
            meter.show(self._account.rows, table.done)
        return table

    def _read_relation(self, table: PostgresTable, meter: Meter) -> PostgresTable:
        checker, ties = self._checker(table.name, header_of(table.columns, 0)), TieWatch(table.order)
        columns = self._rules.columns
        doubles = {name for name in columns.required if columns.rule(name).dtype == "float"}
        written = dict(zip(checker.header, table.columns, strict=True))
        with closing(table.blocks()) as blocks:
            for first, rows, block in blocks:
                found = parse_rows(table, block, checker.header, rows=rows, doubles=doubles)
                ties.see(found.frame.rename(written))
                whole, size = pl.int_range(first, first + rows, eager=True), len(block)
                for part, lines in checker.long_frames(found.frame, whole):
                    self._rounded += rounded_texts(part.columns, part.get_columns(), self._rules)
                    cells = from_frame(part, self._rules, found.odd)
                    self._take(checker.check_cells(cells, lines, {}, size), checker)
                    size = 0  # the block is counted once
                meter.show(self._account.rows, table.done)
        self._account.findings += ties.findings(table.name)
        return table

    def _read_cells(self, table: JsonLines | ExcelSheet, source: Source, meter: Meter) -> None:
        checker = self._checker(table.name, table.header)
        for found in table.rows([name for name in table.columns if name not in self._dropped]):
            rows = checker.long_rows(found)
            self._rounded += rounded_texts(checker.columns, rows.columns, self._rules)
            cells, lines = from_values(checker.columns, rows.columns, self._rules), pl.Series(rows.lines, dtype=pl.Int64)
            self._take(checker.check_cells(cells, lines, rows.malformed, rows.size), checker)
            meter.show(self._account.rows, source.done)

    @property
    def _dropped(self) -> frozenset[str]:
        dropped = self._rules.cleaning.drop_columns
        return frozenset((*dropped, *(old for old, new in self._rules.source.rename.items() if new in dropped)))

    def _checker(self, name: str, header: Header) -> RowChecker | WideChecker:
        rules, account = self._rules, self._account
        found = check_header(name, header, wide_rules(rules) if rules.melted else rules)
        wide = wide_of(name, found, rules) if rules.melted else None
        columns = found if wide is None else wide.columns
        account.header = account.header or columns
        require_same_columns(name, header.line, columns, account.header)
        checker = self._checker_of(name, columns, rules_for(header, rules))
        if wide is None:
            return checker
        checker_of_wide = WideChecker(checker, found, wide)
        account.notes += [] if self._proof else [checker_of_wide.note(name)]
        return checker_of_wide

    def _checker_of(self, name: str, columns: tuple[str, ...], rules: TableRules) -> RowChecker:
        if self._proof is not None:
            return DateLook(rules, name, columns, self._proof)
        return RowChecker(rules, name, header=columns, fences=self._fences, thousands=self._thousands_of_file)

    def _require_new(self, source: Source | SourceRecord) -> None:
        known = (*(self._known.sources if self._known else ()), *self._account.sources)
        if twin := next((each.name for each in known if each.content_sha256 == source.content_sha256), None):
            raise DataError(f"{source.name} and {twin} hold the same (the same sha256); remove one of them")

    def _read_rows(self, source: SourceText, meter: Meter) -> None:
        layout = self._rules.source.layout
        with closing(source.blocks()) as text:
            header, blocks = open_table(source.name, text, layout)
            checker = self._checker(source.name, header)
            reader = BlockReader(checker, source.name, header.lines + 1, comment=layout.comment)
            for checked in reader.read(blocks):
                self._take(checked, checker)
                meter.show(self._account.rows, source.done)
        self._account.notes += layout_notes(source.name, header, layout.delimiter, reader.comments)

    def _take(self, checked: Checked, checker: RowChecker | WideChecker) -> None:
        account, duplicates = self._account, self._outputs.duplicates
        if self._look is not None:
            account.rows += checked.rows
            self._look.see(checked.kept)
            return
        if duplicates is not None and isinstance(checker, RowChecker):  # only a demand, whose rows have no key, has wide files
            checked = checker.without(checked, duplicates.repeated(checked.kept), duplicates.rule)
        kept, rejects = checked.kept, checked.rejects
        if checker.columns != account.header:
            rejects = rejects.select("_file", "_line", "_rules", *account.header, "_text")
            kept = kept.select(name for name in dict.fromkeys((*account.header, *kept.columns)) if name in kept.columns)
        self._outputs.rows.add(kept, checked.size)
        self._outputs.rejects.add(rejects, checked.rejected)
        self._outputs.keys.add(kept)
        self._outputs.sample.add(kept, account.file, row=account.rows - account.rows_before + 1, rows=checked.rows)
        account.rows += checked.rows
        account.kept += kept.height
        account.rejected.update(checked.rejected)
        account.warned.update(checked.warned)
        account.missing.update(checked.missing)
        account.repeats.see(kept.get_column(self._rules.target))
        account.copies.see(kept, account.file, checked.lines)
        self._total.see(kept, checked.lines)
        account.categories.add(kept.height, self._texts.see(kept))
        self._subtotals.see(kept, checked.lines, self._texts.labels)


def _record(source: Source, rows: int, kept: int) -> SourceRecord:
    return SourceRecord(
        name=source.name,
        sha256=source.sha256,
        content_sha256=source.content_sha256,
        bytes=source.size,
        encoding=source.encoding,
        replaced_characters=source.replaced,
        synthetic=not isinstance(source, PostgresTable) and is_synthetic(source.file.path, source.sha256),
        rows_in=rows,
        rows_kept=kept,
    )


def _size(file: SourceFile) -> int:
    with readable(file):
        return file.size
