"""What a project does with its MLflow store, with every kind of store: the same commands, the same answers."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from tests.support.buckets import SECRET
from tests.support.commands import Done, overrides, run_in
from tests.support.postgres import needs_postgres
from tests.support.projects import Project
from tests.support.servers import PASSWORD, Servers, TrackingServer
from tests.support.small_project import LINEAR, WEAK, small

from tabtrail.tracking import runs

pytestmark = pytest.mark.usefixtures("one_picture")

STORES = ["sqlite", "proxied", "unproxied", "with_password", "on_postgres", "postgres", "postgres_and_bucket"]
NEEDING_POSTGRES = ("on_postgres", "postgres", "postgres_and_bucket")


@dataclass
class Story:
    """One project with one store, and what each command printed."""

    kind: str
    project: Project
    uri: str = ""
    server: TrackingServer | None = None
    database: str = ""
    bucket: str = ""
    done: dict[str, Done] = field(default_factory=dict)

    @property
    def tracked(self) -> MlflowClient:
        uri = self.uri or self.project.config().mlflow.tracking_uri
        return MlflowClient(uri, uri)

    def run(self, step: str, *words: str) -> Done:
        values = {"mlflow.tracking_uri": self.uri, "mlflow.artifact_location": self.bucket}
        self.done[step] = run_in(self.project, *words, *overrides(*(f"{key}={value}" for key, value in values.items() if value)))
        return self.done[step]

    def json(self, step: str) -> Any:
        assert self.done[step].returncode == 0, self.done[step].stderr
        return json.loads(self.done[step].stdout)


@pytest.fixture(
    scope="module", params=[pytest.param(each, marks=needs_postgres if each in NEEDING_POSTGRES else ()) for each in STORES]
)
def story(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, servers: Servers, empty_store: Path
) -> Iterator[Story]:
    made = Story(request.param, small(tmp_path_factory.mktemp(request.param), empty_store))
    if made.kind in NEEDING_POSTGRES:
        postgres = request.getfixturevalue("postgres")
        made.database = postgres.new_database()
        made.uri = postgres.address(made.database, "psycopg")
    variables: Mapping[str, str] = {}
    if made.kind == "postgres_and_bucket":
        buckets = request.getfixturevalue("moto_server")
        variables, made.bucket = buckets.environment, f"s3://{buckets.new()}/team"
    elif made.kind not in ("sqlite", "postgres"):
        made.server = servers.on_database(made.uri) if made.kind == "on_postgres" else getattr(servers, made.kind)
        variables, made.uri = made.server.client, made.server.uri
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        tell(made, patch)
        yield made


def tell(story: Story, patch: pytest.MonkeyPatch) -> None:
    """A training that is killed and continued, a worse one, and what a person does with them."""
    story.run("ingest", "ingest")
    with patch.context() as killing:
        kill_after_one_candidate(killing)
        story.run("killed", "train")
    story.run("train", "train", "--format=json")
    first = story.json("train")
    story.run("worse", "train", "--format=json", "--set", f"candidates={{{WEAK}: {{n_estimators: 2, max_depth: 1}}}}")
    story.run("gate", "promote", "2", "--format=json")
    story.run("promote", "promote", "2", "--force", "--reason", "to see it", "--format=json")
    story.run("rollback", "rollback", "--format=json")
    story.run("history", "history", "--format=json")
    story.run("reproduce", "reproduce", first["parent_run_id"], "--format=json")
    story.run("report", "report", "--run", first["parent_run_id"])
    story.run("status", "status", "--format=json")
    story.run("doctor", "doctor", "--format=json")
    story.run("runs", "runs", "--format=json")


def kill_after_one_candidate(patch: pytest.MonkeyPatch) -> None:
    """As a process leaves a store that is killed when it begins its second candidate: nothing is ended, and it is gone."""
    code = "from tabtrail.system.process import this_process; print(this_process())"
    gone = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    begun: list[str] = []
    start, finish = runs.start_run, runs.finish_run

    def start_or_die(store: Any, name: str, *words: Any, **more: Any) -> str:
        begun.append(name)
        if len(begun) == 3:  # the benchmark, a candidate, this one
            raise SystemExit(137)
        return start(store, name, *words, **more)

    patch.setattr(runs, "this_process", lambda: gone)
    patch.setattr(runs, "start_run", start_or_die)
    patch.setattr(runs, "finish_run", lambda store, run, status="FINISHED": finish(store, run) if status == "FINISHED" else None)


def test_a_killed_training_is_continued_where_it_was(story: Story) -> None:
    assert story.done["killed"].returncode == 137
    assert "1 runs of a process that is gone are closed as killed" in story.done["train"].stderr
    assert "continuing benchmark" in story.done["train"].stderr
    assert "1 candidates are finished" in story.done["train"].stderr
    board = story.json("train")
    assert {row["candidate"] for row in board["candidates"]} == {LINEAR, WEAK, "MeanBaseline"}
    found = [story.tracked.get_run(row["run_id"]) for row in board["candidates"]]
    assert {run.info.status for run in found} == {"FINISHED"}
    assert {run.data.tags["mlflow.parentRunId"] for run in found} == {board["parent_run_id"]}


def test_a_training_is_deployed_and_a_worse_one_registered_as_challenger(story: Story) -> None:
    assert "(version 1, run" in story.done["train"].stderr
    assert "is deployed" in story.done["train"].stderr
    assert "is registered as challenger and NOT deployed" in story.done["worse"].stderr


def test_the_gate_refuses_a_worse_version_and_lets_it_by_force(story: Story) -> None:
    gate, forced = story.done["gate"], story.json("promote")
    assert (gate.returncode, gate.stdout) == (4, "")
    assert "is worse than the champion beyond chance" in gate.stderr
    assert (forced["promoted"], forced["challenger"]["model"], forced["challenger"]["version"]) == (True, WEAK, "2")


def test_a_rollback_deploys_the_first_model_again_and_the_registry_says_so(story: Story) -> None:
    back = story.json("rollback")
    assert (back["challenger"]["model"], back["challenger"]["version"]) == (LINEAR, "1")
    registered = story.tracked.get_registered_model("m")
    assert {alias: str(version) for alias, version in registered.aliases.items()} == {"champion": "1"}
    versions = story.tracked.search_model_versions("name = 'm'")
    for each in versions:
        model = story.tracked.get_logged_model(next(part for part in each.source.split("/") if part.startswith("m-")))
        assert (model.source_run_id, model.status) == (each.run_id, "READY")


def test_the_history_has_every_change(story: Story) -> None:
    assert [each["action"] for each in story.json("history")] == ["first", "promote", "rollback"]


def test_a_run_is_reproduced_to_the_last_bit(story: Story) -> None:
    again = story.json("reproduce")
    assert (again["equal"], again["difference"]) == (True, None)
    assert "ONNX file of the champion" in again["compared"]


def test_a_run_is_reported_from_what_the_store_has(story: Story) -> None:
    assert story.done["report"].returncode == 0, story.done["report"].stderr
    assert LINEAR in (story.project.root / "output" / "report.html").read_text()


def test_the_trainings_are_listed_newest_first_with_their_candidates_best_first(story: Story) -> None:
    worse, first = story.json("runs")
    board = story.json("train")
    assert (first["run_id"], first["champion"], first["state"]) == (board["parent_run_id"], LINEAR, "complete")
    assert worse["champion"] == WEAK
    assert worse["started"] > first["started"]
    assert [each["name"] for each in first["candidates"]] == [row["candidate"] for row in board["candidates"]]
    assert [each["value"] for each in first["candidates"]] == [row["cv_rmse"] for row in board["candidates"]]
    links = [first["link"], *(each["link"] for each in first["candidates"])]
    ids = [first["run_id"], *(each["run_id"] for each in first["candidates"])]
    if story.server is None:
        assert set(links) == {None}, "a file or a database has no pages"
    else:
        experiment = story.tracked.get_run(first["run_id"]).info.experiment_id
        assert links == [f"{story.server.uri}/#/experiments/{experiment}/runs/{each}" for each in ids]


def test_status_and_doctor_look_at_the_store(story: Story) -> None:
    assert story.json("status")["deployed"]["model"] == LINEAR
    checks = {each["name"]: each for each in story.json("doctor")["checks"]}
    assert checks["bundle"]["state"] == "ok"


@pytest.mark.parametrize("where", ["store", "history"])
def test_doctor_asks_the_store(story: Story, where: str) -> None:
    checks = {each["name"]: each for each in story.json("doctor")["checks"]}
    assert checks[where]["state"] == "ok", checks[where]
    assert checks["history"]["found"].startswith("3 entries")


def test_no_password_is_written_or_printed(story: Story, request: pytest.FixtureRequest) -> None:
    """Not in what the commands print, nor in a file of the project or the server, nor in what the store was told."""
    texts = [(done.stdout + done.stderr).encode() for done in story.done.values()]
    folders = [story.project.root, *([story.server.folder] if story.server else [])]
    texts += [path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file() and path.name != "auth.db"]
    if story.kind in NEEDING_POSTGRES:
        postgres = request.getfixturevalue("postgres")
        texts.append(postgres.dump(story.database).encode())
        assert postgres.password.encode() not in b"".join(texts)
    assert not [each for each in (PASSWORD, SECRET) if each.encode() in b"".join(texts)]


def test_only_the_place_that_other_machines_do_not_reach_is_said(story: Story) -> None:
    said = "of this machine, which other machines that use postgresql+psycopg://…@127.0.0.1"
    assert (said in story.done["train"].stderr) == (story.kind == "postgres")
