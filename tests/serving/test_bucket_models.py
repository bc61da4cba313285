"""The service with its models in a bucket: what is published is served soon, and goes on while the bucket is away."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tests.support.buckets import SECRET, Between, Buckets, between
from tests.support.bundles import NAME, small_files
from tests.support.projects import Project, serving

from tabtrail.bundle.build import deploy_bundle
from tabtrail.storage.address import Address
from tabtrail.storage.copies import Copy

ROW = {"X": 2.0}


def run_of(number: int) -> str:
    return f"{number:032x}"


class Site:
    """A project that serves `s3://BUCKET/models`, and a machine that publishes into it."""

    def __init__(self, root: Path, bucket: str) -> None:
        self.project = Project(root)
        self.copy = Copy(Address(bucket, "models"), root / "elsewhere")
        config = {
            "version": 2,
            "paths": {"raw_csv": "none.csv", "models_dir": f"s3://{bucket}/models"},
            "model": {"name": NAME, "target": "Y", "numeric_features": ["X"]},
            "split": {"kind": "random", "allow_leaky": True},
        }
        self.project.config_file.write_text(json.dumps(config))

    def publish(self, number: int) -> None:
        self.copy.refresh()
        with self.copy.changing():
            deploy_bundle(self.copy.folder, NAME, small_files(run_id=run_of(number)))


@pytest.fixture
def site(tmp_path: Path, buckets: Buckets) -> Site:
    return Site(tmp_path, buckets.new())


def answering(client: httpx.Client) -> str:
    """The run of the model that answers."""
    return str(client.post("/predict", json=ROW).json()["mlflow_run_id"])


def wait_for(client: httpx.Client, number: int, *, asked: int = 4) -> float:
    """Seconds until all of some answers are of a run."""
    start = time.monotonic()
    while {answering(client) for _ in range(asked)} != {run_of(number)}:
        assert time.monotonic() - start < 60
        time.sleep(0.02)
    return time.monotonic() - start


def test_two_workers_serve_what_is_published_and_lose_no_request_nor_mix_models(site: Site) -> None:
    site.publish(1)
    found, stop = list[tuple[int, str, str]](), threading.Event()
    with serving(site.project, "--workers", "2", door=False) as client:

        def ask() -> None:
            with httpx.Client(base_url=client.base_url, timeout=30) as own:
                while not stop.is_set():
                    answer = own.post("/predict/batch", json=[ROW] * 5)
                    found.append((answer.status_code, answer.json()["mlflow_run_id"], answer.headers["x-model-run"]))

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        seconds = []
        for number in range(2, 6):
            site.publish(number)
            seconds.append(wait_for(client, number))
        stop.set()
        for thread in threads:
            thread.join()
    assert {status for status, _, _ in found} == {200}
    assert all(body == header for _, body, header in found)
    assert min(seconds) < 1.0, seconds


def test_while_the_bucket_is_away_the_last_good_model_goes_on_also_after_a_restart(site: Site, buckets: Buckets) -> None:
    site.publish(1)
    with between(buckets.endpoint) as door:
        with serving(site.project, door=False, AWS_ENDPOINT_URL=door.endpoint) as client:
            assert answering(client) == run_of(1)
            _away(door)
            site.publish(2)
            time.sleep(3)
            assert answering(client) == run_of(1)
            assert client.get("/health/ready").status_code == 200
            door.judge = lambda method, path: None
            wait_for(client, 2)
        _away(door)
        with serving(site.project, door=False, AWS_ENDPOINT_URL=door.endpoint) as client:
            assert answering(client) == run_of(2)
    log = site.project.serve_log.read_text()
    assert log.count("the models cannot be fetched") == 1, "once, not at every look"


def _away(door: Between) -> None:
    door.judge = lambda method, path: (503, "SlowDown")


def test_a_service_over_an_empty_bucket_waits_for_the_first_model(site: Site) -> None:
    with serving(site.project, door=False) as client:
        assert client.get("/health/ready").status_code == 503
        assert client.get("/health").json()["status"] == "not_trained"
        site.publish(1)
        _until(lambda: client.get("/health/ready").status_code == 200)
        wait_for(client, 1)


def test_a_service_that_cannot_fetch_says_so_and_goes_on_once_it_can(site: Site, buckets: Buckets) -> None:
    site.publish(1)
    with between(buckets.endpoint) as door:
        _away(door)
        with serving(site.project, door=False, AWS_ENDPOINT_URL=door.endpoint) as client:
            assert client.get("/health").json()["status"] == "not_trained"
            assert "cannot be fetched from their bucket" in client.get("/health").json()["detail"]
            door.judge = lambda method, path: (403, "AccessDenied")
            assert client.post("/predict", json=ROW).status_code == 503
            door.judge = lambda method, path: None
            _until(lambda: client.get("/health/ready").status_code == 200)
    log = site.project.serve_log.read_text()
    assert "the models can be fetched again" in log
    assert SECRET not in log


def test_a_folder_for_copies_that_cannot_be_written_is_a_line_in_the_log(site: Site) -> None:
    site.publish(1)
    (site.project.root / "data").write_text("a file where the folder of the copies is to be")
    with serving(site.project, door=False) as client:
        assert client.get("/health/ready").status_code == 503
        (site.project.root / "data").unlink()
        _until(lambda: client.get("/health/ready").status_code == 200)
    assert "the models cannot be fetched" in site.project.serve_log.read_text()


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)
