"""Some of the nets of a model that has one for each store are trained again, over HTTP too; the others stay as they are."""

import json
import time
from pathlib import Path

import pytest
from tests.support.commands import run_in
from tests.support.demand import CONFIG, demand_project, demand_rows, write_project
from tests.support.nets import needs_torch
from tests.support.projects import serving

from tabtrail import pipeline
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.serving.jobs.watch import commands

NET = (
    CONFIG.partition("  candidates:")[0]
    .replace("lead_time: 5", "calibration_origins: 0")
    .replace("horizon: 7", "horizon: 2\n  origins: 1\n  choice: {deploy_unless_beaten: true}")
    + "  candidates:\n    CNNLSTM: {window: 7, epochs: 2, per: store_id}\npromotion: {automatic: always}\n"
)
ROWS = [
    {"date": "2023-05-02", "store_id": f"STORE_00{store}", "product_id": f"PROD_{product}", "price": 12.0, "promotion": 0}
    for store in (0, 1)
    for product in "ABC"
]


@needs_torch
def test_one_store_is_trained_by_a_job_and_the_forecasts_of_the_other_stay(tmp_path: Path) -> None:
    project = write_project(tmp_path, demand_rows(120), NET)
    pipeline.run(project.config(), report=False)
    before = _forecasts(project.config().paths.models_dir)
    first = load_bundle(project.config().paths.models_dir, "shop_demand").metadata["run_id"]
    project.config_file.write_text(NET.replace("demand:\n", "demand:\n  random_state: 7\n"))
    named = [{name: row[name] for name in ("store_id", "product_id")} for row in ROWS if row["store_id"] == "STORE_001"]
    with serving(project, "--set", "serve.jobs=true", door=False, TABTRAIL_API_KEY="k") as client:
        client.headers["X-API-Key"] = "k"
        refused = client.post("/jobs/train", json={"series": named[:1]})
        assert refused.status_code == 422
        assert "lacks 2 series of the same store_id" in refused.json()["errors"][0]["message"]
        link = client.post("/jobs/train", json={"series": named}).json()["link"]
        for _ in range(600):
            done = client.get(link).json()
            if done["state"] != "running":
                break
            time.sleep(0.1)
    assert done["state"] == "succeeded", done
    assert done["result"]["model"] == "CNNLSTM"
    found = load_bundle(project.config().paths.models_dir, "shop_demand")
    assert found.metadata["run_id"] == done["run_id"] != first
    assert found.metadata["window"]["kept"] == {"run_id": first, "groups": ["STORE_000"]}
    after = _forecasts(project.config().paths.models_dir)
    assert [one == other for one, other in zip(before, after, strict=True)] == [True] * 3 + [False] * 3


def _forecasts(folder: Path) -> list[float]:
    return [each.value for each in Predictor(load_bundle(folder, "shop_demand")).predict(ROWS)]


def test_some_series_of_a_pooled_model_are_refused_by_the_command_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    done = run_in(demand_project(tmp_path_factory).project, "demand", "train", "--only", "STORE_001")
    assert done.returncode == 2
    assert "learns from all series together" in done.stderr
    assert "`tabtrail train` trains all of them" in done.stderr


def test_a_job_of_some_groups_names_each_to_the_command_whatever_it_is_called() -> None:
    train = commands({"groups": ["Beauty", "--set=x"], "force": True}, ("--config", "c.yaml"))["train"]
    assert train[3:] == ["demand", "train", "--format=json", "--only=Beauty", "--only=--set=x", "--config", "c.yaml"]
    assert json.dumps(commands({"groups": []}, ())["train"][3:]) == '["train", "--format=json"]'
