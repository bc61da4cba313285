"""The list of commands, and what is imported for which."""

import subprocess
import sys

import pytest
from tests.support.commands import call
from tests.support.projects import REPO

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
