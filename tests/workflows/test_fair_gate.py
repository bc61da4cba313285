"""Two models are compared on rows that neither has learned from, or their recipes are, whatever of seed and data has changed."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.commands import run_in
from tests.support.projects import Project, make_store
from tests.support.small_project import LINEAR, small

from tabtrail.bundle.load import read_metadata
from tabtrail.modeling.learned import Learned
from tabtrail.tracking.entries import Entry
from tabtrail.tracking.store import open_store
from tabtrail.workflows.promote import history

FOREST = "RandomForest_whole"


def noisy(a: Any, random: np.random.Generator) -> Any:
    return 3 * a + random.normal(0, 20, len(a))


@pytest.fixture
def deployed_forest(tmp_path: Path) -> Project:
    """A forest that knows its training rows by heart is deployed: its error is about 8 there, and over 20 elsewhere."""
    make_store(tmp_path / "store" / "mlflow.db")
    project = small(tmp_path, tmp_path / "store" / "mlflow.db", y=noisy, candidates={FOREST: {"n_estimators": 30}})
    assert run_in(project, "run", "--no-report").returncode == 0
    return project


def change(project: Project, **sections: Any) -> None:
    config = json.loads(project.config_file.read_text())
    project.config_file.write_text(json.dumps({**config, **sections}))


def train_linear(project: Project, seed: int) -> Entry:
    model = json.loads(project.config_file.read_text())["model"]
    change(project, candidates={LINEAR: {}}, model={**model, "random_state": seed})
    done = run_in(project, "run", "--no-report")
    assert done.returncode == 0, done.stderr
    return history(project.config())[-1]


def test_a_changed_seed_does_not_let_the_champion_be_judged_on_the_rows_it_learned_from(deployed_forest: Project) -> None:
    entry = train_linear(deployed_forest, seed=8)
    assert (entry.action, entry.after.model) == ("automatic", LINEAR)
    assert entry.verdict is not None
    assert "the champion may have learned from" in entry.verdict["notes"][0]
    assert "its recipe was fitted again on the challenger's training part" in entry.verdict["notes"][0]
    compared = entry.verdict["comparison"]
    assert compared["rows"] == 40
    assert compared["champion_value"] > compared["challenger_value"] > 15, "what it knows by heart would give about 8"


def test_rows_that_the_champion_learned_from_do_not_count_when_the_data_has_grown(deployed_forest: Project) -> None:
    random = np.random.default_rng(1)
    with (deployed_forest.root / "rows.csv").open("a") as rows:
        rows.writelines(f"{a:.2f},q,{3 * a + random.normal(0, 20):.4f}\n" for a in random.uniform(0, 100, 150))
    entry = train_linear(deployed_forest, seed=42)
    assert entry.verdict is not None
    (said, *_) = entry.verdict["notes"]
    assert "test rows, from which neither model has learned" in said
    assert 35 <= entry.verdict["comparison"]["rows"] <= 70
    assert entry.verdict["comparison"]["champion_value"] > 15


def test_a_champion_whose_run_is_gone_cannot_be_compared_fairly_and_only_force_replaces_it(deployed_forest: Project) -> None:
    config = deployed_forest.config()
    client = open_store(config.mlflow).client
    parent = client.get_run(read_metadata(config.paths.models_dir, "m")["run_id"]).data.tags["mlflow.parentRunId"]
    shutil.rmtree(client.get_run(parent).info.artifact_uri.removeprefix("file://"))
    train_linear(deployed_forest, seed=8)
    assert read_metadata(config.paths.models_dir, "m")["model"] == FOREST
    refused = run_in(deployed_forest, "promote", "2")
    assert refused.returncode == 4
    assert "on rows that neither has learned from: nobody knows which rows the champion has learned from" in refused.stderr
    assert run_in(deployed_forest, "promote", "2", "--force", "--reason", "its run was deleted").returncode == 0


def test_the_kept_hashes_know_the_keys_they_were_made_of_and_no_others() -> None:
    keys = [f"order {number}" for number in range(2_000)]
    kept = Learned.from_bytes(Learned.of(keys[:1_000]).to_bytes())
    assert kept.has(keys).tolist() == [True] * 1_000 + [False] * 1_000
    assert not Learned.of([]).has(keys).any()


def test_a_column_that_has_become_text_is_a_reason_of_the_gate_and_can_be_overruled(tmp_path: Path, empty_store: Path) -> None:
    project = small(tmp_path, empty_store, candidates={LINEAR: {}})
    header, *lines = (project.root / "rows.csv").read_text().splitlines()
    tens = [f"{line[: line.index('.')][:-1]}0{line[line.index(',') :]}" for line in lines]  # ten texts of a column say enough
    (project.root / "rows.csv").write_text("\n".join([header, *tens]) + "\n")
    assert run_in(project, "run", "--no-report").returncode == 0
    model = json.loads(project.config_file.read_text())["model"]
    as_text = {**model, "numeric_features": [], "categorical_features": ["a", "b"]}
    change(project, model=as_text, contract={"columns": {"a": {"dtype": "string"}}})
    done = run_in(project, "run", "--no-report")
    assert done.returncode == 0, done.stderr
    refused = run_in(project, "promote", "2").stderr
    assert "in the dataset a is text, and the champion takes it as numeric" in refused
    assert run_in(project, "promote", "2", "--force", "--reason", "a is a code").returncode == 0
    assert history(project.config())[-1].after.version == "2"
