"""Made-up CSV bytes, YAML and JSON bodies, a third of the CPU-minutes each: what comes is accepted, set aside by row, or refused
by a typed error, and rows in are rows kept plus rows rejected. What hypothesis finds is saved and tried first the next time.

    python benchmarks/fuzz_inputs.py [--minutes 10] [--corpus .fuzz] [--config config_v2.yaml] [--output FILE]

JSON goes over HTTP to `tabtrail serve` of the config's bundle, which `tabtrail run` leaves.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase

from serving import started

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
from tests.data.test_corpus import ANY_CSV, check_any  # noqa: E402
from tests.test_any_input import ANY_JSON, ANY_YAML, PATHS, check_json, check_yaml  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--corpus", type=Path, default=Path(".fuzz"))
    parser.add_argument("--config", type=Path, default=ROOT / "config_v2.yaml")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    seconds, found = options.minutes * 20, {}
    found["csv"] = fuzz(ANY_CSV, in_folder(check_any), seconds, options.corpus / "csv")
    found["yaml"] = fuzz(ANY_YAML, in_folder(check_yaml), seconds, options.corpus / "yaml")
    words = ["-m", "tabtrail", "serve", "--config", str(options.config.resolve()), "--set", "serve.access_log=false"]
    with started(words, ROOT, {}) as (server, port), httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        requests = st.tuples(st.sampled_from(PATHS), ANY_JSON)
        found["json"] = fuzz(requests, lambda case: check_json(client, *case), seconds, options.corpus / "json", server)
    text = json.dumps(found, indent=2)
    print(text)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")


def in_folder(check: Callable[[Path, bytes], str]) -> Callable[[bytes], str]:
    def run(data: bytes) -> str:
        with tempfile.TemporaryDirectory() as folder:
            return check(Path(folder), data)

    return run


def fuzz(
    cases: "st.SearchStrategy[Any]",
    check: Callable[[Any], str],
    seconds: float,
    corpus: Path,
    server: psutil.Process | None = None,
) -> dict[str, Any]:
    """Try cases for so many CPU-seconds (of this process and the server); return how many came out how."""
    outcomes, rounds, began = Counter[str](), 0, cpu(server)
    while cpu(server) - began < seconds:
        rounds += 1

        @seed(rounds)
        @settings(
            max_examples=500,
            deadline=None,
            database=DirectoryBasedExampleDatabase(corpus),
            suppress_health_check=list(HealthCheck),
        )
        @given(case=cases)
        def try_one(case: Any) -> None:
            outcomes[check(case)] += 1

        try_one()
        print(f"{corpus.name}: {outcomes.total():,} cases, {cpu(server) - began:.0f} CPU-s", file=sys.stderr, flush=True)
    return {"cpu_seconds": round(cpu(server) - began), "cases": outcomes.total(), "outcomes": dict(outcomes)}


def cpu(server: psutil.Process | None) -> float:
    """Return the CPU seconds of this process, and of the server where there is one."""
    times = None if server is None else server.cpu_times()
    return time.process_time() + (0.0 if times is None else times.user + times.system)


if __name__ == "__main__":
    main()
