"""A full disk, a read-only folder, a signal in the middle of a long call: one message, and what was there stays."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from tests.support.commands import overrides, run_in
from tests.support.limits import file_size_limit
from tests.support.projects import ONE_CANDIDATE, Project, close_stores, make_project, put_back

from tabtrail import pipeline
from tabtrail.errors import TabtrailError

BUSY = """
import hashlib, subprocess, sys
from tabtrail.errors import report_errors
from tabtrail.system.interrupt import end_in_time
with report_errors():
    end_in_time(1.0)
    print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid, flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)  # minutes, in which no signal handler runs
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, sample_csv: Path, empty_store: Path) -> tuple[Project, Path]:
    """A project with its data and summaries, and a copy of it, to put back in its place for each fault."""
    root = tmp_path_factory.mktemp("faults")
    project = make_project(root, sample_csv, repeats=1, store=empty_store)
    for stage in ("ingest", "eda"):
        pipeline.run_stage(stage, project.config())
    copy = tmp_path_factory.mktemp("copy") / "project"
    shutil.copytree(root, copy)
    return project, copy


@pytest.fixture
def summed(template: tuple[Project, Path]) -> Project:
    project, copy = template
    put_back(project, copy)
    return project


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("only root can mount a disk of its own here")
    yield folder
    close_stores()
    subprocess.run(["umount", str(folder)], check=True)


def full(folder: Path) -> None:
    with suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(b"0" * 4096)


@pytest.mark.parametrize(
    ("stage", "setting"),
    [
        ("ingest", "paths.processed_dir={}/parquet"),
        ("eda", "paths.duckdb_file={}/sales.duckdb"),
        ("eda", "paths.output_dir={}/output"),
        ("train", "paths.output_dir={}/output"),
        ("train", "paths.models_dir={}/models"),
        ("train", "mlflow.tracking_uri=sqlite:///{}/mlflow.db"),
    ],
)
def test_a_full_disk_is_one_message_and_nothing_is_lost(summed: Project, small_disk: Path, stage: str, setting: str) -> None:
    before = summed.tree()
    full(small_disk)
    done = run_in(summed, stage, "--force", *overrides(*ONE_CANDIDATE, "explain.max_rows=20", setting.format(small_disk)))
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr, done.stderr[-2000:]
    assert "No space left on device" in done.stderr or "full" in done.stderr
    assert "room" in done.stderr
    assert before.items() <= summed.tree().items()


@pytest.mark.parametrize(
    ("stage", "size"),
    [("ingest", 20_000), ("eda", 200_000), ("eda", 4_000), ("profile", 4_000), ("train", 300_000), ("forecast", 300_000)],
)
def test_a_limit_of_the_size_of_files_is_one_message_that_names_it_and_nothing_is_lost(
    summed: Project, stage: str, size: int
) -> None:
    before = summed.tree()
    force = [] if stage == "forecast" else ["--force"]
    quick = overrides(*ONE_CANDIDATE, "risk.sarima=[]", "risk.models=[]")
    with file_size_limit(size):
        done = run_in(summed, stage, *force, *quick)
    close_stores()
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr, done.stderr[-2000:]
    assert "File too large" in done.stderr
    assert "ulimit -f" in done.stderr
    assert before.items() <= summed.tree().items()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
@pytest.mark.parametrize("words", [["config", "show"], ["--help"], ["predict", "--show-schema"]])
def test_an_output_that_cannot_be_printed_is_one_message(small: Project, words: list[str]) -> None:
    where = [] if words == ["--help"] else ["--config", str(small.config_file)]
    with Path("/dev/full").open("wb") as full_disk:
        command = [sys.executable, "-m", "tabtrail", *words, *where]
        done = subprocess.run(command, stdout=full_disk, stderr=subprocess.PIPE, text=True)
    message = "error: the output cannot be written: No space left on device; send it where there is room\n"
    assert (done.returncode, done.stderr) == (1, message)


def test_a_read_only_project_can_be_read_and_unchanged_work_is_not_repeated(summed: Project) -> None:
    root = str(summed.root)
    if subprocess.run(["mount", "--bind", root, root], capture_output=True).returncode:
        pytest.skip("only root can make a folder read-only for root")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", root], check=True)
        assert pipeline.run_stage("eda", summed.config()) is False
        with pytest.raises(TabtrailError, match=r"cannot write in .*Read-only file system"):
            pipeline.run_stage("eda", summed.config(), force=True)
    finally:
        subprocess.run(["umount", root], check=True)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_the_middle_of_a_long_call_ends_it_in_time_with_its_children(number: int, code: int) -> None:
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        time.sleep(0.5)
        start = time.monotonic()
        process.send_signal(number)
        assert process.wait(10) == code
    assert time.monotonic() - start < 5
    assert ended(child)


def ended(pid: int) -> bool:
    for _ in range(50):
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.1)
                continue
        return True
    return False
