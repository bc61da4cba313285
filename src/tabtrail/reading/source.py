"""The source files as UTF-8 text: found, decompressed, decoded and hashed in one pass over their bytes."""

import codecs
import csv
import glob
import gzip
import hashlib
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any, BinaryIO, cast

from tabtrail.config.tree import Config
from tabtrail.errors import ConfigError, DataError, nearest
from tabtrail.reading.encoding import (
    CODE_PAGES,
    check_code_page,
    code_page_of,
    codec_name,
    detect_encoding,
    mark_of,
    sample_lines,
)

MARK_SUFFIX = ".synthetic"  # of the file that lies beside a made-up source and says so
RESERVED = ("_file", "_line", "_rules", "_text", "_raw_", "_warn_", "_bad_", "_stratum_")
LARGEST_RECORD = 16 << 20
_READ = 8 << 20
_OTHERS = {b"\xfd7zX": "xz", b"PK\x03\x04": "a zip archive", b"BZh": "bzip2"}
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_C1_CONTROL = re.compile("[\x80-\x9f]")


def find_sources(config: Config) -> dict[str, Path]:
    """Return the files that `paths.raw_csv` names, a single one or those of a pattern, by name; `ConfigError` for none.

    Names are in alphabetical order and begin below the last folder that is the same for all.
    """
    path = config.paths.raw_csv
    if path.is_file():
        return {path.name: path}
    root = config.root if path.is_relative_to(config.root) else Path(path.anchor)
    pattern = path.relative_to(root)
    if path.is_dir():
        raise ConfigError(f"paths.raw_csv: {path} is a folder; name its files by a pattern, as {path.name}/*.csv")
    if not glob.has_magic(str(pattern)):
        raise ConfigError(
            f"paths.raw_csv: there is no file {path}; put the CSV there, or `tabtrail sample` writes a synthetic one"
        )
    same = root.joinpath(*takewhile(lambda part: not glob.has_magic(part), pattern.parts))
    names = glob.glob(str(pattern), root_dir=root, recursive=True)  # noqa: PTH207 - so that the root is none of the pattern
    found = [root / name for name in sorted(names) if not name.endswith(MARK_SUFFIX)]
    if not (files := {each.relative_to(same).as_posix(): each for each in found if each.is_file()}):
        raise ConfigError(f"paths.raw_csv: no file matches {path}")
    return files


def detect_code_page(path: Path) -> str:
    """Return the encoding in which the file's bytes above 127 read most like letters within words."""
    return code_page_of(sample_lines(partial(_read_again, path)))


class UndecodableText(Exception):  # noqa: N818 - caught by `ingest`, which knows what to do
    """Text that was taken for UTF-8 and is not, from some line on."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class SourceText:
    """One CSV as UTF-8 text that is read once, block by block; what is not ASCII decides on `auto` when it is met.

    `encoding` is the codec in use, `replaced` how many characters it could not decode (now U+FFFD), `done` the bytes read of
    `size`, `notes` are for the person who runs the ingest. `sha256` is that of the file as it lies there, known at the end.
    `forced` is the encoding to use where `auto` was tried and came out wrong; what it cannot decode is replaced.
    """

    def __init__(self, name: str, path: Path, configured: str, forced: str | None = None) -> None:
        with readable(name):
            self.path, self.name, self.size = path, name, path.stat().st_size
        if self.size == 0:
            raise DataError(f"{self.name} is empty (0 bytes)")
        self.auto = configured == "auto"
        self.replaced, self.notes = 0, tuple[str, ...]()
        self._digest = _Hashed(path)
        self._forced = forced
        self.encoding = forced or ("utf-8" if self.auto else codec_name(configured))

    @property
    def done(self) -> int:
        return self._digest.done

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    @property
    def content_sha256(self) -> str:
        """That of the decompressed file."""
        return self._digest.content_hexdigest()

    @property
    def tried_utf8(self) -> bool:
        """Whether `auto` took the text for UTF-8 by its first megabytes."""
        return self.auto and self._forced is None and self.encoding in ("utf-8", "utf-8-sig")

    def fallback(self) -> str:
        """Return the encoding to use after `UndecodableText`."""
        return self.encoding if self.encoding == "utf-8-sig" else self._detect()

    def refuse(self, line: int) -> DataError:
        """Return the error for text that its encoding does not know."""
        likely = self._detect()
        advice = "auto" if likely == self.encoding else f"{likely} (what the bytes read most like), or auto"
        return DataError(f"{self.name}, line {line:,}: these bytes are not {self.encoding}; set source.encoding: {advice}")

    def blocks(self) -> Iterator[bytes]:
        """Yield the text without its mark, some megabytes at a time, each block but the last ending in a line feed.

        Raises `DataError` for bytes that the encoding does not know, lines that end in CR alone and lines of more than 16 MB,
        and for a damaged compressed file.
        """
        # Freeing it once lets glibc keep blocks of this size; else it returns each to the system and pays for its pages anew
        # (mallopt(3), M_MMAP_THRESHOLD: the threshold is dynamic), a fifth of the CPU of an ingest.
        bytearray(31 << 20)
        rest, several = b"", False
        for text in self._decoded():
            cut = text.rfind(b"\n") + 1
            if cut:
                several = True
                yield b"".join((rest, memoryview(text)[:cut]))
                rest = text[cut:]
            else:
                rest += text
                if len(rest) > LARGEST_RECORD:
                    self._refuse_one_line(rest)
        if not several and rest.endswith(b"\r"):
            self._refuse_one_line(rest)
        if rest:
            yield rest

    def _refuse_one_line(self, text: bytes) -> None:
        if b"\r" in text:
            raise DataError(f"{self.name}: its lines end in CR alone (old Macintosh); convert them to LF")
        raise DataError(f"{self.name}: a line of more than {LARGEST_RECORD >> 20} MB; is it a CSV?")

    def _decoded(self) -> Iterator[bytes]:
        """Yield UTF-8. Text that says it is UTF-8 passes as it is: whoever parses it finds out where it is not."""
        decoder, lines = None, 0
        undecided = self._forced is None and (self.auto or self.encoding in (*CODE_PAGES, "iso8859-1"))
        for index, chunk in enumerate(self._digest.chunks(self.name)):
            if index == 0:
                mark = mark_of(chunk[:4])
                if mark is not None and (self.auto or (self.encoding, mark) == ("utf-8", "utf-8-sig")):
                    self.encoding, undecided = mark, False
                plain = self.encoding in ("utf-8", "utf-8-sig") and self._forced is None
                if not undecided:
                    self._note_detected()
                    decoder = None if plain else self._decoder()
                if plain and mark == "utf-8-sig":
                    chunk = chunk[3:]
            if undecided and not chunk.isascii():
                undecided = False
                self._decide()
                decoder = None if self.encoding == "utf-8" else self._decoder()
            if decoder is None:
                yield chunk
            else:
                yield self._transcode(decoder, chunk, lines)
                lines += chunk.count(b"\n")
        if decoder is not None:
            yield self._transcode(decoder, b"", lines, final=True)
        if self.replaced:
            self.notes = (*self.notes, f"{self.replaced:,} characters are not {self.encoding} and were replaced by U+FFFD")

    def _decide(self) -> None:
        if self.auto:
            self.encoding = detect_encoding(self._again)
            self._note_detected()
        elif note := check_code_page(self.name, self.encoding, self._again):
            self.notes = (*self.notes, note)

    def _note_detected(self) -> None:
        if self.auto and self.encoding not in ("utf-8", "utf-8-sig"):
            self.notes = (*self.notes, f"encoding detected: {self.encoding}")

    def _decoder(self) -> codecs.IncrementalDecoder:
        return codecs.getincrementaldecoder(self.encoding)("replace" if self.auto else "strict")

    def _transcode(self, decoder: codecs.IncrementalDecoder, chunk: bytes, lines: int, *, final: bool = False) -> bytes:
        try:
            text = decoder.decode(chunk, final=final)
            encoded = text.encode()
        except UnicodeError as error:
            before = chunk[: error.start].count(b"\n") if isinstance(error, UnicodeDecodeError) else 0
            raise self.refuse(lines + 1 + before) from None
        if not self.auto and self.encoding.startswith(("iso8859", "latin")) and _C1_CONTROL.search(text):
            raise DataError(
                f"{self.name}: in {self.encoding} some bytes are invisible control characters, so it is not the file's encoding;"
                " set source.encoding: auto"
            )
        self.replaced += text.count("\ufffd") if self.auto else 0
        return encoded

    def _detect(self) -> str:
        return code_page_of(sample_lines(self._again))

    def _again(self) -> Iterator[bytes]:
        return _read_again(self.path)


def _read_again(path: Path) -> Iterator[bytes]:
    with readable(path.name), path.open("rb") as file:
        yield from _chunks(_decompressed(file, path.name), path.name)


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Tell what the system says of a file that cannot be read as a `ConfigError`."""
    try:
        yield
    except OSError as error:
        raise ConfigError(f"paths.raw_csv: {name} cannot be read: {error.strerror or error}; check its permissions") from error


def refuse_nul(name: str, block: bytes, line: int) -> None:
    """Raise `DataError` for a NUL character in a block that begins on some line."""
    if (at := block.find(b"\0")) >= 0:
        at_line = line + block.count(b"\n", 0, at)
        order = "utf-16-be" if block[:4096:2].count(0) > block[1:4096:2].count(0) else "utf-16-le"
        raise DataError(
            f"{name}, line {at_line:,}: a NUL character; the file is damaged, or it is UTF-16 (then set source.encoding: {order})"
        )


def read_header(name: str, block: bytes, config: Config) -> tuple[tuple[str, ...], int, int]:
    """Return the columns, and the bytes and lines of the header in the first block of text.

    Raises `DataError` for a missing, repeated, unnamed or reserved column.
    """
    refuse_nul(name, block, 1)
    reader = csv.reader(io.StringIO(block.decode(errors="replace"), newline=""), delimiter=config.source.delimiter)
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise DataError(f"{name}, line 1: {error}; is it a CSV?") from None
    _check_header(name, header, config)
    lines = reader.line_num
    position = 0
    for _ in range(lines):
        position = _line_end(block, position)
    return tuple(header), position, lines


def _line_end(block: bytes, start: int) -> int:
    ends = [at for at in (block.find(b"\n", start), block.find(b"\r", start)) if at >= 0]
    if not ends:
        return len(block)
    end = min(ends)
    return end + (2 if block[end : end + 2] == b"\r\n" else 1)


def _check_header(name: str, header: list[str], config: Config) -> None:
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
    if pattern := next((each for each in header if each == "*" or (each.startswith("^") and each.endswith("$"))), None):
        raise DataError(f"{name}, line 1: column '{pattern}' reads like a pattern of columns; rename it")
    if not all(column.strip() for column in header):
        raise DataError(f"{name}, line 1: column {[bool(c.strip()) for c in header].index(False) + 1} has no name")


class _Hashed(io.RawIOBase):
    """A file that is hashed while it is read, and counts the bytes."""

    def __init__(self, path: Path) -> None:
        self._path, self._sha256, self._content, self.done = path, hashlib.sha256(), hashlib.sha256(), 0
        self._packed = False
        self._file: BinaryIO | None = None

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield what the file holds, decompressed; at the end every byte of it is hashed."""
        with readable(name), self._path.open("rb") as self._file:
            plain = _decompressed(cast(BinaryIO, self), name)
            self._packed = cast(Any, plain) is not self
            for chunk in _chunks(plain, name):
                if self._packed:
                    self._content.update(chunk)
                yield chunk
            while self.read(_READ):
                pass

    def hexdigest(self) -> str:
        return self._sha256.hexdigest()

    def content_hexdigest(self) -> str:
        return (self._content if self._packed else self._sha256).hexdigest()

    def readable(self) -> bool:
        return True

    def peek(self, size: int) -> bytes:
        return self._file.peek(size) if isinstance(self._file, io.BufferedReader) else b""

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size) if self._file is not None else b""
        self._sha256.update(block)
        self.done += len(block)
        return block

    def readinto(self, buffer: Any) -> int:
        block = self.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)


def _decompressed(file: BinaryIO, name: str) -> BinaryIO:
    peek = file.peek(4)[:4]  # type: ignore[attr-defined]
    if peek.startswith(_GZIP):
        return cast(BinaryIO, gzip.GzipFile(fileobj=file))
    if peek == _ZSTD:
        import pyarrow as pa

        return cast(BinaryIO, pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd"))
    if kind := next((kind for magic, kind in _OTHERS.items() if peek.startswith(magic)), None):
        raise DataError(f"{name} is {kind}, which is not read; unpack it, or compress it with gzip or zstd")
    return file


def _chunks(file: BinaryIO, name: str) -> Iterator[bytes]:
    read = partial(file.read, _READ)
    while True:
        try:
            chunk = read()
        except (OSError, EOFError, zlib.error) as error:
            reason = (
                error.strerror
                if isinstance(error, OSError) and error.strerror
                else "the compressed data are damaged or cut short"
            )
            raise DataError(f"{name} cannot be read: {reason}; fetch the file again") from None
        if not chunk:
            return
        yield chunk
