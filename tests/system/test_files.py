import errno
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tabtrail.errors import TabtrailError
from tabtrail.system.files import atomic_file, atomic_folder, atomic_folder_and_files, growth_problem, write_json


def fail() -> None:
    raise RuntimeError("boom")


def test_a_failed_write_leaves_the_old_file_and_no_temporary(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="boom"), atomic_file(target) as temporary:
        temporary.write_text("half")
        fail()
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError("File too large (os error 27)"), r"File too large; raise the limit of the size of files \(ulimit -f\)"),
        (RuntimeError("IO Error: could not write: Disk quota exceeded"), "Disk quota exceeded; make room within your quota"),
        (ValueError("write: No space left on device"), "No space left on device; make room there"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "Disk quota exceeded; make room within your quota"),
    ],
)
def test_what_the_system_refuses_is_named_whichever_error_a_library_makes_of_it(
    tmp_path: Path, error: Exception, message: str
) -> None:
    with pytest.raises(TabtrailError, match=message), atomic_file(tmp_path / "a.txt"):
        raise error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "word"), [(errno.EFBIG, "ulimit"), (errno.EDQUOT, "quota"), (errno.ENOSPC, "make room"), (0, "")]
)
def test_why_a_file_cannot_grow_is_found_out_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, word: str
) -> None:
    path = tmp_path / "database"
    path.write_bytes(b"1" * 100_000)

    def refused(*args: object) -> None:
        raise OSError(number, os.strerror(number))

    if number:
        monkeypatch.setattr(os, "truncate", refused)
    assert word in growth_problem(path)
    assert bool(growth_problem(path)) == bool(number)
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_folder_leaves_the_old_folder(tmp_path: Path) -> None:
    target = tmp_path / "data"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(RuntimeError, match="boom"), atomic_folder(target) as temporary:
        (temporary / "new").touch()
        fail()
    assert [path.name for path in target.iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_file_beside_a_folder_that_is_the_one_there_already_leaves_no_temporary(tmp_path: Path) -> None:
    """A rename of one link of a file over another one does nothing, and leaves both."""
    folder, beside = tmp_path / "data", tmp_path / "manifest.json"
    folder.mkdir()
    beside.write_text("{}")
    with atomic_folder_and_files(folder, beside) as (_, temporary):
        temporary.unlink()
        temporary.hardlink_to(beside)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "manifest.json"]


def test_a_reader_finds_a_complete_folder_at_every_moment(tmp_path: Path) -> None:
    target = tmp_path / "data"
    with atomic_folder(target) as temporary:
        (temporary / "version").write_text("0")
    missing: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                (target / "version").read_text()
            except OSError as error:
                missing.append(str(error))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(200):
        with atomic_folder(target) as temporary:
            (temporary / "version").write_text(str(number))
    done.set()
    reader.join()
    assert not missing


def test_an_unwritable_place_is_a_message_not_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TabtrailError, match=r"cannot write in .*file"), atomic_file(tmp_path / "file" / "a.txt"):
        pass


LIMITED = """
import resource, signal, sys
from pathlib import Path
from tabtrail.system.files import atomic_file
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
target = Path(sys.argv[1])
with atomic_file(target) as temporary:
    with temporary.open("wb", buffering=0) as file:
        file.write(bytes(20_000))
    raise RuntimeError("Invalid thrift")
"""


@pytest.mark.parametrize(("limit", "error"), [(20_000, "File too large; raise the limit"), (10**6, "Invalid thrift")])
def test_a_limit_is_named_whatever_a_library_made_of_it(tmp_path: Path, limit: int, error: str) -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path / "a"), str(limit)], capture_output=True, text=True)
    assert error in done.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_json_refuses_what_is_not_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert not (tmp_path / "a.json").exists()


def test_files_have_the_permissions_of_the_umask(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {})
    plain = tmp_path / "plain"
    plain.write_text(json.dumps({}))
    assert (tmp_path / "a.json").stat().st_mode == plain.stat().st_mode
