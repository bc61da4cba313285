"""Addresses of buckets in the config: where they may stand, how they are written, and that they hold no secrets."""

import json
from pathlib import Path

import pytest
from tests.support.projects import REPO

from tabtrail.config.load import config_from_run, load_config
from tabtrail.config.tree import Config
from tabtrail.errors import ConfigError

CONFIG = REPO / "config_v2.yaml"


def load(*settings: str) -> Config:
    return load_config(CONFIG, settings)


IN_A_BUCKET = (
    "paths.raw_csv=s3://bucket/raw/*.csv",
    "paths.processed_dir=s3://bucket/data/sales_parquet/",
    "paths.models_dir=s3://bucket/models",
    "paths.output_mirror=s3://bucket/output",
)


def test_what_is_in_a_bucket_has_a_copy_in_the_cache_and_is_written_as_its_address() -> None:
    paths = load(*IN_A_BUCKET).paths
    assert paths.models_dir == REPO / "data/cache/bucket/models"
    assert str(paths.source) == "s3://bucket/raw/*.csv"
    written = json.loads(paths.model_dump_json())
    assert written["processed_dir"] == "s3://bucket/data/sales_parquet"
    assert written["models_dir"] == "s3://bucket/models"
    assert written["output_dir"] == str(REPO / "output")


def test_a_config_that_a_run_recorded_keeps_the_addresses_of_here() -> None:
    config = load(*IN_A_BUCKET)
    again = config_from_run(json.loads(load().model_dump_json()), config)
    assert again.paths == config.paths
    assert again.paths.models_copy == config.paths.models_copy


def test_models_of_series_lie_beside_those_of_rows() -> None:
    paths = load(*IN_A_BUCKET).paths.of_demand()
    assert str(paths.address("models_dir")) == "s3://bucket/models_demand"
    assert paths.models_dir == REPO / "data/cache/bucket/models_demand"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("paths.models_dir=s3:/bucket/x", "write s3://bucket/x"),
        ("paths.models_dir=s3a://bucket/x", "write s3://bucket/x"),
        ("paths.models_dir=gs://bucket/x", "write s3://BUCKET/PREFIX"),
        ("paths.raw_csv=https://host/x.csv", "write s3://BUCKET/PREFIX"),
        ("paths.models_dir=s3://bucket", "name a place in it"),
        ("paths.models_dir=s3://Bucket_/x", "cannot be the name of a bucket"),
        ("paths.models_dir=s3://bucket/a/../b", "has an empty part"),
        ("paths.output_dir=s3://bucket/x", "only raw_csv, processed_dir, models_dir and output_mirror"),
        ("paths.duckdb_file=s3://bucket/x", "only raw_csv"),
        ("paths.output_mirror=mirror", "write it as s3://bucket/mirror"),
    ],
)
def test_an_address_that_cannot_be_is_refused_with_its_key_and_the_edit(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load(setting)
    assert setting.partition("=")[0] in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        ("paths.models_dir=s3://bucket/x", "paths.processed_dir=s3://bucket/x"),
        ("paths.models_dir=s3://bucket/x", "paths.processed_dir=s3://bucket/x/data"),
        ("paths.processed_dir=s3://bucket/x", "paths.raw_csv=s3://bucket/x/raw.csv"),
        ("paths.models_dir=s3://bucket/x", "paths.output_mirror=s3://bucket/x_demand"),
    ],
)
def test_no_address_lies_in_one_that_is_replaced_as_a_whole(settings: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="name another prefix"):
        load(*settings)


@pytest.mark.parametrize(
    "setting",
    [
        "paths.models_dir=s3://KEYID:hunter2@bucket/x",
        "paths.models_dir=s3://bucket/x?aws_secret_access_key=hunter2",
        "paths.raw_csv=s3://bucket/x.csv?X-Amz-Signature=hunter2",
        "paths.aws_secret_access_key=hunter2",
        "paths.secret_key=hunter2",
    ],
)
def test_credentials_in_a_config_are_refused_with_the_edit_and_not_repeated(setting: str) -> None:
    with pytest.raises(ConfigError, match="AWS_SECRET_ACCESS_KEY") as caught:
        load(setting)
    assert "hunter2" not in str(caught.value)


def test_a_folder_of_windows_is_no_address(tmp_path: Path) -> None:
    assert load("paths.output_dir=C:/output").paths.output_dir.name == "output"
