"""Every figure of the quality report is that of the artifact it names; what is not there is null, and may fail the gate."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.support.commands import run_in
from tests.support.demand import demand_project
from tests.support.projects import Project, make_store
from tests.support.small_project import small

from tabtrail.bundle.load import load_bundle
from tabtrail.config.quality import EVIDENCE
from tabtrail.errors import ConfigError, DataError
from tabtrail.modeling.metrics import METRICS
from tabtrail.project.test_results import read_coverage, read_test_results

REQUIRED = {"quality": {"require": ["tests.passed", "metrics.test", "drift.alarm"]}}
TESTS = """import pytest
def test_right(): assert True
def test_wrong(): assert False
@pytest.mark.skip
def test_later(): pass
@pytest.mark.parametrize("number", [1, 2])
def test_many(number): assert number
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("quality")
    make_store(root / "store" / "mlflow.db")
    project = small(root, root / "store" / "mlflow.db", **REQUIRED)
    assert run_in(project, "run", "--no-report").returncode == 0
    folder = project.config().paths.output_dir / "quality"
    folder.mkdir()
    (root / "test_own.py").write_text(TESTS)
    words = [
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        str(root / "test_own.py"),
        f"--junitxml={folder / 'pytest.junit.xml'}",
    ]
    subprocess.run([sys.executable, *words], cwd=root, check=False, capture_output=True)
    (folder / "coverage.json").write_text(json.dumps({"totals": {"percent_covered": 93.75}}))
    return project


@pytest.fixture(scope="module")
def report(trained: Project) -> dict[str, Any]:
    done = run_in(trained, "quality", "--format=json", "--quiet")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def evidence(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    (project,) = report["projects"]
    return dict(project["evidence"])


def test_each_figure_is_that_of_the_artifact_it_names(trained: Project, evidence: dict[str, dict[str, Any]]) -> None:
    config = trained.config()
    bundle = load_bundle(config.paths.models_dir, "m")
    tested = pl.read_parquet(trained.root / evidence["calibration.error"]["artifact"]).filter(pl.col("part") == "test")
    actual, predicted = tested["actual"].to_numpy(), tested["predicted"].to_numpy()
    order = np.argsort(predicted, kind="stable")
    bins = np.array_split(order, 10)
    error = sum(len(each) * abs(predicted[each].mean() - actual[each].mean()) for each in bins) / len(order)
    values = {name: each["value"] for name, each in evidence.items()}
    assert values["calibration.error"] == pytest.approx(error, rel=1e-6)
    assert values["metrics.test"] == pytest.approx(METRICS["rmse"].compute(actual, predicted), rel=1e-6)
    assert values["metrics.test_low"] < values["metrics.test"] < values["metrics.test_high"]
    assert values["hashes.bundle"] == bundle.sha256
    assert values["hashes.data"] == values["hashes.trained_on"] == bundle.metadata["data_sha256"]
    assert values["size.bundle"] == sum(each.stat().st_size for each in config.paths.models_dir.iterdir())
    assert values["size.rows"] == 200
    assert values["parity.passed"] is True
    assert (values["tests.passed"], values["tests.failed"], values["tests.skipped"]) == (3, 1, 1)
    assert values["tests.coverage"] == 0.9375
    assert 0 < values["latency.predict_p50"] <= values["latency.predict_p99"]
    assert 0 < values["latency.http_p50"] <= values["latency.http_p99"]


def test_evidence_has_its_artifact_and_its_command_and_what_is_missing_says_why(
    trained: Project, evidence: dict[str, dict[str, Any]]
) -> None:
    assert list(evidence) == list(EVIDENCE)
    for name, each in evidence.items():
        assert (each["value"] is None) == bool(each["missing"]), name
        if each["value"] is not None:
            assert each["command"], name
            assert (trained.root / each["artifact"]).exists(), name
    assert evidence["drift.alarm"]["missing"] == "no check for drift was made"


def test_required_evidence_that_is_missing_fails_the_gate_alone_and_is_named(trained: Project, report: dict[str, Any]) -> None:
    assert report["projects"][0]["missing"] == ["drift.alarm"]
    done = run_in(trained, "quality", "--gate", "--quiet", "--no-latency")
    assert done.returncode == 4
    assert "quality.require lists what is missing: m: drift.alarm" in done.stderr
    assert "REQUIRED and missing: drift.alarm" in done.stdout
    page = (trained.config().paths.output_dir / "quality" / "quality_report.md").read_text()
    assert "**Required and missing: drift.alarm.**" in page
    passed = run_in(trained, "quality", "--gate", "--quiet", "--no-latency", "--set", "quality.require=[metrics.test]")
    assert passed.returncode == 0


def test_a_project_without_a_model_has_a_report_of_nulls_and_several_projects_have_one(trained: Project, tmp_path: Path) -> None:
    make_store(tmp_path / "store" / "mlflow.db")
    empty = small(tmp_path, tmp_path / "store" / "mlflow.db")
    done = run_in(empty, "quality", "--format=json", "--config", str(trained.config_file), "--no-latency")
    assert done.returncode == 0, done.stderr
    second, first = json.loads(done.stdout)["projects"]
    assert first["evidence"]["metrics.test"] == {
        "value": None, "artifact": None, "command": "", "unit": "", "missing": "no model is deployed",
    }  # fmt: skip
    assert second["evidence"]["metrics.test"]["value"] > 0


def test_evidence_that_nobody_measures_is_refused_with_the_near_miss(trained: Project) -> None:
    with pytest.raises(ConfigError, match=r"'metric.test' is no evidence of a quality report.*metrics.test"):
        trained.config("quality.require=[metric.test]")


@pytest.mark.parametrize("text", ["", "<a/>", "no xml", "<testsuite tests='many'/>"])
def test_results_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "results").write_text(text)
    with pytest.raises(DataError, match="is not a JUnit file; write it with pytest --junitxml"):
        read_test_results(tmp_path / "results")
    with pytest.raises(DataError, match="is not the JSON of coverage"):
        read_coverage(tmp_path / "results")


def test_of_a_model_of_series_it_has_origins_intervals_and_calibration(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    project = Project(shutil.copytree(demand_project(tmp_path_factory).project.root, tmp_path / "project"))
    done = run_in(project, "quality", "--format=json", "--no-latency", "-q")
    assert done.returncode == 0, done.stderr
    evidence = json.loads(done.stdout)["projects"][0]["evidence"]
    values = {name: each["value"] for name, each in evidence.items()}
    metrics = project.config().paths.output_dir / "metrics"
    board = json.loads((metrics / "shop_demand_demand_metrics.json").read_text())
    (champion,) = [each for each in board["models"] if each["model"] == board["champion"]]
    widest = max(board["intervals"]["levels"], key=lambda each: float(each["level"]))
    assert values["metrics.cv"] == pytest.approx(champion["mae"], rel=1e-6)
    assert (values["intervals.level"], values["intervals.coverage"]) == (widest["level"], widest["coverage"])
    judged = pl.read_parquet(project.root / evidence["calibration.error"]["artifact"]).drop_nulls(["actual", "forecast"])
    error = (judged["actual"] - judged["forecast"]).abs()
    by_origin = judged.with_columns(error=error).group_by("origin").agg(pl.col("error").mean())["error"]
    assert values["metrics.cv_std"] == pytest.approx(by_origin.std(ddof=0), rel=1e-6)
    parts = np.array_split(judged.sort("forecast", maintain_order=True).select("forecast", "actual").to_numpy(), 10)
    calibration = sum(len(each) * abs(each[:, 0].mean() - each[:, 1].mean()) for each in parts) / judged.height
    assert values["calibration.error"] == pytest.approx(calibration, rel=1e-6)
    assert values["calibration.share"] == pytest.approx(calibration / judged["actual"].abs().mean(), rel=1e-6)
    assert evidence["metrics.test"]["missing"] == "a model of series has rolling origins instead"
