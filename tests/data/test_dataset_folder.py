"""The folder of the dataset is read by anybody's plain call, and the manifest beside it changes with it in one step."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from tests.support.projects import Project

from tabtrail.data.dataset import scan_dataset
from tabtrail.data.ingest import ingest
from tabtrail.data.manifest import Manifest, files_sha256, read_manifest, verify_files
from tabtrail.errors import ConfigError, DataError
from tabtrail.project.lock import leftovers, project_lock
from tabtrail.system.hashes import sha256_file

READERS: dict[str, Callable[[Path], tuple[int, float]]] = {
    "polars, lazily": lambda folder: pl.scan_parquet(folder).select(pl.len(), pl.col("SALES").sum()).collect().row(0),
    "polars": lambda folder: pl.read_parquet(folder).select(pl.len(), pl.col("SALES").sum()).row(0),
    "pandas": lambda folder: (len(frame := pd.read_parquet(folder)), float(frame["SALES"].sum())),
    "pyarrow": lambda folder: ((table := pq.read_table(folder)).num_rows, sum(table["SALES"].to_pylist())),
    "pyarrow's datasets": lambda folder: (
        (table := pyarrow.dataset.dataset(folder, partitioning="hive").to_table()).num_rows,
        sum(table["SALES"].to_pylist()),
    ),
    "DuckDB": lambda folder: duckdb.sql(f"SELECT count(*), sum(SALES) FROM read_parquet('{folder}')").fetchall()[0],
}
# Ingests, and is killed at the N-th of: the exchange of the folders, the renames of manifest and rejects, the clean-up.
KILLED = """
import os, signal, sys
from pathlib import Path
from tabtrail.config.load import load_config
from tabtrail.data.ingest import ingest
from tabtrail.project.lock import project_lock
from tabtrail.system import files
config, left = load_config(Path(sys.argv[1])), int(sys.argv[2])
def counted(work):
    def step(*args):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return work(*args)
    return step
files._put_folder, files.remove = counted(files._put_folder), counted(files.remove)
place = Path.replace
def replace(self, target):
    return counted(place)(self, target) if Path(target) in (config.paths.manifest, config.paths.rejects) else place(self, target)
Path.replace = replace
with project_lock(config, "ingest"):
    ingest(config)
"""


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("keys", ["[]", "[YEAR]", "[YEAR, STATE]"])
def test_anybody_reads_the_folder_with_a_plain_call(project: Project, keys: str, reader: str) -> None:
    config = project.config(f"parquet.partition_by={keys}")
    manifest = ingest(config)
    rows, total = READERS[reader](config.paths.processed_dir)
    assert rows == manifest.rows_kept == 2823
    assert total == pytest.approx(scan_dataset(config.dataset).select(pl.col("SALES").sum()).collect().item())


def test_the_folder_holds_parquet_files_alone(project: Project) -> None:
    config = project.config()
    ingest(config)
    assert {path.suffix for path in config.paths.processed_dir.rglob("*") if path.is_file()} == {".parquet"}
    assert sorted(path.name for path in config.paths.processed_dir.parent.iterdir() if path.is_file()) == [
        "sales_manifest.json",
        "sales_rejects.parquet",
    ]


@pytest.mark.parametrize("key", ["_region", ".region"])
def test_a_column_that_plain_readers_would_take_for_hidden_names_no_folders(project: Project, key: str) -> None:
    with pytest.raises(ConfigError, match=rf"parquet\.partition_by.*'{key}' cannot name folders: pandas and pyarrow take"):
        project.config(
            f"parquet.partition_by=['{key}']", f"contract.columns={{'{key}': {{dtype: string}}, SALES: {{dtype: float}}}}"
        )


def test_a_kill_at_any_step_of_the_exchange_leaves_the_old_dataset_or_the_new_one_whole(project: Project) -> None:
    config = project.config()
    old = ingest(config)
    project.rewrite(lambda data: b"".join([*data.splitlines(keepends=True)[:-100], b"garbage\r\n"]))
    states = [seen(project, step, old) for step in range(5)]
    assert states[0] == old.data_sha256
    assert len(set(states[1:])) == 1, "from the exchange of the folders on the new one counts"
    assert states[1] != old.data_sha256


def seen(project: Project, step: int, old: Manifest) -> str:
    """What a reader sees after a kill at a step, and what the next holder of the lock makes of it."""
    config = project.config()
    done = subprocess.run([sys.executable, "-c", KILLED, str(project.config_file), str(step)], capture_output=True, text=True)
    assert done.returncode in (-9, 0), done.stderr
    assert (done.returncode == 0) == (step == 4), "four steps; at the fifth there is nothing left to kill"
    read = read_manifest(config.dataset)
    assert read.files_sha256 == files_sha256(config.paths.processed_dir)
    with project_lock(config, "status"):
        assert leftovers(config) == []
        settled = verify_files(config.dataset)
    assert settled == read
    assert sha256_file(config.paths.rejects) == settled.rejects_sha256
    assert (settled == old) == (step == 0)
    return settled.data_sha256


def test_the_first_dataset_of_all_is_whole_too_when_its_maker_is_killed_right_after_it_appears(project: Project) -> None:
    config = project.config()
    done = subprocess.run([sys.executable, "-c", KILLED, str(project.config_file), "1"], capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    assert not config.paths.manifest.exists()
    assert read_manifest(config.dataset).rows_kept == 2823
    with project_lock(config, "run"):
        assert verify_files(config.dataset).rows_kept == 2823
    assert config.paths.manifest.is_file()


def test_an_interrupt_right_after_the_exchange_loses_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    config = project.config()
    ingest(config)
    project.rewrite(lambda data: b"".join(data.splitlines(keepends=True)[:-100]))
    place = Path.replace

    def interrupted(self: Path, target: Path) -> Path:
        if Path(target) == config.paths.manifest:
            raise KeyboardInterrupt
        return place(self, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", interrupted)
        ingest(config)
    assert read_manifest(config.dataset).rows_kept == 2723
    with project_lock(config, "run"):
        assert verify_files(config.dataset).rows_kept == 2723


def test_a_dataset_of_an_earlier_version_is_named_as_such_and_made_again(project: Project) -> None:
    config = project.config()
    digest = ingest(config).data_sha256
    config.paths.manifest.rename(config.paths.processed_dir / "_manifest.json")
    with pytest.raises(DataError, match=r"was made by an older tabtrail .*_manifest\.json in it.*run `tabtrail ingest`"):
        read_manifest(config.dataset)
    with pytest.raises(DataError, match=r"was made by an older tabtrail"):
        ingest(config, append=True)
    assert ingest(config).data_sha256 == digest
    assert not (config.paths.processed_dir / "_manifest.json").exists()


def test_a_folder_that_was_copied_without_its_manifest_is_named_as_such(project: Project) -> None:
    config = project.config()
    ingest(config)
    copied = project.config("paths.processed_dir=copy/sales_parquet")
    shutil.copytree(config.paths.processed_dir, copied.paths.processed_dir)
    with pytest.raises(DataError, match=r"lacks .*copy/sales_manifest\.json; put it back"):
        read_manifest(copied.dataset)
    with pytest.raises(ConfigError, match=r"a dataset without .*sales_manifest\.json; put that back"):
        ingest(copied)
    shutil.copy(config.paths.manifest, copied.paths.manifest)
    shutil.copy(config.paths.rejects, copied.paths.rejects)
    assert verify_files(copied.dataset).rows_kept == 2823


def test_a_manifest_without_its_folder_is_no_dataset(project: Project) -> None:
    config = project.config()
    ingest(config)
    shutil.rmtree(config.paths.processed_dir)
    with pytest.raises(DataError, match=r"there is no dataset in .*run `tabtrail ingest` first"):
        read_manifest(config.dataset)
    assert ingest(config).rows_kept == 2823
