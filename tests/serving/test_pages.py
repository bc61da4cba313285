"""The pages beside the predictions: what `/`, `/health` and `/forecast` answer, and how often they are made."""

import base64
import json
import re
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from tests.support.projects import Project, serving

from tabtrail.serving.prometheus import Counters

NAME = "sales_regressor"


def example(client: httpx.Client, key: dict[str, str] | None = None) -> dict[str, Any]:
    return dict(client.get("/schema", headers=key).json()["example"])


def test_the_root_names_the_model_and_links_that_work(small: Project) -> None:
    with serving(small, door=False) as client:
        body = client.get("/").json()
        assert body["model"]["name"] == NAME
        for name, path in body["links"].items():
            assert client.get(path).status_code in ((405,) if name.startswith("predict") else (200, 404)), name


def test_without_the_key_health_answers_status_and_model_loaded_alone(small: Project) -> None:
    with serving(small, door=False, TABTRAIL_API_KEY="s3cret") as client:
        assert client.get("/health").json() == {"status": "ok", "model_loaded": True}
        assert client.get("/health", headers={"X-API-Key": "wrong"}).json() == {"status": "ok", "model_loaded": True}
        told = client.get("/health", headers={"X-API-Key": "s3cret"}).json()
        assert told["model_loaded"] is True
        assert {"model_name", "mlflow_run_id", "features"} < set(told)
        assert client.get("/health/live").status_code == 200
        assert client.get("/health/ready").json() == {"status": "ok", "ready": True}


def test_a_forecast_names_its_parameters_and_what_is_stored(small: Project) -> None:
    folder = small.root / "output" / "timeseries"
    folder.mkdir(parents=True, exist_ok=True)
    stored = folder / "sales_ts_risk_Ships_Peru.json"
    stored.write_text(json.dumps({"segment": {"product_line": "Ships", "country": "Peru"}}))
    try:
        with serving(small, door=False) as client:
            answer = client.get("/forecast", params={"productline": "Ships"})
            assert answer.status_code == 422
            assert [error["column"] for error in answer.json()["errors"]] == ["productline"]
            assert "product_line, country, steps" in answer.json()["errors"][0]["message"]
            missing = client.get("/forecast", params={"product_line": "Trains"})
            assert missing.status_code == 404
            assert "product_line=Ships, country=Peru" in missing.json()["detail"]
    finally:
        stored.unlink()


def test_a_forecast_is_found_by_any_spelling_that_is_read_as_the_text_of_its_segment(small: Project) -> None:
    folder = small.root / "output" / "timeseries"
    folder.mkdir(parents=True, exist_ok=True)
    stored = folder / "sales_ts_risk_Ships_PERU.json"
    stored.write_text(json.dumps({"segment": {"country": "PERU"}, "forecast": {"steps": 2}}))
    try:
        with serving(small, "--set", "cleaning.fold_case=[COUNTRY]", door=False) as client:
            assert client.get("/forecast", params={"country": "Peru", "steps": "5"}).status_code == 422  # found, with two steps
            assert client.get("/forecast", params={"country": "Chile", "steps": "5"}).status_code == 404
    finally:
        stored.unlink()


def test_the_document_of_forecast_has_the_segments_of_the_config(small: Project, tmp_path: Path) -> None:
    with serving(small, "--set", "risk.segments={region: COUNTRY}", door=False) as client:
        parameters = client.get("/openapi.json").json()["paths"]["/forecast"]["get"]["parameters"]
        assert [each["name"] for each in parameters] == ["region", "steps"]


def test_column_errors_and_row_rules_stand_in_one_answer(small: Project) -> None:
    with serving(small, door=False) as client:
        row = {**example(client), "MSRP": "ninety", "QTR_ID": 1, "MONTH_ID": 12}
        errors = client.post("/predict", json=row).json()["errors"]
        assert [error["column"] for error in errors] == ["MSRP", ""]
        assert "quarter_matches_month" in errors[1]["message"]
        errors = client.post("/predict", json={**row, "MONTH_ID": 99}).json()["errors"]
        assert [error["column"] for error in errors] == ["MSRP", "MONTH_ID"]


@pytest.mark.parametrize("where", ["tensor", "request"])
def test_base64_texts_of_the_open_inference_protocol_are_decoded_or_refused(small: Project, where: str) -> None:
    with serving(small, door=False) as client:
        row = example(client)
        expected = client.post("/predict", json=row).json()["prediction"]
        tensors = [
            {"name": name, "datatype": "BYTES" if isinstance(value, str) else "FP64", "shape": [1], "data": [value]}
            for name, value in row.items()
        ]
        for each in tensors if where == "tensor" else ():
            each["parameters"] = {"content_type": "base64" if each["datatype"] == "BYTES" else "np"}
        body: dict[str, Any] = {"inputs": tensors}
        if where == "request":
            body["parameters"] = {"content_type": "base64"}
            body["inputs"] = [
                each if each["datatype"] == "BYTES" else {**each, "parameters": {"content_type": "np"}} for each in tensors
            ]
        path = f"/v2/models/{NAME}/infer"
        assert client.post(path, json=body).status_code == 422  # the texts are not base64
        for each in body["inputs"]:
            if each["datatype"] == "BYTES":
                each["data"] = [base64.b64encode(each["data"][0].encode()).decode()]
        assert client.post(path, json=body).json()["outputs"][0]["data"] == [expected]
        body["inputs"][0]["parameters"] = {"content_type": "nonsense"}
        assert client.post(path, json=body).status_code == 422


def test_a_page_that_is_asked_for_too_often_waits_and_predictions_do_not(small: Project) -> None:
    with serving(small, "--set", "serve.pages_per_second=5", door=False) as client:
        row = example(client)
        start = time.monotonic()
        for _ in range(8):
            assert client.get("/model").status_code == 200
        assert time.monotonic() - start > 0.4
        start = time.monotonic()
        for _ in range(20):
            assert client.post("/predict", json=row).status_code == 200
        assert time.monotonic() - start < 4  # 20 turns of a paced path


def test_counters_are_not_written_out_again_for_every_request() -> None:
    counters = Counters(lambda: None)
    start = time.process_time()
    for number in range(2000):
        counters.answered("/predict", 200 + number % 20, 0.001)
        counters.text()
    assert (time.process_time() - start) / 2000 < 0.0003
    time.sleep(0.2)
    assert 'tabtrail_requests_total{route="/predict",status="200"} 100.0' in counters.text().decode()


def test_the_document_is_made_once_for_a_model(small: Project) -> None:
    with serving(small, "--set", "serve.pages_per_second=1000", door=False) as client:
        first = client.get("/openapi.json").content
        process = psutil.Process(client.process.pid)  # type: ignore[attr-defined]
        before = sum(process.cpu_times()[:2])
        for _ in range(200):
            assert client.get("/openapi.json").content == first
        assert (sum(process.cpu_times()[:2]) - before) / 200 < 0.002


def test_the_documentation_page_needs_no_other_server(small: Project) -> None:
    with serving(small, door=False) as client:
        page = client.get("/docs").text
        assert "http://" not in page
        assert "https://" not in page
        assert "validatorUrl: null" in client.get("/page/docs.js").text
        for path in re.findall(r'(?:src|href)="([^"]+)"', page):
            answer = client.get(f"/{path}")
            assert answer.status_code == 200
            assert len(answer.content) > 200
