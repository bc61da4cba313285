"""No model is deployed without its proof, and the next one takes the place of one that fails it."""

import json
from typing import Any

import pytest
from mlflow import MlflowClient
from tests.support.projects import Project, Trained

from tabtrail import pipeline
from tabtrail.bundle.load import read_metadata
from tabtrail.errors import ParityError
from tabtrail.export import prove
from tabtrail.export.graph import export_onnx
from tabtrail.modeling.benchmark import run_benchmark
from tabtrail.modeling.problem import problem_of
from tabtrail.modeling.proof import Parity, Tried
from tabtrail.modeling.table import load_table, needed_columns
from tabtrail.progress import Progress

TWO = ["candidates={LightGBM: {n_estimators: 60}, LinearRegression: {}}", "engine.kind=serial", "split.folds=2"]
CLASSES = {"data", "thresholds", "missing", "unseen", "extremes"}


def test_the_proof_lies_in_the_bundle_and_in_mlflow(trained: Trained) -> None:
    folder, name = trained.config.paths.models_dir, trained.config.model.name
    proof = json.loads((folder / f"{name}_parity.json").read_text())
    assert set(proof["classes"]) == CLASSES
    assert proof["classes"]["data"]["rows"] == 2823
    assert proof["passed"]
    assert proof["thresholds_tried"] <= proof["thresholds"]
    summary = read_metadata(folder, name)["parity"]
    assert summary == {key: value for key, value in proof.items() if key in summary}
    client = MlflowClient(trained.config.mlflow.tracking_uri, trained.config.mlflow.tracking_uri)
    files = {each.path for each in client.list_artifacts(trained.report.leaderboard.parent_run_id, "bundle")}
    assert f"bundle/{name}_parity.json" in files


def test_every_candidate_is_proven(trained: Trained) -> None:
    client = MlflowClient(trained.config.mlflow.tracking_uri, trained.config.mlflow.tracking_uri)
    for row in trained.report.leaderboard.candidates:
        run = client.get_run(row.run_id)
        assert row.deployable
        assert row.parity_max_difference is not None
        assert row.parity_max_difference <= 1e-5
        assert run.data.metrics["parity_max_difference"] == row.parity_max_difference
        assert run.data.tags["tabtrail.deployable"] == "true"


def test_the_next_one_takes_the_place_of_a_model_that_fails(project: Project) -> None:
    """Trees sum float32 numbers: a bar of 1e-12 is one that LightGBM cannot meet, and a linear model can."""
    said: list[str] = []
    config = project.config("export.parity_tolerance=1e-12", "choice.rule=best", *TWO)
    report = pipeline.run(config, report=False, progress=Progress(said.append))
    rows = {row.candidate: row for row in report.leaderboard.candidates}
    assert report.leaderboard.best == "LightGBM"
    assert not rows["LightGBM"].deployable
    assert report.leaderboard.champion != "LightGBM"
    assert rows[report.leaderboard.champion].deployable
    assert any(line.startswith("train: LightGBM is not deployable: the ONNX graph differs") for line in said)
    assert read_metadata(config.paths.models_dir, "sales_regressor")["model"] == report.leaderboard.champion


def test_the_graph_that_is_deployed_is_the_one_that_was_proven(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every candidate is exported once, and the champion as it is deployed; neither is exported again after its proof."""
    graphs: list[bytes] = []

    def export(*arguments: Any) -> bytes:
        graphs.append(export_onnx(*arguments))
        return graphs[-1]

    monkeypatch.setattr(prove, "export_onnx", export)
    config = project.config(*TWO)
    report = pipeline.run(config, report=False)
    assert len(graphs) == len(report.leaderboard.candidates) + 1
    assert (config.paths.models_dir / f"{config.model.name}.onnx").read_bytes() in graphs


def test_a_benchmark_without_a_deployable_model_is_refused(project: Project) -> None:
    config = project.config(*TWO)
    pipeline.run_stage("ingest", config)
    from tabtrail.data.dataset import scan_dataset

    table = load_table(problem_of(config), scan_dataset(config.dataset).select(needed_columns(problem_of(config))).collect())
    failed = Parity(1e-5, {"data": Tried(10, 0, 0.5, 0.5, "data row 3")})
    with pytest.raises(
        ParityError, match=r"no candidate is deployable; LightGBM: .* by 0.5 .* on data row 3; allowed is 1e-05"
    ) as caught:
        run_benchmark(problem_of(config), table, export=lambda fit: (1, failed, None))
    assert caught.value.exit_code == 4


def test_a_model_without_a_graph_says_so() -> None:
    assert Parity(1e-5, {}, error="TypeError: no converter").complaint == "it has no ONNX graph: TypeError: no converter"
    assert not Parity(1e-5, {}).passed
