"""The service compares its own prediction log with what its model learned from."""

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.commands import overrides, run_in
from tests.support.logged import write_log
from tests.support.projects import Project, serving
from tests.support.webhook import receiving

from tabtrail.config.load import load_config
from tabtrail.data.dataset import scan_dataset
from tabtrail.errors import ConfigError


def gauges(client: httpx.Client, name: str) -> dict[str, float]:
    """The values of a gauge by its labels."""
    found = re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", client.get("/metrics").text, re.M)
    return {labels: float(value) for labels, value in found}


def wait_until(holds: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def rows_of(project: Project, count: int, **changes: Any) -> list[dict[str, Any]]:
    config = project.config()
    data = scan_dataset(config.dataset).select(config.model.inputs).collect().sample(count, seed=1)
    return [{**row, **changes} for row in data.to_dicts()]


def test_the_gauges_of_drift_follow_the_log_and_an_alarm_is_sent_once(small: Project, tmp_path: Path) -> None:
    project, log = Project(shutil.copytree(small.root, tmp_path / "project")), tmp_path / "project" / "log"
    write_log(project.config(), log, rows_of(project, 300))
    words = overrides("serve.prediction_log_dir=log", "serve.drift_minutes=0.005", "serve.prediction_log_seconds=0.2")
    with receiving() as receiver:
        receiver.status = 503
        alerts = overrides(f"alerts.webhook={receiver.url}", "alerts.window_hours=0")
        with serving(project, *words, *alerts, door=False) as client:
            wait_until(lambda: 'column="QUANTITYORDERED"' in gauges(client, "tabtrail_drift_psi"))
            assert gauges(client, "tabtrail_drift_alarm") == {"": 0.0}
            for _ in range(4):
                client.post("/predict/batch", json=rows_of(project, 100, QUANTITYORDERED=97)).raise_for_status()
            wait_until(lambda: gauges(client, "tabtrail_drift_alarm") == {"": 1.0})
            assert gauges(client, "tabtrail_drift_psi")['column="QUANTITYORDERED"'] > 0.2
            wait_until(lambda: len(receiver.bodies) > 1)
            client.post("/predict", json=rows_of(project, 1)[0]).raise_for_status()
            receiver.status = 200
            wait_until(lambda: "alert of drift was sent before" in project.serve_log.read_text())
        sent = receiver.bodies[-1]
        assert (sent["kind"], sent["model"]) == ("drift", project.config().model.name)
        assert "QUANTITYORDERED" in sent["details"]["windows"][0]["columns"]
        said = project.serve_log.read_text()
        assert said.count("no longer like those of the training") == 1
        assert said.count("alert not sent: the webhook answered 503") == 1
        assert said.count("alert of drift sent") == 1
        assert receiver.url not in said
        before = len(receiver.bodies)
        assert run_in(project, "drift", *overrides("serve.prediction_log_dir=log"), *alerts, "-q").returncode == 5
        (told,) = receiver.bodies[before:]
        assert any(name.endswith(".json") for name in told["details"]["windows"][0]["files"])


def test_a_watch_over_a_log_that_is_not_kept_is_refused(small: Project) -> None:
    with pytest.raises(ConfigError, match=r"serve\.drift_minutes: there is no log to check; set serve\.prediction_log_dir too"):
        load_config(small.config_file, ["serve.drift_minutes=5"])
