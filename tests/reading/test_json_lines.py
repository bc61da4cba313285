"""JSON lines: what each line is, and which ones are none."""

from pathlib import Path

import pytest

from tabtrail.errors import DataError
from tabtrail.reading import compressed, json_lines
from tabtrail.reading.cell_rows import CellRows
from tabtrail.reading.compressed import SourceFile
from tabtrail.reading.json_lines import JsonLines
from tabtrail.reading.source import SourceText, UndecodableText


def opened(folder: Path, text: str | bytes) -> JsonLines:
    path = folder / "rows.jsonl"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return JsonLines(SourceText(SourceFile(path, path.name), "utf-8"))


def rows_of(table: JsonLines, *wanted: str) -> CellRows:
    (rows,) = table.rows(wanted or None)
    return rows


def test_a_missing_key_is_an_empty_cell_and_blank_lines_are_none(tmp_path: Path) -> None:
    table = opened(tmp_path, '\ufeff{"a": 1, "b": "x"}\r\n\n  \n{"b": null}\n{"b": "y", "a": 2.5}')
    rows = rows_of(table)
    assert table.columns == ("a", "b")
    assert (rows.columns, rows.lines, rows.malformed) == ([[1, None, 2.5], ["x", None, "y"]], [1, 4, 5], {})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"a": NaN}', "not JSON: NaN"),
        ('{"a": -Infinity}', "not JSON: NaN"),
        ('{"a": 1', "not JSON: Expecting"),
        ('{"a": 1} {"a": 2}', "not JSON: Extra data"),
        ('{"a": 1, "a": 2}', "a column is there twice"),
        ('{"a": ' + "9" * 5000 + "}", "too many digits"),
        ('{"a": ' + "[" * 100_000 + "}", "not JSON"),
        ('{"a": "\\ud800"}', "half of a surrogate pair"),
        ("[1]", "not a JSON object"),
        ("null", "not a JSON object"),
    ],
)
def test_a_line_that_is_no_object_is_set_aside_with_its_text(line: str, reason: str, tmp_path: Path) -> None:
    rows = rows_of(opened(tmp_path, f'{{"a": 1}}\n{line}\n{{"a": 3}}\n'))
    assert (rows.columns, rows.lines, list(rows.malformed)) == ([[1, 3]], [1, 3], [2])
    assert reason in rows.malformed[2].reason
    assert rows.malformed[2].text == line


def test_surrogate_pairs_and_large_integers_are_kept(tmp_path: Path) -> None:
    rows = rows_of(opened(tmp_path, '{"a": "\\ud83d\\ude00", "b": 9007199254740993}\n'))
    assert rows.columns == [["😀"], [9007199254740993]]


def test_a_key_that_appears_late_sets_its_line_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '{"a": 1}\n' * 100 + '{"a": 1, "c": 2}\n{"a": 5}'
    assert opened(tmp_path, text).columns == ("a", "c")
    monkeypatch.setattr(json_lines, "_HEAD", 100)
    monkeypatch.setattr(compressed, "_READ", 64)
    blocks = list(opened(tmp_path, text).rows())
    malformed = {line: each.reason for rows in blocks for line, each in rows.malformed.items()}
    assert malformed == {101: "ragged: the key 'c', which no line of the first block has"}
    assert [line for rows in blocks for line in rows.lines] == [*range(1, 101), 102]


def test_a_list_or_an_object_is_refused_with_its_line_unless_nobody_wants_it(tmp_path: Path) -> None:
    text = '{"a": 1, "tags": null}\n{"a": 2, "tags": ["x"]}\n'
    with pytest.raises(DataError, match="line 2: 'tags' holds a list"):
        rows_of(opened(tmp_path, text))
    assert rows_of(opened(tmp_path, text), "a").columns == [[1, 2], [None, None]]


def test_bytes_that_are_not_utf8_are_reported_with_their_line(tmp_path: Path) -> None:
    with pytest.raises(UndecodableText) as error:
        opened(tmp_path, b'{"a": 1}\n{"a": "\xe9"}\n')
    assert error.value.line == 2


def test_a_file_without_an_object_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no line of its first"):
        opened(tmp_path, "[1]\n[2]\n")
