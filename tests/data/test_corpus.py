"""Encodings and malformed files, each with its declared outcome: so many rows kept and set aside, or a typed refusal."""

import gzip
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.data import blocks
from tabtrail.data.checks import RowChecker
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.ingest import ingest
from tabtrail.data.manifest import Manifest
from tabtrail.errors import TabtrailError
from tabtrail.reading import compressed

CONFIG = """
version: 2
paths: {raw_csv: x.csv}
contract: {max_reject_share: 1, columns: {n: {dtype: int}, y: {dtype: float, nullable: false}}}
model: {target: y, numeric_features: [a], categorical_features: [b]}
split: {kind: random, folds: 2}
"""
PLACES = ["Málaga", "Besançon", "São Paulo", "Luleå", "Köln", "Münster", "Montréal", "Århus"]
TEXT = "a,b,n,y\n" + "".join(f"{i}.5,{place},{i},{i * 2}\n" for i, place in enumerate(PLACES))
PLAIN = TEXT.encode("ascii", "replace")
RUSSIAN = "a,b,n,y\n" + "".join(
    f"{i},{word} город,{i},{i * 2}\n" for i, word in enumerate(["Москва", "улица", "Привет", "Казань"])
)


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as out:
        out.write(data)
    return bytes(sink.getvalue())


@dataclass(frozen=True)
class Kept:
    """What is expected of an accepted file."""

    rows: int
    rejected: int = 0
    encoding: str = "utf-8"
    replaced: int = 0


CORPUS: dict[str, tuple[bytes, Kept | str, str]] = {
    "ASCII": (PLAIN, Kept(8), "auto"),
    "UTF-8": (TEXT.encode(), Kept(8), "auto"),
    "UTF-8 with a mark": (TEXT.encode("utf-8-sig"), Kept(8, encoding="utf-8-sig"), "auto"),
    "UTF-8 with a mark, configured": (TEXT.encode("utf-8-sig"), Kept(8, encoding="utf-8-sig"), "utf-8"),
    "UTF-16 with a mark": (TEXT.encode("utf-16"), Kept(8, encoding="utf-16"), "auto"),
    "UTF-16 BE with a mark": (b"\xfe\xff" + TEXT.encode("utf-16-be"), Kept(8, encoding="utf-16"), "auto"),
    "UTF-16 LE without a mark, configured": (TEXT.encode("utf-16-le"), Kept(8, encoding="utf-16-le"), "utf-16-le"),
    "UTF-16 LE with a mark taken for cp1252": (b"\xff\xfe" + TEXT.encode("utf-16-le"), Kept(8, encoding="utf-16"), "cp1252"),
    "UTF-16 LE with a mark taken for BE": (b"\xff\xfe" + TEXT.encode("utf-16-le"), Kept(8, encoding="utf-16"), "utf-16-be"),
    "UTF-32 with a mark": (TEXT.encode("utf-32"), Kept(8, encoding="utf-32"), "auto"),
    "UTF-8 with a mark taken for cp850": (TEXT.encode("utf-8-sig"), Kept(8, encoding="utf-8-sig"), "cp850"),
    "UTF-16 BE without a mark taken for LE": (TEXT.encode("utf-16-be"), "set source.encoding: utf-16-be", "utf-16-le"),
    "UTF-16 LE without a mark": (TEXT.encode("utf-16-le"), "a NUL character", "auto"),
    "UTF-32, configured": (TEXT.encode("utf-32"), Kept(8, encoding="utf-32"), "utf-32"),
    "UTF-7, configured": (TEXT.encode("utf-7"), Kept(8, encoding="utf-7"), "utf-7"),
    "cp1252": (TEXT.encode("cp1252"), Kept(8, encoding="cp1252"), "auto"),
    "cp850": (TEXT.replace("ã", "a").encode("cp850"), Kept(8, encoding="cp850"), "auto"),
    "cp850, configured": (TEXT.encode("cp850"), Kept(8, encoding="cp850"), "cp850"),
    "latin-1, configured": (TEXT.encode("latin-1"), Kept(8, encoding="iso8859-1"), "latin-1"),
    "iso8859-15, configured": (TEXT.encode("iso8859-15"), Kept(8, encoding="iso8859-15"), "iso8859-15"),
    "mac_roman": (TEXT.encode("mac_roman"), Kept(8, encoding="mac_roman"), "auto"),
    "cp1251": (RUSSIAN.encode("cp1251"), Kept(4, encoding="cp1251"), "auto"),
    "koi8-r, configured": (RUSSIAN.encode("koi8-r"), Kept(4, encoding="koi8-r"), "koi8-r"),
    "EBCDIC, configured": (TEXT.encode("cp500"), Kept(8, encoding="cp500"), "cp500"),
    "shift_jis, configured": (
        TEXT.replace("Köln", "東京").encode("shift_jis", "ignore"),
        Kept(8, encoding="shift_jis"),
        "shift_jis",
    ),
    "gb18030, configured": (TEXT.replace("Köln", "北京").encode("gb18030"), Kept(8, encoding="gb18030"), "gb18030"),
    "cp1252 taken for cp850": (TEXT.encode("cp1252"), "the bytes read as cp1252, not cp850", "cp850"),
    "UTF-8 taken for cp1252": (TEXT.encode(), "the bytes read as utf-8, not cp1252", "cp1252"),
    "cp850 taken for UTF-8": (TEXT.encode("cp850"), "line 2: these bytes are not utf-8", "utf-8"),
    "cp850 taken for latin-1": (TEXT.encode("cp850"), "the bytes read as cp850, not iso8859-1", "latin-1"),
    "UTF-16 cut in the middle": (TEXT.encode("utf-16")[:-1], "these bytes are not utf-16", "utf-16"),
    "UTF-8 with a stray byte": (TEXT.encode() + b"1,B\xffs \xc3\xa9t\xc3\xa9,1,1\n2,x,2,2\n", Kept(10, replaced=1), "auto"),
    "UTF-8 with a stray byte, configured": (
        TEXT.encode().replace(b"Bes", b"B\xffs"),
        "line 3: these bytes are not utf-8",
        "utf-8",
    ),
    "UTF-8 with an overlong sequence": (TEXT.encode().replace(b"Bes", b"\xc0\x80"), "are not utf-8", "utf-8"),
    "UTF-8 with a surrogate": (TEXT.encode().replace(b"Bes", b"\xed\xa0\x80"), "are not utf-8", "utf-8"),
    "UTF-8 beyond Unicode": (TEXT.encode().replace(b"Bes", b"\xf4\x90\x80\x80"), "are not utf-8", "utf-8"),
    "gzip": (gzip.compress(TEXT.encode()), Kept(8), "auto"),
    "gzip of two members in cp850": (
        gzip.compress(TEXT.encode("cp850")[:60]) + gzip.compress(TEXT.encode("cp850")[60:]),
        Kept(8, encoding="cp850"),
        "cp850",
    ),
    "gzip cut short": (gzip.compress(TEXT.encode())[:-12], "damaged or cut short", "auto"),
    "gzip with a wrong bit": (gzip.compress(TEXT.encode())[:-6] + b"abcdef", "cannot be read", "auto"),
    "gzip of nothing": (gzip.compress(b""), "missing column", "auto"),
    "zstd": (zstd(TEXT.encode()), Kept(8), "auto"),
    "zstd cut short": (zstd(TEXT.encode())[:40], "cannot be read", "auto"),
    "empty": (b"", r"is empty \(0 bytes\)", "auto"),
    "only a mark": (b"\xef\xbb\xbf", "missing column", "auto"),
    "only line ends": (b"\n\n\n", "missing column", "auto"),
    "only a header": (b"a,b,n,y\n", "has a header and no rows", "auto"),
    "only a header, no line end": (b"a,b,n,y", "has a header and no rows", "auto"),
    "CR LF": (PLAIN.replace(b"\n", b"\r\n"), Kept(8), "auto"),
    "CR alone": (PLAIN.replace(b"\n", b"\r"), "end in CR alone", "auto"),
    "a CR within a line": (PLAIN.replace(b"K?ln", b"K\rln"), Kept(7, 2), "auto"),
    "a CR in quotes": (PLAIN.replace(b"K?ln", b'"K\rln"'), Kept(8), "auto"),
    "no last line end": (PLAIN.rstrip(b"\n"), Kept(8), "auto"),
    "blank lines": (PLAIN.replace(b"\n", b"\n\n"), Kept(8), "auto"),
    "a short row": (PLAIN + b"1,2\n", Kept(8, 1), "auto"),
    "a long row": (PLAIN + b"1,2,3,4,5\n", Kept(8, 1), "auto"),
    "a row that is cut": (PLAIN + b"1,", Kept(8, 1), "auto"),
    "a row of delimiters": (PLAIN + b",,,\n", Kept(8, 1), "auto"),
    "quotes around all": (b'"a","b","n","y"\n' + b'"1","x","1","2"\n"2","""y""","2","3"\n"3","z,","3","4"\n', Kept(3), "auto"),
    "a line break in quotes": (PLAIN.replace(b"K?ln", b'"K\nln"'), Kept(8), "auto"),
    "a quote within a field": (PLAIN.replace(b"K?ln", b'5" pipe'), Kept(8), "auto"),
    "two quotes within fields": (PLAIN.replace(b"K?ln", b'5" pipe').replace(b"M?nster", b'3" nail'), Kept(8), "auto"),
    "an open quote": (PLAIN.replace(b"K?ln", b'"Koln'), "from line 6: .*a quote is opened", "auto"),
    "text after a closing quote": (PLAIN.replace(b"K?ln", b'"K"oln'), "from line 6: .*a quote is opened", "auto"),
    "a backslash before a quote": (
        PLAIN.replace(b"K?ln", b'"say \\"hi\\", now"'),
        "from line 6: .*a backslash before it",
        "auto",
    ),
    "a quote at the end of a field": (PLAIN.replace(b"K?ln", b'Koln"'), Kept(8), "auto"),
    "single quotes": (PLAIN.replace(b"K?ln", b"'Koln'"), Kept(8), "auto"),
    "a comma in single quotes": (PLAIN.replace(b"K?ln", b"'K,n'"), Kept(7, 1), "auto"),
    "a quote after a blank": (PLAIN.replace(b"K?ln", b' "K"'), Kept(8), "auto"),
    "a quote within a number": (PLAIN.replace(b",4,8", b',4",8'), Kept(7, 1), "auto"),
    "an open quote in the header": (PLAIN.replace(b"a,b", b'a,"b'), "line 1: unexpected end of data", "auto"),
    "blank lines above the header": (b"\n\r\n" + PLAIN, Kept(8), "auto"),
    "a title above the header": (b"Places\n\n" + PLAIN, "line 3 has the columns: set source.skip_rows: 2", "auto"),
    "a comment above the header": (b"# Places\n" + PLAIN, 'set source.comment: "#"', "auto"),
    "Excel's first line": (b"sep=;\r\n" + PLAIN.replace(b",", b";"), Kept(8), "auto"),
    "a delimiter at the end of each row": (PLAIN.replace(b"\n", b",\n"), "column 5 has no name.*source.unnamed: drop", "auto"),
    "names that differ in case": (b"A," + PLAIN.replace(b"\n", b"\n1,"), "differ by case", "auto"),
    "a NUL": (PLAIN.replace(b"K?ln", b"K\0ln"), "line 6: a NUL character", "auto"),
    "a blank number": (PLAIN.replace(b",4,8", b", ,8"), Kept(7, 1), "auto"),
    "a number out of range": (PLAIN.replace(b",4,8", b",99999999999999999999,8"), Kept(7, 1), "auto"),
    "an infinite target": (PLAIN.replace(b",4,8", b",4,1e999"), Kept(7, 1), "auto"),
    "a word for a number": (PLAIN.replace(b",4,8", b",four,8"), Kept(7, 1), "auto"),
    "a fraction for a whole number": (PLAIN.replace(b",4,8", b",4.0,8"), Kept(7, 1), "auto"),
    "spaces around numbers": (PLAIN.replace(b",4,8", b", 4 , 8 "), Kept(8), "auto"),
    "a missing whole number": (PLAIN.replace(b",4,8", b",,8"), Kept(8), "auto"),
    "no target anywhere": (b"a,b,n,y\n1,x,1,\n2,x,2,\n", "every row was rejected", "auto"),
    "a column twice": (PLAIN.replace(b"a,b,n,y", b"a,b,b,y"), "is there 2 times", "auto"),
    "an unnamed column": (b"a,b,n,y,\n1,x,1,2,\n", "column 5 has no name", "auto"),
    "another delimiter": (PLAIN.replace(b",", b";"), "is source.delimiter right", "auto"),
    "a page of HTML": (b"<!doctype html>\n<html><body>404</body></html>\n", r"a web page \(HTML\)", "auto"),
    "a PNG": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", "missing column", "auto"),
    "a Parquet file": (b"PAR1\x15\x04\x15\x00PAR1", "a damaged Parquet file", "auto"),
}


def project(root: Path, data: bytes, *overrides: str) -> Config:
    (root / "x.csv").write_bytes(data)
    (root / "c.yaml").write_text(CONFIG)
    return load_config(root / "c.yaml", overrides)


@pytest.mark.parametrize("name", CORPUS)
def test_a_file_of_the_corpus_has_its_declared_outcome(tmp_path: Path, name: str) -> None:
    data, outcome, encoding = CORPUS[name]
    config = project(tmp_path, data, f"source.encoding={encoding}")
    if isinstance(outcome, str):
        with pytest.raises(TabtrailError, match=outcome):
            ingest(config)
        assert not config.paths.processed_dir.exists()
        return
    manifest = ingest(config)
    assert (manifest.rows_kept, manifest.rows_rejected) == (outcome.rows, outcome.rejected)
    assert (manifest.encoding, manifest.replaced_characters) == (outcome.encoding, outcome.replaced)
    assert_accounted_for(config, manifest)


def assert_accounted_for(config: Config, manifest: Manifest) -> None:
    assert manifest.rows_in == manifest.rows_kept + manifest.rows_rejected
    assert scan_dataset(config.dataset).collect().height == manifest.rows_kept
    assert pl.read_parquet(config.paths.rejects).height == manifest.rows_rejected


FIELD = st.sampled_from(
    ["1", "-2.5", "x", "", " ", "é", '"q"', '"a,b"', '"l\nl"', '"c\rc"', '5" p', '"', "1e999", "nan", "+3", " 4", "\r"]
)
GOOD = [f"{n}.5,t{n},{n},{n * 2}" for n in range(4)]
LINE = st.lists(FIELD, min_size=0, max_size=6).map(",".join) | st.sampled_from(GOOD)
TABLE = st.tuples(st.sampled_from([0, 4]), st.lists(LINE, max_size=12), st.sampled_from(["\n", "\r\n"])).map(
    lambda t: t[2].join(["a,b,n,y", *GOOD[: t[0]], *t[1]]).encode()
)
ANY_CSV = st.one_of(TABLE, st.binary(max_size=200).map(lambda data: b"a,b,n,y\n" + data), st.binary(max_size=60))


@settings(max_examples=150, deadline=None)
@given(data=ANY_CSV)
@example(data=b'a,b,n,y\n1,"x\n')
@example(data=b"a,b,n,y\n1,x,,1\n1,x, ,1\n\xef\xbb\xbf1,x,1,1\n")
def test_any_bytes_are_accepted_set_aside_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    check_any(tmp_path_factory.mktemp("any"), data)


def check_any(root: Path, data: bytes) -> str:
    """Ingest bytes; return `accepted` or the kind of refusal. Anything but a typed refusal passes through."""
    config = project(root, data)
    try:
        manifest = ingest(config)
    except TabtrailError as error:
        assert not config.paths.processed_dir.exists()
        return type(error).__name__
    assert_accounted_for(config, manifest)
    return "accepted"


@settings(max_examples=150, deadline=None)
@given(data=TABLE)
@example(data=b"a,b,n,y\n1,x,1,1\n 2,x, 3,4\n,x,,5\n1,x, ,6")
def test_lines_and_records_give_the_same_rows(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """What Polars reads line by line, and as numbers, is what Python's `csv` reads, as texts."""
    outcomes = []
    for by_line in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            if not by_line:
                patch.setattr(blocks.BlockReader, "_by_line", lambda self, block: None)
                patch.setattr(RowChecker, "with_nulls", lambda self, rows: set())
            config = project(tmp_path_factory.mktemp("same"), data)
            try:
                manifest = ingest(config)
            except TabtrailError as error:
                outcomes.append(str(error).replace(str(config.root), ""))
            else:
                rejects = pl.read_parquet(config.paths.rejects).rows()
                outcomes.append((manifest.data_sha256, manifest.rejects, rejects, manifest.statistics))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines,
        lambda lines: [b'"' + line.replace(b",", b'","') + b'"' for line in lines],
        lambda lines: [re.sub(rb"K([^,]*)", rb'"K\n\1"', line) for line in lines],
        lambda lines: [*lines[:700], b"1,2", *lines[700:], b"x,y,z,1"],
    ],
    ids=["plain", "quoted", "broken lines", "ragged"],
)
def test_where_blocks_end_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[list[bytes]], list[bytes]]
) -> None:
    lines = [f"{i}.5,{PLACES[i % 8]}{i},{i},{i * 2}".encode() for i in range(1500)]
    data = b"a,b,n,y\n" + b"\n".join(change(lines)) + b"\n"
    found = []
    for size in (8 << 20, 4096, 37):
        monkeypatch.setattr(compressed, "_READ", size)
        monkeypatch.setattr(blocks, "_SMALL", 256)
        root = tmp_path / str(size)
        root.mkdir()
        config = project(root, data)
        try:
            manifest = ingest(config)
            found.append((manifest.data_sha256, manifest.rows_in, pl.read_parquet(config.paths.rejects).rows()))
        except TabtrailError as error:
            found.append(str(error))
    assert found[0] == found[1] == found[2]
