"""The service over real HTTP on loopback."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import joblib
import pandas as pd
import pytest
from tests.support.projects import REPO, Project, serving

from tabtrail.bundle.load import read_metadata
from tabtrail.config.operation import Serve
from tabtrail.contract.schema import ModelSchema
from tabtrail.serving.app import create_app
from tabtrail.serving.prometheus import SHARED_FOLDER
from tabtrail.serving.run import run
from tabtrail.serving.workers import Workers


@pytest.fixture(scope="module")
def client(small: Project) -> Iterator[httpx.Client]:
    with serving(small) as client:
        yield client


@pytest.fixture
def example(small: Project) -> dict[str, Any]:
    metadata = read_metadata(small.config().paths.models_dir, "sales_regressor")
    return dict(ModelSchema.from_dict(metadata["schema"]).example)


def test_health_names_the_model_its_run_and_its_features(client: httpx.Client, small: Project) -> None:
    body = client.get("/health").json()
    metadata = read_metadata(small.config().paths.models_dir, "sales_regressor")
    assert (body["status"], body["model_name"], body["mlflow_run_id"]) == ("ok", metadata["model"], metadata["run_id"])
    assert body["features"] == list(small.config().model.inputs)


def test_api_cli_and_python_pipeline_give_the_same_number(client: httpx.Client, small: Project, example: dict[str, Any]) -> None:
    answer = client.post("/predict", json=example).json()
    words = [
        "-m",
        "src.predict_sales",
        "--config",
        str(small.config_file),
        "--json",
        json.dumps(example),
        "--format",
        "json",
    ]
    cli = json.loads(subprocess.run([sys.executable, *words], cwd=REPO, capture_output=True, text=True, check=True).stdout)
    assert answer == cli
    pipeline = joblib.load(small.config().paths.models_dir / "sales_regressor.joblib")
    assert answer["prediction"] == pytest.approx(float(pipeline.predict(pd.DataFrame([example]))[0]), rel=1e-7)
    assert answer["currency"] == "USD"
    assert answer["inputs"] == example


def test_the_documented_request_works(client: httpx.Client, small: Project) -> None:
    document = client.get("/openapi.json").json()
    media = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    row = document["components"]["schemas"]["Row"]
    assert media["schema"] == {"$ref": "#/components/schemas/Row"}
    assert list(row["properties"]) == list(small.config().model.inputs)
    assert row["properties"]["QUANTITYORDERED"]["minimum"] == 1
    assert client.post("/predict", json=media["example"]).status_code == 200
    assert "swagger" in client.get("/docs").text.lower()


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"QUANTITYORDERED": -30}, "QUANTITYORDERED"),
        ({"MONTH_ID": 99}, "MONTH_ID"),
        ({"QTR_ID": 1, "MONTH_ID": 12}, ""),
        ({"MSRP": "ninety"}, "MSRP"),
        ({"MSRP": None}, "MSRP"),
        ({"COUNTRY": [7]}, "COUNTRY"),
        ({"nonsense": 1}, "nonsense"),
        ({"DEALSIZE": "Huge"}, "DEALSIZE"),
        ({"QUANTITYORDERED": 2.5}, "QUANTITYORDERED"),
        ({"MSRP": 10**400}, "MSRP"),
    ],
)
def test_values_outside_the_contract_are_refused_with_422_and_named(
    client: httpx.Client, example: dict[str, Any], change: dict[str, Any], column: str
) -> None:
    answer = client.post("/predict", json={**example, **change})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["column"] for error in answer.json()["errors"]] == [column]


def test_nan_and_infinity_in_the_body_are_refused_not_a_server_error(client: httpx.Client, example: dict[str, Any]) -> None:
    for text in ("NaN", "Infinity", "-Infinity", "1e999"):
        body = json.dumps({**example, "PRICEEACH": 1.25}).replace("1.25", text)
        assert client.post("/predict", content=body, headers={"content-type": "application/json"}).status_code == 422


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"3", b"null", b"\xff\xfe", b"[" * 50_000, b'{"MSRP": "\\ud800"}'])
def test_a_body_that_is_no_row_is_refused(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["title"] == "Row refused"


def test_other_refusals_are_problem_documents_too(client: httpx.Client) -> None:
    assert client.post("/predict", content=b"x" * 2_000_000, headers={"content-type": "application/json"}).status_code == 413
    assert client.post("/predict", content=b"a=1", headers={"content-type": "text/plain"}).status_code == 415
    for answer in (client.get("/nothing"), client.get("/predict")):
        assert answer.headers["content-type"] == "application/problem+json"


def test_an_error_echoes_no_value(client: httpx.Client, example: dict[str, Any]) -> None:
    answer = client.post("/predict", json={**example, "COUNTRY": [31337], "DEALSIZE": "s3cret"})
    assert answer.status_code == 422
    assert "s3cret" not in answer.text
    assert "31337" not in answer.text


def test_what_the_model_has_not_seen_is_answered_with_a_warning(client: httpx.Client, example: dict[str, Any]) -> None:
    answer = client.post("/predict", json={**example, "PRODUCTLINE": "Spaceships", "QUANTITYORDERED": 5000})
    assert answer.status_code == 200
    assert [warning.partition(":")[0] for warning in answer.json()["warnings"]] == ["QUANTITYORDERED", "PRODUCTLINE"]


def test_a_config_that_cannot_be_used_is_said_by_health_not_by_a_crash(project: Project) -> None:
    project.config_file.write_text("nonsense: s3cret\n")
    with serving(project) as client:
        answer = client.get("/health")
        assert answer.json()["status"] == "damaged"
        assert "s3cret" not in answer.text


def test_before_training_it_is_up_and_says_so(project: Project) -> None:
    with serving(project) as client:
        assert client.get("/health").json()["status"] == "not_trained"
        answer = client.post("/predict", json={})
        assert (answer.status_code, answer.json()["title"]) == (503, "Not now")
        assert "tabtrail run" in answer.json()["detail"]
        assert str(project.root) not in answer.text
        assert client.get("/openapi.json").status_code == 200


def test_an_address_that_cannot_be_listened_on_is_one_message(project: Project) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "tabtrail", "serve", "--config", str(project.config_file), "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert (
        done.stderr == f"error: cannot listen on 127.0.0.1:{port}: Address already in use; name another with --host or --port\n"
    )


def test_workers_share_a_folder_of_counters_and_the_environment_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    folders = list[Path]()

    def start(supervisor: Workers) -> None:
        folders.append(Path(os.environ[SHARED_FOLDER]))
        assert folders[-1].is_dir()
        supervisor._listening.close()

    monkeypatch.setattr(Workers, "run", start)
    monkeypatch.setattr("tabtrail.serving.run.log_config", lambda *, access: None)
    settings = Serve(workers=2).model_copy(update={"port": 0})  # any free one
    for before in (None, "elsewhere"):
        if before is not None:
            monkeypatch.setenv(SHARED_FOLDER, before)
        run(create_app, settings)
        assert os.environ.get(SHARED_FOLDER) == before
    assert len(set(folders)) == 2
    assert not any(folder.exists() for folder in folders)
