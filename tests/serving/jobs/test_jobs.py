"""Trainings over HTTP, with the service as users start it and real processes that are killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.demand import CONFIG, demand_project, demand_rows, write_project
from tests.support.projects import REPO, Project, Trained, serving

from tabtrail.serving.jobs.desk import Jobs
from tabtrail.serving.jobs.log_tail import read_tail
from tabtrail.serving.jobs.record import ASKED, CANCEL, END, PROCESSES, read_job
from tabtrail.serving.jobs.watch import commands
from tabtrail.system.files import write_json
from tabtrail.system.process import process_of, this_process
from tabtrail.workflows.promote import history

KEY = "s3cret-of-the-service"
HEADERS = {"X-API-Key": KEY}
ON = ["--set", "serve.jobs=true", "--set", "serve.reload_seconds=0.1"]
SERIES = [{"store_id": f"STORE_{s:03d}", "product_id": f"PROD_{p}"} for s in range(2) for p in "ABC"]


@contextmanager
def service(project: Project, *words: str) -> Iterator[httpx.Client]:
    with serving(project, *ON, *words, door=False, TABTRAIL_API_KEY=KEY) as client:
        client.headers.update(HEADERS)
        yield client


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return demand_project(tmp_path_factory)


@pytest.fixture
def project(trained: Trained, tmp_path: Path) -> Project:
    return trained.copy(tmp_path / "own")


@pytest.fixture
def slow(tmp_path: Path) -> Project:
    """A project that nothing ran in, whose training takes longer than its test."""
    folder = tmp_path / "slow"
    folder.mkdir()
    many = CONFIG.replace("n_estimators: 30", "n_estimators: 4000")
    return write_project(folder, demand_rows(), many)


def wait_for(client: httpx.Client, link: str, *states: str, seconds: float = 120) -> dict[str, Any]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found: dict[str, Any] = client.get(link).json()
        if found["state"] in states:
            return found
        time.sleep(0.2)
    raise AssertionError(found)


def wait_for_step(client: httpx.Client, link: str, step: str) -> dict[str, Any]:
    for _ in range(600):
        found: dict[str, Any] = client.get(link).json()
        if found["step"] == step:
            return found
        assert found["state"] == "running", found
        time.sleep(0.1)
    raise AssertionError(found)


def processes_of(project: Project, job: str) -> list[int]:
    found = json.loads((project.root / "output" / "jobs" / job / PROCESSES).read_text())
    return [int(found[name].rsplit(":", 2)[1]) for name in ("watcher", "worker") if found[name]]


def require_ended(processes: list[int]) -> None:
    """The watcher writes how the job ended before it ends itself."""
    for _ in range(100):
        if not any(map(is_running, processes)):
            return
        time.sleep(0.1)
    pytest.fail(f"of {processes} some are at work 10 s after the job ended")


def test_a_training_over_http_ends_with_its_run_and_the_new_model_is_served(project: Project) -> None:
    with service(project, "--workers", "2") as client:
        before = client.get("/model").json()["run_id"]
        begun = client.post("/api/train_all", json={"experiment": "from the page", "force": True})
        assert begun.status_code == 202
        assert begun.headers["Location"] == begun.json()["link"]
        done = wait_for(client, begun.json()["link"], "succeeded", "failed")
        assert done["state"] == "succeeded", done
        assert done["result"]["run_id"] == done["run_id"] != before
        assert done["result"]["model"] in ("Blend", "LightGBM_absolute", "LightGBM_tweedie")
        assert any(line.startswith("demand: champion") for line in done["log_tail"])
        time.sleep(2)
        assert client.get(done["link"]).json()["result"]["served"], "what the gate let through"
        assert [each["id"] for each in client.get("/jobs").json()["jobs"]] == [done["id"]]
    experiment = history(project.config("mlflow.experiment=from the page"))
    assert experiment[-1].after.run_id == done["run_id"]


def test_a_second_job_is_refused_by_name_and_a_job_that_is_cancelled_ends(slow: Project) -> None:
    with service(slow) as client:
        link = client.post("/jobs/train_all").json()["link"]
        second = client.post("/jobs/train_all")
        assert second.status_code == 409
        assert link in second.json()["detail"]
        wait_for_step(client, link, "train")
        assert client.delete(link).status_code == 202
        done = wait_for(client, link, "cancelled")
        assert done["exit_code"] in (143, -15), "-15 before Python looks at signals"
        assert client.delete(link).status_code == 409
        require_ended(processes_of(slow, done["id"]))


def test_a_command_that_is_at_work_is_named_and_no_job_begins_beside_it(slow: Project) -> None:
    words = [sys.executable, "-m", "tabtrail", "run", "--config", str(slow.config_file)]
    with service(slow) as client:
        run = subprocess.Popen(words, cwd=REPO, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for _ in range(600):
                if (slow.root / "output" / ".lock.owner.json").is_file():
                    break
                time.sleep(0.05)
            answer = client.post("/jobs/train_all", json={})
        finally:
            run.kill()
            run.wait()
        assert answer.status_code == 409
        assert f"`tabtrail run` (process {run.pid} on {socket.gethostname()}" in answer.json()["detail"]
        assert client.get("/jobs").json() == {"jobs": []}


def test_a_job_outlives_a_killed_service_and_the_next_one_finds_it(slow: Project) -> None:
    with service(slow) as client:
        link = client.post("/jobs/train_all", json={"experiment": "e"}).json()["link"]
        wait_for_step(client, link, "train")
        client.process.kill()  # type: ignore[attr-defined]
        client.process.wait()  # type: ignore[attr-defined]
    with service(slow) as client:
        found = client.get(link).json()
        assert (found["state"], found["experiment"], found["kind"]) == ("running", "e", "train_all")
        os.kill(processes_of(slow, found["id"])[1], signal.SIGKILL)
        done = wait_for(client, link, "failed")
        assert "killed by signal 9" in done["detail"]
        assert client.post("/jobs/train_all").status_code == 202, "the lock of a killed job is free"
        last = client.get("/jobs").json()["jobs"][0]
        os.killpg(processes_of(slow, last["id"])[0], signal.SIGKILL)
        done = wait_for(client, last["link"], "failed")
        assert "ended without a word" in done["detail"]


def test_values_of_the_data_and_secrets_stay_in_the_log_on_the_server(project: Project) -> None:
    text = (project.root / "demand.csv").read_text().replace("STORE_001,PROD_C,", "STORE_001,PROD_C,sEnSiTiVe", 1)
    (project.root / "demand.csv").write_text(text)
    with service(project, "--set", "contract.max_reject_share=0") as client:
        done = wait_for(client, client.post("/jobs/train_all").json()["link"], "failed")
        assert (done["step"], done["exit_code"]) == ("ingest", 3)
        assert "sEnSiTiVe" not in json.dumps(done)
    assert "sEnSiTiVe" in (project.root / "output" / "jobs" / done["id"] / "log.txt").read_text()
    assert "sEnSiTiVe" not in project.serve_log.read_text()


def test_what_is_asked_for_wrongly_is_refused_with_what_to_send(trained: Trained) -> None:
    with service(trained.project) as client:
        for body, status, told in [
            ({"series": SERIES[:2]}, 422, "pooled"),
            ({"series": [{**SERIES[0], "store_id": "NOBODY"}]}, 422, "not known"),
            ({"categories": ["PROD_A"]}, 422, "an object with store_id, product_id"),
            ({}, 422, "/jobs/train_all"),
            ({"serie": []}, 422, "unknown keys"),
            ({"series": SERIES, "experiment": "../x"}, 422, "experiment"),
            ([], 422, "not an object"),
        ]:
            answer = client.post("/jobs/train", json=body)
            assert (answer.status_code, told in json.dumps(answer.json())) == (status, True), (body, answer.text)
        assert client.post("/jobs/train_all", content=b"{" + b" " * 70_000 + b"}").status_code == 413
        assert client.get("/jobs/20260101T000000Z-00000000").status_code == 404
        assert client.get("/jobs/..%2F..%2Fdemand.csv").status_code == 404
        assert client.post("/jobs/train_all", headers={"X-API-Key": "wrong"}).status_code == 401
        assert client.get("/jobs").json() == {"jobs": []}


def test_training_over_http_is_off_unless_it_is_switched_on_with_a_key(trained: Trained) -> None:
    with serving(trained.project, door=False) as client:
        answer = client.post("/jobs/train_all")
        assert answer.status_code == 404
        assert "serve.jobs" in answer.json()["detail"]
        assert "/jobs" not in client.get("/openapi.json").json()["paths"]
    variables = {name: text for name, text in os.environ.items() if name != "TABTRAIL_API_KEY"}
    refused = subprocess.run(
        [sys.executable, "-m", "tabtrail", "serve", "--config", str(trained.project.config_file), *ON],
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert refused.returncode == 2
    assert "serve.jobs" in refused.stderr
    assert "TABTRAIL_API_KEY" in refused.stderr


def test_the_service_loads_nothing_that_trains_where_jobs_are_on() -> None:
    words = [sys.executable, "-c", "import sys, tabtrail.serving.app; print(*sys.modules)"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert not {"filelock", "polars", "mlflow", "sklearn", "pandas"} & set(done.stdout.split())


def a_job(folder: Path, **files: Any) -> Path:
    job = folder / "jobs" / "20260101T000000Z-00000000"
    job.mkdir(parents=True)
    write_json(job / ASKED, {"kind": "train_all", "asked_at": "2026-01-01T00:00:00+00:00"})
    for name, value in files.items():
        write_json(job / {"processes": PROCESSES, "cancel": CANCEL, "end": END}[name], value)
    return job


@pytest.mark.parametrize(
    ("files", "state"),
    [
        ({}, "failed"),
        ({"processes": {"watcher": this_process(), "worker": None}}, "running"),
        ({"processes": {"watcher": this_process(), "worker": None}, "cancel": {}}, "cancelling"),
        ({"processes": {"watcher": f"{this_process()}1", "worker": None}}, "failed"),
        ({"processes": {"watcher": "a-container-of-before:7:1", "worker": None}}, "failed"),
        ({"processes": {"watcher": f"{this_process()}1", "worker": None}, "cancel": {}}, "cancelled"),
        ({"processes": {"watcher": this_process()}, "end": {"exit_code": 0, "at": ""}}, "succeeded"),
        ({"processes": {"watcher": this_process()}, "end": {"exit_code": 4, "at": ""}}, "failed"),
        ({"end": {"exit_code": 143, "at": ""}, "cancel": {}}, "cancelled"),
    ],
)
def test_the_state_of_a_job_follows_from_its_files_and_living_processes(tmp_path: Path, files: Any, state: str) -> None:
    found = read_job(a_job(tmp_path, **files), tmp_path)
    assert found is not None
    assert found.state == state


def test_what_runs_on_another_machine_counts_while_it_holds_the_lock_of_the_project(tmp_path: Path) -> None:
    job = a_job(tmp_path, processes={"watcher": "elsewhere:7:1", "worker": "elsewhere:8:1"})
    owner = {"process": "elsewhere:8:1", "command": "train", "since": "2026-01-01T00:00:00+00:00"}
    write_json(tmp_path / ".lock.owner.json", owner)
    found = read_job(job, tmp_path)
    assert found is not None
    assert found.state == "running"


def test_the_oldest_jobs_are_forgotten_and_a_name_stays_a_text(tmp_path: Path) -> None:
    for number in range(4):
        job = tmp_path / "jobs" / f"2026010{number + 1}T000000Z-00000000"
        job.mkdir(parents=True)
        write_json(job / ASKED, {"kind": "train_all", "asked_at": "2026-01-01T00:00:00+00:00"})
    jobs = Jobs(tmp_path, (), kept=2)
    jobs.forget_old()
    assert [each.id[:8] for each in jobs.all()] == ["20260104", "20260103"]
    train = commands({"experiment": "true"}, ("--config", "c.yaml"))["train"]
    assert train[-4:] == ["--config", "c.yaml", "--set", 'mlflow.experiment="true"']


def test_a_tail_shows_how_far_a_training_is_and_nothing_else(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text(
        "ingest: 10 rows in, 9 kept, 1 rejected\ningest: LOOK AT THIS: 'Müller' stands in line 7\n"
        "error: 'Müller' is not a number\n"
        "demand: run 0123456789abcdef0123456789abcdef at http://user:pass@server/x\ndemand: 2 of 5 models are judged\n"
    )
    tail = read_tail(log, 3)
    assert "Müller" not in str(tail.lines)
    assert "pass" not in str(tail.lines)
    assert tail.progress == {"message": "demand: 2 of 5 models are judged", "done": 2, "of": 5}
    assert tail.run_id == "0123456789abcdef0123456789abcdef"


def is_running(pid: int) -> bool:
    return not process_of(pid).endswith(":")
