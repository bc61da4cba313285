"""The list of commands, and what is imported for which."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.commands import call, run_in
from tests.support.projects import REPO, Project

from tabtrail.cli import later
from tabtrail.cli.commands import COMMANDS, load_command


def imported_by(*words: str) -> set[str]:
    """Names of the modules that a process has imported when a command of `tabtrail` ends."""
    code = (
        "import atexit, sys; sys.argv = ['tabtrail', *sys.argv[1:]]\n"
        "atexit.register(lambda: print('\\n'.join(sys.modules), file=sys.stderr))\n"
        "from tabtrail.cli.app import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=REPO)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_of_the_list_is_in_the_module_that_the_list_names(name: str) -> None:
    command = load_command(name)
    assert command.help
    assert COMMANDS[name].is_group == hasattr(command, "commands")


def test_the_list_of_commands_fits_80_columns_with_a_whole_sentence_for_each() -> None:
    shown = call("tabtrail", "--help", COLUMNS="80").stdout
    lines = {line.split()[0]: line for line in shown.partition("Commands:")[2].splitlines() if line.startswith("  ")}
    assert set(COMMANDS) <= set(lines)
    for name, command in COMMANDS.items():
        assert lines[name].endswith(command.line)
    assert max(map(len, shown.splitlines())) <= 80


def test_the_list_of_commands_imports_none_of_them() -> None:
    imported = imported_by("--help")
    assert "tabtrail.cli.commands" in imported
    assert imported.isdisjoint({command.module for command in COMMANDS.values()} | {"rich.table", "pydantic", "polars"})


@pytest.mark.parametrize(
    ("call", "imported", "frozen"),
    [
        ("main()", "typer", True),
        ("door('config', 'config')", "typer", True),
        ("main()", "numpy", False),
        ("main()", "duckdb", False),
    ],
)
def test_python_looks_for_no_garbage_at_the_end_of_a_command_that_needs_no_native_library(
    call: str, imported: str, frozen: bool
) -> None:
    code = (
        f"import atexit, gc, sys, {imported}; sys.argv = ['tabtrail', 'no-such-command']\n"
        "atexit.register(lambda: print(gc.get_freeze_count()))\n"
        f"from tabtrail.cli.app import door, main; {call}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2, "the exit code is that of the command"
    assert (int(done.stdout) > 10_000) is frozen


@pytest.mark.parametrize("command", ["tune", "explain", "reproduce", "forecast", "promote", "report", "config schema"])
def test_help_imports_none_of_the_libraries_that_take_seconds(command: str) -> None:
    heavy = {"sklearn", "scipy", "mlflow", "shap", "optuna", "statsmodels", "lightgbm", "xgboost", "catboost"}
    assert imported_by(*command.split(), "--help").isdisjoint(heavy)


@pytest.mark.parametrize("command", ["predict", "bundle", "serve"])
def test_the_commands_of_the_base_install_import_nothing_that_trains(command: str) -> None:
    imported = imported_by(command, "--help")
    assert imported.isdisjoint({"polars", "duckdb", "pandas", "sklearn", "mlflow", "tabtrail.pipeline"})


def test_what_is_imported_later_is_a_closed_list() -> None:
    with pytest.raises(AttributeError, match=r"has no attribute 'benchmark'"):
        later.benchmark  # type: ignore[attr-defined]  # noqa: B018


def _leaves() -> Iterator[tuple[str, Any]]:
    for name in COMMANDS:
        command = load_command(name)
        yield from (
            ((f"{name} {each}", found) for each, found in command.commands.items())
            if hasattr(command, "commands")
            else ((name, command),)
        )


def test_json_is_a_format_of_every_command_and_where_json_is_an_option_it_is_a_row() -> None:
    options = {name: {option for each in command.params for option in each.opts} for name, command in _leaves()}
    assert [name for name, own in options.items() if "--json" in own] == ["explain"]
    assert {"run", "train", "history", "bundle inspect", "config show"} <= {
        name for name, own in options.items() if "--format" in own
    }


def test_the_old_spelling_of_the_format_is_kept_with_a_note(project: Project) -> None:
    old, new = (run_in(project, "config", "show", *words) for words in (["--json"], ["--format", "json"]))
    assert old.stdout == new.stdout
    assert (old.stderr, new.stderr) == ("note: --json is written --format json now\n", "")


@pytest.mark.parametrize(("words", "expected"), [("tabtrail hist", "history"), ("tabtrail history --form", "--format")])
def test_a_shell_completes_commands_and_options(words: str, expected: str) -> None:
    asked = {"_TABTRAIL_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    program = Path(sys.executable).with_name("tabtrail")
    done = subprocess.run([program], env={**os.environ, **asked}, capture_output=True, text=True)
    assert expected in done.stdout.split()


def test_the_help_of_forecast_names_the_segments_of_the_config(project: Project) -> None:
    shown = " ".join(run_in(project, "forecast", "--help").stdout.split())
    assert "segments of config_v2.yaml: product_line (column PRODUCTLINE), country (column COUNTRY)" in shown


def test_a_shown_config_has_no_secret_of_a_webhook_or_a_header(project: Project) -> None:
    command = 'alerts.command=[curl, -H, "Authorization: Bearer t0p", "https://hooks.example/services/T0/s3cret"]'
    webhook = "alerts.webhook=https://hooks.example/services/T0/s3cret"
    for setting in (command, webhook):
        for words in ([], ["--format", "json"]):
            shown = run_in(project, "config", "show", "--set", setting, *words)
            assert shown.returncode == 0, shown.stderr
            assert not {"s3cret", "t0p"} & set(re.findall(r"\w+", shown.stdout + shown.stderr))
            assert "…" in shown.stdout
