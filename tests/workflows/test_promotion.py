"""Trainings, promotions and rollbacks of one project, told once in order; and readers while bundles are exchanged."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from mlflow import MlflowClient
from tests.support.bundles import NAME as SMALL
from tests.support.bundles import Reader, make_bundle, small_files
from tests.support.commands import run_in
from tests.support.projects import Project, make_project
from tests.support.stages import run_train
from typer.testing import CliRunner

from tabtrail import pipeline
from tabtrail.bundle.build import deploy_bundle
from tabtrail.bundle.load import load_bundle, read_whole_bundle
from tabtrail.cli.app import app
from tabtrail.config.tree import Config
from tabtrail.data.warehouse import query
from tabtrail.errors import BundleError, NotTrainedError, PromotionError, StoreError, TabtrailError, UsageError
from tabtrail.progress import Progress
from tabtrail.project.deployment import Deployment, read_deployment
from tabtrail.tracking.entries import Deployed, Entry
from tabtrail.tracking.history import stack
from tabtrail.workflows.deploy import Decision
from tabtrail.workflows.promote import history, promote, rollback

NAME = "sales_regressor"
QUICK = ("split.folds=2", "engine.kind=serial", "explain.max_rows=20")
GOOD = "candidates={LinearRegression: {}}"
BAD = "candidates={RandomForest_2: {n_estimators: 2, max_depth: 1}}"


@dataclass
class Story:
    """What happened: what each step came to, the deployed files after it, the lines that were said."""

    project: Project
    outcomes: dict[str, Decision] = field(default_factory=dict)
    deployments: dict[str, Deployment] = field(default_factory=dict)
    errors: dict[str, TabtrailError] = field(default_factory=dict)
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def config(self, candidates: str = GOOD, *more: str) -> Config:
        return self.project.config(candidates, *QUICK, *more)

    def train(self, step: str, candidates: str, *more: str, force: bool = False) -> None:
        config = self.config(candidates, *more)
        board, _ = run_train(config, progress=Progress(say=self.said.append), force=force)
        self.deployments[step] = read_deployment(config, board.champion_row.run_id)
        self.keep(step)

    def promote(self, step: str, what: str, *, force: bool = False, reason: str = "") -> None:
        try:
            self.outcomes[step] = promote(self.config(), what, force=force, reason=reason)
        except TabtrailError as error:
            self.errors[step] = error
        self.keep(step)

    def rollback(self, step: str, reason: str = "") -> None:
        try:
            self.outcomes[step] = rollback(self.config(), reason=reason)
        except TabtrailError as error:
            self.errors[step] = error
        self.keep(step)

    def keep(self, step: str) -> None:
        self.files[step] = read_whole_bundle(self.config().paths.models_dir, NAME)[1]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, sample_csv: Path) -> Story:
    story = Story(make_project(tmp_path_factory.mktemp("story"), sample_csv, repeats=1))
    models = story.config().paths.models_dir
    pipeline.run_stage("ingest", story.config())
    pipeline.run_stage("eda", story.config())
    story.train("first", GOOD)
    story.rollback("nothing before")
    story.train("worse", BAD)
    story.promote("gate", "2")
    story.promote("no reason", "2", force=True)
    story.promote("forced", "2", force=True, reason="to see it in use")
    story.promote("again", "2")
    story.train("unchanged", BAD)
    story.rollback("back", reason="it was worse")
    story.train("after rollback", BAD)
    story.promote("by candidate", story.outcomes["forced"].challenger.run_id, force=True, reason="by its run")
    story.train("better", GOOD, force=True)
    (models / f"{NAME}.onnx").write_bytes(b"damaged")
    story.train("damaged", GOOD)
    deploy_bundle(models, NAME, story.files["first"])
    story.rollback("found")
    story.promote("unknown version", "99")
    story.promote("unknown run", "0" * 32)
    return story


@pytest.fixture(scope="module")
def entries(story: Story) -> list[Entry]:
    return history(story.config())


@pytest.fixture(scope="module")
def client(story: Story) -> MlflowClient:
    uri = story.config().mlflow.tracking_uri
    return MlflowClient(uri, uri)


def test_the_first_training_is_deployed_by_itself(story: Story) -> None:
    assert story.deployments["first"].is_winner
    assert story.deployments["first"].model == "LinearRegression"


def test_a_worse_training_is_not_deployed_and_the_summary_says_why_and_what_to_type(story: Story) -> None:
    deployment = story.deployments["worse"]
    assert (deployment.is_winner, deployment.model) == (False, "LinearRegression")
    assert deployment.next_command == 'tabtrail promote 2 --force --reason "…"'
    assert "worse than the champion beyond chance: RMSE" in deployment.reasons[0]
    assert "whole ORDERNUMBER)" in deployment.reasons[0]
    assert story.files["worse"] == story.files["first"]
    assert any(
        "registered as challenger and NOT deployed; the deployed model stays LinearRegression" in line for line in story.said
    )


def test_the_gate_refuses_with_exit_code_4_and_the_reasons(story: Story) -> None:
    error = story.errors["gate"]
    assert isinstance(error, PromotionError)
    assert error.exit_code == 4
    assert "version 2 is not promoted" in str(error)
    assert "worse than the champion beyond chance" in str(error)
    assert "tabtrail promote 2 --force --reason" in str(error)
    assert story.files["gate"] == story.files["first"]


def test_force_needs_a_reason(story: Story) -> None:
    assert isinstance(story.errors["no reason"], UsageError)
    assert "--force needs --reason" in str(story.errors["no reason"])


def test_a_forced_promotion_is_deployed_and_recorded_as_such(story: Story, entries: list[Entry]) -> None:
    assert story.outcomes["forced"].promoted
    assert b'"model": "RandomForest_2"' in story.files["forced"][f"{NAME}_metadata.json"]
    entry = entries[1]
    assert (entry.action, entry.forced, entry.reason) == ("promote", True, "to see it in use")
    assert entry.verdict is not None
    assert not entry.verdict["accepted"]


def test_promoting_what_is_deployed_changes_nothing(story: Story) -> None:
    assert story.outcomes["again"].action == "unchanged"
    assert not story.outcomes["again"].promoted


def test_a_rollback_restores_the_bundle_byte_for_byte_and_a_training_does_not_undo_it(story: Story) -> None:
    assert story.files["back"] == story.files["first"]
    assert story.files["after rollback"] == story.files["first"]
    assert not story.deployments["after rollback"].is_winner


def test_a_candidates_run_stands_for_its_benchmark(story: Story) -> None:
    assert story.files["by candidate"] == story.files["forced"]


def test_a_better_training_replaces_the_champion_by_itself(story: Story, entries: list[Entry]) -> None:
    assert story.deployments["better"].is_winner
    assert story.deployments["better"].next_command == "tabtrail rollback"
    automatic = next(entry for entry in entries if entry.action == "automatic")
    assert automatic.verdict is not None
    assert automatic.verdict["accepted"]
    assert automatic.verdict["comparison"]["high"] < 0


def test_a_damaged_bundle_is_put_back_by_a_training(story: Story) -> None:
    assert story.files["damaged"] == story.files["better"]
    assert any("the deployed bundle cannot be read; version 3 was put back" in line for line in story.said)


def test_a_folder_that_was_exchanged_by_hand_is_found_and_noted(story: Story, entries: list[Entry]) -> None:
    assert entries[-2].action == "found"
    assert entries[-2].after.bundle_sha256 == entries[0].after.bundle_sha256
    assert story.files["found"] == story.files["better"]


def test_what_is_not_there_is_a_usage_error(story: Story) -> None:
    assert "there is no version 99 of sales_regressor" in str(story.errors["unknown version"])
    assert "there is no run 000" in str(story.errors["unknown run"])
    assert "there is nothing to go back to" in str(story.errors["nothing before"])
    for step in ("unknown version", "unknown run", "nothing before"):
        assert story.errors[step].exit_code == 2


def test_the_history_is_complete_in_order_and_chained(story: Story, entries: list[Entry]) -> None:
    actions = ["first", "promote", "rollback", "promote", "automatic", "restore", "found", "rollback"]
    assert [entry.action for entry in entries] == actions
    assert [entry.number for entry in entries] == list(range(1, 9))
    assert [entry.when for entry in entries] == sorted(entry.when for entry in entries)
    assert all("@" in entry.who for entry in entries)
    for earlier, later in pairwise(entries):
        assert later.previous_sha256 == earlier.sha256
        if later.action != "restore":
            assert later.before == earlier.after
    assert entries[0].before is None


def test_the_history_is_a_table_in_duckdb(story: Story, entries: list[Entry]) -> None:
    names, rows = query(story.config().paths.duckdb_file, "SELECT * FROM promotions ORDER BY number")
    assert len(rows) == len(entries)
    table = [dict(zip(names, row, strict=True)) for row in rows]
    assert [row["action"] for row in table] == [entry.action for entry in entries]
    assert table[1]["forced"]
    assert table[1]["before_version"] == "1"
    assert table[1]["after_model"] == "RandomForest_2"
    assert [row["metric"] for row in table[:2]] == [None, "rmse"]
    assert table[1]["low"] > 0
    assert "beyond chance" in table[1]["gate_reasons"]
    assert table[2]["reason"] == "it was worse"
    own = json.loads(story.files["first"][f"{NAME}_metadata.json"])["metrics"]
    assert (table[0]["after_test_rmse"], table[0]["after_cv_rmse"]) == (own["test_rmse"], own["cv_rmse"])


def test_the_aliases_follow_what_is_deployed(client: MlflowClient, entries: list[Entry]) -> None:
    assert str(client.get_model_version_by_alias(NAME, "champion").version) == entries[-1].after.version == "3"
    aliases = client.get_registered_model(NAME).aliases
    assert "challenger" not in aliases, "every version was promoted once"


def test_a_promotion_that_was_cut_short_before_the_registry_knew_is_finished_by_the_next(
    story: Story, client: MlflowClient, entries: list[Entry]
) -> None:
    client.set_registered_model_alias(NAME, "champion", "1")
    deployed = entries[-1].after.version
    assert deployed is not None
    assert promote(story.config(), deployed).action == "unchanged"
    assert str(client.get_model_version_by_alias(NAME, "champion").version) == deployed


def test_the_bundle_and_the_verdict_are_artifacts_of_the_benchmark(client: MlflowClient, entries: list[Entry]) -> None:
    parent = client.get_run(entries[1].after.run_id).data.tags["mlflow.parentRunId"]
    names = {item.path for item in client.list_artifacts(parent, "bundle")}
    assert names == {f"bundle/{NAME}{end}" for end in (".onnx", ".joblib", "_parity.json", "_reference.json", "_metadata.json")}
    verdict = json.loads(Path(client.download_artifacts(parent, "gate.json")).read_text())
    assert not verdict["accepted"]


def test_an_entry_that_was_changed_or_taken_out_is_told(story: Story, client: MlflowClient, entries: list[Entry]) -> None:
    (run,) = client.search_runs([client.get_experiment_by_name("sales_regression_promotions").experiment_id])  # type: ignore[union-attr]
    folder = Path(run.info.artifact_uri.removeprefix("file://")) / "history"
    (second,) = folder.glob("000002-*.json")
    text = second.read_text()
    try:
        second.write_text(text.replace("to see it in use", "it was better"))
        with pytest.raises(StoreError, match=r"entry 000002 of the history .* was altered"):
            history(story.config())
        second.unlink()
        with pytest.raises(StoreError, match=r"entry 000002 of the history .* was altered"):
            history(story.config())
    finally:
        second.write_text(text)
    assert history(story.config()) == entries


def test_an_altered_bundle_in_the_store_is_not_deployed(story: Story, client: MlflowClient, entries: list[Entry]) -> None:
    parent = client.get_run(entries[1].after.run_id).data.tags["mlflow.parentRunId"]
    file = Path(client.get_run(parent).info.artifact_uri.removeprefix("file://")) / "bundle" / f"{NAME}.onnx"
    data = file.read_bytes()
    before = read_whole_bundle(story.config().paths.models_dir, NAME)[1]
    try:
        file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(BundleError, match=r"the bundle of run .* in the MLflow store cannot be deployed: .* was altered"):
            promote(story.config(), "2", force=True, reason="x")
    finally:
        file.write_bytes(data)
    assert read_whole_bundle(story.config().paths.models_dir, NAME)[1] == before


def test_the_command_line_lists_the_history_and_refuses_with_code_4(story: Story) -> None:
    listed = run_in(story.project, "history")
    assert "promote (forced)" in listed.stdout
    assert "to see it in use" in listed.stdout
    refused = run_in(story.project, "promote", "2", "--set", "alerts.command=[sh, -c, 'cat > alert.json']")
    assert refused.returncode == 4
    assert refused.stderr.splitlines()[-1].startswith("to deploy it all the same")
    assert "error: version 2 is not promoted" in refused.stderr
    assert "Traceback" not in refused.stderr
    told = json.loads((story.project.root / "alert.json").read_text())
    assert (told["kind"], told["details"]["version"], bool(told["details"]["reasons"])) == ("gate", "2", True)


def test_a_benchmark_that_is_written_out_again_undoes_neither_a_promotion_nor_a_rollback(story: Story) -> None:
    record = story.config().paths.output_dir / ".stages" / "train.json"
    story.promote("worse again", "2", force=True, reason="to go back to it")
    record.unlink()
    story.train("good again", GOOD)
    assert story.files["good again"] == story.files["worse again"]
    assert story.deployments["good again"].reasons == ("it was replaced by `tabtrail promote`",)
    story.promote("good by hand", "3")
    story.rollback("taken back")
    assert story.files["taken back"] == story.files["worse again"]
    record.unlink()
    story.train("repaired", GOOD)
    assert story.files["repaired"] == story.files["worse again"]
    assert story.deployments["repaired"].reasons == ("it was taken back by `tabtrail rollback`",)


def test_rollbacks_go_further_back_each_time() -> None:
    """Going back to what was there before the last change would swing between two models."""
    models = [Deployed(name, name, None, name) for name in "abc"]

    def entry(action: str, after: Deployed) -> Entry:
        return Entry(1, "", "", action, None, after, "", False, None, {}, "")

    a, b, c = models
    told = [entry("first", a), entry("promote", b), entry("promote", c)]
    assert stack(told) == [a, b, c]
    told.append(entry("rollback", b))
    assert stack(told) == [a, b]
    told.append(entry("rollback", a))
    assert stack(told) == [a]
    told += [entry("promote", c), entry("promote", c)]
    assert stack(told) == [a, c]


def test_a_change_that_was_withdrawn_is_nothing_to_go_back_to() -> None:
    models = [Deployed(name, name, None, name) for name in "abc"]

    def entry(action: str, after: Deployed) -> Entry:
        return Entry(1, "", "", action, None, after, "", False, None, {}, "")

    a, b, c = models
    told = [entry("first", a), entry("promote", b), entry("promote", c), entry("withdrawn", b)]
    assert stack(told) == [a, b]
    told += [entry("rollback", a), entry("withdrawn", b)]
    assert stack(told) == [a, b], "the rollback was not made either"


def test_files_that_would_be_lost_stop_a_deployment(tmp_path: Path) -> None:
    make_bundle(tmp_path / "models")
    (tmp_path / "models" / "notes.txt").write_text("mine")
    with pytest.raises(TabtrailError, match=r"notes.txt belongs to no bundle, and the folder is replaced as a whole"):
        make_bundle(tmp_path / "models")
    assert (tmp_path / "models" / "notes.txt").read_text() == "mine"


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(make_bundle(tmp_path / "models"))
    yield reader
    reader.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is a moment without either folder")
def test_a_reader_finds_a_whole_bundle_through_hundreds_of_exchanges(reader: Reader) -> None:
    both = [small_files(run_id=letter * 32) for letter in "ab"]
    for turn in range(300):
        deploy_bundle(reader.folder, SMALL, both[turn % 2])
    reads, seen, problem = reader.stop()
    assert problem == ""
    assert seen == {"a" * 32, "b" * 32}
    assert reads > 20


@pytest.mark.parametrize("words", [["verify"], ["inspect"], ["inspect", "--format=json"]])
def test_a_bundle_is_verified_and_inspected_by_its_folder_alone(tmp_path: Path, words: list[str]) -> None:
    folder = make_bundle(tmp_path / "models")
    done = CliRunner().invoke(app, ["bundle", *words, str(folder)])
    assert done.exit_code == 0
    shown = {"verify": "verified: LinearRegression of run aaa", "inspect": "a" * 32}[words[0]]
    assert shown in done.stdout
    assert "4 USD" in done.stdout or words != ["verify"]


def test_a_bundle_that_does_not_verify_ends_with_its_reason(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "models")
    (folder / f"{SMALL}.joblib").write_bytes(b"x")
    assert isinstance(CliRunner().invoke(app, ["bundle", "verify", str(folder)]).exception, BundleError)
    with pytest.raises(BundleError, match="is not the folder of one bundle: there is none"):
        CliRunner().invoke(app, ["bundle", "verify", str(tmp_path)], catch_exceptions=False)


def test_no_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(NotTrainedError, match="run `tabtrail run` first"):
        load_bundle(tmp_path / "nothing", SMALL)
