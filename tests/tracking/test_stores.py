"""Addresses of MLflow stores: which counts, what it needs, where artifacts lie, of which MLflow it is. No password is shown."""

import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from tests.support.commands import run_in
from tests.support.postgres import Postgres, needs_postgres, running_postgres
from tests.support.projects import Project, close_stores, make_store
from tests.support.servers import PASSWORD, USER, Servers
from tests.support.small_project import LINEAR, small

from tabtrail.config.operation import Mlflow
from tabtrail.errors import ConfigError, StoreError
from tabtrail.project.paths import Artifacts
from tabtrail.project.summary import read_leaderboard
from tabtrail.tracking import schema
from tabtrail.tracking.artifacts import log_text, read_artifact
from tabtrail.tracking.runs import start_run
from tabtrail.tracking.store import find_store, open_store
from tabtrail.workflows import train

SECRET = "postgresql+psycopg://ann:s3cret@db.example/mlflow"


@pytest.mark.parametrize(("key", "variable"), [("tracking_uri", "MLFLOW_TRACKING_URI"), ("registry_uri", "MLFLOW_REGISTRY_URI")])
def test_a_flag_beats_our_variable_which_beats_mlflows_which_beats_the_file(
    project: Project, monkeypatch: pytest.MonkeyPatch, key: str, variable: str
) -> None:
    assert getattr(project.config().mlflow, key) in (None, f"sqlite:///{project.root}/mlruns/mlflow.db")
    for name in (variable, f"TABTRAIL__MLFLOW__{key.upper()}"):
        monkeypatch.setenv(name, f"http://{name.lower()}")
        assert getattr(project.config().mlflow, key) == f"http://{name.lower()}"
        assert f"# mlflow.{key}: environment variable {name}" in run_in(project, "config", "show").stdout
    assert getattr(project.config(f"mlflow.{key}=http://flag").mlflow, key) == "http://flag"
    assert f"# mlflow.{key}: --set" in run_in(project, "config", "show", "--set", f"mlflow.{key}=http://flag").stdout


@pytest.mark.parametrize("form", [(), ("--format=json",)])
def test_config_show_prints_no_password_wherever_it_stands(
    project: Project, monkeypatch: pytest.MonkeyPatch, form: tuple[str, ...]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", SECRET)
    flags = ("--set", f"mlflow.registry_uri={SECRET}", "--set", "mlflow.artifact_location=s3://key:s3cret@bucket/x")
    done = run_in(project, "config", "show", *form, *flags)
    assert done.returncode == 0, done.stderr
    assert "postgresql+psycopg://…@db.example/mlflow" in done.stdout
    assert "s3cret" not in done.stdout + done.stderr


@pytest.mark.parametrize("address", ["postgresql+psycopg://ann:s3@cret@db/m", "http://ann:s3/cret@h:5000", "mysql://a:b?c@h/m"])
def test_a_password_that_is_not_encoded_is_refused_by_its_key_and_not_shown(project: Project, address: str) -> None:
    """Read as it stands it would end at another place, and its rest would be taken for the host, which errors name."""
    with pytest.raises(
        ConfigError, match=r"mlflow.tracking_uri: its user or password has a '[@/?]', which must be written as %"
    ) as caught:
        project.config(f"mlflow.tracking_uri={address}")
    assert "cret" not in str(caught.value)


def test_a_flag_without_a_key_is_refused_without_its_password(project: Project) -> None:
    done = run_in(project, "config", "show", "--set", "http://ann:s3cret@host")
    assert (done.returncode, "s3cret" in done.stderr) == (2, False)


@pytest.mark.parametrize(
    ("address", "missing", "said"),
    [
        (
            "postgresql+psycopg://u:s3cret@h/d",
            "psycopg",
            "needs psycopg, which is not installed: pip install 'tabtrail[postgres]'",
        ),
        ("postgresql+psycopg2://u:s3cret@h/d", "psycopg2", "write postgresql+psycopg:// in its place"),
        ("mysql+pymysql://u:s3cret@h/d", "pymysql", "needs pymysql, which is not installed: pip install PyMySQL"),
        (
            "postgresql+nothing://u:s3cret@h/d",
            "",
            "is not an address of a database; write mlflow.tracking_uri as postgresql+psycopg://",
        ),
        ("postgresql+psycopg://u:s3cret@h:port/d", "", "is not an address of a database"),
    ],
)
def test_a_missing_driver_is_one_line_that_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch, address: str, missing: str, said: str
) -> None:
    if missing:
        monkeypatch.setitem(sys.modules, missing, None)
    for opened in (open_store, find_store):
        with pytest.raises(StoreError) as caught:
            opened(Mlflow(tracking_uri=address))
        assert said in str(caught.value)
        assert "s3cret" not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_bucket_whose_library_is_missing_is_one_line_before_anything_is_fitted(
    tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = small(tmp_path, empty_store, mlflow={"artifact_location": "gs://bucket/prefix"})
    assert run_in(project, "ingest").returncode == 0
    done = run_in(project, "train")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("needs google.cloud.storage: pip install google-cloud-storage")
    assert not (project.root / "output" / "metrics").exists()


@pytest.mark.parametrize("version", ["older", "newer"])
def test_a_store_of_another_mlflow_is_told_with_its_remedy_by_train_and_doctor(
    tmp_path: Path, empty_store: Path, version: str
) -> None:
    project = small(tmp_path, empty_store, candidates={LINEAR: {}})
    file = tmp_path / "mlruns" / "mlflow.db"
    older = next(before for before in schema._revisions().values() if before)
    close_stores()
    with closing(sqlite3.connect(file)) as connection, connection:
        number = older if version == "older" else "abcdef012345"
        connection.execute("UPDATE alembic_version SET version_num = ?", (number,))
    assert run_in(project, "ingest").returncode == 0
    done = run_in(project, "train")
    remedy = f"mlflow db upgrade sqlite:///{file}" if version == "older" else "pip install --upgrade mlflow"
    assert done.returncode == 1
    assert remedy in done.stderr.splitlines()[-1]
    checks = {each["name"]: each for each in json.loads(run_in(project, "doctor", "--format=json").stdout)["checks"]}
    assert checks["store"]["state"] == "broken"
    assert f"of an {version} MLflow" in checks["store"]["found"] or f"of a {version} MLflow" in checks["store"]["found"]
    assert remedy in checks["store"]["remedy"] + checks["store"]["found"]


def test_the_newest_version_is_that_of_the_installed_mlflow(empty_store: Path) -> None:
    assert schema.outdated(empty_store) == ""


def test_a_password_in_the_address_of_a_server_lets_in_and_is_noted_nowhere(tmp_path: Path, servers: Servers) -> None:
    server = servers.with_password
    uri = server.uri.replace("://", f"://{USER}:{PASSWORD}@")
    store = open_store(Mlflow(tracking_uri=uri, experiment=tmp_path.name))
    run_id = start_run(store, "r", {})
    log_text(store, run_id, "said", "said.txt")
    assert read_artifact(store, run_id, "said.txt") == b"said"
    store.client.create_logged_model(store.experiment_id, name="m", source_run_id=run_id)
    kept = [path.read_bytes() for path in server.folder.rglob("*") if path.is_file() and path.name != "auth.db"]
    assert PASSWORD.encode() not in b"".join(kept)


@needs_postgres
def test_the_place_of_artifacts_is_said_before_the_first_fit_where_other_machines_do_not_reach_it(
    tmp_path: Path, empty_store: Path, postgres: Postgres
) -> None:
    uri = postgres.address(postgres.new_database(), "psycopg")
    project = small(tmp_path, empty_store, candidates={LINEAR: {}}, mlflow={"tracking_uri": uri})
    assert run_in(project, "ingest").returncode == 0
    said = [line for line in run_in(project, "train").stderr.splitlines() if line.startswith("train: ")]
    place = next(number for number, line in enumerate(said) if f"lie in {tmp_path}/mlruns/1 of this machine" in line)
    champion = next(number for number, line in enumerate(said) if "champion" in line)
    assert place < champion
    assert postgres.password not in "".join(said)


@needs_postgres
def test_artifacts_that_lie_on_another_machine_are_refused_before_anything_is_fitted(tmp_path: Path, postgres: Postgres) -> None:
    there = Mlflow(
        tracking_uri=postgres.address(postgres.new_database(), "psycopg"),
        artifact_location=str(tmp_path / "there"),
        experiment="x",
    )
    run_id = start_run(open_store(there), "of a colleague", {})
    (tmp_path / "there").rename(tmp_path / "away")
    with pytest.raises(
        StoreError, match=r"keeps artifacts in .*there, which is not on this machine: mount it here, or set"
    ) as caught:
        open_store(there)
    assert postgres.password not in str(caught.value)
    assert not (tmp_path / "there").exists()
    (tmp_path / "away").rename(tmp_path / "there")
    assert open_store(there).client.get_run(run_id).info.run_name == "of a colleague"


@needs_postgres
def test_doctor_makes_nothing_in_a_database_that_is_empty_and_a_wrong_password_is_named(
    tmp_path: Path, empty_store: Path, postgres: Postgres
) -> None:
    database = postgres.new_database()
    uri = postgres.address(database, "psycopg")
    project = small(tmp_path, empty_store, mlflow={"tracking_uri": uri})
    checks = {each["name"]: each for each in json.loads(run_in(project, "doctor", "--format=json").stdout)["checks"]}
    assert (checks["store"]["state"], checks["history"]["state"]) == ("note", "note")
    assert "has no experiment tabtrail yet" in checks["store"]["found"]
    assert postgres.run("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'", database) == "0\n"
    wrong = run_in(project, "doctor", "--set", f"mlflow.tracking_uri={postgres.address(database, 'psycopg', 'wr0ng')}")
    assert "refuses the user or the password" in wrong.stdout
    assert "wr0ng" not in wrong.stdout + wrong.stderr
    gone = run_in(project, "doctor", "--set", f"mlflow.tracking_uri={postgres.address('nowhere', 'psycopg')}")
    assert "has no such database" in gone.stdout


THREE = """
import os, sys
from tabtrail.config.operation import Mlflow
from tabtrail.tracking.store import open_store
begin, go = os.pipe()
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        os.close(go)
        os.read(begin, 1)  # all begin at once, when the pipe is closed
        try:
            store = open_store(Mlflow(tracking_uri=sys.argv[1], artifact_location=sys.argv[2]))
            os.write(1, (store.experiment_id + "\\n").encode())
        finally:
            os._exit(sys.exc_info()[0] is not None)
    children.append(child)
os.close(go)
sys.exit(any([os.waitpid(child, 0)[1] for child in children]))
"""


@needs_postgres
def test_three_processes_make_the_tables_of_one_database_once(tmp_path: Path, postgres: Postgres) -> None:
    uri = postgres.address(postgres.new_database(), "psycopg")
    done = subprocess.run([sys.executable, "-c", THREE, uri, str(tmp_path)], capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stdout) == (0, "1\n" * 3), done.stderr[-2000:]


def test_models_are_registered_where_the_registry_is(tmp_path: Path, servers: Servers, empty_store: Path) -> None:
    make_store(tmp_path / "models.db")
    registry = f"sqlite:///{tmp_path}/models.db"
    store = {"tracking_uri": servers.proxied.uri, "registry_uri": registry, "experiment": tmp_path.name}
    project = small(tmp_path, empty_store, candidates={LINEAR: {}}, mlflow=store)
    assert run_in(project, "ingest").returncode == 0
    assert run_in(project, "train").returncode == 0
    run_id = read_leaderboard(Artifacts.of(project.config())).parent_run_id
    tracked = MlflowClient(servers.proxied.uri, registry)
    assert str(tracked.get_model_version_by_alias("m", "champion").version) == "1"
    assert tracked.get_run(run_id).info.status == "FINISHED"
    assert not list(MlflowClient(servers.proxied.uri).search_model_versions(f"run_id = '{run_id}'"))


@needs_postgres
def test_a_database_that_is_down_is_one_message_at_once_and_the_training_goes_on_when_it_is_back(
    tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_postgres() as own:
        project = small(tmp_path, empty_store, mlflow={"tracking_uri": own.address(own.new_database(), "psycopg")})
        assert run_in(project, "ingest").returncode == 0
        logged: list[str] = []
        log = train.log_model

        def stop_at_the_second(*words: Any) -> Any:
            logged.append("")
            if len(logged) == 2:
                own.stop()
            return log(*words)

        with monkeypatch.context() as patch:
            patch.setattr(train, "log_model", stop_at_the_second)
            cut = run_in(project, "train")
        began = time.monotonic()
        down = run_in(project, "train")
        assert time.monotonic() - began < 20
        own.start()
        again = run_in(project, "train")
    for done, reason in ((cut, "what is finished is kept"), (down, "cannot be reached (connection refused)")):
        errors = [line for line in done.stderr.splitlines() if not line.startswith("train: ")]
        assert (done.returncode, len(errors)) == (1, 1), done.stderr
        assert reason in errors[0]
        assert own.password not in done.stderr
    assert again.returncode == 0, again.stderr
    assert "1 candidates are finished" in again.stderr
