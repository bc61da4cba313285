"""Many files read by the workers of a cluster: the dataset, rejects and account of one machine, whatever is in the files."""

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.support.buckets import SECRET, Buckets
from tests.support.dask_cluster import Cluster, cluster, counted

from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.data import fan_out
from tabtrail.data.ingest import ingest
from tabtrail.data.loading import Loader
from tabtrail.errors import DataError, EngineError, TabtrailError
from tabtrail.progress import Progress

COLUMNS = {"day": {"dtype": "date"}, "v": {"dtype": "float"}, "n": {"dtype": "int"}, "id": {"dtype": "string"}}
LANDS = ["France", "Spain", "Total Italy", "france"]


def lines_of(year: int, rows: int) -> list[str]:
    random = np.random.default_rng(year)
    lines = [f"{year}-{1 + n % 12:02}-03,{LANDS[n % 4]},K{n},{random.uniform(0, 99):.3f},{n % 7}" for n in range(rows)]
    lines[5] = f"{year}-99-03,Spain,bad,1.5,2"
    lines[rows // 2] = f"{year}-01-03,Spain,bad,x,2"
    return lines


def project(root: Path, **sections: Any) -> Path:
    """Three files of one table, with rejected rows, spellings of one text, words for totals and columns of ids."""
    (root / "raw").mkdir(parents=True)
    for year, rows in ((2021, 900), (2022, 2_300), (2023, 400)):
        write(root, year, lines_of(year, rows))
    config = {
        "version": 2,
        "paths": {"raw_csv": "raw/*.csv"},
        "cleaning": {"date_column": "day", "date_formats": ["%Y-%m-%d"]},
        "contract": {"max_reject_share": 0.05, "columns": COLUMNS},
        "parquet": {"partition_by": ["n"]},
        "split": {"kind": "group", "group_key": "id", "folds": 3},
        "model": {"name": "m", "target": "v", "numeric_features": ["n"], "categorical_features": ["land"]},
        **sections,
    }
    file = root / "config_v2.yaml"
    file.write_text(json.dumps(config))
    return file


def write(root: Path, year: int, lines: list[str], encoding: str = "utf-8", head: str = "day,land,id,v,n") -> None:
    (root / "raw" / f"{year}.csv").write_bytes(("\n".join([head, *lines]) + "\n").encode(encoding))


def results(config: Config, progress: Progress | None = None, *, append: bool = False) -> dict[str, Any]:
    """The account, the rejects, and the Parquet files of an ingest."""
    manifest = ingest(config, append=append, progress=progress or Progress())
    folder = config.dataset.folder
    parts = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.parquet")}
    return {"account": asdict(manifest), "rejects": config.dataset.rejects.read_bytes(), "parts": parts}


def same_as_one_machine(file: Path, address: str, said: list[str]) -> dict[str, Any]:
    one = results(load_config(file, ["engine.kind=serial"]))
    there = results(on(file, address), Progress(say=said.append))
    assert there == one
    return one


def on(file: Path, address: str) -> Config:
    return load_config(file, [f"engine={{kind: dask, address: '{address}'}}"])


@pytest.fixture
def unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where workers do not write to the disk of the driver."""
    monkeypatch.setattr(fan_out, "MARK", "another-name")


def test_files_on_a_shared_disk_give_the_dataset_of_one_machine_which_reads_none_of_them(
    tmp_path: Path, dask: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, said = project(tmp_path), list[str]()
    found = same_as_one_machine(file, dask.address, said)
    monkeypatch.setattr(Loader, "_read_file", lambda *_: pytest.fail("the driver reads a file"))
    assert results(on(file, dask.address)) == found
    assert found["account"]["rows_rejected"] == 6
    assert len(found["account"]["sources"]) == 3
    assert len(found["parts"]) == 21
    assert any("land" in each for each in found["account"]["findings"])
    assert not said


def test_files_of_a_bucket_give_the_dataset_of_one_machine_and_no_key_travels(
    tmp_path: Path, dask: Cluster, buckets: Buckets, unseen: None
) -> None:
    file, bucket = project(tmp_path), buckets.new()
    for path in (tmp_path / "raw").iterdir():
        buckets.put(bucket, f"raw/{path.name}", path.read_bytes())
    shutil.rmtree(tmp_path / "raw")
    config = json.loads(file.read_text())
    config["paths"]["raw_csv"] = f"s3://{bucket}/raw/*.csv"
    file.write_text(json.dumps(config))
    with counted(dask.address) as door:
        same_as_one_machine(file, door.address, said := [])
    assert not said
    assert SECRET.encode() not in door.seen


def test_files_appended_by_workers_give_the_dataset_of_one_machine(tmp_path: Path, dask: Cluster) -> None:
    file = project(tmp_path)
    ingest(load_config(file, []))
    shutil.copytree(tmp_path, tmp_path / "again")
    for year in (2024, 2025):
        for root in (tmp_path, tmp_path / "again"):
            write(root, year, lines_of(year, 700))
    one = results(load_config(tmp_path / "again" / "config_v2.yaml", ["engine.kind=serial"]), append=True)
    assert results(on(file, dask.address), append=True) == one


def test_outliers_are_found_among_the_rows_of_all_files(tmp_path: Path, dask: Cluster) -> None:
    outliers = {"action": "drop", "columns": ["v"], "factor": 0.2}
    found = same_as_one_machine(project(tmp_path, profile={"outliers": outliers}), dask.address, [])
    assert any("outlier" in rule for rule in found["account"]["rejects"])


@pytest.mark.parametrize(
    ("year", "change"),
    [
        (2022, lambda lines: [",".join(line.split(",")[::-1]) for line in lines]),
        (2021, lambda lines: [*lines, "2021-01-03,Málaga,K,1.5,2"]),
    ],
    ids=["columns in another order", "not UTF-8 after its beginning"],
)
def test_a_file_that_differs_from_the_others_is_read_as_one_machine_reads_it(
    tmp_path: Path, dask: Cluster, year: int, change: Any
) -> None:
    file, lines = project(tmp_path), change(lines_of(year, 500))
    head = "n,v,id,land,day" if lines[0].startswith("0,") else "day,land,id,v,n"
    write(tmp_path, year, lines * 40 if year == 2021 else lines, "cp850", head)
    same_as_one_machine(file, dask.address, [])


@pytest.mark.parametrize(
    "break_it",
    [
        lambda root: write(root, 2022, ["2022-01-03,Spain,K,1.5"], head="day,land,id,v"),
        lambda root: write(root, 2022, []),
        lambda root: write(root, 2022, lines_of(2021, 900)),
        lambda root: write(root, 2023, ["2023-01-03,Spain,K,x,1"] * 2_000),
    ],
    ids=["a column is missing", "no rows", "the same file twice", "too many rejects"],
)
def test_what_one_machine_refuses_is_refused_with_the_same_words_and_nothing_is_replaced(
    tmp_path: Path, dask: Cluster, break_it: Any
) -> None:
    file = project(tmp_path)
    before = results(load_config(file, ["engine.kind=serial"]))
    break_it(tmp_path)
    said = []
    for config in (load_config(file, ["engine.kind=serial"]), on(file, dask.address)):
        with pytest.raises(TabtrailError) as caught:
            ingest(config)
        said.append((type(caught.value), str(caught.value)))
    assert said[0] == said[1]
    assert issubclass(said[0][0], DataError)
    assert config.dataset.rejects.read_bytes() == before["rejects"]
    assert {path.read_bytes() for path in config.dataset.folder.rglob("*.parquet")} == set(before["parts"].values())


def test_files_that_a_worker_does_not_see_are_read_on_this_machine_and_a_note_says_so(
    tmp_path: Path, dask: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = fan_out.Wanted.of
    monkeypatch.setattr(
        fan_out.Wanted, "of", lambda name, file: fan_out.Wanted(name, Path("/nowhere") / name, of(name, file).size)
    )
    same_as_one_machine(project(tmp_path), dask.address, said := [])
    assert [("does not see the files" in each and "this machine reads them all" in each) for each in said] == [True]


def test_a_worker_that_has_another_file_of_a_name_is_not_believed(
    tmp_path: Path, dask: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = project(tmp_path)
    monkeypatch.setattr(
        fan_out, "known_sha256", lambda path: "of the driver's file" if path.name == "2022.csv" else own[path.name]
    )
    own = {path.name: sha256_of(path) for path in (tmp_path / "raw").iterdir()}
    same_as_one_machine(file, dask.address, said := [])
    assert [each.startswith("ingest: 2022.csv was read on this machine: a Dask worker has another file") for each in said] == [
        True
    ]


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_rows_that_depend_on_other_files_are_read_on_this_machine(tmp_path: Path, dask: Cluster) -> None:
    cleaning = {"date_column": "day", "date_formats": ["%Y-%m-%d"], "deduplicate": {"key": ["id"]}}
    same_as_one_machine(project(tmp_path, cleaning=cleaning), dask.address, said := [])
    assert ["cleaning.deduplicate" in each for each in said] == [True]


def test_a_worker_killed_in_the_middle_changes_nothing_and_a_scheduler_that_ends_leaves_the_dataset(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = project(tmp_path)
    for year in range(2030, 2042):
        write(tmp_path, year, lines_of(year, 1_000))
    one = results(load_config(file, ["engine.kind=serial"]))
    with cluster(tmp_path_factory.mktemp("own"), workers=2) as own:
        config = on(file, own.address)
        killed: list[Any] = []

        def kill(done: int, of: int, unit: str = "") -> None:
            if not killed:
                own.workers[0].kill()
                killed.append(0)

        assert results(config, Progress(advance=kill)) == one
        assert killed
        killed.clear()

        def end(done: int, of: int, unit: str = "") -> None:
            if not killed:
                own.scheduler.kill()
                killed.append(0)

        with pytest.raises(EngineError, match="no longer answers"):
            ingest(config, progress=Progress(advance=end))
    assert {path.read_bytes() for path in config.dataset.folder.rglob("*.parquet")} == set(one["parts"].values())
    assert (
        pl.scan_parquet(config.dataset.folder / "**/*.parquet").select(pl.len()).collect().item() == one["account"]["rows_kept"]
    )
    assert not [path for path in (tmp_path / "data").rglob(".*") if path.name != ".gitkeep"]
