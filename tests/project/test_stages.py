"""A stage is declared once: it runs, is skipped when fresh, is forced and shown, and is stale for what it declares alone."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.projects import Project, Trained
from tests.support.toy_stage import WEATHER, WeatherConfig, output
from typer.testing import CliRunner

from tabtrail import pipeline
from tabtrail.cli.options import new_group
from tabtrail.cli.stages import add_plain_commands
from tabtrail.errors import UsageError
from tabtrail.progress import Progress
from tabtrail.project.paths import Artifacts
from tabtrail.project.project import Project as ProjectState
from tabtrail.project.reason import Reason
from tabtrail.project.record import updated_output
from tabtrail.project.run import run_one, run_stages
from tabtrail.project.status import status
from tabtrail.system import code

STAGES = (pipeline.INGEST, pipeline.EDA, WEATHER)


def configured(project: Project, wetness: int = 1, *overrides: str) -> WeatherConfig:
    plain = project.config(*overrides)
    return WeatherConfig.model_validate({**plain.model_dump(), "weather": {"wetness": wetness}}).placed(plain.root, plain._places)


def repeated(config: WeatherConfig, *, force: bool = False) -> list[str]:
    ran = run_stages(STAGES, config, force=force, progress=Progress())
    assert list(ran.durations) == list(ran.repeated) == ["ingest", "eda", "weather"]
    return [name for name, worked in ran.repeated.items() if worked]


def stale(config: WeatherConfig) -> dict[str, tuple[Reason, ...]]:
    return {each.stage: each.reasons for each in status(config, STAGES).stages if not each.fresh}


def test_a_new_stage_and_a_new_section_take_part_and_make_nothing_else_stale(project: Project) -> None:
    pipeline.run_stage("ingest", project.config())
    pipeline.run_stage("eda", project.config())
    config = configured(project)
    assert stale(config) == {"weather": (Reason("never", "it has not run yet"),)}, "a section that no other stage declares"
    assert status(config, STAGES).next_command == "tabtrail weather"
    assert repeated(config) == ["weather"]
    assert json.loads(output(config).read_text()) == {"rows": 2823}
    assert repeated(config) == []
    assert stale(config) == {}
    assert run_one(WEATHER, config, force=True, progress=Progress())
    assert repeated(config, force=True) == ["ingest", "eda", "weather"]


def test_a_stage_without_a_command_of_its_own_has_a_plain_one(project: Project) -> None:
    pipeline.run_stage("ingest", project.config())
    group = new_group()
    add_plain_commands(group, STAGES)
    words = ["weather", "--config", str(project.config_file)]
    done = CliRunner().invoke(group, words)
    assert done.exit_code == 0
    assert "weather: counted" in done.stderr
    assert done.stdout.strip().endswith("weather.json")
    assert "weather: unchanged" in CliRunner().invoke(group, words).stderr
    forced = CliRunner().invoke(group, [*words, "--force", "--format=json"])
    assert "weather: counted" in forced.stderr
    assert json.loads(forced.stdout) == {"files": [str(output(project.config()))]}


def test_a_stage_is_stale_for_the_sections_that_it_declares_alone(project: Project) -> None:
    repeated(configured(project))
    assert stale(configured(project, 2)) == {"weather": (Reason("config", "the config changed: weather.wetness"),)}
    assert repeated(configured(project, 2)) == ["weather"]
    assert list(stale(configured(project, 2, "duckdb.table=other"))) == ["eda"]
    assert stale(configured(project, 2, "risk.forecast_steps=9", "serve.port=9", "split.folds=2", "candidates={}")) == {}


def test_a_stage_waits_for_the_one_that_it_reads_from(project: Project) -> None:
    config = configured(project)
    repeated(config)
    project.rewrite(lambda data: b"\n".join(data.splitlines()[:-3]))
    assert stale(config)["weather"] == (Reason("before", "ingest is stale"),)
    assert repeated(config) == ["ingest", "eda", "weather"]


def test_an_output_that_is_brought_up_to_date_leaves_its_stage_fresh_and_one_that_is_altered_does_not(project: Project) -> None:
    config = configured(project)
    repeated(config)
    path = output(config)
    with updated_output(config.paths.output_dir, path) as announce:
        rewrite(path, "results were added", announce)
    assert stale(config) == {}
    path.write_text("altered")
    with updated_output(config.paths.output_dir, path) as announce:
        rewrite(path, "results were added to what was altered", announce)
    assert stale(config) == {"weather": (Reason("altered", f"{path} was altered"),)}


def test_a_stage_that_was_killed_says_so_in_place_of_files_that_were_altered(project: Project) -> None:
    config = configured(project)
    repeated(config)
    WEATHER.record_begin(ProjectState(config))
    assert stale(config) == {}, "what it left before is whole"
    output(config).write_text("half of it")
    ((reason,),) = stale(config).values()
    assert reason.kind == "interrupted"
    assert reason.what.startswith("it began at ")
    assert repeated(config) == ["weather"]
    output(config).write_text("altered")
    assert stale(config)["weather"][0].kind == "altered", "a run that ended leaves no note"


def rewrite(path: Path, text: str, announce: Callable[[Path], None]) -> None:
    new = path.with_name("new")
    new.write_text(text)
    announce(new)
    new.replace(path)


@pytest.mark.parametrize("killed", ["announced", "in its place"])
def test_a_kill_while_an_output_is_brought_up_to_date_leaves_its_stage_fresh_and_open_to_the_next_update(
    project: Project, killed: str
) -> None:
    config = configured(project)
    repeated(config)
    path = output(config)
    with suppress(KeyboardInterrupt), updated_output(config.paths.output_dir, path) as announce:
        new = path.with_name("new")
        new.write_text("results were added")
        announce(new)
        if killed == "in its place":
            new.replace(path)
        raise KeyboardInterrupt
    assert stale(config) == {}
    with updated_output(config.paths.output_dir, path) as announce:
        rewrite(path, "more results", announce)
    assert stale(config) == {}
    path.write_text("results were added")
    assert stale(config) == {"weather": (Reason("altered", f"{path} was altered"),)}


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> "Changed":
    return Changed(monkeypatch)


class Changed:
    """Other contents of a file of tabtrail, as far as its hash says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch, self._hash = monkeypatch, code.file_sha256

    def __call__(self, file: str) -> None:
        other = lambda name: "other" if name == f"tabtrail/{file}" else self._hash(name)  # noqa: E731
        for module in ("tabtrail.system.code", "tabtrail.project.stage"):
            self._patch.setattr(f"{module}.file_sha256", other)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("report/svg.py", ["train", "report"]),
        ("report/templates/report.html.j2", ["eda", "train", "report"]),
        ("modeling/split.py", ["train", "report"]),
        ("data/profile.py", ["profile", "report"]),
        ("contract/expressions.py", ["ingest", "eda", "profile", "train", "report"]),
        ("workflows/eda.py", ["eda"]),
        ("serving/app.py", []),
        ("cli/app.py", []),
        ("pipeline.py", []),
    ],
)
def test_code_makes_just_the_stages_stale_that_run_it(
    reported: Trained, changed: Changed, file: str, expected: list[str]
) -> None:
    changed(file)
    found = status(reported.config, pipeline.STAGES).stages
    assert [each.stage for each in found if any(reason.kind == "code" for reason in each.reasons)] == expected
    named = {reason.what for each in found for reason in each.reasons if reason.kind == "code"}
    assert named <= {f"tabtrail's own code changed: {file}"}


def test_the_code_of_a_stage_is_what_its_module_imports_and_nothing_that_only_a_type_checker_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "toy_package"
    (package / "pages").mkdir(parents=True)
    texts = {
        "__init__.py": "",
        "work.py": "import typing\nfrom toy_package import first\nif typing.TYPE_CHECKING:\n    import toy_package.types\n",
        "first.py": "def late():\n    from toy_package.second import thing\n    return thing\n",
        "second.py": "import tabtrail.errors\nthing = 1\n",
        "types.py": "",
        "unused.py": "",
        "pages/page.html": "<p>",
    }
    for name, text in texts.items():
        (package / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = set(code.code_files("toy_package.work"))
    assert found == {
        *(f"toy_package/{name}" for name in ("__init__.py", "work.py", "first.py", "second.py", "pages/page.html")),
        "tabtrail/__init__.py",
        "tabtrail/version.py",
        "tabtrail/errors.py",
    }


def test_every_stage_has_its_work_and_comes_after_stages_that_stand_before_it() -> None:
    names = [stage.name for stage in pipeline.STAGES]
    for place, stage in enumerate(pipeline.STAGES):
        assert callable(stage.work)
        assert set(stage.after) <= set(names[:place])
        assert set(stage.sections) <= set(WeatherConfig.model_fields)


def test_a_leaderboard_of_another_version_is_told_from_none(project: Project) -> None:
    config = project.config()
    with pytest.raises(UsageError, match=r"there is no run to report; `tabtrail run` makes one"):
        pipeline.run_stage("report", config)
    board = Artifacts.of(config).leaderboard
    board.parent.mkdir(parents=True)
    board.write_text('{"candidates": []}')
    with pytest.raises(UsageError, match=r"metrics.json was written by another version; `tabtrail run` writes it again"):
        pipeline.run_stage("report", config)
