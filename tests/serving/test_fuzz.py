"""schemathesis against the service: every check, of every operation; `benchmarks/fuzz.py` is the same with more cases."""

import re
import subprocess
import sys
from pathlib import Path

from tests.support.projects import REPO, Project, serving


def test_no_case_of_schemathesis_fails(small: Project) -> None:
    with serving(small, "--set", "serve.access_log=false", door=False) as client:
        program = Path(sys.executable).parent / "st"
        words = ["run", f"{client.base_url}/openapi.json", "--checks", "all", "--max-examples", "5", "--seed", "4", "--no-color"]
        done = subprocess.run([str(program), *words, "--generation-database", "none"], cwd=REPO, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-5000:]
        cases = re.search(r"([\d,]+) generated, .*passed", done.stdout)
        assert cases
        assert int(cases[1].replace(",", "")) > 500
