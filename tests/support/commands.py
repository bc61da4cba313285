"""The commands as a user types them: in processes of their own, or in this one, which spares seconds of imports.

A process of its own (`call`) is for what only a process shows: exit at once, start-up, what libraries print, locks, signals.
"""

import gc
import io
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from tests.support.projects import REPO, Project

from tabtrail.cli.app import main

Done = subprocess.CompletedProcess[str]


def call(*words: str, cwd: Path = REPO, **environment: str) -> Done:
    """Run `python -m …` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=cwd, capture_output=True, text=True, env={**os.environ, **environment}, timeout=300
    )


def run_in(project: Project, *words: str) -> Done:
    """Run `tabtrail … --config …` in this process."""
    return run_here(*words, "--config", str(project.config_file))


def run_here(*words: str) -> Done:
    """Run `tabtrail …` in this process."""
    return _typed(main, "tabtrail", *words)


def run_door(module: str, *words: str) -> Done:
    """Run `python -m MODULE …` in this process."""
    return _typed(lambda: runpy.run_module(module, run_name="__main__"), module, *words)


def overrides(*settings: str) -> list[str]:
    """The words that set these settings."""
    return [word for each in settings for word in ("--set", each)]


def _typed(program: Callable[[], object], *words: str) -> Done:
    """What a program prints and its exit code; an exception that would end it with a traceback is raised."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="", write_through=True) for _ in range(2))
    code: object = 0
    try:
        with patch.object(sys, "argv", list(words)), patch.dict(os.environ), redirect_stdout(out), redirect_stderr(err):
            program()
    except SystemExit as end:
        code = end.code or 0
    finally:
        gc.enable()
        signal.set_wakeup_fd(-1)  # a signal would end this process and its tests as it ends a command
    assert isinstance(code, int), code
    printed = (stream.buffer.getvalue().decode() for stream in (out, err))  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(list(words), code, *printed)
