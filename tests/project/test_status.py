"""`tabtrail status`: what is fresh, what is stale, and the very thing that made it so."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.commands import run_in
from tests.support.projects import Project

from tabtrail import pipeline
from tabtrail.errors import LeakageError
from tabtrail.project.project import Project as Project_
from tabtrail.project.status import Status, status


@pytest.fixture
def ingested(project: Project) -> Project:
    config = project.config()
    pipeline.run_stage("ingest", config)
    pipeline.run_stage("eda", config)
    return project


def reasons(found: Status, stage: str) -> list[tuple[str, str]]:
    return [(reason.kind, reason.what) for each in found.stages if each.stage == stage for reason in each.reasons]


def test_nothing_has_run_yet(project: Project) -> None:
    found = status(project.config(), pipeline.STAGES)
    assert reasons(found, "ingest") == [("never", "it has not run yet")]
    assert reasons(found, "train") == [("before", "ingest is stale"), ("never", "it has not run yet")]
    assert found.next_command == "tabtrail run"
    assert not (project.root / "output").exists(), "it creates nothing"


def test_what_ran_is_fresh_and_the_command_for_the_rest_is_named(ingested: Project) -> None:
    found = status(ingested.config(), pipeline.STAGES)
    assert {each.stage: each.fresh for each in found.stages} == {
        "ingest": True,
        "eda": True,
        "profile": False,
        "train": False,
        "report": False,
    }
    assert reasons(found, "report")[0] == ("before", "profile and train are stale")
    assert found.next_command == "tabtrail run"


def test_an_input_that_is_gone_is_said_and_no_command_is_named_that_would_fail(ingested: Project) -> None:
    ingested.csv.unlink()
    found = status(ingested.config(), pipeline.STAGES)
    assert {kind for each in found.stages for kind, _ in reasons(found, each.stage)} == {"input"}
    assert reasons(found, "ingest")[0][1].startswith("paths.raw_csv: there is no file")
    assert found.next_command == ""


def test_a_changed_source_makes_it_stale_and_what_comes_after(ingested: Project) -> None:
    ingested.rewrite(lambda data: b"\n".join(data.splitlines()[:-3]))
    found = status(ingested.config(), pipeline.STAGES)
    assert reasons(found, "ingest") == [("data", "the source files changed")]
    assert reasons(found, "eda")[0][0] == "before"


def test_the_config_keys_that_changed_are_named_per_stage(ingested: Project) -> None:
    config = ingested.config("contract.max_reject_share=0.5", "model.strata={}", "intervals.by=null")
    found = status(config, pipeline.STAGES)
    assert reasons(found, "ingest") == [("config", "the config changed: contract.max_reject_share")]
    assert reasons(found, "eda")[1:] == [
        ("config", "the config changed: model.strata.price_at_cap, model.strata.price_below_cap")
    ]


def test_other_paths_and_other_code_are_told(ingested: Project) -> None:
    record = ingested.config().paths.output_dir / ".stages" / "eda.json"
    known = json.loads(record.read_text())
    known["code"]["tabtrail/data/summaries.py"] = "x"
    record.write_text(json.dumps(known))
    found = status(ingested.config(), pipeline.STAGES)
    assert reasons(found, "eda") == [("code", "tabtrail's own code changed: data/summaries.py")]
    moved = status(ingested.config("paths.duckdb_file=other.duckdb"), pipeline.STAGES)
    assert ("config", "the config changed: paths.duckdb_file") in reasons(moved, "eda")


def test_missing_and_altered_outputs_are_named(ingested: Project) -> None:
    summary = ingested.root / "output" / "summary"
    (summary / "by_year.csv").unlink()
    (summary / "by_year.parquet").write_bytes(b"")
    assert reasons(status(ingested.config(), pipeline.STAGES), "eda") == [
        ("missing", f"{summary / 'by_year.csv'} is missing"),
        ("altered", f"{summary / 'by_year.parquet'} was altered"),
    ]


def test_a_key_that_differs_for_no_known_reason_is_stale_all_the_same(ingested: Project) -> None:
    record = ingested.config().paths.output_dir / ".stages" / "ingest.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "key": "x"}))
    assert reasons(status(ingested.config(), pipeline.STAGES), "ingest") == [("config", "what it depends on changed")]


def test_the_records_hold_no_password(project: Project) -> None:
    config = project.config("mlflow.tracking_uri=https://me:secret@mlflow.example")
    pipeline.run_stage("ingest", config)
    assert b"secret" not in b"".join(path.read_bytes() for path in (project.root / "output").rglob("*") if path.is_file())


def test_the_command_prints_it_for_people_and_as_json(ingested: Project, tmp_path: Path) -> None:
    words = ["status", "--set", "contract.max_reject_share=0.5"]
    shown = run_in(ingested, *words)
    assert shown.returncode == 0
    assert shown.stdout.startswith("ingest  stale\n        the config changed: contract.max_reject_share\n")
    assert re.search(r"next: .*tabtrail run --config \S+ --set contract.max_reject_share=0.5\n$", shown.stdout)
    said = json.loads(run_in(ingested, *words, "--format=json").stdout)
    assert said["stages"][0] == {
        "stage": "ingest",
        "fresh": False,
        "reasons": [{"kind": "config", "what": "the config changed: contract.max_reject_share"}],
    }


def test_what_is_looked_at_before_any_work_imports_none_of_what_does_the_work() -> None:
    command = "import sys, tabtrail.pipeline, tabtrail.project.status, tabtrail.project.run; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    heavy = (
        "polars",
        "duckdb",
        "pandas",
        "mlflow",
        "sklearn",
        "matplotlib",
        "optuna",
        "shap",
        "tabtrail.workflows",
        "numpy",
        "asyncio",
        "ssl",
    )
    assert not [name for name in heavy if f"'{name}'" in done.stdout]


def test_a_training_that_was_refused_is_no_mere_stale_one_until_it_is_mended(ingested: Project) -> None:
    refused = ingested.config("leakage.policy=error", "candidates={LinearRegression: {}}")
    with pytest.raises(LeakageError) as caught:
        pipeline.run_stage("train", refused)
    kind, what = reasons(status(refused, pipeline.STAGES), "train")[-1]
    assert kind == "refused"
    assert what == f"the last time it was refused (exit code 4): {caught.value}"
    assert "set leakage.policy: warn" in what
    done = run_in(ingested, "status", "--set", "leakage.policy=error", "--set", "candidates={LinearRegression: {}}")
    assert "        the last time it was refused (exit code 4): leakage.policy is error" in done.stdout


def test_a_refusal_makes_a_finished_stage_stale_and_going_back_leaves_it_fresh(project: Project) -> None:
    config, stage = project.config(), next(stage for stage in pipeline.STAGES if stage.name == "ingest")
    pipeline.run_stage("ingest", config)
    stage.record_refusal(Project_(config), "no")
    assert [reason.kind for reason in stage.reasons(Project_(config))] == ["refused"]
    pipeline.run_stage("ingest", config, force=True)
    assert stage.reasons(Project_(config)) == []
    stage.record_refusal(Project_(project.config("contract.max_reject_share=0.5")), "no")
    assert stage.reasons(Project_(config)) == []
