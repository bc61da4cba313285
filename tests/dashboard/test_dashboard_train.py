"""Trainings from the page Train: who may begin one, one at a time, in a process of its own, and how it ended."""

import time
from pathlib import Path

import pytest
from filelock import FileLock
from streamlit.testing.v1 import AppTest
from tests.support.dashboard_pages import looked_at, open_page, texts
from tests.support.demand import demand_project
from tests.support.projects import Project
from tests.support.small_project import LINEAR, small

from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.config.operation import Serve
from tabtrail.dashboard.place import Place
from tabtrail.dashboard.train import is_key, jobs_of, parts_of, report_of
from tabtrail.errors import ConfigError
from tabtrail.project.lock import project_lock
from tabtrail.serving.jobs.desk import Jobs, Request
from tabtrail.serving.jobs.record import ASKED, END, LOG, Job, now
from tabtrail.serving.problems import Refused
from tabtrail.system.files import write_json

KEY = "s3cret-of-the-service"


@pytest.fixture
def project(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("TABTRAIL_API_KEY", KEY)
    return small(tmp_path, empty_store, candidates={LINEAR: {}})


def unlocked(project: Project) -> AppTest:
    app = open_page("train", project.config_file, allow_train=True)
    app.text_input(key="train-key-given").input(KEY)
    app.button[0].click()
    return looked_at(app.run())


def ended(app: AppTest, jobs: Jobs, seconds: float = 120) -> Job:
    for _ in range(int(seconds / 0.2)):
        (job, *_others) = jobs.all()
        if not job.at_work:
            return job
        time.sleep(0.2)
    raise AssertionError(texts(app))


def test_a_wrong_key_opens_nothing_and_is_not_kept(project: Project) -> None:
    app = open_page("train", project.config_file, allow_train=True)
    app.text_input(key="train-key-given").input("guess")
    app.button[0].click()
    looked_at(app.run())
    assert "This is not the API key." in texts(app)
    assert [each.label for each in app.button] == ["Unlock training"]
    assert app.text_input(key="train-key-given").value == ""
    assert "guess" not in str(app.session_state)


def test_the_key_is_that_of_the_service_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("of-the-file\n")
    monkeypatch.delenv("TABTRAIL_API_KEY", raising=False)
    assert not is_key(Serve(), ""), "without a key nothing is one"
    assert is_key(Serve(api_key_file=file), " of-the-file ")
    assert not is_key(Serve(api_key_file=file), "of-the-fil")
    with pytest.raises(ConfigError, match="cannot be read"):
        is_key(Serve(api_key_file=tmp_path / "none"), "x")


def test_a_training_begins_goes_on_without_the_page_and_links_to_its_model(project: Project) -> None:
    app = unlocked(project)
    app.button(key="train-all").click()
    looked_at(app.run())
    assert "At work" in texts(app)
    assert app.button(key="train-all").disabled, "one at a time"
    other = unlocked(project)
    assert other.button(key="train-all").disabled, "of two dashboards too"
    jobs = jobs_of(Place(project.config()))
    with pytest.raises(Refused, match="is at work in this project"):
        jobs.begin(Request("train_all"))
    job = ended(app, jobs)
    assert job.state == "succeeded", (job.folder / LOG).read_text()
    looked_at(app.run())
    assert f"{LINEAR} was chosen with RMSE over the folds of" in texts(app).replace("\\", "")
    assert "it is in use" in texts(app)
    assert "it is NOT in use" in report_of(job, {"another"}).outcome
    assert KEY not in (job.folder / LOG).read_text()
    (link,) = app.get("page_link")
    assert link.proto.page == "model"


def test_a_failed_training_shows_its_message_and_exit_code(project: Project) -> None:
    (project.root / "rows.csv").write_text("a,b\n1,p\n")  # without the target
    app = unlocked(project)
    app.button(key="train-all").click()
    looked_at(app.run())
    assert ended(app, jobs_of(Place(project.config()))).state == "failed"
    looked_at(app.run())
    said = texts(app)
    assert "The training failed." in said
    assert "'y'" in said
    assert "(exit code 3)" in said


def test_who_holds_the_lock_is_named_and_nothing_can_be_begun(project: Project) -> None:
    with project_lock(project.config(), "run"):
        app = unlocked(project)
    assert "`tabtrail run` (process" in texts(app).replace("\\", "")
    assert app.button(key="train-all").disabled


def test_a_page_that_looks_never_holds_the_lock(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with project_lock(project.config(), "run"):
        pass  # so that there is a lock to ask
    monkeypatch.setattr(FileLock, "acquire", lambda *_, **__: pytest.fail("the lock was asked for"))
    assert not unlocked(project).button(key="train-all").disabled


def test_a_log_is_read_from_its_end_and_its_characters_cannot_steer_a_terminal(tmp_path: Path) -> None:
    folder = tmp_path / "output" / "jobs" / "20260101T000000Z-00000000"
    folder.mkdir(parents=True)
    write_json(folder / ASKED, {"kind": "train_all", "asked_at": now()})
    write_json(folder / END, {"exit_code": 4, "at": now()})
    many = "".join(f"train: {each:,} of 9,000 fits\n" for each in range(9000))
    (folder / LOG).write_text(f"{many}\x1b[31mred\x1b[m\x07\nerror: refused: the champion is better\n  by 3\n")
    (job,) = Jobs(tmp_path / "output", (), kept=3).all()
    report = report_of(job)
    assert report.message == "refused: the champion is better\n  by 3 (exit code 4)"
    assert report.lines[-1] == "  by 3"
    assert report.lines[-3] == "red\N{REPLACEMENT CHARACTER}"
    assert len(report.lines) < 100


def test_what_can_be_trained_alone_is_said(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert "one model, of single rows" in parts_of(None, None).why
    trained = demand_project(tmp_path_factory)
    demand, paths = trained.config.demand, trained.config.for_demand().paths
    assert "No model of series is deployed yet" in parts_of(demand, None).why
    pooled = Predictor(load_bundle(paths.models_dir, "shop_demand"))
    assert "One model learns from all series" in parts_of(demand, pooled).why
    pooled.metadata["window"] = {"per": "store_id"}  # as a net for each store has it
    found = parts_of(demand, pooled)
    assert (found.by, found.values, found.why) == ("store_id", ("STORE_000", "STORE_001"), "")
