"""Whoever finds something unfinished can tell by its name whether its maker is still at work on it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tabtrail
from tabtrail.system import temporary
from tabtrail.system.files import write_text
from tabtrail.system.temporary import is_of, maker_has_ended, temporary_sibling, temporary_siblings

MAKE = "import sys, pathlib; from tabtrail.system.temporary import temporary_sibling as s; print(s(pathlib.Path(sys.argv[1])))"


def made_elsewhere(target: Path) -> Path:
    done = subprocess.run([sys.executable, "-c", MAKE, str(target)], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def test_a_name_tells_whether_its_maker_has_ended(tmp_path: Path) -> None:
    assert not maker_has_ended(temporary_sibling(tmp_path / "a.json", ".json"))
    assert maker_has_ended(made_elsewhere(tmp_path / "a.json"))


def test_a_process_with_the_same_number_that_began_later_is_another_one(tmp_path: Path) -> None:
    mine = temporary_sibling(tmp_path / "a")
    other = mine.with_name(re.sub(r"-([0-9a-f]+)(-[0-9a-f]+)$", r"-1\2", mine.name))
    assert f"-{os.getpid():x}-" in other.name
    assert maker_has_ended(other)


@pytest.mark.parametrize("name", [".a.tabtrail-abc", ".a.tabtrail-", ".a.tabtrail-12345678.json", ".a.tabtrail-zz-1-1-aa"])
def test_a_name_without_a_maker_is_not_taken_for_a_dead_ones(name: str) -> None:
    assert not maker_has_ended(Path(name))


def test_of_another_machine_only_the_process_that_is_known_to_be_killed_is_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temporary, "this_process", lambda: "another-host:77:123")
    theirs = temporary_sibling(tmp_path / "a")
    assert not maker_has_ended(theirs)
    assert is_of(theirs, "another-host:77:123")
    assert not is_of(theirs, "another-host:77:124")
    assert not is_of(theirs, "a-third-host:77:123")


def test_siblings_are_those_of_one_target_whatever_its_name(tmp_path: Path) -> None:
    for name in ("a[1].csv", "a1.csv"):
        temporary_sibling(tmp_path / name, ".csv").touch()
    assert len(temporary_siblings(tmp_path, "a[1].csv")) == 1
    assert len(temporary_siblings(tmp_path)) == 2


def test_who_writes_a_file_again_removes_what_a_killed_process_left_of_it(tmp_path: Path) -> None:
    left, other = made_elsewhere(tmp_path / "a.csv"), made_elsewhere(tmp_path / "b.csv")
    left.touch()
    other.touch()
    write_text(tmp_path / "a.csv", "whole")
    assert sorted(tmp_path.iterdir()) == sorted([other, tmp_path / "a.csv"])


def test_every_temporary_name_of_the_package_says_who_made_it() -> None:
    sources = Path(tabtrail.__file__).parent.rglob("*.py")
    makers = {path.name for path in sources if re.search(r"mkdtemp|mkstemp|TemporaryDirectory\(|NamedTemp", path.read_text())}
    assert makers == {"temporary.py"}
