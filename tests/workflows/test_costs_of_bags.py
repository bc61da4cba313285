"""What is saved on large graphs: candidates are proven on some rows, since the chosen one is proven again on all; fewer rows of a
bag are explained.
"""

from pathlib import Path

import pytest
from tests.support.small_project import small

from tabtrail import pipeline
from tabtrail.modeling.benchmark import candidates_of
from tabtrail.modeling.fit import build_model
from tabtrail.modeling.preprocess import Recipe
from tabtrail.progress import SILENT
from tabtrail.project.paths import Artifacts
from tabtrail.system.files import read_json
from tabtrail.workflows.champion import Proofs
from tabtrail.workflows.prepare import prepare

BAG = "candidates={LightGBM: {bag: true, n_estimators: 20, min_child_samples: 3}}"


@pytest.mark.parametrize(("refit", "rows"), [("all", 50), ("training", 200)])
def test_a_candidate_is_proven_on_all_rows_only_where_it_is_deployed_itself(
    refit: str, rows: int, tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tabtrail.workflows.champion._CANDIDATE_ROWS", 50)
    config = small(tmp_path, empty_store).config("candidates={LinearRegression: {}}", f"split.refit={refit}")
    pipeline.run_stage("ingest", config)
    prepared = prepare(config, SILENT)
    linear = next(each for each in candidates_of(prepared.problem) if each.family == "LinearRegression")
    model = build_model(linear, Recipe.of(prepared.problem.model)).fit(prepared.table.x, prepared.table.y)
    with Proofs(config, prepared.table, prepared.split) as proofs:
        _, parity = proofs.prove(model)
    assert parity.classes["data"].rows == rows


def test_fewer_rows_of_a_large_bag_are_explained_and_the_deployed_one_is_proven_on_all(
    tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tabtrail.workflows.champion._CANDIDATE_ROWS", 50)
    monkeypatch.setattr("tabtrail.workflows.champion._EXPLAINED", 1e-6)
    config = small(tmp_path, empty_store).config(BAG, "explain.max_rows=150")
    for stage in ("ingest", "train"):
        pipeline.run_stage(stage, config)
    artifacts = Artifacts.of(config)
    importance = read_json(artifacts.importance)
    assert importance is not None
    assert importance["rows"] == 100
    assert importance["missing"] is None
    parity = read_json(config.paths.models_dir / f"{config.model.name}_parity.json")
    assert parity is not None
    assert parity["classes"]["data"]["rows"] == 200
