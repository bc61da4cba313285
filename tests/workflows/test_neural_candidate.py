"""A net among the candidates of rows goes the whole way, from two worker processes to a service without PyTorch."""

import json
import subprocess
import sys

import pytest
from tests.support.nets import needs_torch
from tests.support.projects import Project

from tabtrail import pipeline
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.project.paths import Artifacts
from tabtrail.workflows.reproduce import reproduce
from tabtrail.workflows.tune import tune

NET = "epochs: 4, width: 16, layers: 1, categories: native, missing: native"
WHOLE = f"""candidates={{
    RealMLP_bag: {{{NET}, early_stopping_rounds: 4, bag: true, target_transform: log, smearing: true}},
    RealMLP_stopped: {{{NET}, early_stopping_rounds: 4}},
    Blend: {{}}}}"""

# Serving from a bundle must not import PyTorch, nor what trains.
SERVE = """
import json, sys
from pathlib import Path
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
model = Predictor(load_bundle(Path(sys.argv[1]), sys.argv[2]))
value = model.predict([model.schema.example])[0].value
print(json.dumps([value, sorted({"torch", "sklearn"} & set(sys.modules))]))
"""


@needs_torch
def test_it_goes_the_whole_way_in_two_processes(project: Project) -> None:
    fast = ("split.folds=2", "split.repeats=1", "engine.workers=2", "explain.max_rows=10", "model.derived_features={}")
    config = project.config(WHOLE, *fast, "choice.metric=rmse")
    board = pipeline.run(config, report=False).leaderboard
    assert {row.candidate for row in board.candidates if row.deployable} >= {"RealMLP_bag", "RealMLP_stopped", "Blend"}
    proof = json.loads((config.paths.models_dir / f"{config.model.name}_parity.json").read_text())
    assert proof["passed"]
    bundle = load_bundle(config.paths.models_dir, config.model.name)
    expected = Predictor(bundle).predict([bundle.schema.example])[0].value
    served = subprocess.run(
        [sys.executable, "-c", SERVE, config.paths.models_dir, config.model.name], capture_output=True, text=True, check=True
    )
    assert json.loads(served.stdout) == [pytest.approx(expected), []]
    assert json.loads(Artifacts.of(config).importance.read_text())["additivity_error"] < 1e-6 * abs(expected) + 1e-6
    again = reproduce(config, board.parent_run_id)
    assert again.equal, again
    found = tune(config, ["RealMLP_stopped"], trials=1)
    assert set(found["RealMLP_stopped_tuned"]) >= {"learning_rate", "dropout", "frequency_scale"}
