"""One job at a time writes in a project; who waits says for whom, and a killed holder is succeeded."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.support.projects import Project
from tests.support.stages import run_ingest

from tabtrail import pipeline
from tabtrail.errors import LockedError
from tabtrail.progress import Progress
from tabtrail.project.lock import is_held, leftovers, lock_path, project_lock, read_owner
from tabtrail.project.status import status
from tabtrail.system.files import TEMPORARY

HOLD = """
import sys
from pathlib import Path
from tabtrail.config.load import load_config
from tabtrail.project.lock import project_lock
with project_lock(load_config(Path(sys.argv[1])), "tune"):
    print("held", flush=True)
    sys.stdin.readline()
"""
ASK = """
import sys
from pathlib import Path
from tabtrail.config.load import load_config
from tabtrail.project.lock import is_held
print(is_held(load_config(Path(sys.argv[1])).paths))
"""


@contextmanager
def held(project: Project) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until it reads a line, or is killed."""
    command = [sys.executable, "-c", HOLD, str(project.config_file)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_locked_project_is_told_with_who_is_at_work_in_it(project: Project) -> None:
    with held(project) as holder:
        message = rf"`tabtrail tune` \(process {holder.pid} on .*, for \d+ s\) is at work in this project"
        with pytest.raises(LockedError, match=message):
            pipeline.run_stage("ingest", project.config("engine.lock_seconds=0"))
    assert not project.config().paths.manifest.exists()


def test_a_run_waits_for_the_one_before_and_says_for_whom(project: Project) -> None:
    said: list[str] = []
    with held(project) as holder:

        def say(text: str) -> None:
            said.append(text)
            if "waiting" in text and holder.stdin is not None:
                holder.stdin.write("\n")
                holder.stdin.flush()

        manifest, worked = run_ingest(project.config(), progress=Progress(say=say))
    assert worked
    assert manifest.rows_kept == 2823
    assert said[0].startswith(f"waiting, up to 10 min, for `tabtrail tune` (process {holder.pid} on ")


def test_the_lock_of_a_killed_process_is_taken_over_and_what_it_left_half_written_is_removed(project: Project) -> None:
    config = project.config()
    folder = config.paths.models_dir.parent
    backup = folder / ".models.original"
    backup.mkdir()
    with held(project) as holder:
        torn = folder / f".models{TEMPORARY}abc"
        torn.mkdir()
        (torn / "half").touch()
        (config.paths.output_dir / f".report.html{TEMPORARY}xyz").touch()
        holder.kill()
        holder.wait()
    owner = read_owner(config.paths)
    assert owner is not None
    assert not owner.alive
    assert len(leftovers(config.paths)) == 2
    said: list[str] = []
    with project_lock(config, "run", Progress(say=said.append)):
        assert leftovers(config.paths) == []
    assert f"(process {holder.pid} on " in said[0]
    assert "was killed, is taken over; 2 temporary files of it are removed" in said[0]
    assert backup.is_dir(), "what only looks alike is somebody's own"
    assert read_owner(config.paths) is None


def test_a_lock_is_asked_whether_it_is_held_whatever_its_owners_file_says(project: Project) -> None:
    config = project.config()
    assert not is_held(config.paths)
    with project_lock(config, "run"):
        words = [sys.executable, "-c", ASK, str(project.config_file)]
        assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "True\n"
    owner = lock_path(config.paths).with_name(".lock.owner.json")
    gone = {"process": "a-container-that-is-gone:1:2", "command": "run", "since": "2026-01-01T00:00:00+00:00"}
    owner.write_text(json.dumps(gone))
    assert read_owner(config.paths) is not None
    assert not is_held(config.paths)
    assert status(config, pipeline.STAGES).at_work is None


def test_within_the_lock_it_is_taken_again_and_free_at_the_end(project: Project) -> None:
    config = project.config("engine.lock_seconds=0")
    with project_lock(config, "run"), project_lock(config, "ingest"):
        owner = read_owner(config.paths)
        assert owner is not None
        assert owner.command == "run"
    assert read_owner(config.paths) is None
    with held(project):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", '{"process": 1}', '{"process": "x", "command": "", "since": "yesterday"}'])
def test_an_owner_that_cannot_be_read_keeps_nobody_out(project: Project, text: str) -> None:
    config = project.config()
    config.paths.output_dir.mkdir()
    (config.paths.output_dir / ".lock.owner.json").write_text(text)
    with project_lock(config, "run"):
        assert read_owner(config.paths) is not None
