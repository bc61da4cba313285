"""The commands run as a user runs them."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.projects import REPO, Project


def call(*words: str, cwd: Path = REPO, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=cwd, capture_output=True, text=True, env={**os.environ, **environment}, timeout=300
    )


def run_in(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    return call("tabtrail", *words, "--config", str(project.config_file))
