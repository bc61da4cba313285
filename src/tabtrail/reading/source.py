"""One CSV file as UTF-8 text: decompressed, decoded and hashed in one pass over its bytes."""

import codecs
import io
import re
import sys
from collections.abc import Generator, Iterator

from tabtrail.errors import DataError
from tabtrail.reading.compressed import HashedFile, SourceFile, chunks_of, readable
from tabtrail.reading.encoding import (
    CODE_PAGES,
    check_code_page,
    code_page_of,
    codec_name,
    detect_encoding,
    first_line_not_utf8,
    mark_of,
    sample_lines,
    wide_codec,
)
from tabtrail.reading.records import LARGEST_RECORD

_C1_CONTROL = re.compile("[\x80-\x9f]")


class UndecodableText(Exception):  # noqa: N818 - caught by whoever reads the blocks
    """Text that was taken for UTF-8 and is not, from some line on."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class SourceText:
    """One CSV as UTF-8 text that is read once, block by block. Under `auto` the first bytes above 127 decide on the encoding.

    `encoding` is the codec in use, `replaced` how many characters it could not decode (now U+FFFD), `done` the bytes read of
    `size`, `notes` are for the person who runs the command. `forced` is the encoding to use where `auto` was tried and came
    out wrong; what it cannot decode is replaced.
    """

    def __init__(self, file: SourceFile, configured: str, forced: str | None = None) -> None:
        with readable(file):
            self.file, self.name, self.size = file, file.name, file.size
        if self.size == 0:
            raise DataError(f"{self.name} is empty (0 bytes)")
        self.auto = configured == "auto"
        self.replaced, self.notes = 0, tuple[str, ...]()
        self._bytes = HashedFile(file)
        self._forced = forced
        self.encoding = forced or ("utf-8" if self.auto else codec_name(configured))

    @property
    def done(self) -> int:
        return self._bytes.done

    @property
    def sha256(self) -> str:
        """The sha256 of the file as it lies on the disk, known when all blocks are read."""
        return self._bytes.sha256()

    @property
    def content_sha256(self) -> str:
        """The sha256 of the decompressed file, known when all blocks are read."""
        return self._bytes.content_sha256()

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

    def blocks(self) -> Generator[bytes]:
        """Yield the text without its mark, some megabytes at a time, each block but the last ending in a line feed.

        Raises `DataError` for bytes that the encoding does not know, lines that end in CR alone, lines of more than 16 MB,
        and a damaged compressed file.
        """
        # Freeing it once lets glibc keep blocks of this size; else it returns each to the system and pays for fresh pages
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
        """Yield UTF-8. Text that claims to be UTF-8 passes unchecked: whoever parses it finds out where it is not."""
        decoder, lines = None, 0
        undecided = self._forced is None and (self.auto or self.encoding in (*CODE_PAGES, "iso8859-1"))
        for index, chunk in enumerate(self._bytes.chunks()):
            if index == 0:
                if (mark := mark_of(chunk[:4])) is not None:
                    self._take_mark(mark)
                    undecided = False
                else:
                    self._refuse_other_width(chunk)
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

    def _take_mark(self, mark: str) -> None:
        """Read the file as its byte order mark says, whatever is configured."""
        if not self.auto and not mark.startswith(self.encoding) and not self.encoding.startswith(mark):
            told = mark.removesuffix("-sig")
            self.notes = (*self.notes, f"{self.name} begins with the mark of {told} and is read so, not as {self.encoding}")
        self.encoding = mark

    def _refuse_other_width(self, start: bytes) -> None:
        """Raise `DataError` for UTF-16 or UTF-32 without a mark that is to be read as something else.

        `utf-16` and `utf-32` without a mark are little-endian to Python on most machines.
        """
        wide = wide_codec(start)
        if wide is None or codecs.lookup(self.encoding).name in (wide, wide.removesuffix("-le")):
            return
        raise DataError(
            f"{self.name}, line 1: a NUL character in every other byte or so: it is {wide} without a byte order mark;"
            f" set source.encoding: {wide}"
        )

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
        return chunks_of(self.file)


class TextFile(io.RawIOBase):
    """Blocks of text as a file, for libraries that read one."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._rest = blocks, memoryview(b"")

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Return so many bytes, fewer at the end alone: a parser may take a short read for the end of a record."""
        parts, wanted = [], size if size >= 0 else sys.maxsize
        while wanted:
            self._rest = self._rest or memoryview(next(self._blocks, b""))
            if not self._rest:
                break
            parts.append(self._rest[:wanted])
            self._rest = self._rest[wanted:]
            wanted -= len(parts[-1])
        return b"".join(parts)


def open_text(file: SourceFile, configured: str) -> SourceText:
    """Return a text that is all valid UTF-8: read as such where the whole file is, else as its mark or the configuration says.

    This reads the file once before; `ingest`, which reads larger ones, starts again where it meets what is not UTF-8. Raises
    `DataError` where the file is not in the configured encoding, UTF-8.
    """
    start = next(chunks_of(file), b"")
    if mark_of(start[:4]) not in (None, "utf-8-sig") or wide_codec(start):
        return SourceText(file, configured)
    line = first_line_not_utf8(chunks_of(file))
    if line is None:
        return SourceText(file, "utf-8")
    if configured == "auto":
        return SourceText(file, "auto", forced=code_page_of(sample_lines(lambda: chunks_of(file))))
    text = SourceText(file, configured)
    if text.encoding == "utf-8":
        raise text.refuse(line)
    return text
