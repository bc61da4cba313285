"""One job at a time writes in a project; who waits says for whom, and a killed holder is succeeded."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.projects import Project
from tests.support.stages import run_ingest

from tabtrail import pipeline
from tabtrail.errors import LockedError
from tabtrail.progress import Progress
from tabtrail.project.lock import leftovers, project_lock
from tabtrail.project.status import status
from tabtrail.system.held import is_held
from tabtrail.system.lock_owner import lock_path, read_owner
from tabtrail.system.temporary import scratch_folder, temporary_sibling

HOLD = """
import sys
from pathlib import Path
from tabtrail.config.load import load_config
from tabtrail.project.lock import project_lock
from tabtrail.system.temporary import scratch_folder, temporary_sibling
config = load_config(Path(sys.argv[1]))
with project_lock(config, "tune"), scratch_folder() as scratch:
    for target in map(Path, sys.argv[2:]):
        torn = temporary_sibling(target)
        torn.mkdir()
        (torn / "half").touch()
    print(scratch, flush=True)
    sys.stdin.readline()
"""
EXCHANGE = """
import os, shutil, signal, sys
from pathlib import Path
from tabtrail.config.load import load_config
from tabtrail.project.lock import project_lock
from tabtrail.system.files import atomic_folder
config = load_config(Path(sys.argv[1]))
with project_lock(config, "run"), atomic_folder(config.paths.models_dir) as folder:
    shutil.rmtree = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
    (folder / "new").touch()
"""
ASK = """
import sys
from pathlib import Path
from tabtrail.config.load import load_config
from tabtrail.system.held import is_held
print(is_held(load_config(Path(sys.argv[1])).paths.output_dir))
"""


@contextmanager
def held(project: Project, *torn: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock, with unfinished folders for these targets, until it reads a line, or is killed."""
    command = [sys.executable, "-c", HOLD, str(project.config_file), *map(str, torn)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline()
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
    paths = config.paths
    backup = paths.models_dir.parent / ".models.original"
    backup.mkdir()
    paths.processed_dir.parent.mkdir(parents=True)
    (paths.output_dir / "metrics" / "deep").mkdir(parents=True)
    store = config.mlflow.sqlite_file
    assert store is not None
    targets = [
        *(paths.models_dir, paths.processed_dir, paths.rejects, paths.raw_csv, store, paths.output_dir / "report.html"),
        paths.output_dir / "metrics" / "deep" / "a.json",
    ]
    with held(project, *targets) as holder:
        holder.kill()
        holder.wait()
    owner = read_owner(paths.output_dir)
    assert owner is not None
    assert not owner.alive
    assert len(leftovers(config)) == len(targets)
    said: list[str] = []
    with project_lock(config, "run", Progress(say=said.append)):
        assert leftovers(config) == []
    assert f"(process {holder.pid} on " in said[0]
    assert f"was killed, is taken over; {len(targets)} temporary files of it are removed" in said[0]
    assert backup.is_dir(), "what only looks alike is somebody's own"
    assert read_owner(paths.output_dir) is None


def test_what_a_kill_after_the_exchange_of_folders_leaves_of_the_old_one_is_removed(project: Project) -> None:
    config = project.config()
    old = config.paths.models_dir
    old.mkdir()
    (old / "old").touch()
    os.utime(old, (0, 0))  # it was there long before who is killed began
    done = subprocess.run([sys.executable, "-c", EXCHANGE, str(project.config_file)])
    assert done.returncode == -signal.SIGKILL
    assert [path.name for path in old.iterdir()] == ["new"]
    assert [[path.name for path in folder.iterdir()] for folder in leftovers(config)] == [["old"]]
    with project_lock(config, "run"):
        assert leftovers(config) == []
    assert [path.name for path in old.iterdir()] == ["new"]


def test_what_a_living_process_writes_without_the_lock_is_left_to_it(project: Project) -> None:
    config = project.config()
    config.paths.output_dir.mkdir()
    mine = temporary_sibling(config.paths.output_dir / "predictions.parquet")
    mine.touch()
    with project_lock(config, "run"):
        assert leftovers(config) == [mine]


def test_the_scratch_folder_of_a_killed_process_is_removed_and_that_of_a_living_one_is_not(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("system")
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    with held(project) as holder:
        holder.kill()
        holder.wait()
    with scratch_folder() as mine:
        assert len(list(place.iterdir())) == 2
        with project_lock(project.config(), "run"):
            assert [str(path) for path in place.iterdir()] == [mine]


def test_a_lock_is_asked_whether_it_is_held_whatever_its_owners_file_says(project: Project) -> None:
    config = project.config()
    assert not is_held(config.paths.output_dir)
    with project_lock(config, "run"):
        words = [sys.executable, "-c", ASK, str(project.config_file)]
        assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "True\n"
    owner = lock_path(config.paths.output_dir).with_name(".lock.owner.json")
    gone = {"process": "a-container-that-is-gone:1:2", "command": "run", "since": "2026-01-01T00:00:00+00:00"}
    owner.write_text(json.dumps(gone))
    assert read_owner(config.paths.output_dir) is not None
    assert not is_held(config.paths.output_dir)
    assert status(config, pipeline.STAGES).at_work is None


def test_within_the_lock_it_is_taken_again_and_free_at_the_end(project: Project) -> None:
    config = project.config("engine.lock_seconds=0")
    with project_lock(config, "run"), project_lock(config, "ingest"):
        owner = read_owner(config.paths.output_dir)
        assert owner is not None
        assert owner.command == "run"
    assert read_owner(config.paths.output_dir) is None
    with held(project):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", '{"process": 1}', '{"process": "x", "command": "", "since": "yesterday"}'])
def test_an_owner_that_cannot_be_read_keeps_nobody_out(project: Project, text: str) -> None:
    config = project.config()
    config.paths.output_dir.mkdir()
    (config.paths.output_dir / ".lock.owner.json").write_text(text)
    with project_lock(config, "run"):
        assert read_owner(config.paths.output_dir) is not None
