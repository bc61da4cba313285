"""Real data where it is, temporary projects, one trained project a session."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.support.buckets import Buckets, running_buckets
from tests.support.chromium import CHROMIUM
from tests.support.dask_cluster import Cluster, cluster
from tests.support.database_tables import VARIABLE, Tables
from tests.support.postgres import POSTGRES, Postgres, running_postgres
from tests.support.projects import (
    CALIFORNIA_CSV,
    CASES,
    REAL_CSV,
    REPO,
    SMALL_CANDIDATE,
    Project,
    Trained,
    make_project,
    make_store,
    once,
    share,
)
from tests.support.servers import Servers
from threadpoolctl import threadpool_limits

from tabtrail.data.sample import write_sample


def pytest_report_header() -> list[str]:
    """What is skipped on this machine, said first."""
    csv = "the synthetic sample stands in elsewhere"
    wanted = {
        f"REAL DATA IS MISSING: tests of {REAL_CSV.name} are SKIPPED, {csv}": REAL_CSV.is_file(),
        f"{CALIFORNIA_CSV.name} IS MISSING: its tests are SKIPPED": CALIFORNIA_CSV.is_file(),
        "THE SHARED CASES ARE MISSING: what came of each is not tested (SKIPPED)": CASES.is_dir(),
        "NO CHROMIUM: the page is not opened, its tests are SKIPPED": CHROMIUM is not None,
        "NO PYTORCH (make torch): the nets are not trained, their tests are SKIPPED": find_spec("torch") is not None,
        "NO POSTGRESQL (apt-get install postgresql): what is stored in it is not tested (SKIPPED)": POSTGRES is not None,
        "NOT ROOT: tests of full and read-only disks are SKIPPED": os.name == "posix" and os.geteuid() == 0,
    }
    return [line for line, there in wanted.items() if not there] or ["nothing is skipped for want of data, browser or rights"]


# They take longest. Begun first, they leave short files for the end, so that no worker ends alone with a long one.
LONGEST = (
    "test_readme.py",
    "test_training.py",
    "test_every_family.py",
    "test_california.py",
    "test_cli.py",
    "test_run.py",
    "test_serving.py",
    "test_resume.py",
    "test_doctor.py",
    "test_every_source.py",
    "test_browser.py",
    "test_families.py",
    "test_report.py",
    "test_tuning.py",
    "test_hostile_series.py",
    "test_kills.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


@pytest.fixture(scope="session", autouse=True)
def _the_repository_is_left_alone() -> Iterator[None]:
    """Tests that overwrote the production model: what lies in the repository's own folders is the same afterwards."""
    before = Project(REPO).tree()
    yield
    assert Project(REPO).tree() == before


@pytest.fixture(scope="session")
def real_csv() -> Path:
    if not REAL_CSV.is_file():
        pytest.skip(f"{REAL_CSV} is missing: the figures of the real file are not checked")
    return REAL_CSV


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As every fit has it: the threads of OpenMP and BLAS wait for one another where tests share the cores."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def one_picture() -> Iterator[None]:
    """The first picture of a report in the place of all: drawing them takes seconds, and the tests of the report look at them."""
    from tabtrail.report.png import draw_all  # seconds of imports that most tests do without

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "tabtrail.workflows.report.draw_all", lambda pictures, *words, **more: draw_all(pictures[:1], *words, **more)
        )
        yield


@pytest.fixture
def project(tmp_path: Path, sample_csv: Path, empty_store: Path) -> Project:
    """A project over the synthetic sample (not marked, so that it counts as a user's own file), its folds not repeated."""
    return make_project(tmp_path, sample_csv, repeats=1, store=empty_store)


@pytest.fixture
def real_project(tmp_path: Path, real_csv: Path, empty_store: Path) -> Project:
    return make_project(tmp_path, real_csv, repeats=1, store=empty_store)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated MLflow store to copy."""
    with once(tmp_path_factory, "empty_store") as folder:
        if not folder.exists():
            make_store(folder / "mlflow.db")
    return folder / "mlflow.db"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for the session, started when the first test asks for it; each test makes its own database."""
    if POSTGRES is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    with running_postgres() as made:
        yield made


@pytest.fixture
def tables(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Tables:
    """A database of its own, whose address is in the environment variable that the config names."""
    made = Tables(postgres, postgres.new_database())
    monkeypatch.setenv(VARIABLE, made.address)
    return made


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """MLflow servers for the session, each started when the first test asks for it."""
    with ExitStack() as stack:
        yield Servers(tmp_path_factory.mktemp("servers"), stack)


@pytest.fixture(scope="session")
def moto_server() -> Iterator[Buckets]:
    """An S3 on loopback for the session, started when the first test asks for it; each test makes its own bucket."""
    with running_buckets() as made:
        yield made


@pytest.fixture(scope="session")
def dask(tmp_path_factory: pytest.TempPathFactory, moto_server: Buckets) -> Iterator[Cluster]:
    """A Dask scheduler with two workers for the session, which share no folder of theirs and reach the buckets by variables."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in moto_server.environment.items():
            patch.setenv(name, value)
        with cluster(tmp_path_factory.mktemp("dask"), workers=2) as started:
            yield started


@pytest.fixture
def buckets(moto_server: Buckets, monkeypatch: pytest.MonkeyPatch) -> Buckets:
    """The S3 of the session, reached from this process by the usual variables."""
    for name, value in moto_server.environment.items():
        monkeypatch.setenv(name, value)
    return moto_server


@pytest.fixture(scope="session")
def sample_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample") / "sales_data_sample.csv"
    write_sample(path)
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, sample_csv: Path) -> Trained:
    """The whole job but for its pictures, once: on the real CSV where it is there, else on the synthetic sample."""
    return share(tmp_path_factory, "trained", sample_csv, repeats=2, report=False)


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory, sample_csv: Path) -> Trained:
    """A small benchmark with its profile, pictures and page."""
    candidates = "candidates={LinearRegression: {}, LightGBM: {n_estimators: 60}, Blend: {}}"
    return share(tmp_path_factory, "reported", sample_csv, candidates, "engine.kind=serial", "explain.max_rows=120")


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory, sample_csv: Path) -> Project:
    """A project with one small trained model, for what does not depend on which."""
    return share(tmp_path_factory, "small", sample_csv, *SMALL_CANDIDATE, report=False).project
