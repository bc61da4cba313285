"""SIGKILL in the middle of each stage, and the same command again: nothing torn, the same end, nothing left behind.

A short sample of `benchmarks/kills.py`, which kills right before each of hundreds of events and needs a compiler. Here the kernel
reports what happens in the project's folder, and the command is killed a moment later: the places differ a little from run to
run, what has to hold does not.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from tests.support.folder_events import FolderEvents
from tests.support.projects import REPO, place_store

FOLDERS = ("data", "duckdb", "models", "output", "mlruns")
# Where, as a part of the events of an undisturbed run: the first is among the first files, the last among what is put in place.
STAGES = {
    "ingest": (["ingest"], (0.4, 0.75)),
    "summaries": (["eda"], (0.5,)),
    "train": (["train"], (0.8,)),
    "forecast": (["forecast"], (0.6,)),
    "promote": (["promote", "1", "--force", "--reason", "a test"], (0.6,)),
    "report": (["report"], (0.5,)),
}
DEMAND_STAGES = {
    "demand": (["train"], (0.45, 0.85)),
    "update": (["demand", "update"], (0.6,)),
}
CONFIG: dict[str, Any] = {
    "version": 2,
    "paths": {"raw_csv": "data/raw/rows.csv"},
    "cleaning": {"date_column": "d", "date_formats": ["%Y-%m-%d"]},
    "model": {"name": "m", "target": "y", "numeric_features": ["a"], "categorical_features": ["b"]},
    "split": {"kind": "random", "folds": 2, "allow_leaky": True},
    "candidates": {"LinearRegression": {}},
    "aggregations": [{"name": "by_b", "group_by": ["b"], "measures": {"total": "sum(y)"}}],
    "explain": {"max_rows": 10},
    "report": {"learning_curve_folds": 0, "top_features": 1},
    "risk": {"models": [], "sarima": [], "max_origins": 8},
    "promotion": {"automatic": "always"},
    "engine": {"kind": "serial"},
}
DEMAND_CONFIG: dict[str, Any] = {
    "version": 2,
    "paths": {"raw_csv": "data/raw/rows.csv"},
    "cleaning": {"date_column": "d", "date_formats": ["%Y-%m-%d"]},
    "contract": {"columns": {"y": {"dtype": "int"}, "p": {"dtype": "int", "nullable": False, "min": 0, "max": 1}}},
    "demand": {
        "name": "m",
        "target": "y",
        "series": ["b"],
        "known_ahead": ["p"],
        "horizon": 3,
        "origins": 2,
        "calibration_origins": 8,
        "max_rows": 1000,
        "choice": {"deploy_unless_beaten": True},
        "candidates": {"LinearRegression": {"scale": "level"}},
    },
    "explain": {"max_rows": 10},
    "promotion": {"automatic": "always"},
    "engine": {"kind": "serial"},
}


class Commands:
    """A process that has imported everything and forks for each command: `benchmarks/kills_server.py`."""

    def __init__(self, project: Path, log: Path) -> None:
        self.project, self.log = project, log
        server = [sys.executable, str(REPO / "benchmarks" / "kills_server.py"), str(project / "config_v2.yaml")]
        environment = os.environ | {"TMPDIR": str(log.parent)}
        self.process = subprocess.Popen(server, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)

    def run(self, words: list[str], kill_at: float = float("inf")) -> int:
        """Run a command, killed once there were so many events; return how many there were."""
        events, count = FolderEvents(self.project), 0
        try:
            self._send({"run": words, "said": str(self.log), "modules": kill_at == float("inf")})
            while not select.select([self.process.stdout], [], [], 0)[0]:
                select.select([self.process.stdout, events.descriptor], [], [], 10)
                count += len(events.read())
                if count >= kill_at:
                    for child in psutil.Process(self.process.pid).children():
                        os.killpg(child.pid, signal.SIGKILL)
                    break
            answer = self._answer()
            count += len(events.read())
        finally:
            events.close()
        assert answer["code"] in ((-9, 0) if kill_at < float("inf") else (0,)), self.log.read_text()[-2000:]
        if answer["result"]:
            self._send({"import": answer["result"]})
            self._answer()
        return count

    def load(self, names: Collection[str]) -> None:
        """Import what the stages import, so that no child has to."""
        self._send({"import": [f"tabtrail.workflows.{name}" for name in names]})
        self._answer()

    def look(self, name: str, *of: object) -> Any:
        self._send({"look": name, "of": list(of)})
        return self._answer()["result"]

    def _send(self, request: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        return dict(json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


Begin = Callable[[dict[str, Any], Collection[str]], Commands]


@pytest.fixture
def begin(tmp_path: Path, empty_store: Path) -> Iterator[Begin]:
    """Make a project and the process that runs its commands."""
    started = []

    def made(config: dict[str, Any], modules: Collection[str]) -> Commands:
        root = tmp_path / "project"
        (root / "data" / "raw").mkdir(parents=True)
        (root / "config_v2.yaml").write_text(json.dumps(config))
        place_store(empty_store, root / "mlruns" / "mlflow.db")
        started.append(Commands(root, tmp_path / "said"))
        started[0].load(modules)
        return started[0]

    yield made
    for commands in started:
        commands.close()


def write_rows(root: Path, count: int) -> None:
    random = np.random.default_rng(7)
    lines = ["d,a,b,y"]
    for number in range(count):
        a = random.uniform(0, 100)
        lines.append(f"{date(2003, 1, 1) + timedelta(days=8 * number)},{a:.2f},{'pqr'[number % 3]},{3 * a + random.normal():.4f}")
    (root / "data" / "raw" / "rows.csv").write_text("\n".join(lines) + "\n")


def write_sales(root: Path, days: int) -> None:
    """Two series, and their plan of three days more."""
    random = np.random.default_rng(7)
    lines = ["d,b,p,y"]
    for number in range(days + 3):
        for b, size in (("x", 4), ("y", 9)):
            p = int(random.random() < 0.2)
            y = random.poisson(size * (1 + p)) if number < days else ""
            lines.append(f"{date(2023, 1, 1) + timedelta(days=number)},{b},{p},{y}")
    (root / "data" / "raw" / "rows.csv").write_text("\n".join(lines) + "\n")


def manifest(root: Path) -> dict[str, Any]:
    return dict(json.loads(next((root / "data" / "processed").glob("*_manifest.json")).read_text()))


needs_reports = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's reports of file events are Linux's")


@needs_reports
def test_a_kill_in_the_middle_of_any_stage_tears_nothing_and_the_same_command_again_ends_the_same(begin: Begin) -> None:
    commands = begin(CONFIG, ("ingest", "eda", "train", "forecast", "promote", "report"))
    write_rows(commands.project, 130)
    commands.run(["run", "--no-report"])
    before = [manifest(commands.project)]
    write_rows(commands.project, 120)
    kill_in_each(STAGES, commands, before)


@needs_reports
def test_a_kill_in_the_middle_of_a_training_on_many_series_tears_nothing_and_the_same_command_again_ends_the_same(
    begin: Begin,
) -> None:
    commands = begin(DEMAND_CONFIG, ("ingest", "demand", "demand_bundle", "demand_update"))
    write_sales(commands.project, 110)
    commands.run(["run", "--no-report"])
    before = [manifest(commands.project)]
    write_sales(commands.project, 117)
    commands.run(["ingest"])
    before.append(manifest(commands.project))
    kill_in_each({"demand": DEMAND_STAGES["demand"]}, commands, before)
    write_sales(commands.project, 121)
    kill_in_each({"update": DEMAND_STAGES["update"]}, commands, before)


def kill_in_each(
    stages: dict[str, tuple[list[str], tuple[float, ...]]], commands: Commands, states: list[dict[str, Any]]
) -> None:
    """Kill each stage at its places, look for what is torn, and run it again to the end of one that nothing disturbed.

    `states` are the manifests of the datasets that may be there.
    """
    project, start = commands.project, commands.log.parent / "start"
    for stage, (words, parts) in stages.items():
        shutil.copytree(project, start, symlinks=True)
        events = commands.run(words)
        expected = commands.look("outcome")
        states = [*states, manifest(project)]
        for part in parts:
            restore(start, project)
            commands.run(words, kill_at=part * events)
            assert commands.look("torn", [each["data_sha256"] for each in states], [each["rows_kept"] for each in states]) == []
            commands.run(words)
            assert comparable(commands.look("outcome"), stage) == comparable(expected, stage), f"{stage} killed at {part}"
        shutil.rmtree(start)


def restore(start: Path, project: Path) -> None:
    shutil.rmtree(project)
    shutil.copytree(start, project, symlinks=True)


def comparable(outcome: dict[str, Any], stage: str) -> dict[str, Any]:
    """What must be equal: of files with times or ids of runs in them, that they are there."""
    same = {name for name in outcome["files"] if name.endswith((".onnx", ".joblib")) or "/processed/" in name}
    files = {
        name: digest if name in same - {"data/processed/m_manifest.json"} else None for name, digest in outcome["files"].items()
    }
    store = {**outcome["store"], "complete": None} if stage == "forecast" else outcome["store"]  # one more, made anew each time
    return {**outcome, "files": files, "store": store}
