"""A project whose files, dataset and models lie in a bucket: the same results as on a disk, and one state for all machines."""

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.support.buckets import Buckets
from tests.support.commands import Done, run_in
from tests.support.projects import Project
from tests.support.small_project import LINEAR, small

ONE = {"candidates": {LINEAR: {}}}


def edit(project: Project, **paths: str) -> None:
    config = json.loads(project.config_file.read_text())
    config["paths"] |= paths
    project.config_file.write_text(json.dumps(config))


def said(done: Done) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ingest(project: Project, *words: str) -> Any:
    return said(run_in(project, "ingest", "--json", *words))


@pytest.fixture
def bucket(buckets: Buckets) -> str:
    return buckets.new()


def test_a_file_of_a_bucket_gives_the_same_dataset_as_the_same_file_on_disk(
    tmp_path: Path, empty_store: Path, buckets: Buckets, bucket: str
) -> None:
    project = small(tmp_path, empty_store)
    text = (tmp_path / "rows.csv").read_bytes()
    table = pl.read_csv(tmp_path / "rows.csv")
    here = ingest(project)
    table.write_parquet(tmp_path / "rows.parquet")
    typed = {"rows.parquet": (tmp_path / "rows.parquet").read_bytes(), "rows.jsonl": table.write_ndjson().encode()}
    for name, data in {"rows.csv": text, "rows.csv.gz": gzip.compress(text), **typed}.items():
        buckets.put(bucket, f"raw/{name}", data)
        edit(project, raw_csv=f"s3://{bucket}/raw/{name}")
        there = ingest(project)
        assert there["data_sha256"] == here["data_sha256"], name
        assert there["source"] == name
        assert "unchanged" in run_in(project, "ingest").stderr, "what was read once is known by its ETag"


def test_objects_of_a_pattern_are_read_and_appended_as_files_are(
    tmp_path: Path, empty_store: Path, buckets: Buckets, bucket: str
) -> None:
    project = small(tmp_path, empty_store)
    head, *lines = (tmp_path / "rows.csv").read_text().splitlines(keepends=True)
    for year, part in (("2023", lines[:90]), ("2024", lines[90:150])):
        buckets.put(bucket, f"raw/{year}/rows.csv", (head + "".join(part)).encode())
    buckets.put(bucket, "raw/2024/~$rows.csv", b"locked")
    edit(project, raw_csv=f"s3://{bucket}/raw/20??/*.csv", processed_dir=f"s3://{bucket}/data/rows")
    assert [each["name"] for each in ingest(project)["sources"]] == ["2023/rows.csv", "2024/rows.csv"]
    buckets.put(bucket, "raw/2025/rows.csv", (head + "".join(lines[150:])).encode())
    appended = ingest(project, "--append")
    assert appended["rows_in"] == 200
    assert appended["data_sha256"] == ingest(project, "--force")["data_sha256"]


def test_a_project_in_a_bucket_trains_promotes_and_predicts_and_another_machine_goes_on(
    tmp_path: Path, empty_store: Path, buckets: Buckets, bucket: str
) -> None:
    (tmp_path / "one").mkdir()
    project = small(tmp_path / "one", empty_store, **ONE)
    buckets.put(bucket, "raw/rows.csv", (project.root / "rows.csv").read_bytes())
    places = {"raw_csv": "raw/rows.csv", "processed_dir": "data/rows", "models_dir": "models"}
    edit(project, **{key: f"s3://{bucket}/{name}" for key, name in places.items()})
    for command in ("ingest", "train"):
        done = run_in(project, command)
        assert done.returncode == 0, done.stderr
    row = json.dumps({"a": 3, "b": "p"})
    first = said(run_in(project, "predict", "--json", row, "--output", "json"))
    second = Project(tmp_path / "two")
    second.root.mkdir()
    second.config_file.write_text(project.config_file.read_text())
    assert said(run_in(second, "predict", "--json", row, "--output", "json")) == first
    assert "unchanged" not in run_in(second, "eda").stderr
    assert (second.root / "duckdb" / "sales.duckdb").is_file()
    assert said(run_in(second, "bundle", "verify", "--json"))["verified"]
