"""Temporary projects, a trained one that is made once, and the service started as a user starts it."""

import hashlib
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from filelock import FileLock

from tabtrail import pipeline
from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.modeling.problem import Problem, problem_of
from tabtrail.project.summary import Summary

REPO = Path(__file__).resolve().parents[2]
REAL_CSV = REPO.parent / "shared" / "data" / "sales_data_sample.csv"
CALIFORNIA_CSV = REAL_CSV.with_name("california_housing.csv")
CASES = REPO.parent / "shared" / "cases"
"""Folders of small inputs that once went wrong, with a README that states the right outcome of each."""
ONE_CANDIDATE = ["candidates={LinearRegression: {}}", "engine.kind=serial", "explain.max_rows=50"]
SMALL_CANDIDATE = ["candidates={GradientBoosting_40: {n_estimators: 40}}", "engine.kind=serial"]


@dataclass(frozen=True)
class Project:
    """A folder with its own copy of `config_v2.yaml` and a CSV; nothing in it is the repository's."""

    root: Path

    @property
    def config_file(self) -> Path:
        return self.root / "config_v2.yaml"

    @property
    def csv(self) -> Path:
        return self.root / "data" / "raw" / "sales_data_sample.csv"

    @property
    def serve_log(self) -> Path:
        """The log of a service that these tests start: several test processes share some projects, and serve them at once."""
        return self.root / f"serve-{os.getpid()}.log"

    def problem(self, *overrides: str) -> Problem:
        return problem_of(self.config(*overrides))

    def config(self, *overrides: str) -> Config:
        return load_config(self.config_file, overrides)

    def rewrite(self, change: Callable[[bytes], bytes]) -> None:
        self.csv.write_bytes(change(self.csv.read_bytes()))

    def tree(self) -> dict[str, str]:
        """Every file that the program wrote, with its hash: equal trees mean that nothing was touched."""
        made = [path for name in ("data/processed", "duckdb", "models", "output") for path in (self.root / name).rglob("*")]
        return {
            str(path.relative_to(self.root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in made
            if path.is_file() and path.name != ".lock"
        }


@dataclass(frozen=True)
class Trained:
    """A project after a whole run, and what the run reported."""

    project: Project
    report: Summary
    overrides: tuple[str, ...] = ()

    @property
    def config(self) -> Config:
        return self.project.config(*self.overrides)

    def copy(self, target: Path) -> Project:
        shutil.copytree(self.project.root, target, dirs_exist_ok=True)
        return Project(target)


@contextmanager
def once(factory: pytest.TempPathFactory, name: str) -> Iterator[Path]:
    """A place that all processes of a test session share, locked while one makes, or looks at, what lies there."""
    base = factory.getbasetemp()
    path = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(f"{path}.lock"):
        yield path


def share(
    factory: pytest.TempPathFactory, name: str, sample: Path, *overrides: str, repeats: int = 1, report: bool = True
) -> Trained:
    """A project after a run that is made once, however many processes share the tests: the others find it unchanged."""
    with once(factory, name) as root:
        found = (root / "config_v2.yaml").is_file()
        source = REAL_CSV if REAL_CSV.is_file() else sample
        project = Project(root) if found else make_project(root, source, repeats=repeats)
        if not found:
            make_store(root / "mlruns" / "mlflow.db")
        return Trained(project, pipeline.run(project.config(*overrides), report=report), overrides)


@contextmanager
def serving(project: Project, *words: str, door: bool = True, **environment: str) -> Iterator[httpx.Client]:
    """Start `uvicorn src.api_sales_v2:app` (or `tabtrail serve`) as a user does, on a free port, and stop it.

    The client's `process` is what was started; its log is `serve_log` of the project.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    module = ["uvicorn", "src.api_sales_v2:app", "--log-level", "warning"] if door else ["tabtrail", "serve"]
    command = [sys.executable, "-m", *module, "--port", str(port), *words]
    variables = {**os.environ, "TABTRAIL_CONFIG": str(project.config_file), **environment}
    with (project.serve_log).open("wb") as log:
        process = subprocess.Popen(command, cwd=REPO, env=variables, stderr=log)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
                for _ in range(600):
                    try:
                        client.get("/health")
                        break
                    except httpx.ConnectError:
                        assert process.poll() is None
                        time.sleep(0.1)
                client.process = process  # type: ignore[attr-defined]
                yield client
        finally:
            process.terminate()
            process.wait(20)


def make_project(root: Path, csv: Path, repeats: int = 5, store: Path | None = None) -> Project:
    """A project that nothing ran in. With a `store` it has a copy of that empty MLflow store, which takes seconds to make."""
    config = (REPO / "config_v2.yaml").read_text(encoding="utf-8")
    assert "repeats: 5 " in config
    root.mkdir(exist_ok=True)
    (root / "config_v2.yaml").write_text(config.replace("repeats: 5 ", f"repeats: {repeats} "), encoding="utf-8")
    (root / "data" / "raw").mkdir(parents=True)
    shutil.copy(csv, root / "data" / "raw" / "sales_data_sample.csv")
    if store is not None:
        place_store(store, root / "mlruns" / "mlflow.db")
    return Project(root)


def make_store(path: Path) -> None:
    """An MLflow store after its migrations, without a run. A process makes one; the others are copies of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_migrated())
    _relocate(path)


@cache
def _migrated() -> bytes:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # a second that most tests do not need

    with TemporaryDirectory() as folder:
        path = Path(folder) / "mlflow.db"
        SqlAlchemyStore(f"sqlite:///{path}", folder).engine.dispose()
        return path.read_bytes()


def put_back(project: Project, copy: Path) -> None:
    """The project as it was when it was copied, where it was: MLflow notes absolute paths."""
    close_stores()
    shutil.rmtree(project.root)
    shutil.copytree(copy, project.root)


def close_stores() -> None:
    """Close what MLflow keeps open in this process, where the file of a store is exchanged or its disk goes."""
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Tracking
    from mlflow.tracking._tracking_service import utils

    utils._artifact_repos_cache.clear()  # by the id of a run, which a copy of the store has too
    for store in (Registry, Tracking):
        for engine in store._engine_map.values():
            engine.dispose()


def place_store(template: Path, path: Path) -> None:
    path.parent.mkdir()
    shutil.copy(template, path)
    _relocate(path)


def _relocate(store: Path) -> None:
    """Let an empty store keep files beside it: MLflow notes absolute paths."""
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE experiments SET artifact_location = ?", (str(store.parent / "0"),))
