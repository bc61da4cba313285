"""The started command under load: answers that take long, killed workers, restarts, its end, and what the log says of it."""

import http.client
import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from tests.support.projects import REPO, Project, serving

from tabtrail.bundle.load import read_metadata
from tabtrail.contract.schema import ModelSchema
from tabtrail.serving.access_log import AccessLog, Answered


@pytest.fixture(scope="module")
def rows(small: Project) -> list[dict[str, Any]]:
    schema = ModelSchema.from_dict(read_metadata(small.config().paths.models_dir, "sales_regressor")["schema"])
    frame = pl.read_parquet(small.root / "data" / "processed" / "sales_parquet" / "**" / "*.parquet")
    return frame.select(schema.names).head(2000).to_dicts()


def log_lines(project: Project) -> list[dict[str, Any]]:
    text = (project.serve_log).read_text()
    return [json.loads(line) for line in text.splitlines() if '"message": "request"' in line]


def test_an_answer_that_takes_longer_than_a_body_may_is_sent_whole(small: Project, rows: list[dict[str, Any]]) -> None:
    with serving(small, "--set", "serve.body_timeout_seconds=0.05", door=False) as client:
        answer = client.post("/predict/batch", json=rows * 5, headers={"X-Request-ID": "long"})
        assert answer.elapsed.total_seconds() > 0.1
        assert len(answer.json()["predictions"]) == 10_000
    assert [line["status"] for line in log_lines(small) if line["request_id"] == "long"] == [200]


def test_an_answer_that_nobody_waited_for_is_not_logged_as_sent(small: Project, rows: list[dict[str, Any]]) -> None:
    with serving(small, door=False) as client:
        with pytest.raises(httpx.ReadTimeout):
            client.post("/predict/batch", json=rows * 5, headers={"X-Request-ID": "gone"}, timeout=httpx.Timeout(30, read=0.02))
        client.get("/health/ready")
    assert [line["status"] for line in log_lines(small) if line["request_id"] == "gone"] == [499]


def test_headers_of_up_to_64_kb_are_taken_and_larger_ones_answered_431(small: Project) -> None:
    with serving(small, door=False) as client:
        assert client.get("/health", headers={"X-Long": "a" * 60_000}).status_code == 200
        for headers in ({"X-Long": "a" * 66_000}, {f"X-{number}": "a" * 1000 for number in range(70)}):
            answer = client.get("/health", headers=headers)
            assert (answer.status_code, answer.headers["content-type"]) == (431, "application/problem+json")
        assert client.get("/health?" + "a" * 60_000, headers={"X-Long": "a" * 10_000}).status_code == 431


def test_two_workers_lose_no_request_when_one_is_killed_all_are_replaced_and_the_service_ends(small: Project) -> None:
    script = [sys.executable, "benchmarks/service_under_load.py", "--config", str(small.config_file)]
    words = ["--batches", "6", "--seconds", "1", "--connections", "4", "--set", "serve.body_timeout_seconds=0.5"]
    done = subprocess.run([*script, *words], cwd=REPO, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    steps = json.loads(done.stdout)["steps"]
    assert steps["batches"]["answered"] == 6
    assert min(step["answered"] for step in steps.values()) > 0


def test_told_to_end_it_answers_a_connection_that_waits_to_be_accepted_and_a_request_that_comes_a_moment_later(
    small: Project, rows: list[dict[str, Any]]
) -> None:
    with serving(small, door=False) as client:
        port = client.base_url.port
        kept = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        kept.request("GET", "/health/ready")
        kept.getresponse().read()
        fresh = socket.create_connection(("127.0.0.1", port), timeout=20)
        client.process.terminate()  # type: ignore[attr-defined]
        time.sleep(0.3)
        fresh.sendall(b"GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n")
        assert fresh.recv(1000).startswith(b"HTTP/1.1 200")
        kept.request("POST", "/predict", json.dumps(rows[0]), {"Content-Type": "application/json"})
        answer = kept.getresponse()
        assert (answer.status, answer.will_close) == (200, True)
        answer.read()
        fresh.close()
        kept.close()
        client.process.wait(20)  # type: ignore[attr-defined]


def test_every_request_has_its_line_when_the_service_has_ended(small: Project, rows: list[dict[str, Any]]) -> None:
    with serving(small, door=False) as client:
        for number in range(200):
            client.post("/predict", json=rows[number], headers={"X-Request-ID": f"line-{number}"})
    found = [line["request_id"] for line in log_lines(small) if line["request_id"].startswith("line-")]
    assert found == [f"line-{number}" for number in range(200)]


def test_lines_of_the_log_that_come_after_its_end_are_written_at_once(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        log = AccessLog(file.fileno())
        for number in range(1000):
            log.note(Answered(1e9 + number, str(number), "GET", "/health", 200, 0.001))
        log.stop()
        log.note(Answered(1e9, "late", "GET", '/"', 200, 0.001))
        lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["request_id"] for line in lines] == [*map(str, range(1000)), "late"]
    assert lines[-1]["route"] == '/"'
