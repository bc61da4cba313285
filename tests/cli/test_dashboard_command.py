"""`tabtrail dashboard` starts Streamlit on the pages' entry, or says in one line why it cannot."""

import os
import socket
import sys
from pathlib import Path

import pytest
from tests.support.commands import run_in
from tests.support.projects import Project

from tabtrail.cli.commands import DASHBOARD
from tabtrail.serving.state import KEY_VARIABLE


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would have taken this process's place."""
    found: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda program, words: found.append(words))
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_streamlit_takes_the_place_of_the_command_on_loopback_with_this_config(
    project: Project, started: list[list[str]]
) -> None:
    port = free_port()
    done = run_in(project, "dashboard", "--port", str(port), "--set", "duckdb.table=lines")
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"http://127.0.0.1:{port}\n"
    (words,) = started
    assert words[:4] == [sys.executable, "-m", "streamlit", "run"]
    assert Path(words[4]).parts[-2:] == ("dashboard", "app.py")
    assert Path(words[4]).is_file()
    assert words[5:9] == ["--server.address", "127.0.0.1", "--server.port", str(port)]
    assert words[words.index("--") + 1 :] == ["--config", str(project.config_file), "--set", "duckdb.table=lines"]
    assert "tabtrail.dashboard" not in {name for name in sys.modules if name == "tabtrail.dashboard.app"}


def test_a_port_that_is_taken_is_one_line_that_names_it(project: Project, started: list[list[str]]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run_in(project, "dashboard", "--port", str(port))
    assert (done.returncode, started) == (1, [])
    assert (
        done.stderr == f"error: cannot listen on 127.0.0.1:{port}: Address already in use; name another with --host or --port\n"
    )


def test_a_broken_config_is_refused_before_anything_starts(project: Project, started: list[list[str]]) -> None:
    project.config_file.write_text(project.config_file.read_text().replace("model:", "modle:", 1))
    done = run_in(project, "dashboard")
    assert (done.returncode, started) == (2, [])
    assert "modle: unknown key; did you mean 'model'?" in done.stderr


def test_without_an_api_key_nobody_is_let_train(
    project: Project, started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    done = run_in(project, "dashboard", "--allow-train", "--port", str(port))
    assert (done.returncode, started) == (2, [])
    assert "without an API key" in done.stderr
    assert KEY_VARIABLE in done.stderr
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    assert run_in(project, "dashboard", "--allow-train", "--port", str(port)).returncode == 0
    assert started[0][-1] == "--allow-train"
    assert "secret" not in " ".join(started[0])


def test_without_the_extra_one_line_names_it(project: Project, started: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"streamlit", "plotly", "polars", "duckdb"} <= set(DASHBOARD.modules)
    monkeypatch.setattr("tabtrail.errors.find_spec", lambda module: None if module == "streamlit" else object())
    done = run_in(project, "dashboard")
    assert (done.returncode, started) == (1, [])
    assert done.stderr == "error: this needs streamlit, which the base install leaves out: pip install 'tabtrail[dashboard]'\n"
