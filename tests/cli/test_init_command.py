"""`tabtrail init` as it is typed: what it lists without a target, and what it refuses with which exit code."""

from pathlib import Path

import pytest
from tests.support.commands import run_here

LINES = "size,kind,price\n" + "".join(f"{row % 17},{'abc'[row % 3]},{row % 17 * 3 + row % 5}\n" for row in range(60))


def container(stream: str) -> bytes:
    """A container of [MS-CFB] with sectors of 512 bytes, whose directory stands in the second one and names a stream."""
    header = bytearray(512)
    header[:8], header[30], header[48] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 9, 1
    directory = bytearray(512)
    directory[128 : 128 + 2 * len(stream)] = stream.encode("utf-16-le")
    return bytes(header) + b"\xff" * 512 + bytes(directory)


def test_without_a_target_the_likely_ones_are_listed_with_the_next_command_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "goods.csv").write_text(LINES)
    done = run_here("init", str(tmp_path / "goods.csv"))
    assert done.returncode == 0
    assert "price: named like one" in done.stdout
    assert done.stdout.strip().endswith("--target price")
    assert [each.name for each in tmp_path.iterdir()] == ["goods.csv"]


def test_what_to_look_at_stands_under_one_heading(tmp_path: Path) -> None:
    (tmp_path / "goods.csv").write_text(LINES.replace(",a,", ",A ,", 5).replace(",b,", ",B,", 5))
    done = run_here("init", str(tmp_path / "goods.csv"), "--target", "price", "--output", str(tmp_path / "goods.yaml"))
    assert done.stdout.count("LOOK AT THIS") == 1
    assert "\n  - kind: texts that may be other spellings" in done.stdout


@pytest.mark.parametrize("option", ["--output", "--date", "--group"])
def test_an_option_of_what_is_written_needs_a_target(tmp_path: Path, option: str) -> None:
    (tmp_path / "goods.csv").write_text(LINES)
    done = run_here("init", str(tmp_path / "goods.csv"), option, "size")
    assert (done.returncode, f"{option}: nothing is written without --target" in done.stderr) == (2, True)


@pytest.mark.parametrize(("stream", "said"), [("EncryptedPackage", "password"), ("Workbook", "Excel 97")])
def test_a_workbook_that_cannot_be_read_is_named(tmp_path: Path, stream: str, said: str) -> None:
    (tmp_path / "book.xlsx").write_bytes(container(stream))
    done = run_here("init", str(tmp_path / "book.xlsx"), "--target", "price")
    assert done.returncode == 3
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2
