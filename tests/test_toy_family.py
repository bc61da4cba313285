"""A family that is one value on the list: it is named, fitted, tuned, logged, exported, proven, deployed and explained."""

import json
from pathlib import Path
from typing import Any

import mlflow
import pytest
from sklearn.tree import DecisionTreeRegressor
from tests.support.projects import Project

from tabtrail import pipeline
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.config.load import config_schema
from tabtrail.errors import ConfigError
from tabtrail.modeling.families import FAMILIES, model_libraries
from tabtrail.modeling.families.family import Contributions, Family
from tabtrail.modeling.families.sklearn_trees import add_tree, tree_contributions
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.trees import Trees
from tabtrail.project.names import add_names, check_names
from tabtrail.project.paths import Artifacts


def read_trees(model: Any) -> Trees:
    trees = Trees("BRANCH_LEQ", float32_inputs=True)
    add_tree(trees, 0, model.tree_, 1.0)
    return trees


def contributions(model: Any, matrix: Array, background: Array) -> Contributions:
    return tree_contributions([model.tree_], 1.0, 0.0, matrix)


TOY = Family(
    name="Toy",
    regressors=(DecisionTreeRegressor,),
    build=lambda params, seed: DecisionTreeRegressor(random_state=seed, **params),
    libraries=("scikit-learn", "threadpoolctl"),
    fixed=("random_state",),
    read_trees=read_trees,
    contributions=contributions,
)


@pytest.fixture(autouse=True)
def _listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, TOY.name, TOY)
    monkeypatch.setattr("tabtrail.tracking.libraries.MODEL_LIBRARIES", model_libraries())


def test_it_can_be_named_and_its_parameters_are_known(project: Project) -> None:
    check_names(project.config("candidates={Toy_5: {max_depth: 5}}"))
    for wrong, message in (("Toi: {}", "did you mean 'Toy'"), ("Toy: {max_dept: 5}", "did you mean 'max_depth'")):
        with pytest.raises(ConfigError, match=message):
            check_names(project.config(f"candidates={{{wrong}}}"))
    schema = config_schema()
    add_names(schema)
    assert "Toy" in schema["properties"]["candidates"]["propertyNames"]["pattern"]
    assert "threadpoolctl" in model_libraries()


def test_it_goes_the_whole_way(project: Project) -> None:
    config = project.config(
        "candidates={Toy_5: {max_depth: 5}}",
        "engine.kind=serial",
        "split.folds=2",
        "explain.max_rows=20",
        "model.derived_features={}",
    )
    board = pipeline.run(config, report=False).leaderboard
    assert board.champion == "Toy_5"
    assert board.champion_row.deployable
    proof = json.loads((config.paths.models_dir / f"{config.model.name}_parity.json").read_text())
    assert proof["passed"]
    assert proof["thresholds_tried"] > 0
    predictor = Predictor(load_bundle(config.paths.models_dir, config.model.name))
    assert predictor.predict([predictor.schema.example])[0].value > 0
    importance = json.loads(Artifacts.of(config).importance.read_text())
    assert importance["model"] == "Toy_5"
    assert importance["additivity_error"] < 1e-6
    client = mlflow.MlflowClient(config.mlflow.tracking_uri)
    run = client.get_run(board.champion_row.run_id)
    assert run.data.params["family"] == "Toy"
    made_from = client.download_artifacts(board.parent_run_id, "provenance.json")
    assert "threadpoolctl" in json.loads(Path(made_from).read_text())["libraries"]
