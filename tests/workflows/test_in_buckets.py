"""A project whose files, dataset and models lie in a bucket: the same results as on a disk, and one state for all machines."""

import gzip
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.support.buckets import SECRET, Buckets, between
from tests.support.commands import Done, run_in
from tests.support.projects import Project
from tests.support.small_project import LINEAR, WEAK, small
from tests.support.table_files import write_excel

from tabtrail import load_model
from tabtrail.errors import NotTrainedError
from tabtrail.storage import versions
from tabtrail.storage.copies import Copy
from tabtrail.workflows import deploy

ONE = {"candidates": {LINEAR: {}}}


def edit(project: Project, **paths: str) -> None:
    config = json.loads(project.config_file.read_text())
    config["paths"] |= paths
    project.config_file.write_text(json.dumps(config))


def said(done: Done) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ingest(project: Project, *words: str) -> Any:
    return said(run_in(project, "ingest", "--format=json", *words))


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
    first = said(run_in(project, "predict", "--json", row, "--format", "json"))
    second = Project(tmp_path / "two")
    second.root.mkdir()
    second.config_file.write_text(project.config_file.read_text())
    assert said(run_in(second, "predict", "--json", row, "--format", "json")) == first
    assert "unchanged" not in run_in(second, "eda").stderr
    assert (second.root / "duckdb" / "rows.duckdb").is_file()
    assert said(run_in(second, "bundle", "verify", "--format=json"))["verified"]


def test_a_promotion_that_another_machine_was_faster_than_is_withdrawn_in_the_history(
    tmp_path: Path, empty_store: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The history ends with what is deployed, and a rollback goes back to nothing that never was."""
    project = small(tmp_path, empty_store)
    edit(project, models_dir=f"s3://{bucket}/models")
    assert run_in(project, "ingest").returncode == 0
    for trees in (1, 2, 3):
        done = run_in(project, "train", "--set", f"candidates={{{WEAK}: {{n_estimators: {trees}, max_depth: 9}}}}")
        assert done.returncode == 0, done.stderr
        said(run_in(project, "promote", f"{trees}", "--force", "--reason=by hand", "--format=json"))
    said(run_in(project, "rollback", "--format=json"))
    own = deploy.deploy_bundle

    def meanwhile(folder: Path, name: str, files: Mapping[str, bytes]) -> None:
        copy = project.config().paths.models_copy
        assert copy is not None
        there = replace(copy, folder=tmp_path / "other" / "models")
        there.refresh()
        with there.changing():  # what it has, published again at this moment
            own(folder, name, files)

    with monkeypatch.context() as patch:
        patch.setattr(deploy, "deploy_bundle", meanwhile)
        refused = run_in(project, "promote", "3", "--force", "--reason=late")
    assert refused.returncode == 1
    assert "was replaced by another process meanwhile" in refused.stderr
    entries = said(run_in(project, "history", "--format=json"))
    assert [each["action"] for each in entries[-2:]] == ["promote", "withdrawn"]
    assert entries[-1]["after"]["version"] == "2"
    assert "was replaced by another process meanwhile" in entries[-1]["reason"]
    assert said(run_in(project, "status", "--format=json"))["deployed"]["run_id"] == entries[-1]["after"]["run_id"]
    assert said(run_in(project, "rollback", "--format=json"))["challenger"]["version"] == "1"


def test_where_nothing_is_published_the_address_is_named_and_not_the_copy(
    tmp_path: Path, empty_store: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = small(tmp_path, empty_store)
    edit(project, models_dir=f"s3://{bucket}/models")
    wanted = f"there is no model in s3://{bucket}/models; run `tabtrail run` first, or `tabtrail bundle push FOLDER --to s3://"
    for words in (("predict", "--json", "{}"), ("bundle", "verify")):
        done = run_in(project, *words)
        assert (done.returncode, wanted in done.stderr) == (1, True), done.stderr
    checks = {each["name"]: each for each in said(run_in(project, "doctor", "--format=json"))["checks"]}
    assert checks["bundle"]["found"].startswith(wanted)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotTrainedError, match=f"there is no model in s3://{bucket}/models; run"):
        load_model(f"s3://{bucket}/models")


def test_results_have_a_mirror_that_follows_them_and_touches_nothing_else(
    tmp_path: Path, empty_store: Path, buckets: Buckets, bucket: str
) -> None:
    project = small(tmp_path, empty_store)
    edit(project, output_mirror=f"s3://{bucket}/output")
    buckets.put(bucket, "output/of-others.txt", b"not ours")
    ingest(project)
    (tmp_path / "output" / "own").mkdir(parents=True)
    (tmp_path / "output" / "own" / "figures.json").write_text("{}")
    ingest(project)
    assert buckets.read(bucket, "output/own/figures.json") == b"{}"
    (tmp_path / "output" / "own" / "figures.json").unlink()
    ingest(project)
    assert buckets.names(bucket, "output/own") == []
    assert buckets.read(bucket, "output/of-others.txt") == b"not ours"


def test_doctor_finds_and_removes_what_interrupted_uploads_left(
    tmp_path: Path, empty_store: Path, buckets: Buckets, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "_SETTLED", timedelta(seconds=-60))
    project = small(tmp_path, empty_store)
    edit(project, processed_dir=f"s3://{bucket}/data/rows")
    ingest(project)
    buckets.put(bucket, "data/rows/20250101T000000Z-00000000/data/part.parquet", b"half")
    found = run_in(project, "doctor").stdout
    assert "1 objects of interrupted uploads, 4 bytes" in found
    assert "tabtrail doctor --tidy" in found
    assert "interrupted uploads" not in run_in(project, "doctor", "--tidy").stdout
    assert len(buckets.names(bucket)) == 4, "the pointer, one Parquet file, manifest and rejects"


def test_an_ingest_that_may_not_write_leaves_what_is_published_and_says_so(
    tmp_path: Path, empty_store: Path, buckets: Buckets, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = small(tmp_path, empty_store)
    edit(project, processed_dir=f"s3://{bucket}/data/rows")
    before = ingest(project)["data_sha256"]
    with (tmp_path / "rows.csv").open("a") as file:
        file.write("1,p,2\n")
    with between(buckets.endpoint) as door, monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", door.endpoint)
        for status, code in ((403, "AccessDenied"), (400, "ExpiredToken")):
            door.judge = lambda method, path, answer=(status, code): answer if method == "PUT" else None  # type: ignore[misc]
            done = run_in(project, "ingest")
            assert done.returncode == 1, code
            assert done.stderr.splitlines()[-1].startswith(f"error: s3://{bucket}/data/rows/")
    again = run_in(project, "eda")
    assert "200 rows in" in again.stderr, "the dataset that is published"
    assert ingest(project)["data_sha256"] != before


def test_of_two_machines_that_ingest_at_once_one_is_refused(
    tmp_path: Path, empty_store: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        machines.append(small(tmp_path / name, empty_store))
        edit(machines[-1], processed_dir=f"s3://{bucket}/data/rows")
    one, two = machines
    with (one.root / "rows.csv").open("a") as file:
        file.write("1,p,2\n")
    own = Copy.changing

    @contextmanager
    def meanwhile(copy: Copy) -> Iterator[None]:
        with own(copy):
            yield
            if copy.folder.is_relative_to(one.root):
                ingest(two)

    monkeypatch.setattr(Copy, "changing", meanwhile)
    done = run_in(one, "ingest")
    assert done.returncode == 1
    assert "was replaced by another process meanwhile" in done.stderr
    assert "200 rows" in run_in(one, "eda").stderr, "what the other one published"


def test_a_workbook_of_a_bucket_leaves_no_copy_behind(
    tmp_path: Path, empty_store: Path, buckets: Buckets, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = small(tmp_path, empty_store)
    here = ingest(project)
    table = pl.read_csv(tmp_path / "rows.csv")
    write_excel(tmp_path / "rows.xlsx", table.columns, table.rows())
    buckets.put(bucket, "raw/rows.xlsx", (tmp_path / "rows.xlsx").read_bytes())
    edit(project, raw_csv=f"s3://{bucket}/raw/*.xlsx")
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    assert ingest(project)["data_sha256"] == here["data_sha256"]
    assert list((tmp_path / "scratch").iterdir()) == []


FAULTY = {
    "no such bucket": ("s3://no-such-bucket/rows.csv", {}, 2, "there is no bucket 'no-such-bucket'"),
    "no such object": ("s3://{bucket}/raw/none.csv", {}, 2, "paths.raw_csv: there is no object"),
    "a folder": ("s3://{bucket}/raw", {}, 2, "/raw/*.csv"),
    "no credentials": ("s3://{bucket}/raw/rows.csv", {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, 2, "no credentials"),
    "no such profile": ("s3://{bucket}/raw/rows.csv", {"AWS_PROFILE": "team"}, 2, "no profile 'team'"),
}


@pytest.mark.parametrize("fault", FAULTY)
def test_a_source_that_cannot_be_read_is_one_line_and_the_dataset_stays(
    fault: str, tmp_path: Path, empty_store: Path, buckets: Buckets, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, variables, code, message = FAULTY[fault]
    project = small(tmp_path, empty_store)
    before = ingest(project)["data_sha256"]
    buckets.put(bucket, "raw/rows.csv", (tmp_path / "rows.csv").read_bytes())
    edit(project, raw_csv=address.format(bucket=bucket))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    done = run_in(project, "ingest")
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert SECRET not in done.stderr
    edit(project, raw_csv="rows.csv")
    assert "unchanged" in run_in(project, "ingest").stderr
    assert ingest(project)["data_sha256"] == before


def test_an_object_that_is_replaced_during_an_ingest_is_one_line_and_the_dataset_stays(
    tmp_path: Path, empty_store: Path, buckets: Buckets, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = small(tmp_path, empty_store)
    before = ingest(project)["data_sha256"]
    text = (tmp_path / "rows.csv").read_bytes()
    buckets.put(bucket, "raw/rows.csv", text)
    edit(project, raw_csv=f"s3://{bucket}/raw/rows.csv")
    with between(buckets.endpoint) as door, monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", door.endpoint)

        def replace(method: str, path: str) -> None:
            if method == "GET" and path.endswith("rows.csv") and sum(each[1].endswith("rows.csv") for each in door.seen) == 2:
                buckets.put(bucket, "raw/rows.csv", text + b"9,p,27\n")

        door.judge = replace
        done = run_in(project, "ingest")
    assert done.returncode == 1
    assert "changed while it was read" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert ingest(project, "--set", "paths.raw_csv=rows.csv")["data_sha256"] == before
    assert ingest(project)["rows_in"] == 201
