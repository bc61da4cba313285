"""The sha256 of a file is computed once for as long as nothing wrote to the file, and never believed beyond that."""

import os
import time
from pathlib import Path

import pytest

from tabtrail.system import hashes
from tabtrail.system.hashes import known_sha256, sha256_file


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read, in order."""
    found: list[Path] = []

    def counted(path: Path) -> str:
        found.append(path)
        return sha256_file(path)

    monkeypatch.setattr(hashes, "sha256_file", counted)
    return found


@pytest.fixture
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that was last written a while ago, as far as the clock of this process says."""
    path = tmp_path / "file"
    path.write_bytes(b"first")
    later = time.time() + 60
    monkeypatch.setattr("tabtrail.system.hashes.time.time", lambda: later)
    return path


def test_a_file_that_is_left_alone_is_read_once(settled: Path, read: list[Path]) -> None:
    assert [known_sha256(settled) for _ in range(3)] == [sha256_file(settled)] * 3
    assert read == [settled]


def test_a_file_of_the_same_size_is_read_again_when_it_was_written_replaced_or_touched(settled: Path, read: list[Path]) -> None:
    first = known_sha256(settled)
    settled.write_bytes(b"other")
    assert known_sha256(settled) == sha256_file(settled) != first
    before = settled.stat()
    replacement = settled.with_name("replacement")
    replacement.write_bytes(b"third")
    replacement.replace(settled)
    os.utime(settled, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert known_sha256(settled) == sha256_file(settled)
    assert len(read) == 3


def test_a_file_that_was_just_written_is_read_each_time(tmp_path: Path, read: list[Path]) -> None:
    """Two writes within one tick of the file system's clock leave the same time stamps."""
    path = tmp_path / "file"
    path.write_bytes(b"first")
    state = path.stat()
    known_sha256(path)
    path.write_bytes(b"other")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert known_sha256(path) == sha256_file(path)
    assert read == [path, path]
