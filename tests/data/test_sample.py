import json
from pathlib import Path

import polars as pl
import pytest
from tests.support.commands import overrides, run_here, run_in
from tests.support.projects import ONE_CANDIDATE, Project, make_project

from tabtrail.data.sample import HEADER, mark_path, write_sample
from tabtrail.errors import UsageError
from tabtrail.project.paths import Artifacts

pytestmark = pytest.mark.usefixtures("one_picture")


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_sample(tmp_path / name, rows=500, seed=seed)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c


def test_it_has_the_columns_and_the_mess_of_the_real_file(sample_csv: Path, real_csv: Path) -> None:
    assert ",".join(HEADER) == real_csv.read_text("cp850").splitlines()[0]
    data = pl.read_csv(sample_csv, encoding="cp850", infer_schema=False)
    assert data.height == 2823
    assert 0.3 < (data["PRICEEACH"].cast(float) == 100).mean() < 0.6
    assert "NA" in data["TERRITORY"].unique()
    assert data["ADDRESSLINE2"].null_count() > 2000
    assert not sample_csv.read_bytes().isascii()
    assert not set(data["CUSTOMERNAME"]) & set(pl.read_csv(real_csv, encoding="cp850", infer_schema=False)["CUSTOMERNAME"])


def test_it_replaces_no_file_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("mine")
    with pytest.raises(UsageError, match="exists; the sample would replace it"):
        write_sample(tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text() == "mine"
    write_sample(tmp_path / "x.csv", rows=5, force=True)
    assert len((tmp_path / "x.csv").read_bytes().splitlines()) == 6


@pytest.mark.parametrize("name", ["x.xlsx", "x.PARQUET", "x.jsonl", "x.csv.gz"])
def test_it_is_no_file_of_another_format(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"the sample is a CSV; name one that ends in \.csv with --output"):
        write_sample(tmp_path / name, rows=5)
    assert list(tmp_path.iterdir()) == []


def test_a_run_on_it_says_everywhere_that_the_data_is_synthetic(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    project = make_project(tmp_path, tmp_path / "empty.csv", repeats=1)
    project.csv.unlink()
    assert "SYNTHETIC data" in run_in(project, "sample").stderr
    done = run_in(project, "run", *overrides(*ONE_CANDIDATE, "report.learning_curve_folds=0"))
    assert done.stdout.startswith("THE DATA IS SYNTHETIC")
    config = project.config()
    assert json.loads(config.paths.manifest.read_text())["synthetic"] is True
    assert json.loads(Artifacts.of(config).leaderboard.read_text())["synthetic"] is True
    from mlflow import MlflowClient

    uri = config.mlflow.tracking_uri
    parent = json.loads(Artifacts.of(config).leaderboard.read_text())["parent_run_id"]
    assert MlflowClient(uri, uri).get_run(parent).data.tags["tabtrail.synthetic"] == "true"


def test_the_mark_is_of_that_very_file(tmp_path: Path) -> None:
    write_sample(tmp_path / "x.csv", rows=10)
    assert mark_path(tmp_path / "x.csv").is_file()
    (tmp_path / "x.csv").write_text("a real file now")
    from tabtrail.data.sample import is_synthetic
    from tabtrail.system.hashes import sha256_file

    assert not is_synthetic(tmp_path / "x.csv", sha256_file(tmp_path / "x.csv"))


def test_a_pattern_is_no_name_for_a_file(project: Project) -> None:
    done = run_in(project, "sample", "--set", "paths.raw_csv=data/raw/*.csv")
    assert done.returncode == 2
    assert "paths.raw_csv is a pattern, *.csv; name the file with --output" in done.stderr


def test_if_missing_leaves_a_file_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("mine")
    done = run_here("sample", "--if-missing", "--output", str(tmp_path / "x.csv"))
    assert (done.returncode, (tmp_path / "x.csv").read_text()) == (0, "mine")
