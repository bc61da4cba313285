"""What is printed for people: whole in files and pipes, as wide as the terminal on one."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.support.commands import run_in
from tests.support.demand import demand_project

from tabtrail import errors
from tabtrail.cli.output import print_command, print_table, print_text
from tabtrail.cli.results import last_lines
from tabtrail.cli.typed import Typed
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
def test_a_table_too_wide_for_the_terminal_stands_in_blocks_that_fit_with_every_word_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table("errors of all candidates, each measured on the same folds of the training part, in US dollars", HEADER, [ROW])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    words = " ".join(lines)
    assert all(word in words.split() for value in (*HEADER, *ROW) for word in value.split())
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


@pytest.mark.parametrize("given", [None, Path("cars.yaml")])
def test_the_next_command_names_the_config_as_it_was_typed_and_what_matters_to_it(given: Path | None) -> None:
    lines = last_lines(
        None, Mlflow(tracking_uri="http://127.0.0.1:5000"), Typed(given, ["split.folds=3", "paths.models_dir=a b"]), ended="done"
    )
    named = given or "config_v2.yaml"
    assert lines[:2] == ["done", "next:"]
    shown = " ".join(line.strip().removesuffix(" \\") for line in lines)
    assert f"serve --config {named} --set 'paths.models_dir=a b'" in shown


def test_the_next_command_is_one_that_this_shell_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    words = Typed(None, None).words("tabtrail serve")
    assert subprocess.run(shlex.split(" ".join([*words[:-1], "--version"])), check=True, capture_output=True).stdout


def test_on_a_terminal_an_error_is_broken_between_words_and_commands_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    message = f"error: the service keeps nothing of its predictions; set it:\n  {'/a/long/path' * 9}"
    assert errors._for_the_terminal(message) == message
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(isatty=lambda: True, fileno=lambda: 2))
    monkeypatch.setattr(os, "get_terminal_size", lambda number: os.terminal_size((40, 20)))
    first, second, path = errors._for_the_terminal(message).split("\n")
    assert (first, second) == ("error: the service keeps nothing of its", "predictions; set it:")
    assert path.strip() == "/a/long/path" * 9
