"""A challenger takes a share of the traffic: one key always gets one model, the answer names it, and labels compare the two."""

import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest
from tests.support.commands import run_in
from tests.support.projects import Project, make_store, serving
from tests.support.small_project import LINEAR, WEAK, small

from tabtrail.bundle.load import read_metadata
from tabtrail.errors import ConfigError

HEADER = "X-Customer-Id"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A good model is deployed, a weak one lies in the folder of the challenger."""
    root = tmp_path_factory.mktemp("traffic")
    make_store(root / "store" / "mlflow.db")
    made = small(root, root / "store" / "mlflow.db", promotion={"max_worse": 100.0})
    assert run_in(made, "run", "--no-report").returncode == 0
    run = read_metadata(made.config().paths.models_dir, "m")["run_id"]
    assert run_in(made, "promote", run, "--force", "--reason", "it is").returncode in (0, 2)
    board = json.loads((made.config().paths.output_dir / "metrics" / "m_regression_metrics.json").read_text())
    done = run_in(made, "promote", board["parent_run_id"], "--candidate", WEAK, "--force", "--reason", "as a challenger")
    assert done.returncode == 0, done.stderr
    shutil.copytree(made.root / "models", made.root / "challenger")
    assert run_in(made, "rollback").returncode == 0
    assert read_metadata(made.config().paths.models_dir, "m")["model"] == LINEAR
    return made


def words(key: str, share: float, log: Path) -> list[str]:
    settings = {"shadow_dir": "challenger", "challenger_share": share, "challenger_key": key, "prediction_log_dir": log}
    settings["prediction_log_seconds"] = 0.2
    return [word for name, value in settings.items() for word in ("--set", f"serve.{name}={value}")]


def rows(count: int) -> list[dict[str, Any]]:
    random = np.random.default_rng(3)
    return [
        {"a": round(a, 2), "b": str(b)}
        for a, b in zip(random.uniform(0, 100, count), random.choice(list("pqr"), count), strict=True)
    ]


def tensors(asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kinds = {"a": "FP64", "b": "BYTES"}
    return [
        {"name": name, "datatype": kind, "shape": [len(asked)], "data": [row[name] for row in asked]}
        for name, kind in kinds.items()
    ]


def wait_for_log(client: httpx.Client, count: int) -> None:
    for _ in range(100):
        found = re.search(r'tabtrail_prediction_log_rows_total\{result="written"\} (\d+)', client.get("/metrics").text)
        if found and int(found[1]) == count:
            return
        time.sleep(0.1)
    raise AssertionError("the log was not written")


def test_a_customer_always_gets_one_model_about_the_share_gets_the_challenger_and_labels_compare_them(
    project: Project, tmp_path: Path
) -> None:
    asked = rows(300)
    with serving(project, *words(HEADER, 0.3, tmp_path), door=False) as client:
        models: list[str] = []
        for number, row in enumerate(asked):
            headers = {HEADER: f"customer {number // 3}", "X-Request-ID": f"request-{number}"}
            models.append(client.post("/predict", json=row, headers=headers).json()["model_name"])
        without = client.post("/predict", json=asked[0], headers={"X-Request-ID": "nobody"}).json()
        batch = client.post("/predict/batch", json=asked[:4], headers={HEADER: "customer 1"}).json()
        asked_by_others = [
            client.post("/v2/models/m/infer", json={"inputs": tensors(asked[:4])}, headers={HEADER: "customer 1"}).json(),
            client.post("/invocations", json={"dataframe_records": asked[:4]}, headers={HEADER: "customer 1"}).json(),
        ]
        champion = client.get("/model").json()["run_id"]
        path = f"/v2/models/m/versions/{champion}/infer"
        named = client.post(path, json={"inputs": tensors(asked[:4])}, headers={HEADER: "customer 1"}).json()
        wait_for_log(client, 317)
    run = batch["predictions"][0]["mlflow_run_id"]
    by_v2, by_mlflow = asked_by_others
    assert by_v2["model_version"] == run
    assert by_v2["outputs"][-1]["data"] == by_mlflow["mlflow_run_ids"] == [run] * 4
    assert by_v2["outputs"][0]["data"] == by_mlflow["predictions"] == [each["prediction"] for each in batch["predictions"]]
    assert named["model_version"] == champion, "a version that is asked for answers itself"
    assert without["model_name"] == LINEAR, "a row without a key is the champion's"
    assert all(len(set(models[at : at + 3])) == 1 for at in range(0, 300, 3))
    assert {each["model_name"] for each in batch["predictions"]} == {models[3]}
    assert 0.15 < models.count(WEAK) / 300 < 0.45, "of 100 customers about 30"

    alone = run_in(project, "challenger", *words(HEADER, 0.3, tmp_path))
    assert "none of them has a label yet" in alone.stdout
    labels = pl.DataFrame({"request_id": [f"request-{n}" for n in range(300)], "y": [3 * row["a"] for row in asked]})
    labels.write_parquet(tmp_path / "actual.parquet")
    joined = run_in(
        project, "labels", "--input", str(tmp_path / "actual.parquet"), "--key", "request_id", *words(HEADER, 0.3, tmp_path)
    )
    assert joined.returncode == 0, joined.stderr
    found = json.loads(run_in(project, "challenger", "--format=json", *words(HEADER, 0.3, tmp_path)).stdout)
    assert found["labelled"] == 300
    assert found["by_challenger"] - models.count(WEAK) in (0, 4)
    assert found["comparison"]["units"] == 100
    assert found["comparison"]["low"] > 0, "the weak model is worse beyond chance"
    assert "it is worse beyond chance" in run_in(project, "challenger", *words(HEADER, 0.3, tmp_path)).stdout


def test_rows_of_a_batch_go_each_to_the_model_of_its_key_and_keep_their_order_and_numbers(
    project: Project, tmp_path: Path
) -> None:
    asked = rows(60)
    with serving(project, *words("b", 0.5, tmp_path), door=False) as client:
        answers = client.post("/predict/batch", json=asked, headers={"X-Request-ID": "batch"}).json()["predictions"]
        lines = client.post(
            "/predict/batch", content="\n".join(map(json.dumps, asked)), headers={"Content-Type": "application/x-ndjson"}
        ).text.splitlines()
        singles = [client.post("/predict", json=row).json() for row in asked[:9]]
        wait_for_log(client, 129)
    by_text = {
        row["b"]: {each["model_name"] for row_, each in zip(asked, answers, strict=True) if row_["b"] == row["b"]}
        for row in asked
    }
    assert all(len(models) == 1 for models in by_text.values())
    assert set.union(*by_text.values()) == {LINEAR, WEAK}
    assert [json.loads(line) for line in lines] == answers
    assert [(each["prediction"], each["model_name"]) for each in singles] == [
        (each["prediction"], each["model_name"]) for each in answers[:9]
    ]
    log = pl.concat([pl.read_parquet(path) for path in tmp_path.glob("predictions-*.parquet")]).filter(
        pl.col("request_id") == "batch"
    )
    logged = {row["row"]: row for row in log.to_dicts()}
    assert sorted(logged) == list(range(1, 61))
    for number, (row, answer) in enumerate(zip(asked, answers, strict=True), 1):
        assert logged[number]["input.a"] == row["a"]
        assert logged[number]["prediction"] == answer["prediction"]
        assert logged[number]["mlflow_run_id"] == answer["mlflow_run_id"] != logged[number]["other_run_id"]
        assert logged[number]["other_prediction"] is not None


def test_a_challenger_that_takes_other_columns_gets_no_traffic(project: Project, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    make_store(other / "store" / "mlflow.db")
    model = {"name": "m", "target": "y", "numeric_features": ["a"], "categorical_features": []}
    narrow = small(other, other / "store" / "mlflow.db", model=model, candidates={LINEAR: {}})
    assert run_in(narrow, "run", "--no-report").returncode == 0
    setting = [*words("b", 1, tmp_path / "log"), "--set", f"serve.shadow_dir={narrow.root / 'models'}"]
    with serving(project, *setting, door=False) as client:
        answer = client.post("/predict", json=rows(1)[0]).json()
    assert answer["mlflow_run_id"] == read_metadata(project.config().paths.models_dir, "m")["run_id"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["serve.challenger_share=0.1"], "a challenger needs its bundle: set serve.shadow_dir"),
        (["serve.challenger_share=0.1", "serve.shadow_dir=challenger"], "set serve.challenger_key"),
        (["serve.challenger_key=customer"], "'customer' is neither an input of the model nor a header"),
        (["serve.challenger_share=2"], "is 2, where 1 or less belongs"),
    ],
)
def test_a_share_that_cannot_be_given_is_refused_before_the_service_starts(
    project: Project, settings: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        project.config(*settings)
