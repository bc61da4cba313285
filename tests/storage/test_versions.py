"""A folder in a bucket is replaced as a whole: readers find a whole state, and of two writers one is refused."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.buckets import LOST, Buckets, between

from tabtrail.errors import ConflictError, StorageError
from tabtrail.storage import versions
from tabtrail.storage.address import Address
from tabtrail.storage.bucket import Bucket, Listed
from tabtrail.storage.copies import MARK, Copy
from tabtrail.storage.versions import Versioned


@pytest.fixture
def bucket(buckets: Buckets) -> str:
    return buckets.new()


def place(bucket: str) -> Versioned:
    address = Address(bucket, "team/models")
    return Versioned(address, Bucket.of(address, patience=3))


def copy_in(folder: Path, bucket: str) -> Copy:
    return Copy(Address(bucket, "team/models"), folder)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != MARK)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def state(number: int) -> dict[str, bytes]:
    """Three files of one state; one of them is the same in all."""
    return {"a": b"a%d" % number, "b/c=1/d": b"d%d" % number, "same": b"same"}


def publish(folder: Path, bucket: str, number: int) -> None:
    copy = copy_in(folder, bucket)
    copy.refresh()
    with copy.changing():
        for name, data in state(number).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)


def test_what_one_machine_publishes_another_one_fetches_whole_and_only_once(bucket: str, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    assert not copy_in(there, bucket).refresh(), "nothing is published yet"
    for number in range(3):
        publish(here, bucket, number)
        assert copy_in(there, bucket).refresh()
        assert contents(there) == state(number)
        assert not copy_in(there, bucket).refresh()


def test_files_that_stay_the_same_are_not_sent_again_and_old_versions_go(bucket: str, tmp_path: Path, buckets: Buckets) -> None:
    with between(buckets.endpoint) as door, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", door.endpoint)
        for number in range(4):
            door.seen.clear()
            publish(tmp_path / "here", bucket, number)
    assert sum(method == "PUT" for method, _ in door.seen) == 4, "two files, one copy within the store, the pointer"
    names = buckets.names(bucket)
    assert len({name.split("/")[2] for name in names}) == 3, "the pointer, the current version and the one before"


def test_of_two_writers_at_once_one_is_refused_and_nothing_of_it_stays(bucket: str, tmp_path: Path, buckets: Buckets) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    publish(first, bucket, 1)
    copy_in(second, bucket).refresh()
    with pytest.raises(ConflictError, match="was replaced by another process meanwhile"), copy_in(second, bucket).changing():
        (second / "a").write_bytes(b"mine")
        publish(first, bucket, 2)
    assert len({name.split("/")[2] for name in buckets.names(bucket)}) == 3
    copy_in(second, bucket).refresh()
    assert contents(second) == state(2)


def test_of_two_first_writers_one_is_refused(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(ConflictError), copy_in(tmp_path / "second", bucket).changing():
        (tmp_path / "second").mkdir()
        (tmp_path / "second" / "a").write_bytes(b"mine")
        publish(tmp_path / "first", bucket, 1)
    assert copy_in(tmp_path / "third", bucket).refresh()
    assert contents(tmp_path / "third") == state(1)


def test_an_answer_that_is_lost_after_the_pointer_was_written_is_no_conflict(
    bucket: str, tmp_path: Path, buckets: Buckets
) -> None:
    lost: list[str] = []

    def lose(method: str, path: str) -> tuple[int, str] | None:
        if method == "PUT" and path.endswith("_current.json") and not lost:
            lost.append(path)
            return (503, LOST)
        return None

    with between(buckets.endpoint) as door, pytest.MonkeyPatch.context() as patch:
        door.judge = lose
        patch.setenv("AWS_ENDPOINT_URL", door.endpoint)
        publish(tmp_path / "here", bucket, 1)
    assert lost
    assert copy_in(tmp_path / "there", bucket).refresh()


def test_a_folder_that_was_changed_or_lost_files_is_fetched_again(bucket: str, tmp_path: Path) -> None:
    publish(tmp_path / "here", bucket, 1)
    (tmp_path / "here" / "a").unlink()
    assert copy_in(tmp_path / "here", bucket).refresh()
    with pytest.raises(ZeroDivisionError), copy_in(tmp_path / "here", bucket).changing():
        (tmp_path / "here" / "a").write_bytes(b"half")
        raise ZeroDivisionError
    assert copy_in(tmp_path / "here", bucket).refresh()
    assert contents(tmp_path / "here") == state(1)


def test_an_object_that_was_altered_is_refused_and_the_copy_stays(bucket: str, tmp_path: Path, buckets: Buckets) -> None:
    publish(tmp_path / "here", bucket, 1)
    copy_in(tmp_path / "there", bucket).refresh()
    publish(tmp_path / "here", bucket, 2)
    for name in [each for each in buckets.names(bucket) if each.endswith("/a")]:
        buckets.put(bucket, name, b"xx")
    with pytest.raises(StorageError, match="is not the file that was published"):
        copy_in(tmp_path / "there", bucket).refresh()
    assert contents(tmp_path / "there") == state(1)


OUTSIDE = b'{"format": 1, "name": "../x", "files": {}, "previous": "", "written": ""}'


@pytest.mark.parametrize("text", [b"", b"{}", b"[1]", b'{"format": 99}', OUTSIDE])
def test_a_pointer_of_somebody_else_is_one_message(bucket: str, tmp_path: Path, buckets: Buckets, text: bytes) -> None:
    buckets.put(bucket, "team/models/_current.json", text)
    with pytest.raises(StorageError, match="was not written by this version of tabtrail"):
        copy_in(tmp_path / "there", bucket).refresh()


KILLED = """
import os, signal, sys
from pathlib import Path
from tabtrail.storage.address import Address
from tabtrail.storage.bucket import Bucket, Listed
from tabtrail.storage.copies import Copy
left = int(sys.argv[3])
def counted(call):
    def before(self, *words, **named):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(self, *words, **named)
    return before
for name in ("put", "copy", "replace", "delete", "read"):
    setattr(Bucket, name, counted(getattr(Bucket, name)))
copy = Copy(Address(sys.argv[2], "team/models"), Path(sys.argv[1]))
with copy.changing():
    for name, data in (("a", b"a2"), ("b/c=1/d", b"d2")):
        (copy.folder / name).write_bytes(data)
print("done")
"""


def test_an_upload_that_is_killed_at_any_point_leaves_a_whole_state_and_its_rest_is_found(
    bucket: str, tmp_path: Path, buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "_SETTLED", timedelta(seconds=-60))
    publish(tmp_path / "here", bucket, 1)
    outcomes, left = [], list[Listed]()
    for steps in range(8):
        copy_in(tmp_path / "here", bucket).refresh()
        done = subprocess.run(
            [sys.executable, "-c", KILLED, tmp_path / "here", bucket, str(steps)],
            capture_output=True,
            text=True,
            check=False,
        )
        reader = tmp_path / f"reader{steps}"
        copy_in(reader, bucket).refresh()
        outcomes.append(contents(reader))
        assert outcomes[-1] in (state(1), state(2)), steps
        left = left or place(bucket).leftovers()
        if "done" in done.stdout:
            break
    assert outcomes[0] == state(1)
    assert outcomes[-1] == state(2)
    assert outcomes == sorted(outcomes, key=lambda each: each["a"]), "once it counts, it stays"
    assert left, "what was sent before a kill"
    place(bucket).remove(place(bucket).leftovers())
    assert len({name.split("/")[2] for name in buckets.names(bucket)}) <= 3
    copy_in(tmp_path / "last", bucket).refresh()
    assert contents(tmp_path / "last") == state(2)


def test_what_others_put_below_the_address_is_never_removed(bucket: str, tmp_path: Path, buckets: Buckets) -> None:
    others = {"team/models/notes.txt", "team/models/20250101/old.onnx", "team/models-of-others/x", "team/models/x/y"}
    for name in others:
        buckets.put(bucket, name, b"mine")
    for number in range(4):
        publish(tmp_path / "here", bucket, number)
    assert others <= set(buckets.names(bucket))
    assert place(bucket).leftovers() == []


def test_what_is_being_uploaded_now_is_no_leftover(bucket: str, tmp_path: Path, buckets: Buckets) -> None:
    publish(tmp_path / "here", bucket, 1)
    buckets.put(bucket, f"team/models/{datetime.now(UTC):%Y%m%dT%H%M%S}Z-00000000/a", b"under way")
    assert place(bucket).leftovers() == []
