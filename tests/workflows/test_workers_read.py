"""Workers of a cluster read the dataset themselves: equal bits, no rows on the way, and one line where they cannot."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.support.buckets import KEY, SECRET, Buckets
from tests.support.dask_cluster import Cluster, cluster, counted
from tests.support.projects import Project
from tests.support.small_project import LINEAR, small

from tabtrail.data.dataset import scan_dataset
from tabtrail.data.parts import parts_of
from tabtrail.data.rows_place import RowsPlace
from tabtrail.errors import EngineError
from tabtrail.modeling.benchmark import run_benchmark
from tabtrail.modeling.results import Benchmark
from tabtrail.progress import Progress
from tabtrail.workflows.ingest import read_files
from tabtrail.workflows.prepare import Prepared, prepare

CANDIDATES = {LINEAR: {}, "LightGBM": {"n_estimators": 20, "early_stopping_rounds": 5}}
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@pytest.fixture
def project(tmp_path: Path, empty_store: Path, buckets: Buckets) -> Project:
    """A project whose dataset lies in a bucket."""
    made = small(tmp_path, empty_store, candidates=CANDIDATES)
    in_bucket(made, buckets.new())
    return made


def in_bucket(project: Project, bucket: str) -> None:
    config = json.loads(project.config_file.read_text())
    config["paths"]["processed_dir"] = f"s3://{bucket}/data/rows"
    project.config_file.write_text(json.dumps(config))


def add_rows(project: Project, rows: int) -> None:
    a = np.random.default_rng(rows).uniform(0, 100, rows).round(2)
    with (project.root / "rows.csv").open("a") as file:
        file.writelines(f"{x},p,{3 * x + x % 7:.4f}\n" for x in a.tolist())


def ingest(project: Project) -> None:
    read_files(project.config(), Progress(), append=False)


def test_a_worker_reads_the_files_of_one_part_of_a_bucket(project: Project) -> None:
    ingest(project)
    dataset, copy = project.config().dataset, project.config().paths.dataset_copy
    place, parts = RowsPlace.of(dataset, copy), parts_of(dataset.folder, workers=1)
    assert place.is_shared
    read = pl.concat([place.read_part(part, ["a", "b"]) for part in parts])
    assert read.equals(scan_dataset(dataset).select("a", "b").collect())
    gone = replace(parts[0], files={"part-gone.parquet": 10})
    with pytest.raises(EngineError, match=r"a Dask worker cannot read the rows: .*part-gone"):
        place.read_part(gone, ["a"])


def ready(project: Project, address: str, said: list[str] | None = None) -> Prepared:
    say = (lambda text: None) if said is None else said.append
    return prepare(project.config(f"engine={{kind: dask, address: '{address}'}}"), Progress(say=say))


def fitted(prepared: Prepared) -> Benchmark:
    return run_benchmark(prepared.problem, prepared.table, prepared.split)


def predictions(benchmark: Benchmark) -> dict[str, str]:
    return {each.candidate.name: each.predictions_sha256 for each in benchmark.results}


def on_this_machine(project: Project) -> dict[str, str]:
    return predictions(fitted(prepare(project.config(), Progress())))


def test_workers_that_share_no_disk_fit_a_benchmark_of_a_bucket_with_equal_bits(project: Project, dask: Cluster) -> None:
    ingest(project)
    said: list[str] = []
    prepared = ready(project, dask.address, said)
    assert any("workers read the rows themselves, from s3://" in each for each in said)
    assert str(project.root) not in repr(prepared.table.place)
    assert predictions(fitted(prepared)) == on_this_machine(project)
    assert KEY not in dask.log()
    assert SECRET not in dask.log()


def test_what_the_driver_sends_does_not_grow_with_the_rows(project: Project, dask: Cluster) -> None:
    sent = []
    for more in (0, 20_000):
        add_rows(project, more)
        ingest(project)
        with counted(dask.address) as door:
            prepared = ready(project, door.address)
            fitted(prepared)
        sent.append(door.sent)
    assert prepared.table.examples().nbytes > 200_000
    assert abs(sent[1] - sent[0]) < 5_000, sent


def test_workers_read_a_disk_that_they_share_with_the_driver(tmp_path: Path, empty_store: Path, dask: Cluster) -> None:
    project = small(tmp_path, empty_store, candidates=CANDIDATES)
    ingest(project)
    said: list[str] = []
    prepared = ready(project, dask.address, said)
    assert any(f"read the rows themselves, from {tmp_path}" in each for each in said)
    assert predictions(fitted(prepared)) == on_this_machine(project)


def test_rows_are_sent_to_workers_that_do_not_see_the_disk_and_a_note_says_so(
    tmp_path: Path, empty_store: Path, dask: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = small(tmp_path, empty_store, candidates=CANDIDATES)
    ingest(project)
    place = RowsPlace.of(project.config().dataset, None)
    monkeypatch.setattr(RowsPlace, "of", lambda *_: replace(place, where=tmp_path / "of-the-driver-alone"))
    said: list[str] = []
    prepared = ready(project, dask.address, said)
    assert any("does not see the dataset" in each and "the rows are sent to every worker" in each for each in said)
    assert prepared.table.place is None
    assert predictions(fitted(prepared)) == on_this_machine(project)


def test_workers_read_the_rows_that_the_command_began_with_though_others_are_published(project: Project, dask: Cluster) -> None:
    ingest(project)
    expected, prepared = on_this_machine(project), ready(project, dask.address)
    add_rows(project, 50)
    ingest(project)
    assert predictions(fitted(prepared)) == expected


def test_rows_that_are_no_longer_in_the_bucket_end_a_benchmark_with_one_line(project: Project, dask: Cluster) -> None:
    ingest(project)
    prepared = ready(project, dask.address)
    for rows in (51, 52):
        add_rows(project, rows)
        ingest(project)
    with pytest.raises(EngineError, match=r"a Dask worker cannot read the rows: s3://.* type the command again$"):
        fitted(prepared)


def test_a_worker_that_cuts_other_folds_is_refused(project: Project, dask: Cluster) -> None:
    ingest(project)
    prepared = ready(project, dask.address)
    other = replace(prepared.split, folds=tuple(reversed(prepared.split.folds)))
    with pytest.raises(EngineError, match="a Dask worker cuts other folds from the dataset"):
        fitted(replace(prepared, split=other))


def test_a_worker_without_keys_is_named_before_anything_is_fitted_and_one_that_was_killed_is_done_without(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ingest(project)
    with cluster(tmp_path_factory.mktemp("own"), workers=1) as own:
        expected, prepared = on_this_machine(project), ready(project, own.address)
        killed: list[Any] = []

        def kill_one(_: Any) -> None:
            if not killed:
                own.add_worker()
                own.workers[0].kill()
                killed.append(own.workers[0])

        found = run_benchmark(prepared.problem, prepared.table, prepared.split, on_result=kill_one)
        assert predictions(found) == expected
        assert len(killed) == 1
        own.add_worker(without=KEYS)
        own.wait_for_workers()
        with pytest.raises(EngineError, match=r"the Dask worker tcp://\S+ cannot read the dataset in s3://\S+: no credentials"):
            ready(project, own.address)
