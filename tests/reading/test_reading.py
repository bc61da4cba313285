"""Opening a source: which files, what encoding, blocks of text, and records with their lines."""

import csv
import gzip
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabtrail.contract.layout import Layout
from tabtrail.errors import ConfigError, DataError
from tabtrail.reading.compressed import SourceFile, chunks_of, readable
from tabtrail.reading.encoding import code_page_of, first_line_not_utf8, is_utf8, sample_lines
from tabtrail.reading.find import find_sources
from tabtrail.reading.header import read_header
from tabtrail.reading.records import read_records
from tabtrail.reading.source import SourceText, TextFile, open_text


def source(folder: Path, data: bytes, name: str = "x.csv") -> SourceFile:
    (folder / name).write_bytes(data)
    return SourceFile(folder / name, name)


def test_reading_needs_the_base_install_alone() -> None:
    code = (
        "import sys, tabtrail.reading.source, tabtrail.reading.find;"
        "print(sorted({'polars', 'pandas', 'pyarrow', 'numpy', 'pydantic'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_pattern_names_files_below_the_last_folder_that_all_share(tmp_path: Path) -> None:
    for name in ("raw/m2/s.csv", "raw/m1/s.csv", "raw/m1/s.csv.synthetic", "raw/m1/other.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert list(find_sources(tmp_path / "raw" / "*" / "s.csv*", tmp_path)) == ["m1/s.csv", "m2/s.csv"]
    assert find_sources(tmp_path / "raw" / "m1" / "s.csv", tmp_path) == {"s.csv": tmp_path / "raw" / "m1" / "s.csv"}


def test_brackets_in_the_folder_of_the_config_are_not_a_pattern(tmp_path: Path) -> None:
    root = tmp_path / "project[1]"
    (root / "raw").mkdir(parents=True)
    (root / "raw" / "a.csv").touch()
    assert find_sources(root / "raw" / "*.csv", root) == {"a.csv": root / "raw" / "a.csv"}
    with pytest.raises(ConfigError, match=r"paths.raw_csv: no file matches .*b\*.csv"):
        find_sources(root / "raw" / "b*.csv", root)


def test_what_the_system_refuses_is_said_of_the_setting_that_named_the_file(tmp_path: Path) -> None:
    file = SourceFile(tmp_path / "x.csv", "x.csv", named_by="--input")
    with pytest.raises(ConfigError, match=r"^--input: x.csv cannot be read: No such file or directory; check"), readable(file):
        file.path.open()


@pytest.mark.parametrize(
    ("words", "encoding"),
    [
        ("Berguvsvägen Cataluña Martín", "cp850"),
        ("Münchner Straße, São Paulo, Besançon, Århus", "cp1252"),
        ("Привет, мир, улица", "cp1251"),
        ("€ 12;Käfer 3 €", "cp1252"),
        ("£12", "cp1252"),
        ("£12;Genève", "cp850"),
        ("12 €", "iso8859-15"),
        ("Nº Pedido, Emissão, Situação, Preço Unitário, São Paulo", "cp1252"),
        ("Año, Niño, ¿Qué?, Teléfono, José", "cp1252"),
        ("Příjmení, České Budějovice, Dvořák, Žižkov, město", "cp1250"),
        ("Łódź, Gdańsk, zażółć gęślą jaźń", "cp1250"),
        ("Győr, Szűcs Lőrinc, fűtés, első, gyümölcs", "cp1250"),
        ("Şahin, Model Yılı, Değişen, Hayır, Üsküdar", "cp1254"),
        ("Ísafjörður, Þingvellir, það, sýsla, æði", "cp1252"),
        ("所在地,専有面積,2023年5月30日,マンション", "cp932"),
        ("日期,城市,面积,价格（元）,上海,广州,深圳", "gb18030"),
        ("지역,면적,가격(만원),서울특별시,부산", "cp949"),
        ("日期,縣市,坪數,總價,臺北市,高雄市", "big5"),
    ],
)
def test_the_code_page_is_the_one_that_gives_words(words: str, encoding: str) -> None:
    data = words.encode(encoding)
    assert data.decode(code_page_of(sample_lines(lambda: iter([data])))) == words


@given(data=st.binary(max_size=60), cut=st.integers(0, 60))
def test_text_is_utf8_however_its_blocks_are_cut(data: bytes, cut: int) -> None:
    blocks = [data[:cut], data[cut:]]
    try:
        data.decode()
    except UnicodeDecodeError as error:
        assert first_line_not_utf8(blocks) == 1 + data.count(b"\n", 0, error.start)
    else:
        assert is_utf8(blocks)


def test_a_file_to_score_is_utf8_where_all_of_it_is_and_else_in_the_configured_encoding(tmp_path: Path) -> None:
    text = "a\nMálaga\nLuleå\n"

    def opened(data: bytes, configured: str) -> tuple[str, str]:
        found = open_text(source(tmp_path, data), configured)
        return b"".join(found.blocks()).decode(), found.encoding

    assert opened(text.encode(), "cp850") == (text, "utf-8")
    assert opened(text.encode("cp850"), "cp850") == (text, "cp850")
    assert opened(text.encode("cp850"), "auto") == (text, "cp850")
    assert opened(gzip.compress(text.encode("utf-16")), "auto") == (text, "utf-16")
    with pytest.raises(DataError, match=r"x.csv, line 2: these bytes are not utf-8; set source.encoding: cp850"):
        opened(text.encode("cp850"), "utf-8")


def test_blocks_end_in_a_line_feed_and_are_hashed_as_they_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tabtrail.reading.compressed._READ", 7)
    data = b"a,b\n1,2\n33,44\n5,6"
    plain, packed = SourceText(source(tmp_path, data), "utf-8"), SourceText(source(tmp_path, gzip.compress(data), "y"), "utf-8")
    for text in (plain, packed):
        blocks = list(text.blocks())
        assert b"".join(blocks) == data
        assert all(block.endswith(b"\n") for block in blocks[:-1])
    assert plain.content_sha256 == plain.sha256 == packed.content_sha256 != packed.sha256
    assert b"".join(chunks_of(packed.file)) == data


@given(blocks=st.lists(st.binary(min_size=1, max_size=9), max_size=6), size=st.integers(1, 11))
def test_a_text_file_gives_whole_reads_until_its_end(blocks: list[bytes], size: int) -> None:
    def parts() -> Iterator[bytes]:
        file = TextFile(iter(blocks))
        while part := file.read(size):
            yield part

    found = list(parts())
    assert b"".join(found) == b"".join(blocks)
    assert all(len(part) == size for part in found[:-1])
    assert TextFile(iter(blocks)).read() == b"".join(blocks)


def test_a_header_may_take_several_lines_and_any_line_end() -> None:
    for end in ("\n", "\r\n"):
        header = read_header("x.csv", f'"a\nb",c{end}1,2{end}'.encode(), Layout())
        assert (header.written, header.size, header.lines) == (("a\nb", "c"), len(f'"a\nb",c{end}'), 2)


def test_records_have_the_line_on_which_they_begin_and_an_open_one_is_left() -> None:
    found = read_records("x.csv", '1,2\n\n"a\nb",3\n4,"5\n6', 10, delimiter=",", final=False)
    assert found.fields == [["1", "2"], [], ["a\nb", "3"]]
    assert found.lines == [10, 11, 12]
    assert (found.lines_read, found.rest) == (4, b'4,"5\n6')
    with pytest.raises(DataError, match=r"^x.csv, from line 14: .*a quote is opened and not closed properly"):
        read_records("x.csv", '1,2\n\n"a\nb",3\n4,"5\n6', 10, delimiter=",", final=True)


def test_a_field_of_any_length_is_read_and_the_limit_of_the_csv_module_is_left_as_it_was() -> None:
    limit = csv.field_size_limit()
    long = "x" * (limit + 1)
    assert read_records("x.csv", f"{long},1\n", 2, delimiter=",", final=True).fields == [[long, "1"]]
    with pytest.raises(DataError, match="from line 2"):
        read_records("x.csv", '"x" y,1\n', 2, delimiter=",", final=True)
    assert csv.field_size_limit() == limit


MARKED = {"utf-8-sig": "utf-8-sig", "utf-16": "utf-16", "utf-16-be": "utf-16", "utf-32": "utf-32", "utf-32-be": "utf-32"}
CONFIGURED = ("auto", "utf-8", "cp1252", "cp850", "latin-1", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp500")


@pytest.mark.parametrize("words", ["a,b\n1,x\n", "a,b\n1,Málaga\n2,Москва\n"])
@pytest.mark.parametrize("written", MARKED)
def test_a_file_with_a_byte_order_mark_is_read_as_it_says_whatever_is_configured(
    tmp_path: Path, written: str, words: str
) -> None:
    mark = "\ufeff" if written.endswith("-be") else ""
    file = source(tmp_path, (mark + words).encode(written))
    for configured in CONFIGURED:
        first, second = SourceText(file, configured), open_text(file, configured)
        for text in (first, second):
            assert (b"".join(text.blocks()).decode(), text.encoding) == (words, MARKED[written]), configured
            agrees = configured == "auto" or text.encoding.startswith(configured[:6])
            valid_utf8 = text is not first and written == "utf-8-sig"  # a file to score is UTF-8 wherever it can be
            assert agrees or valid_utf8 or any("begins with the mark of" in note for note in text.notes), (configured, text.notes)


@pytest.mark.parametrize("words", ["a,b\n1,x\n2,y\n", "код,город\n1,Москва\n2,Тула\n"])
@pytest.mark.parametrize("written", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_the_advice_for_wide_text_without_a_mark_is_its_encoding(tmp_path: Path, written: str, words: str) -> None:
    file = source(tmp_path, words.encode(written))
    for configured in CONFIGURED:
        for opened in (SourceText, open_text):
            if configured in (written, written.removesuffix("-le")):
                continue
            with pytest.raises(DataError, match=rf"x.csv, line 1: .*set source.encoding: {written}$"):
                b"".join(opened(file, configured).blocks())
    for text in (SourceText(file, written), open_text(file, written)):
        assert b"".join(text.blocks()).decode() == words
