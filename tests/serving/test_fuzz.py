"""schemathesis against the service: every check, of every operation; `benchmarks/fuzz.py` is the same with more cases."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.demand import demand_project
from tests.support.projects import REPO, Project, serving


def test_no_case_of_schemathesis_fails(small: Project) -> None:
    require_no_failure(small, 500)


def test_no_case_of_schemathesis_fails_against_a_model_of_series(tmp_path_factory: pytest.TempPathFactory) -> None:
    # JSON Schema does not say which days and series are known: a row that it allows may be refused.
    require_no_failure(demand_project(tmp_path_factory).project, 400, "--exclude-checks", "positive_data_acceptance")


def require_no_failure(project: Project, least: int, *more: str) -> None:
    """Run every check against the service of a project, with so many cases at least."""
    with serving(project, "--set", "serve.access_log=false", door=False) as client:
        program = Path(sys.executable).parent / "st"
        words = ["run", f"{client.base_url}/openapi.json", "--checks", "all", "--max-examples", "5", "--seed", "4", "--no-color"]
        words += more
        done = subprocess.run([str(program), *words, "--generation-database", "none"], cwd=REPO, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-5000:]
        cases = re.search(r"([\d,]+) generated, .*passed", done.stdout)
        assert cases
        assert int(cases[1].replace(",", "")) > least
