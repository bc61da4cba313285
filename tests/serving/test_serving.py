"""`tabtrail serve`: batches, facades, keys, limits, reload, shadow, log. Real HTTP on loopback."""

import asyncio
import csv
import io
import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import joblib
import numpy as np
import pandas as pd
import polars as pl
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.projects import REPO, Project, serving

from tabtrail.bundle.build import build_bundle, deploy_bundle
from tabtrail.bundle.input_blocks import InputFile
from tabtrail.bundle.load import load_bundle, read_metadata
from tabtrail.bundle.outputs import output_at
from tabtrail.bundle.predictor import Predictor
from tabtrail.bundle.score_file import score_file
from tabtrail.config.operation import Serve
from tabtrail.contract.schema import ModelSchema
from tabtrail.serving.state import Service

NAME = "sales_regressor"
INFER = f"/v2/models/{NAME}/infer"
ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"


@pytest.fixture(scope="module")
def client(small: Project) -> Iterator[httpx.Client]:
    with serving(small, door=False) as client:
        yield client


@pytest.fixture(scope="module")
def rows(small: Project) -> list[dict[str, Any]]:
    schema = ModelSchema.from_dict(read_metadata(small.config().paths.models_dir, NAME)["schema"])
    frame = pl.read_parquet(small.root / "data" / "processed" / "sales_parquet" / "**" / "*.parquet")
    return frame.select(schema.names).head(2000).to_dicts()


@pytest.fixture
def example(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return dict(rows[0])


def copy(small: Project, target: Path) -> Project:
    """A project with the models of `small` alone."""
    target.mkdir(exist_ok=True)
    shutil.copy(small.config_file, target / "config_v2.yaml")
    shutil.copytree(small.root / "models", target / "models")
    return Project(target)


def republish(project: Project, run_id: str, models: str = "models") -> None:
    """Write the bundle again as that of another run."""
    folder = project.root / "models"
    metadata = {**read_metadata(folder, NAME), "run_id": run_id}
    for key in ("format", "name", "files"):
        metadata.pop(key)
    onnx, pickled = ((folder / f"{NAME}.{kind}").read_bytes() for kind in ("onnx", "joblib"))
    deploy_bundle(project.root / models, NAME, build_bundle(NAME, onnx=onnx, joblib=pickled, metadata=metadata))


def wait_until(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.02)


def tensors(rows: list[dict[str, Any]]) -> dict[str, Any]:
    kinds = {name: "BYTES" if isinstance(value, str) else "FP64" for name, value in rows[0].items()}
    return {
        "inputs": [
            {"name": name, "datatype": kind, "shape": [len(rows)], "data": [row[name] for row in rows]}
            for name, kind in kinds.items()
        ]
    }


def test_all_ways_to_ask_give_the_number_of_the_python_pipeline(
    client: httpx.Client, small: Project, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    models = small.config().paths.models_dir
    parity = read_metadata(models, NAME)["parity"]
    pipeline = joblib.load(models / f"{NAME}.joblib")
    expected = pipeline.predict(pd.DataFrame(rows))
    pl.DataFrame(rows).write_parquet(tmp_path / "rows.parquet")
    output = output_at(tmp_path / "out.parquet", None)
    score_file(Predictor(load_bundle(models, NAME)), InputFile(tmp_path / "rows.parquet"), output, intervals=False)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    lines = "\n".join(map(json.dumps, rows))
    ndjson = client.post("/predict/batch", content=lines, headers={"content-type": "application/x-ndjson"}).text
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    words = ["--json-file", str(tmp_path / "rows.json"), "--format", "json", "--config", str(small.config_file)]
    typed = subprocess.run(
        [sys.executable, "-m", "src.predict_sales", *words], cwd=REPO, capture_output=True, text=True, check=True
    )
    found = {
        "command line": [each["prediction"] for each in json.loads(typed.stdout)],
        "single": [client.post("/predict", json=row).json()["prediction"] for row in rows],
        "batch": [each["prediction"] for each in client.post("/predict/batch", json=rows).json()["predictions"]],
        "ndjson": [json.loads(line)["prediction"] for line in ndjson.splitlines()],
        "infer": client.post(INFER, json=tensors(rows)).json()["outputs"][0]["data"],
        "records": client.post("/invocations", json={"dataframe_records": rows}).json()["predictions"],
        "csv": client.post("/invocations", content=text.getvalue(), headers={"content-type": "text/csv"}).json()["predictions"],
        "file": pl.read_parquet(tmp_path / "out.parquet")["prediction"].to_list(),
    }
    bar = 1e-5 * float(np.std(expected))
    assert parity["passed"]
    for way, values in found.items():
        assert len(values) == len(rows), way
        assert np.max(np.abs(np.array(values) - expected)) < bar, way


@pytest.mark.parametrize("media", [ARROW, PARQUET])
def test_columns_are_answered_in_columns(client: httpx.Client, rows: list[dict[str, Any]], media: str) -> None:
    table, sink = pa.Table.from_pylist(rows[:20]), io.BytesIO()
    if media == PARQUET:
        pq.write_table(table, sink)
    else:
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    answer = client.post("/predict/batch", content=sink.getvalue(), headers={"content-type": media})
    assert answer.headers["content-type"] == media
    read = pq.read_table(io.BytesIO(answer.content)) if media == PARQUET else pa.ipc.open_stream(answer.content).read_all()
    expected = client.post("/predict/batch", json=rows[:20]).json()
    assert read.column("prediction").to_pylist() == [each["prediction"] for each in expected["predictions"]]
    assert read.schema.metadata[b"mlflow_run_id"].decode() == expected["mlflow_run_id"]
    for damaged in (sink.getvalue()[:-300], b"nonsense", b""):
        refused = client.post("/predict/batch", content=damaged, headers={"content-type": media})
        assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")


def test_one_bad_row_refuses_the_batch_and_is_numbered(client: httpx.Client, rows: list[dict[str, Any]]) -> None:
    answer = client.post("/predict/batch", json=[rows[0], {**rows[1], "MSRP": "s3cret"}])
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"column": "MSRP", "message": "row 2 of 2: must be a number, not text"}]
    assert client.post("/predict/batch", json=[]).status_code == 422
    assert client.post("/predict/batch", json=rows[:1] * 10_001).status_code == 413


@pytest.mark.parametrize("form", ["dataframe_split", "dataframe_records", "instances", "inputs"])
def test_every_form_of_mlflows_server_is_understood(client: httpx.Client, rows: list[dict[str, Any]], form: str) -> None:
    bodies: dict[str, Any] = {
        "dataframe_split": {"columns": list(rows[0]), "data": [list(row.values()) for row in rows[:3]]},
        "dataframe_records": rows[:3],
        "instances": rows[:3],
        "inputs": {name: [row[name] for row in rows[:3]] for name in rows[0]},
    }
    expected = [each["prediction"] for each in client.post("/predict/batch", json=rows[:3]).json()["predictions"]]
    assert client.post("/invocations", json={form: bodies[form]}).json() == {"predictions": expected}
    assert client.get("/ping").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"instances": 3},
        {"instances": [3]},
        {"inputs": {"MSRP": [1], "COUNTRY": []}},
        {"inputs": {"MSRP": 3}},
        {"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}},
        {"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}},
        {"dataframe_records": [], "instances": []},
    ],
)
def test_other_forms_are_refused(client: httpx.Client, body: Any) -> None:
    answer = client.post("/invocations", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def test_the_open_inference_protocol_describes_and_answers(client: httpx.Client, rows: list[dict[str, Any]]) -> None:
    described = client.get(f"/v2/models/{NAME}").json()
    assert [each["name"] for each in described["inputs"]] == list(rows[0])
    version = described["versions"][0]
    body = {**tensors(rows[:2]), "id": "7", "outputs": [{"name": "low"}]}
    answer = client.post(f"/v2/models/{NAME}/versions/{version}/infer", json=body).json()
    assert (answer["id"], answer["model_version"]) == ("7", version)
    assert [(each["name"], each["shape"]) for each in answer["outputs"]] == [("low", [2])]
    for path in ("/v2", "/v2/health/live", "/v2/health/ready", f"/v2/models/{NAME}/ready"):
        assert client.get(path).status_code == 200
    missing = client.post("/v2/models/other/infer", json=body)
    assert (missing.status_code, missing.json()["error"]) == (404, missing.json()["detail"])
    assert client.post(f"/v2/models/{NAME}/versions/0/infer", json=body).status_code == 404


@pytest.mark.parametrize(
    "change",
    [{"shape": [3]}, {"data": 3}, {"datatype": "BYTES"}, {"name": "COUNTRY"}, {"shape": None}, {"data": [None]}],
)
def test_a_tensor_that_does_not_fit_is_refused(client: httpx.Client, example: dict[str, Any], change: dict[str, Any]) -> None:
    body = tensors([example])
    body["inputs"][0].update(change)
    assert client.post(INFER, json=body).status_code == 422
    assert client.post(INFER, json={"inputs": [3]}).status_code == 422


def test_schema_model_and_metrics_tell_what_is_served(client: httpx.Client, small: Project, example: dict[str, Any]) -> None:
    metadata = read_metadata(small.config().paths.models_dir, NAME)
    card = client.get("/model").json()
    assert (card["run_id"], card["metrics"]) == (metadata["run_id"], metadata["metrics"])
    schema = client.get("/schema").json()
    assert schema["json_schema"]["required"] == list(small.config().model.inputs)
    client.post("/predict", json={**example, "PRODUCTLINE": "Spaceships"})
    client.get("/one/of/many/paths")
    text = client.get("/metrics").text
    assert 'tabtrail_unseen_categories_total{column="PRODUCTLINE"} 1.0' in text
    assert re.search(r'tabtrail_requests_total\{route="/predict",status="200"\} \d', text)
    assert f'run_id="{metadata["run_id"]}"' in text
    assert "Spaceships" not in text
    assert "/one/of/many" not in text


def test_row_rules_over_few_numbers_stand_in_the_json_schema(client: httpx.Client) -> None:
    cases = client.get("/schema").json()["json_schema"]["allOf"][0]["anyOf"]
    assert {"properties": {"QTR_ID": {"const": 4}, "MONTH_ID": {"enum": [10, 11, 12]}}} in cases


def test_a_request_id_goes_out_as_it_came_in_where_it_is_one(client: httpx.Client, example: dict[str, Any]) -> None:
    assert client.post("/predict", json=example, headers={"X-Request-ID": "abc-1"}).headers["x-request-id"] == "abc-1"
    for odd in ("a b", "x" * 65, 'a"b'):
        assert re.fullmatch(r"[0-9a-f]{32}", client.get("/health", headers={"X-Request-ID": odd}).headers["x-request-id"])


def test_the_log_is_json_and_has_no_value_of_a_row(client: httpx.Client, small: Project, example: dict[str, Any]) -> None:
    client.post("/predict", json={**example, "COUNTRY": "Atlantis"}, headers={"X-Request-ID": "look-here"})
    client.post("/predict", json={**example, "MSRP": "s3cret"})
    wait_until(lambda: "look-here" in (small.serve_log).read_text())
    log = (small.serve_log).read_text()
    line = next(json.loads(line) for line in log.splitlines() if "look-here" in line)
    assert (line["route"], line["status"]) == ("/predict", 200)
    assert "Atlantis" not in log
    assert "s3cret" not in log


HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "NUL": b"\0",
    "depth": b"[" * 10_000 + b"]" * 10_000,
    "depth of objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "not UTF-8": b'{"COUNTRY": "\xff"}',
    "UTF-16": '{"MSRP": 1}'.encode("utf-16"),
    "truncated gzip": b"\x1f\x8b\x08\x00\x00",
    "digits": b'{"MSRP": ' + b"9" * 100_000 + b"}",
    "many keys": json.dumps({f"k{n}": n for n in range(60_000)}).encode(),
    "lone surrogates": b'{"\\ud800": "\\udfff"}',
    "a key twice": b'{"MSRP": 1, "MSRP": 2}',
    "NaN": b'{"MSRP": NaN}',
    "1e400": b'{"MSRP": 1e400}',
}


@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/invocations", INFER])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_body_is_refused_with_a_problem_document(client: httpx.Client, path: str, name: str) -> None:
    started = time.monotonic()
    answer = client.post(path, content=HOSTILE[name], headers={"content-type": "application/json"})
    assert answer.status_code in (413, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert time.monotonic() - started < 5
    assert client.get("/health/ready").status_code == 200


def test_compressed_and_unknown_bodies_are_refused_with_415(client: httpx.Client, example: dict[str, Any]) -> None:
    packed = {"content-type": "application/json", "content-encoding": "gzip"}
    assert client.post("/predict", content=b"\x1f\x8b\x08", headers=packed).status_code == 415
    for path in ("/predict", "/predict/batch", "/invocations", INFER):
        assert client.post(path, content=b"x", headers={"content-type": "image/png"}).status_code == 415


def ask(client: httpx.Client, request: bytes, *, wait: float = 20) -> bytes:
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=wait) as connection:
        try:
            connection.sendall(request)
            return connection.recv(65_536)
        except ConnectionError:
            return b""


def test_a_flood_of_headers_ends_the_connection(client: httpx.Client) -> None:
    start = b"GET /health HTTP/1.1\r\nHost: x\r\n"
    assert not ask(client, start + b"X: " + b"a" * 2_000_000).startswith(b"HTTP/1.1 2")
    assert ask(client, start + b"".join(b"X%d: a\r\n" % n for n in range(5_000)) + b"\r\n").startswith(b"HTTP/1.1 4")
    assert client.get("/health/ready").status_code == 200


def test_slow_clients_are_let_go_and_others_are_answered(small: Project, tmp_path: Path, example: dict[str, Any]) -> None:
    project = copy(small, tmp_path / "slow")
    with serving(project, "--set", "serve.body_timeout_seconds=1", door=False) as client:
        head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
        assert b" 408 " in ask(client, head)
        assert b" 408 " in ask(client, head + b"\r\n{")
        assert ask(client, b"") == b""  # closed; it would wait for ever otherwise
        assert client.post("/predict", json=example).status_code == 200


def test_connections_past_the_limit_are_told_to_come_again(small: Project, tmp_path: Path, example: dict[str, Any]) -> None:
    project = copy(small, tmp_path / "many")
    with serving(project, "--set", "serve.max_connections=20", door=False) as client:
        address = (client.base_url.host, client.base_url.port or 80)
        held = [socket.create_connection(address, timeout=10) for _ in range(40)]
        last = held[-1].recv(1000)
        assert last.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 1" in last
        for connection in held:
            connection.close()
        wait_until(lambda: client.get("/health/ready").status_code == 200)
        assert client.post("/predict", json=example).status_code == 200


def test_past_its_limit_in_flight_it_answers_503_with_retry_after(
    small: Project, tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    project = copy(small, tmp_path / "busy")
    with serving(project, "--set", "serve.max_in_flight=1", door=False) as client:
        answers: list[httpx.Response] = []

        def post() -> None:
            answers.append(httpx.post(f"{client.base_url}/predict/batch", json=rows * 5, timeout=60))

        def crowded() -> bool:
            threads = [threading.Thread(target=post) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return {answer.status_code for answer in answers} == {200, 503}

        wait_until(crowded)  # on a busy machine one may be answered before the next begins
        refused = next(answer for answer in answers if answer.status_code == 503)
        assert refused.headers["retry-after"] == "1"
        assert client.post("/predict", json=rows[0]).status_code == 200


@pytest.mark.parametrize(("in_flight", "refused"), [(1, False), (3, False), (4, True)])
def test_the_first_request_past_the_limit_is_refused(in_flight: int, refused: bool) -> None:
    service = SimpleNamespace(in_flight=in_flight, settings=Serve(max_in_flight=3))
    found = Service.overload(service)  # type: ignore[arg-type]
    assert (found is not None and found.status == 503) is refused


@pytest.mark.parametrize("how", ["environment", "file"])
def test_with_a_key_only_health_is_open(small: Project, tmp_path: Path, example: dict[str, Any], how: str) -> None:
    project = copy(small, tmp_path / "closed")
    (project.root / "key").write_text("s3cret-key\n")
    words = ["--set", "serve.api_key_file=key"] if how == "file" else []
    environment = {"TABTRAIL_API_KEY": "s3cret-key"} if how == "environment" else {}
    with serving(project, *words, door=False, **environment) as client:
        for key in ({}, {"X-API-Key": "s3cret"}, {"Authorization": "Bearer nonsense"}, {"X-API-Key": ""}):
            answer = client.post("/predict", json=example, headers=key)
            assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
            assert client.get("/metrics", headers=key).status_code == 401
        for key in ({"X-API-Key": "s3cret-key"}, {"Authorization": "Bearer s3cret-key"}):
            assert client.post("/predict", json=example, headers=key).status_code == 200
        for path in ("/health", "/health/live", "/health/ready", "/ping", "/v2/health/ready"):
            assert client.get(path).status_code == 200
    assert "s3cret-key" not in (project.serve_log).read_text()


@pytest.mark.parametrize("text", [None, " \n"])
def test_a_key_that_cannot_be_read_never_opens_the_service(small: Project, tmp_path: Path, text: str | None) -> None:
    project = copy(small, tmp_path / "closed")
    if text is not None:
        (project.root / "key").write_text(text)
    with serving(project, TABTRAIL__SERVE__API_KEY_FILE="key") as client:
        assert client.post("/predict", json={}).status_code == 503


def test_a_promoted_bundle_is_served_within_a_second_and_no_answer_mixes_two(
    small: Project, tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    project = copy(small, tmp_path / "live")
    with serving(project, "--workers", "2", door=False) as client:
        found: list[tuple[int, str, str]] = []
        stop = threading.Event()

        def load() -> None:
            with httpx.Client(base_url=client.base_url, timeout=30) as own:
                while not stop.is_set():
                    answer = own.post("/predict/batch", json=rows[:20])
                    found.append((answer.status_code, answer.json()["mlflow_run_id"], answer.headers["x-model-run"]))

        threads = [threading.Thread(target=load) for _ in range(3)]
        for thread in threads:
            thread.start()
        seen = []
        for number in range(5):
            republish(project, f"{number:032x}")
            changed = time.monotonic()
            while {client.get("/model").json()["run_id"] for _ in range(8)} != {f"{number:032x}"}:
                assert time.monotonic() - changed < 60
            seen.append(time.monotonic() - changed)
        stop.set()
        for thread in threads:
            thread.join()
    assert {status for status, _, _ in found} == {200}
    assert all(body == header for _, body, header in found)
    assert len({run for _, run, _ in found}) > 1
    assert min(seen) < 1.0, seen


def test_a_broken_bundle_leaves_the_one_before_it_serving(small: Project, tmp_path: Path, example: dict[str, Any]) -> None:
    project = copy(small, tmp_path / "live")
    with serving(project, door=False) as client:
        before = client.post("/predict", json=example).json()
        path = project.root / "models" / f"{NAME}.onnx"
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        wait_until(lambda: 'tabtrail_reloads_total{result="refused"}' in client.get("/metrics").text)
        assert client.get("/health/ready").status_code == 200
        assert client.post("/predict", json=example).json() == before
        assert "was altered" in client.get("/health").json()["detail"]
        assert str(project.root) not in client.get("/health").text
        shutil.rmtree(project.root / "models")
        time.sleep(0.5)
        assert client.post("/predict", json=example).json() == before
    assert "bundle refused" in (project.serve_log).read_text()


def test_without_a_model_it_waits_for_one(small: Project, tmp_path: Path, example: dict[str, Any]) -> None:
    project = copy(small, tmp_path / "late")
    (project.root / "models").rename(project.root / "aside")
    with serving(project, door=False) as client:
        assert client.get("/health/live").status_code == 200
        for answer in (client.get("/health/ready"), client.post("/predict", json=example), client.get("/ping")):
            assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        (project.root / "aside").rename(project.root / "models")
        wait_until(lambda: client.get("/health/ready").status_code == 200)
        assert client.post("/predict", json=example).status_code == 200


def test_told_to_stop_it_answers_what_is_under_way(small: Project, tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    project = copy(small, tmp_path / "drain")
    with serving(project, door=False) as client:
        answers: list[httpx.Response] = []
        thread = threading.Thread(target=lambda: answers.append(httpx.post(f"{client.base_url}/predict/batch", json=rows * 5)))
        thread.start()
        wait_until(lambda: "tabtrail_in_flight 2.0" in client.get("/metrics").text)
        client.process.terminate()  # type: ignore[attr-defined]
        thread.join(30)
        client.process.wait(20)  # type: ignore[attr-defined]
        assert answers[0].status_code == 200
        assert len(answers[0].json()["predictions"]) == 10_000


def test_a_shadow_is_compared_off_the_answers_path(small: Project, tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    project = copy(small, tmp_path / "shadow")
    republish(project, "f" * 32, models="challenger")
    with serving(project, "--set", "serve.shadow_dir=challenger", door=False) as client:
        answer = client.post("/predict/batch", json=rows).json()
        assert answer["mlflow_run_id"] != "f" * 32
        # They are counted as scored first, as compared one after the other.
        wait_until(lambda: "tabtrail_shadow_difference_count 2000.0" in client.get("/metrics").text)
        measured = client.get("/metrics").text
        assert 'tabtrail_shadow_rows_total{result="scored"} 2000.0' in measured
        assert 'tabtrail_shadow_difference_bucket{le="1e-09"} 2000.0' in measured
    log = [json.loads(line) for line in (project.serve_log).read_text().splitlines() if line.startswith("{")]
    compared = [line for line in log if line["message"] == "shadow compared"]
    assert sum(line["rows"] for line in compared) == 2000
    assert compared[0]["shadow_run_id"] == "f" * 32


def written(client: httpx.Client) -> int:
    """How many rows of its predictions a service has written."""
    found = re.search(r'tabtrail_prediction_log_rows_total\{result="written"\} (\d+)', client.get("/metrics").text)
    return int(found[1]) if found else 0


def test_the_prediction_log_holds_every_row_and_its_files_are_rotated(
    small: Project, tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    project = copy(small, tmp_path / "log")
    words = ["prediction_log_dir=predictions", "prediction_log_rows=100", "prediction_log_files=3", "prediction_log_seconds=0.2"]
    with serving(project, *(word for each in words for word in ("--set", f"serve.{each}")), door=False) as client:
        answers = client.post("/predict/batch", json=rows[:50], headers={"X-Request-ID": "seen"}).json()["predictions"]
        wait_until(lambda: written(client) == 50)
        log = pl.read_parquet(project.root / "predictions" / "*.parquet")
        assert log["prediction"].to_list() == [each["prediction"] for each in answers]
        assert set(log["request_id"]) == {"seen"}
        assert log["input.PRODUCTLINE"].to_list() == [row["PRODUCTLINE"] for row in rows[:50]]
        for turn in range(1, 6):
            client.post("/predict/batch", json=rows[:100])
            wait_until(lambda turn=turn: written(client) == 50 + 100 * turn)
        client.post("/predict", json=rows[0], headers={"X-Request-ID": "the-last"})
    files = sorted((project.root / "predictions").glob("*"))
    assert len(files) == 3
    assert pl.read_parquet(files[-1])["request_id"].to_list()[-1] == "the-last"


def test_thousands_of_connections_and_large_batches_leave_no_memory_behind(
    client: httpx.Client, rows: list[dict[str, Any]]
) -> None:
    process = psutil.Process(client.process.pid)  # type: ignore[attr-defined]

    async def crowd() -> int:
        opened = []
        for _ in range(2_000):
            _, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
            writer.write(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n{")
            opened.append(writer)
        assert httpx.get(f"{client.base_url}/health/ready").status_code == 200
        for writer in opened:
            writer.close()
        return len(opened)

    def stress() -> int:
        asyncio.run(crowd())
        for _ in range(3):
            assert client.post("/predict/batch", json=rows).status_code == 200
        time.sleep(0.5)
        return int(process.memory_info().rss)

    stress()
    sizes = [stress() for _ in range(3)]
    assert sizes[-1] - sizes[0] < 20_000_000, sizes
