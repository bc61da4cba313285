"""What the comparisons share: a contender in a process of its own, measured by the operating system, and one form of result."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ROLES = ("ours", "engine", "usual")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Spent:
    """What a process and the children that it waited for took; `peak_mb` is the resident memory of the largest of them."""

    cpu_seconds: float
    wall_seconds: float
    peak_mb: float
    stdout: str


def spend(words: Sequence[str], environment: Mapping[str, str] | None = None) -> Spent:
    """Run a Python program to its end in the repository's folder."""
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, words[:4]))} failed with exit code {process.returncode}")
    wall = time.perf_counter() - start
    return Spent(round(usage.ru_utime + usage.ru_stime, 3), round(wall, 3), round(usage.ru_maxrss / 1024), said)


def comparison(
    subject: str, unit: str, costs: Mapping[str, float], peaks: Mapping[str, float], what: Mapping[str, str], **details: Any
) -> dict[str, Any]:
    """Return the result of a benchmark in the form that `benchmarks/table.py` reads: ours, the engine alone, the usual code."""
    sides = {role: {"what": what[role], "cost": costs[role], "peak_mb": peaks[role]} for role in ROLES if role in costs}
    ratios = {f"ours / {role}": round(costs["ours"] / costs[role], 3) for role in ROLES[1:] if role in costs}
    return {"subject": subject, "unit": unit, "sides": sides, "ratios": ratios, **details}


def report(result: Mapping[str, Any], output: Path | None) -> None:
    """Print a result as JSON, and write it where that is wanted."""
    text = json.dumps(result, indent=2, ensure_ascii=False)
    print(text)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text + "\n", encoding="utf-8")
