"""Made-up CSV bytes for so many CPU-minutes: each is accepted, set aside by row, or refused by a typed error, and rows in are
rows kept plus rows rejected. What hypothesis finds worth keeping is saved and tried first the next time.

    python benchmarks/fuzz_inputs.py [--minutes 10] [--corpus .fuzz]
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings
from hypothesis.database import DirectoryBasedExampleDatabase

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.test_corpus import ANY_CSV, check_any


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--corpus", type=Path, default=Path(".fuzz"))
    options = parser.parse_args()
    outcomes, rounds = Counter[str](), 0
    while time.process_time() < options.minutes * 60:
        rounds += 1

        @seed(rounds)
        @settings(
            max_examples=500,
            deadline=None,
            database=DirectoryBasedExampleDatabase(options.corpus),
            suppress_health_check=list(HealthCheck),
        )
        @given(data=ANY_CSV)
        def try_one(data: bytes) -> None:
            with tempfile.TemporaryDirectory() as folder:
                outcomes[check_any(Path(folder), data)] += 1

        try_one()
        print(f"{outcomes.total():,} files, {time.process_time():.0f} CPU-s", flush=True)
    print(
        json.dumps({"cpu_seconds": round(time.process_time()), "files": outcomes.total(), "outcomes": dict(outcomes)}, indent=2)
    )


if __name__ == "__main__":
    main()
