"""`tabtrail bundle push`: a bundle goes into a bucket whole, and what lies there is read back."""

import json
from pathlib import Path

import pytest
from tests.support.buckets import Buckets, between
from tests.support.bundles import NAME, make_bundle, small_files
from tests.support.commands import Done, run_here

from tabtrail.bundle.build import deploy_bundle


@pytest.fixture
def config(tmp_path: Path) -> Path:
    body = {
        "version": 2,
        "paths": {"raw_csv": "none.csv"},
        "model": {"name": NAME, "target": "Y", "numeric_features": ["X"]},
        "split": {"kind": "random", "allow_leaky": True},
    }
    (tmp_path / "config_v2.yaml").write_text(json.dumps(body))
    make_bundle(tmp_path / "models")
    return tmp_path / "config_v2.yaml"


def push(config: Path, *words: str) -> Done:
    return run_here("bundle", "push", *words, "--format=json", "--config", str(config))


def test_a_bundle_is_pushed_once_and_verified_where_it_lies(config: Path, buckets: Buckets) -> None:
    bucket = buckets.new()
    address = f"s3://{bucket}/prod/models"
    first = json.loads(push(config, "--to", address).stdout)
    assert (first["sent"], first["verified"]) == (True, True)
    again = json.loads(push(config, "--to", address).stdout)
    assert (again["sent"], again["version"]) == (False, first["version"])
    there = run_here("bundle", "verify", address)
    assert there.returncode == 0, there.stderr
    assert json.loads(run_here("bundle", "inspect", address, "--format=json").stdout)["model"] == "LinearRegression"
    settings = ("--set", f"paths.models_dir={address}")
    assert json.loads(push(config, *settings).stdout)["version"] == first["version"], "a project whose models are there"
    deploy_bundle(config.parent / "models", NAME, small_files(run_id="b" * 32))
    assert json.loads(push(config, "--to", address).stdout)["sent"]


def test_what_was_altered_in_the_bucket_is_found(config: Path, buckets: Buckets) -> None:
    bucket = buckets.new()
    address = f"s3://{bucket}/models"
    push(config, "--to", address)
    graph = next(name for name in buckets.names(bucket) if name.endswith(".onnx"))
    data = buckets.read(bucket, graph)
    buckets.put(bucket, graph, data[:-1] + b"\x00")
    done = push(config, "--set", f"paths.models_dir={address}")
    assert done.returncode == 1
    assert "is not the file that was published" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), 2, "name the place in a bucket with --to"),
        (("--to", "bucket/models"), 2, "write s3://BUCKET/PREFIX"),
        (("--to", "s3://no-such-bucket/models"), 2, "there is no bucket"),
        (("--set", "paths.models_dir=s3://{bucket}/empty"), 1, "there is no model in s3://"),
        (("{folder}", "--to", "s3://{bucket}/models"), 1, "is not the folder of one bundle"),
    ],
)
def test_a_push_that_cannot_be_is_one_line(
    config: Path, buckets: Buckets, words: tuple[str, ...], code: int, message: str
) -> None:
    (config.parent / "nothing").mkdir()
    known = {"bucket": buckets.new(), "folder": str(config.parent / "nothing")}
    done = push(config, *(word.format(**known) for word in words))
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_without_the_permission_to_write_nothing_is_replaced(
    config: Path, buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = buckets.new()
    address = f"s3://{bucket}/models"
    push(config, "--to", address)
    before = {name: buckets.read(bucket, name) for name in buckets.names(bucket)}
    deploy_bundle(config.parent / "models", NAME, small_files(run_id="b" * 32))
    with between(buckets.endpoint) as door:
        door.judge = lambda method, path: (403, "AccessDenied") if method == "PUT" else None
        monkeypatch.setenv("AWS_ENDPOINT_URL", door.endpoint)
        done = push(config, "--to", address)
    assert done.returncode == 1
    assert "lack the permission (AccessDenied); allow them s3:PutObject" in done.stderr
    assert {name: buckets.read(bucket, name) for name in buckets.names(bucket)} == before
