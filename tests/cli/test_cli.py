"""The command as a user types it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from tests.support.commands import call, overrides, run_door, run_here, run_in
from tests.support.projects import ONE_CANDIDATE, REPO, Project, Trained

pytestmark = pytest.mark.usefixtures("one_picture")

DOORS = {
    "src.data_parquet": "--force",
    "src.eda_polars_duckdb": "--force",
    "src.train_sales_regression_mlflow": "--force",
    "src.train_sales_timeseries_risk": "--product-line",
    "src.predict_sales": "--show-schema",
}
FAST = overrides(*ONE_CANDIDATE, "report.learning_curve_folds=1", "explain.max_rows=20")


@pytest.mark.parametrize("door", DOORS)
def test_every_door_has_help_with_its_options_and_an_example(door: str) -> None:
    done = call(door, "--help", COLUMNS="200")
    assert done.returncode == 0
    assert f"python -m {door}" in done.stdout
    for option in ("--config", "--set", DOORS[door]):
        assert option in done.stdout
    assert "example:" in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        "run",
        "ingest",
        "eda",
        "profile",
        "train",
        "report",
        "explain",
        "forecast",
        "predict",
        "promote",
        "serve",
        "sample",
        "config show",
        "config schema",
    ],
)
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = run_here(*command.split(), "--help")
    assert done.returncode == 0
    assert "example:" in done.stdout


def test_the_doors_do_the_work_one_after_the_other(project: Project) -> None:
    config = ["--config", str(project.config_file)]
    manifest = json.loads(run_door("src.data_parquet", *config, "--format=json").stdout)
    assert manifest["rows_kept"] == 2823
    files = json.loads(run_door("src.eda_polars_duckdb", *config, "--format=json").stdout)["files"]
    assert len(files) == 8, files
    assert all(Path(file).is_file() for file in files)
    board = json.loads(run_door("src.train_sales_regression_mlflow", *config, *FAST, "--format=json").stdout)
    assert board["champion"] == "LinearRegression"
    shown = call("src.predict_sales", *config, "--show-schema").stdout
    assert list(json.loads(shown.splitlines()[-1])) == list(project.config().model.inputs)


def test_what_a_run_prints_is_one_screen_of_rows_leaderboard_champion_and_what_to_type_next(trained: Trained) -> None:
    done = run_in(trained.project, "run", "--no-report")
    assert done.returncode == 0
    lines, board = done.stdout.splitlines(), trained.report.leaderboard
    assert board is not None
    assert len(lines) <= 30
    assert "2,823 rows in, 2,823 kept, 0 rejected" in lines[0]
    row = board.champion_row
    line = next(line for line in lines if line.startswith(f"★ {row.candidate} "))
    assert row.cv["rmse"] == pytest.approx(float(line.split()[2]), rel=1e-3), "four digits of what the JSON has"
    assert f"champion: {board.champion}" in done.stdout
    assert f"held {row.interval_coverage:.1%} of the test rows" in done.stdout
    assert f"serve --config {trained.project.config_file}" in " ".join(line.strip(" \\") for line in lines)


def test_verbose_prints_every_table_with_the_digits_of_the_json(trained: Trained) -> None:
    done = run_in(trained.project, "run", "--no-report", "--verbose")
    for row in trained.report.leaderboard.candidates:
        line = next(line for line in done.stdout.splitlines() if f" {row.candidate} " in line)
        for value in (row.cv["rmse"], row.cv_std["rmse"], row.cv["mae"], row.test["rmse"], row.test["mae"]):
            assert f" {value} " in line, "the terminal and the JSON must agree to the last digit"
    assert f"champion: {trained.report.leaderboard.champion}" in done.stdout
    assert "mlflow ui --backend-store-uri" in done.stdout
    assert "bundle" in done.stdout


def test_a_second_run_repeats_no_stage(trained: Trained) -> None:
    before = trained.project.tree()
    done = call("tabtrail", "run", "--format=json", "--no-report", "--config", str(trained.project.config_file))
    assert not any(json.loads(done.stdout)["repeated"].values())
    assert done.stderr.splitlines() == ["ingest: unchanged", "eda: unchanged", "train: unchanged"]
    assert trained.project.tree() == before


def test_results_asked_for_elsewhere_are_made_there(trained: Trained) -> None:
    done = run_in(trained.project, "eda", "--set", "paths.duckdb_file=other/x.duckdb", "--quiet")
    assert done.returncode == 0
    assert (trained.project.root / "other" / "x.duckdb").is_file()
    assert run_in(trained.project, "eda", "--quiet").returncode == 0


def test_quiet_says_nothing_on_stderr(trained: Trained) -> None:
    assert run_in(trained.project, "run", "--quiet", "--no-report").stderr == ""


def test_a_changed_config_repeats_just_the_stages_that_depend_on_it(project: Project) -> None:
    first = json.loads(run_in(project, "run", *FAST, "--format=json").stdout)
    assert all(first["repeated"].values())
    assert set(first["durations"]) == set(first["repeated"]) == {"ingest", "eda", "profile", "train", "report"}
    second = json.loads(run_in(project, "run", *FAST, "--set", "explain.max_rows=50", "--format=json").stdout)["repeated"]
    assert [name for name, done in second.items() if done] == ["train", "report"]
    third = run_in(project, "run", *FAST, "--set", "explain.max_rows=50", "--set", "profile.points=40", "--format=json")
    assert [name for name, done in json.loads(third.stdout)["repeated"].items() if done] == ["profile", "report"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["run", "--set", "paths.raw_csv=none.csv"], 2, "paths.raw_csv: there is no file"),
        (["run", "--set", "source.encodng=x"], 2, "unknown key; did you mean 'encoding'?"),
        (["run", "--set", "source.encoding=utf-8"], 3, "these bytes are not utf-8"),
        (["run", "--set", "profile.group_by=[COUNTRYY]"], 2, "'COUNTRYY' is not a declared column; did you mean 'COUNTRY'?"),
        (["run", "--set", "profile.outliers.columns=[COUNTRY]"], 2, "profile: 'COUNTRY' is not a number"),
        (["run", "--set", "profile.outliers.factor=0"], 2, "profile.outliers.factor: is 0, where more than 0 belongs"),
        (["profile"], 3, "run `tabtrail ingest` first"),
        (["report"], 2, "there is no run to report; `tabtrail run` makes one"),
        (["report", "--run", "nonsense"], 2, "there is no run nonsense in the MLflow store"),
        (["explain", "--json", "{"], 2, "--json is not JSON"),
        (["explain", "--json", "{}"], 1, "there is no model in"),
        (["explain", "--json", "{}", "--plot", "x.svg"], 2, "--plot: the picture is a PNG"),
        (["train"], 3, "run `tabtrail ingest` first"),
        (["eda"], 3, "run `tabtrail ingest` first"),
        (["run", "--set", "split.folds=1"], 2, "split.folds: is 1, where 2 or more belongs"),
        (["run", "--nonsense"], 2, "No such option: --nonsense"),
    ],
)
def test_a_failure_is_one_message_on_stderr_with_its_exit_code(
    project: Project, words: list[str], code: int, message: str
) -> None:
    done = run_in(project, *words)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_failed_run_leaves_the_last_good_one(trained: Trained, tmp_path: Path) -> None:
    project = trained.copy(tmp_path)
    run_in(project, "run", *FAST, "--no-report")
    before = project.tree()
    project.rewrite(lambda data: data.splitlines()[0] + b"\n")
    assert run_in(project, "run", *FAST).returncode == 3
    assert run_in(project, "train", *FAST, "--set", "candidates.LinearRegression.n_jobs_=3").returncode == 2
    assert project.tree() == before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_ends_at_once_and_leaves_the_last_good_one(
    trained: Trained, tmp_path: Path, number: int, code: int
) -> None:
    project = trained.copy(tmp_path)
    before = {name: digest for name, digest in project.tree().items() if name.startswith("models")}
    command = [sys.executable, "-m", "tabtrail", "train", "--force", "--config", str(project.config_file)]
    process = subprocess.Popen(command, cwd=REPO, stderr=subprocess.PIPE, text=True)
    while len(children := psutil.Process(process.pid).children(recursive=True)) < 3:
        time.sleep(0.1)
    time.sleep(1)
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert "interrupted; nothing is half-written" in err
    assert "Traceback" not in err
    assert not psutil.wait_procs(children, timeout=10)[1]
    assert {name: digest for name, digest in project.tree().items() if name.startswith("models")} == before
    assert not [path for path in project.root.rglob(".*") if path.is_dir() and path.name != ".stages"]


def test_config_show_prints_the_resolved_tree_and_schema_is_json(project: Project) -> None:
    shown = run_in(project, "config", "show", "--set", "split.folds=7")
    assert f"raw_csv: {project.csv}" in shown.stdout
    assert "folds: 7" in shown.stdout
    assert json.loads(run_here("config", "schema").stdout)["title"] == "Config"


def test_a_missing_extra_is_one_line_that_names_it() -> None:
    code = (
        "import sys; sys.argv = ['tabtrail', 'run']; import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'catboost' else find(name, *a)\n"
        "from tabtrail.cli.app import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPO)
    assert done.returncode == 1
    assert done.stderr == "error: this needs catboost, which the base install leaves out: pip install 'tabtrail[train]'\n"


def test_output_to_a_closed_pipe_ends_without_a_word() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "tabtrail", "config", "schema"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, cwd=REPO)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")
