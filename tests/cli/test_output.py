"""What is printed for people: whole in files and pipes, as wide as the terminal on one."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.commands import run_in
from tests.support.demand import demand_project
from tests.support.projects import REPO

from tabtrail.cli.output import print_command, print_table, print_text
from tabtrail.cli.results import print_next_steps
from tabtrail.config.operation import Mlflow

HEADER = ["candidate", "cv RMSE", "± std", "to the best (95 %)", "cv MAE", "test RMSE", "test MAE", "fit s"]
ROW = [
    "  GradientBoosting_200_depth4",
    "419.3834",
    "45.811",
    "+2.843 (-4.256 to 9.942)",
    "208.8161",
    "363.1379",
    "192.8131",
    "0.58",
]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output taken for a terminal of 80 columns without colours."""
    for name, value in (("TTY_COMPATIBLE", "1"), ("COLUMNS", "80"), ("TERM", "dumb"), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("terminal")
def test_a_table_too_wide_for_the_terminal_is_printed_in_blocks_that_fit_with_every_value_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table("errors of all candidates, each measured on the same folds of the training part, in US dollars", HEADER, [ROW])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    words = " ".join(lines)
    assert all(value.strip() in words for value in (*HEADER, *ROW))
    assert sum(ROW[0].strip() in line for line in lines) == 2


@pytest.mark.usefixtures("terminal")
def test_a_sentence_breaks_between_words_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    sentence = "champion: LightGBM (smallest mean RMSE over the folds; the test part decides nothing), as [the rule] :x: says"
    print_text(sentence)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert " ".join(line.strip() for line in lines) == sentence


@pytest.mark.usefixtures("terminal")
def test_a_command_that_is_broken_on_a_terminal_is_still_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    row = {"date": "2025-01-03", "Product Category": "Home 'n' Garden, blue  ones", "price": 9.99, "promotion": None, "é": "🍝"}
    config = f"TABTRAIL_CONFIG={tmp_path}/config.yaml"
    print_command(config, "tabtrail", "predict", "--set", "paths.models_dir=some/other/folder", "--json", row=row)
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines if str(tmp_path) not in line) <= 80
    assert len(lines) > 3
    program = tmp_path / "tabtrail"
    program.write_text(
        f'#!{sys.executable}\nimport json, os, sys\nprint(json.dumps([os.environ["TABTRAIL_CONFIG"], *sys.argv[1:]]))\n'
    )
    program.chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", "\n".join(lines)], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=True
    )
    *words, last = json.loads(done.stdout)
    assert words == [f"{tmp_path}/config.yaml", "predict", "--set", "paths.models_dir=some/other/folder", "--json"]
    assert json.loads(last) == row


@pytest.mark.usefixtures("terminal")
def test_what_a_run_of_a_demand_prints_fits_a_terminal_of_80_columns(tmp_path_factory: pytest.TempPathFactory) -> None:
    trained = demand_project(tmp_path_factory)
    for command in ("run", "train"):
        done = run_in(trained.project, command)
        assert done.returncode == 0, done.stderr
        lines = [line for line in (done.stdout + done.stderr).splitlines() if max(map(len, line.split()), default=0) < 70]
        assert "champion" in done.stdout
        assert [line for line in lines if len(line) > 80] == []


def test_elsewhere_a_command_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"a": 1, "b": "it's"}
    print_command("tabtrail", "predict", "--json", row=row)
    assert capsys.readouterr().out == f"  tabtrail predict --json {shlex.quote(json.dumps(row))}\n"


def test_elsewhere_a_table_is_one_block_and_a_sentence_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("errors", HEADER, [ROW])
    print_text("word " * 40)
    lines = capsys.readouterr().out.splitlines()
    assert all(value.strip() in next(line for line in lines if ROW[0] in line) for value in ROW)
    assert lines[-1].split() == ["word"] * 40


@pytest.mark.parametrize(("inside", "command"), [(True, "uvicorn src.api_sales_v2:app"), (False, "tabtrail serve")])
def test_the_service_is_named_by_a_command_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], inside: bool, command: str
) -> None:
    """The doors of the repository are not in the wheel."""
    monkeypatch.chdir(REPO if inside else tmp_path)
    print_next_steps(tmp_path / "report.html", Mlflow(tracking_uri="http://127.0.0.1:5000"), Path("cars.yaml"))
    assert f"TABTRAIL_CONFIG=cars.yaml {command}" in capsys.readouterr().out.splitlines()[-1]
