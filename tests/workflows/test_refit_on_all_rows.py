"""What is measured and what is deployed: the model that learned from all rows, and its twin, which has the figures."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.support.commands import run_in
from tests.support.projects import Project, make_store
from tests.support.small_project import LINEAR, WEAK, small

from tabtrail.bundle.load import load_bundle, read_metadata
from tabtrail.export.outputs import run_onnx
from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.modeling.metrics import score
from tabtrail.project.paths import Artifacts
from tabtrail.tracking.artifacts import list_files, read_artifact
from tabtrail.tracking.store import open_store
from tabtrail.workflows.promote import history
from tabtrail.workflows.reproduce import reproduce

pytestmark = pytest.mark.usefixtures("one_picture")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose champion was fitted again on all of its 200 rows."""
    root = tmp_path_factory.mktemp("refit")
    make_store(root / "store" / "mlflow.db")
    project = small(root, root / "store" / "mlflow.db")
    done = run_in(project, "run", "--verbose")
    assert done.returncode == 0, done.stderr
    (root / "said.txt").write_text(done.stdout)
    return project


def board_of(project: Project) -> Leaderboard:
    return Leaderboard.from_dict(json.loads(Artifacts.of(project.config()).leaderboard.read_text()))


def metadata_of(project: Project) -> dict[str, Any]:
    return read_metadata(project.config().paths.models_dir, "m")


def twin_of(project: Project) -> bytes:
    return read_artifact(open_store(project.config().mlflow), metadata_of(project)["run_id"], "twin.onnx")


def test_the_test_figures_are_the_twins_and_the_deployed_graph_is_another_one(trained: Project) -> None:
    tested = pl.read_parquet(trained.root / "output" / "metrics" / "predictions.parquet").filter(part="test")
    data = pl.read_csv(trained.root / "rows.csv")
    x = data.select("a", "b").to_pandas().iloc[tested["row"].to_list()].reset_index(drop=True)
    measured = board_of(trained).champion_row.test["rmse"]
    twin, deployed = twin_of(trained), load_bundle(trained.config().paths.models_dir, "m").onnx
    assert score(tested["actual"].to_numpy(), run_onnx(twin, x))["rmse"] == measured
    assert score(tested["actual"].to_numpy(), run_onnx(deployed, x))["rmse"] != measured
    assert twin != deployed


def test_every_place_says_what_was_measured_and_what_is_deployed(trained: Project) -> None:
    refit, board = metadata_of(trained)["refit"], board_of(trained)
    assert (refit["rows"], refit["training_rows"], refit["test_rows"], refit["rounds"]) == (200, 160, 40, {})
    assert refit["twin_sha256"] == hashlib.sha256(twin_of(trained)).hexdigest()
    said = f"{LINEAR} as it is deployed was fitted again on all 200 rows after that (split.refit: all)"
    assert said in board.deployed_text
    assert said in " ".join((trained.root / "said.txt").read_text().split())
    page = " ".join((trained.root / "output" / "report.html").read_text().split())
    assert said in page
    assert "what is deployed then learned from all" in page
    store = open_store(trained.config().mlflow)
    parent = store.client.get_run(board.parent_run_id)
    assert said in parent.data.tags["mlflow.note.content"]
    assert parent.data.params["split.refit"] == "all"
    assert parent.data.params["deployed_rows"] == "200"
    made = json.loads(read_artifact(store, board.parent_run_id, "provenance.json"))["made"]
    assert made["twin_onnx_sha256"] == refit["twin_sha256"] != made["onnx_sha256"]
    assert (
        "learned from 200 rows; the metrics are of its twin, which learned from 160"
        in run_in(trained, "bundle", "inspect").stdout
    )
    (version,) = store.client.search_model_versions("name='m'")
    assert "It learned from all 200 rows; its figures are of a twin that learned from 160 of them." in version.description


def test_the_schema_and_the_explanation_are_of_all_rows_that_the_deployed_model_learned_from(trained: Project) -> None:
    column = pl.read_csv(trained.root / "rows.csv")["a"]
    feature = metadata_of(trained)["schema"]["features"][0]
    assert (feature["seen_min"], feature["seen_max"]) == (column.min(), column.max())
    parity = json.loads((trained.root / "models" / "m_parity.json").read_text())
    assert parity["classes"]["data"]["rows"] == 200
    row = json.dumps({"a": 50.0, "b": "p"})
    found = run_in(trained, "explain", "--json", row, "--format", "json")
    assert found.returncode == 0, found.stderr


def test_reproduce_compares_the_deployed_graph_and_its_twin(trained: Project) -> None:
    found = reproduce(trained.config(), board_of(trained).parent_run_id)
    assert found.equal, found.difference
    assert {"ONNX file of the champion's twin", "ONNX file of the champion", "joblib file of the champion"} <= set(found.compared)


def test_split_refit_training_deploys_the_model_that_was_measured_byte_for_byte(tmp_path: Path, trained: Project) -> None:
    make_store(tmp_path / "store" / "mlflow.db")
    split = {"kind": "random", "folds": 2, "allow_leaky": True, "refit": "training"}
    project = small(tmp_path, tmp_path / "store" / "mlflow.db", split=split)
    assert run_in(project, "run", "--no-report").returncode == 0
    assert load_bundle(project.config().paths.models_dir, "m").onnx == twin_of(trained)
    ours, theirs = board_of(project), board_of(trained)
    assert ours.refit is None
    assert ours.deployed_text == ""
    assert [(row.candidate, row.metrics) for row in ours.candidates] == [
        (row.candidate, row.metrics) for row in theirs.candidates
    ]
    metadata = metadata_of(project)
    assert "refit" not in metadata
    assert "twin.onnx" not in list_files(open_store(project.config().mlflow), metadata["run_id"])
    assert reproduce(project.config(), ours.parent_run_id).equal


def test_the_gate_compares_twins_and_a_promoted_candidate_learns_from_all_rows_too(trained: Project) -> None:
    before = load_bundle(trained.config().paths.models_dir, "m")
    asked = ("promote", before.metadata["run_id"], "--candidate", WEAK)
    parent = board_of(trained).parent_run_id
    refused = run_in(trained, "promote", parent, "--candidate", WEAK)
    assert refused.returncode == 4, asked
    forced = run_in(trained, "promote", parent, "--candidate", WEAK, "--force", "--reason", "to see")
    assert forced.returncode == 0, forced.stderr
    entry = history(trained.config())[-1]
    assert entry.verdict is not None
    assert "the twin of the challenger and the twin of the champion" in entry.verdict["notes"][0]
    board = board_of(trained)
    compared = entry.verdict["comparison"]
    assert compared["champion_value"] == pytest.approx(board.row(LINEAR).test["rmse"], rel=1e-6)
    assert compared["challenger_value"] == pytest.approx(board.row(WEAK).test["rmse"], rel=1e-6)
    refit = metadata_of(trained)["refit"]
    assert refit["rows"] == 200
    x = pl.read_csv(trained.root / "rows.csv").select("a", "b").to_pandas()
    deployed = load_bundle(trained.config().paths.models_dir, "m").onnx
    assert not np.array_equal(run_onnx(deployed, x), run_onnx(twin_of(trained), x))
    assert run_in(trained, "rollback").returncode == 0
    assert load_bundle(trained.config().paths.models_dir, "m").onnx == before.onnx


def test_without_its_twin_a_champion_is_compared_by_its_recipe_never_on_rows_that_it_knows(trained: Project) -> None:
    """Runs last: it takes the champion's twin out of the store."""
    config = trained.config()
    store, run_id = open_store(config.mlflow), metadata_of(trained)["run_id"]
    address = store.client.get_run(run_id).info.artifact_uri.removeprefix("file://")
    (Path(address) / "twin.onnx").unlink()
    parent = board_of(trained).parent_run_id
    refused = run_in(trained, "promote", parent, "--candidate", WEAK)
    assert refused.returncode == 4
    assert "the champion may have learned from 40 of the 40 test rows" in refused.stderr
