"""The source file as text that can be parsed: its encoding, its header, its malformed lines.

Everything is read as a stream; what is not plain UTF-8 is written once as UTF-8 into a scratch folder.
"""

import codecs
import csv
import hashlib
import itertools
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from tabtrail.config import Config
from tabtrail.errors import ConfigError, DataError, nearest

RESERVED = ("_line", "_rules", "_text", "_raw_", "_warn_", "_stratum_")
_BLOCK = 8 << 20
_SAMPLE_BYTES = 4 << 20
_MIN_UTF8_SHARE = 0.9
_CLEARLY_BETTER = 0.5
# Ordered by how often they are met; a tie goes to the first.
_CODE_PAGES = ("cp1252", "cp850", "cp437", "iso8859-15", "cp1250", "cp1251", "cp1253", "cp1254", "mac_roman")
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True)
class SourceFile:
    """A CSV as UTF-8 text.

    `encoding` is the codec that was used, `replaced` how many characters it could not decode (now U+FFFD). `lines` counts
    line breaks. `notes` are for the person who runs the ingest.
    """

    name: str
    text: Path
    sha256: str
    size: int
    encoding: str
    replaced: int
    lines: int
    header: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class RaggedLines:
    """Lines whose number of fields is not the header's: line number, what is wrong, the raw fields."""

    lines: list[int] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ParsedSource:
    """All fields of all well-formed rows as text, with `_line` (Int64), and the lines that are not well-formed."""

    rows: pl.LazyFrame
    ragged: RaggedLines


def open_source(config: Config, scratch: Path) -> SourceFile:
    """Decode the configured CSV and check its header.

    Raises `ConfigError` for a missing file or an unknown encoding, `DataError` for an empty file, NUL bytes, bytes that the
    encoding does not know, and a missing, repeated or unnamed column.
    """
    path = config.paths.raw_csv
    if not path.is_file():
        raise ConfigError(
            f"paths.raw_csv: there is no file {path}; put the CSV there, or `tabtrail sample` writes a synthetic one"
        )
    if path.stat().st_size == 0:
        raise DataError(f"{path.name} is empty (0 bytes)")
    encoding, notes = _choose_encoding(path, config.source.encoding)
    text, sha256, lines, replaced = _decode(path, encoding, strict=config.source.encoding != "auto", scratch=scratch)
    header = _read_header(path.name, text, config)
    if replaced:
        notes = (*notes, f"{replaced:,} characters are not {encoding} and were replaced by U+FFFD")
    return SourceFile(path.name, text, sha256, path.stat().st_size, encoding, replaced, lines, header, notes)


def parse_lines(source: SourceFile, delimiter: str) -> ParsedSource | None:
    """Parse text in which every record is one line; None where that is not so (then see `parse_records`).

    Polars pads short rows with nulls without a word, so a null in the last column is reason enough for None, like a blank
    line or a line break inside a field. Lines with too many fields raise `ComputeError` when the rows are collected.
    """
    rows = _scan(source.text, source.header, delimiter)
    try:
        counts = rows.select(rows=pl.len(), last_null=pl.col(source.header[-1]).null_count()).collect(engine="streaming")
    except pl.exceptions.ComputeError:
        return None
    if counts["last_null"][0] or counts["rows"][0] != source.lines - 1:
        return None
    return ParsedSource(rows.with_columns((pl.col("_line") + 2).cast(pl.Int64)), RaggedLines())


def _scan(path: Path, header: tuple[str, ...], delimiter: str) -> pl.LazyFrame:
    schema = dict.fromkeys(header, pl.String)
    # Polars 2.1 leaves doubled quotes of a header doubled, and then does not find the columns of the schema.
    header_apart: dict[str, Any] = {"has_header": False, "skip_rows": 1} if any('"' in name for name in header) else {}
    return pl.scan_csv(path, schema=schema, separator=delimiter, row_index_name="_line", **header_apart)


def parse_records(source: SourceFile, delimiter: str, scratch: Path) -> ParsedSource:
    """Parse any text, record by record with Python's `csv`; lines with too few or too many fields are set apart.

    Raises `DataError` for a quote that is opened and not closed properly.
    """
    ragged, numbers, clean = RaggedLines(), [], scratch / "records.csv"
    width = len(source.header)
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    with source.text.open(encoding="utf-8", newline="") as file, clean.open("w", encoding="utf-8", newline="") as out:
        reader, writer = (
            csv.reader(file, delimiter=delimiter, strict=True),
            csv.writer(out, delimiter=delimiter, lineterminator="\n"),
        )
        start = 1
        try:
            for record in reader:
                if start == 1:
                    writer.writerow(record)
                elif record and len(record) != width:
                    ragged.lines.append(start)
                    ragged.rules.append(f"ragged: {len(record)} fields, the header has {width}")
                    ragged.raw.append(delimiter.join(record))
                elif record:
                    numbers.append(start)
                    writer.writerow(record)
                start = reader.line_num + 1
        except csv.Error as error:
            raise DataError(f"{source.name}, from line {start}: {error}; a quote is opened and not closed properly") from None
    line = pl.LazyFrame({"_line": pl.Series(numbers, dtype=pl.Int64)})
    return ParsedSource(pl.concat([_scan(clean, source.header, delimiter).drop("_line"), line], how="horizontal"), ragged)


def _read_header(name: str, text: Path, config: Config) -> tuple[str, ...]:
    with text.open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file, delimiter=config.source.delimiter), [])
    repeated = [column for column, count in Counter(header).items() if count > 1]
    missing = [column for column in config.required_columns if column not in header]
    taken = [column for column in config.derived_columns if column in header]
    if repeated:
        raise DataError(f"{name}, line 1: column '{repeated[0]}' stands {header.count(repeated[0])} times; rename or remove one")
    if missing:
        hints = ", ".join(f"'{column}'{nearest(column, header)}" for column in missing)
        only = (
            f"; the header has a single column: is source.delimiter right ('{config.source.delimiter}')?"
            if len(header) == 1
            else ""
        )
        raise DataError(f"{name}, line 1: missing column {hints}{only}")
    if taken:
        raise DataError(f"{name}, line 1: ingest adds '{taken[0]}' from the date, but the file has such a column; rename it")
    reserved = [column for column in header if column.startswith(RESERVED)]
    if reserved:
        raise DataError(f"{name}, line 1: column '{reserved[0]}' begins like a column of ours ({', '.join(RESERVED)}); rename it")
    if not all(column.strip() for column in header):
        raise DataError(f"{name}, line 1: column {[bool(c.strip()) for c in header].index(False) + 1} has no name")
    return tuple(header)


def _choose_encoding(path: Path, configured: str) -> tuple[str, tuple[str, ...]]:
    with path.open("rb") as file:
        start = file.read(4)
    bom = next((codec for mark, codec in _BOMS.items() if start.startswith(mark)), None)
    if configured == "auto":
        encoding = bom or ("utf-8" if _is_utf8(path) else detect_code_page(path))
        return encoding, () if encoding in ("utf-8", "utf-8-sig") else (f"encoding detected: {encoding}",)
    try:
        name = codecs.lookup(configured).name
        "".encode(name)
    except LookupError:
        raise ConfigError(
            f"source.encoding: unknown encoding '{configured}'{nearest(configured, ['auto', 'utf-8', 'utf-16', *_CODE_PAGES])}"
        ) from None
    if name == "utf-8":
        return bom if bom == "utf-8-sig" else "utf-8", ()
    if name not in _CODE_PAGES:
        return name, ()
    better = "utf-8" if _is_utf8(path) and _sample(path) else detect_code_page(path)
    gain = 1.0 if better == "utf-8" else _plausibility(path, better) - _plausibility(path, name)
    if gain >= _CLEARLY_BETTER:
        raise DataError(f"{path.name}: the bytes read as {better}, not {configured}; set source.encoding: {better}, or auto")
    note = f"source.encoding is {configured}, but the bytes read somewhat more like words in {better}"
    return name, (note,) if better != name and gain > 0 else ()


def detect_code_page(path: Path) -> str:
    """Return the encoding in which the bytes above 127 read most like letters within words.

    Almost-UTF-8 text (nine in ten of its multi-byte sequences are valid) stays UTF-8, its stray bytes replaced.
    """
    sample = _sample(path)
    text = sample.decode("utf-8", "replace")
    stray, good = text.count("\ufffd"), sum(character > "\x7f" for character in text) - text.count("\ufffd")
    if good and good / (good + stray) >= _MIN_UTF8_SHARE:
        return "utf-8"
    return max(_CODE_PAGES, key=lambda codec: _plausibility(path, codec))


def _plausibility(path: Path, codec: str) -> float:
    """Return the share of non-ASCII characters that are letters in the case of their neighbours, 0 to 1."""
    text = _sample(path).decode(codec, "replace")
    scores = [_reads_as_letter(text, index) for index, character in enumerate(text) if character > "\x7f"]
    return sum(scores) / len(scores) if scores else 0.0


def _reads_as_letter(text: str, index: int) -> float:
    character, before, after = text[index], text[index - 1 : index], text[index + 1 : index + 2]
    if not unicodedata.category(character).startswith("L") or character in "ªºƒ":
        return 0.0
    in_word = before.isalpha() or after.isalpha()
    wrong_case = character.isupper() and (before.islower() or (after.islower() and before.isalpha()))
    latin = unicodedata.name(character).startswith("LATIN")
    # Accented letters stand among plain ones; the letters of another script stand among their own.
    among_strangers = any(near.isalpha() and near.isascii() != latin for near in (before, after))
    return 0.2 if wrong_case or among_strangers else 1.0 if in_word else 0.5


def _sample(path: Path) -> bytes:
    """Return the lines with bytes above 127, up to some megabytes of them."""
    found: list[bytes] = []
    size = 0
    with path.open("rb") as file:
        for line in file:
            if not line.isascii():
                found.append(line)
                size += len(line)
                if size > _SAMPLE_BYTES:
                    break
    return b"".join(found)


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    try:
        for block in _blocks(path):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _decode(path: Path, encoding: str, *, strict: bool, scratch: Path) -> tuple[Path, str, int, int]:
    """Return the UTF-8 text file, the source's sha256, the number of lines and of replaced characters."""
    digest, lines, replaced = hashlib.sha256(), 0, 0
    decoder = codecs.getincrementaldecoder(encoding)("strict" if strict else "replace")
    target = scratch / "source.csv"
    last = ""
    with target.open("w", encoding="utf-8", newline="") as out:
        for block in itertools.chain(_blocks(path), [b""]):
            digest.update(block)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeError as error:
                before = block[: error.start].count(b"\n") if isinstance(error, UnicodeDecodeError) else 0
                raise DataError(_not_decodable(path, encoding, f"line {lines + 1 + before:,}")) from None
            _refuse_control(path.name, text, encoding, lines)
            lines += text.count("\n")
            replaced += 0 if strict else text.count("\ufffd")
            last = text[-1:] or last
            out.write(text)
    if encoding == "utf-8" and not replaced:
        target.unlink()
        target = path
    if last == "\r" and not lines:
        raise DataError(f"{path.name}: its lines end in CR alone (old Macintosh); convert them to LF")
    return target, digest.hexdigest(), lines + (last != "\n"), replaced


def _refuse_control(name: str, text: str, encoding: str, lines_before: int) -> None:
    if (at := text.find("\0")) >= 0:
        line = lines_before + 1 + text.count("\n", 0, at)
        raise DataError(
            f"{name}, line {line:,}: a NUL character; the file is damaged, or it is UTF-16 (then set source.encoding: utf-16)"
        )
    if encoding.startswith(("iso8859", "latin")) and any("\x80" <= character <= "\x9f" for character in text):
        raise DataError(
            f"{name}: in {encoding} some bytes are invisible control characters, so it is not the file's encoding;"
            " set source.encoding: auto"
        )


def _not_decodable(path: Path, encoding: str, at: str) -> str:
    likely = detect_code_page(path)
    advice = "auto" if likely == encoding else f"{likely} (what the bytes read most like), or auto"
    return f"{path.name}, {at}: these bytes are not {encoding}; set source.encoding: {advice}"


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block
