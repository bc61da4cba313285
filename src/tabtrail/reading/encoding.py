"""Which encoding a file is in: the one in which its bytes above 127 read like words. Nearly any bytes decode as a code page."""

import codecs
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import chain

from tabtrail.errors import ConfigError, DataError, nearest

Chunks = Callable[[], Iterator[bytes]]
"""Reads the source again from its start, decompressed."""

_SAMPLE_BYTES = 2 << 20
# Text in a code page has hardly a valid multi-byte sequence; UTF-8 that a tool damaged has few invalid ones.
_MIN_UTF8_SHARE = 0.9
# A wrong code page turns most letters into signs (plausibility near 0), the right one few (near 1): half way between.
_CLEARLY_BETTER = 0.5
# Ordered by how often they occur; a tie goes to the first.
# Those of East Asia stand last but for their own letters, of which each takes two bytes.
CODE_PAGES = (
    *("cp1252", "cp850", "cp437", "iso8859-15", "cp1250", "cp1251", "cp1253", "cp1254", "mac_roman"),
    *("cp932", "cp949", "gb18030", "big5"),
)
_SMALL_SETS = {"cp932": "shift_jis", "cp949": "euc_kr", "gb18030": "gb2312", "big5": "big5"}
# Letters beyond ASCII by code page and language. Code pages of Europe share their places, so that the letters of one language are
# read as letters of another: those of the right one are nearly all in its alphabet.
_ALPHABETS = (
    ("cp1252", ("äöüß", "àâæçéèêëîïôœùûüÿ", "áéíñóúüïç", "ãáâàçéêíóôõúü", "àèéìíòóù", "åäöæøé", "áéèëêïóöü")),
    ("cp1250", ("ąćęłńóśźż", "áčďéěíňóřšťúůýžäĺľôŕ", "áéíóöőúüű", "ăâîşţ", "čćđšž")),
    ("cp1254", ("çğıöşüâîû",)),
    ("cp1252", ("áðéíóúýþæö",)),  # Icelandic, which has its own letters where Turkish has ğ, ı and ş
)
_OWN_LETTERS = 0.95  # of the letters beyond ASCII, where a text is in the code page
# Of the plausibility: letters of a wrong code page may be signs of the right one (Año, ¿Qué?).
_AS_GOOD = 0.25
# UTF-32 first: the mark of its little-endian form begins like that of UTF-16.
_BOMS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_WIDE_BYTES = 4096
# Digits, delimiters and line ends have a zero byte in each character: a tenth of the characters even of foreign words.
_WIDE_SHARE = 0.1
_FEWEST_ZEROS = 4  # fewer are a damaged text; a header of two columns has four characters
# Bytes above 127, and single ones between them.
_RUNS = re.compile(rb"[\x80-\xff]+(?:[\x00-\x7f][\x80-\xff]+)*")


def mark_of(start: bytes) -> str | None:
    """Return the encoding that a byte order mark at the start of a file names, or None."""
    return next((codec for mark, codec in _BOMS.items() if start.startswith(mark)), None)


def wide_codec(start: bytes) -> str | None:
    """Return the UTF-16 or UTF-32 in which a file without a mark is, by the places of its zero bytes; None for other text."""
    sample = start[: min(_WIDE_BYTES, len(start) // 4 * 4 or len(start))]
    zeros = [sample[place::4].count(0) * 4 / max(1, len(sample)) for place in range(4)]
    even, odd = (zeros[0] + zeros[2]) / 2, (zeros[1] + zeros[3]) / 2
    if sample.count(0) < _FEWEST_ZEROS:
        return None
    # Two zero bytes of four are in every character of UTF-32: code points end at U+10FFFF.
    if min(zeros[0], zeros[1]) > 1 - _WIDE_SHARE:
        return "utf-32-be"
    if min(zeros[2], zeros[3]) > 1 - _WIDE_SHARE:
        return "utf-32-le"
    if max(even, odd) < _WIDE_SHARE or min(even, odd) > max(even, odd) / 4:
        return None
    return "utf-16-be" if even > odd else "utf-16-le"


def codec_name(configured: str) -> str:
    """Return Python's name of a configured text encoding. Raises `ConfigError` with the nearest known one."""
    try:
        name = codecs.lookup(configured).name
        "".encode(name)
    except (LookupError, UnicodeError):
        raise ConfigError(
            f"source.encoding: unknown encoding '{configured}'{nearest(configured, ['auto', 'utf-8', 'utf-16', *CODE_PAGES])}"
        ) from None
    return name


def detect_encoding(chunks: Chunks) -> str:
    """Return UTF-8 where the first megabytes of lines with bytes above 127 are UTF-8, else as `code_page_of` does."""
    sample = sample_lines(chunks)
    return "utf-8" if is_utf8([sample]) else code_page_of(sample)


def check_code_page(name: str, configured: str, chunks: Chunks) -> str | None:
    """Return a note where the bytes read somewhat more like words in another encoding than in the configured one.

    Raises `DataError` where they clearly do.
    """
    sample = sample_lines(chunks)
    better = "utf-8" if is_utf8([sample]) and is_utf8(chunks()) else code_page_of(sample)
    gain = 1.0 if better == "utf-8" else _plausibility(sample, better) - _plausibility(sample, configured)
    if gain >= _CLEARLY_BETTER:
        raise DataError(f"{name}: the bytes read as {better}, not {configured}; set source.encoding: {better}, or auto")
    if better == configured or gain <= 0:
        return None
    return f"source.encoding is {configured}, but the bytes read somewhat more like words in {better}"


def code_page_of(sample: bytes) -> str:
    """Return the encoding in which the bytes above 127 read most like letters within words.

    Almost-UTF-8 text (nine in ten of its multi-byte sequences are valid) stays UTF-8, its stray bytes replaced.
    """
    text = sample.decode("utf-8", "replace")
    stray, good = text.count("\ufffd"), sum(character > "\x7f" for character in text) - text.count("\ufffd")
    if good and good / (good + stray) >= _MIN_UTF8_SHARE:
        return "utf-8"
    shares = {codec: _plausibility(sample, codec) for codec in CODE_PAGES}
    best = max(CODE_PAGES, key=lambda codec: shares[codec])
    # Of several alphabets that a text is in, the first: most letters are in all of them.
    near = _AS_GOOD if any(best == codec for codec, _ in _ALPHABETS) or best == "cp1251" else 0.05
    for codec, alphabets in _ALPHABETS:
        if shares[codec] > shares[best] - near and _share_in(sample.decode(codec, "replace"), alphabets) >= _OWN_LETTERS:
            return codec
    return best


def _share_in(text: str, alphabets: Iterable[str]) -> float:
    """Return the share of the letters beyond ASCII that are in one of several alphabets, the best one."""
    letters = Counter(each for each in text.casefold() if each > "\x7f" and each.isalpha() and each not in "ªº")
    total = sum(letters.values())
    return max(sum(letters[each] for each in alphabet) for alphabet in alphabets) / total if total else 0.0


def sample_lines(chunks: Chunks) -> bytes:
    """Return the bytes above 127 of the first megabytes of lines that have any, with the byte before and after."""
    found: list[bytes] = []
    size, rest = 0, b""
    for block in chunks():
        cut = block.rfind(b"\n") + 1
        whole, rest = (rest + block[:cut], block[cut:]) if cut else (b"", rest + block)
        if len(rest) > _SAMPLE_BYTES:
            whole, rest = rest, b""
        if not whole.isascii():
            size += sum(len(line) for line in whole.split(b"\n") if not line.isascii())
            found.extend(_windows(whole))
        if size > _SAMPLE_BYTES:
            return b"\n".join(found)
    return b"\n".join([*found, *_windows(rest)])


def _windows(text: bytes) -> Iterator[bytes]:
    return (text[max(0, run.start() - 1) : run.end() + 1] for run in _RUNS.finditer(text))


def _plausibility(sample: bytes, codec: str) -> float:
    """Return the share of non-ASCII characters that are letters in the case of their neighbours, or currencies, 0 to 1."""
    text = sample.decode(codec, "replace")
    places = [index for index, character in enumerate(text) if character > "\x7f"]
    scores = [_reads_as_wide(text, at, codec) if codec in _SMALL_SETS else _reads_as_letter(text, at) for at in places]
    return sum(scores) / len(scores) if scores else 0.0


def _reads_as_letter(text: str, index: int) -> float:
    character, before, after = text[index], text[index - 1 : index], text[index + 1 : index + 2]
    if character in "€£¥¢":  # a price; in a word it would be a letter of another code page
        return 0.0 if before.isalpha() or after.isalpha() else 0.9
    if character in "¿¡" and after.isalpha() and not before.isalpha():
        return 1.0
    if character in "ªº" and (before.isdigit() or before in ("n", "N")) and not after.isalpha():
        return 1.0  # Nº 12, 1ª
    if not unicodedata.category(character).startswith("L") or character in "ªºƒ":
        return 0.0
    in_word = before.isalpha() or after.isalpha()
    wrong_case = character.isupper() and (before.islower() or (after.islower() and before.isalpha()))
    latin = unicodedata.name(character).startswith("LATIN")
    # Accented letters are found among plain ones, the letters of another script among their own.
    among_strangers = any(near.isalpha() and near.isascii() != latin for near in (before, after))
    return 0.2 if wrong_case or among_strangers else 1.0 if in_word else 0.5


def _reads_as_wide(text: str, index: int, codec: str) -> float:
    """Return how much a character reads as one of an East Asian text: its scripts, not beside letters of another one."""
    character, before, after = text[index], text[index - 1 : index], text[index + 1 : index + 2]
    name = unicodedata.name(character, "")
    if name.startswith(("IDEOGRAPHIC", "FULLWIDTH", "CJK COMPATIBILITY", "SQUARE", "KATAKANA MIDDLE")):
        return 0.9
    if not name.startswith(("CJK UNIFIED", "HIRAGANA", "KATAKANA", "HANGUL")):
        return 0.0  # half-width signs are what the bytes of another code page look like, one by one
    if not _is_common(character, codec):
        return 0.3
    return 0.2 if (before.isascii() and before.isalpha()) or (after.isascii() and after.isalpha()) else 1.0


@cache
def _is_common(character: str, codec: str) -> bool:
    """Whether a character is in the small set that a code page grew from: nearly any two bytes are some character of GB 18030."""
    try:
        character.encode(_SMALL_SETS[codec])
    except UnicodeEncodeError:
        return False
    return True


def is_utf8(blocks: Iterable[bytes]) -> bool:
    """Whether the blocks together are valid UTF-8."""
    return first_line_not_utf8(blocks) is None


def first_line_not_utf8(blocks: Iterable[bytes]) -> int | None:
    """Return the first line, from 1, on which the blocks together are not valid UTF-8; None where they are."""
    decoder, line = codecs.getincrementaldecoder("utf-8")("strict"), 1
    for block in chain(blocks, [None]):
        try:
            decoder.decode(block or b"", final=block is None)
        except UnicodeDecodeError as error:
            return line + error.object.count(b"\n", 0, error.start)
        line += (block or b"").count(b"\n")
    return None
