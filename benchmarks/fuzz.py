"""At least so many cases of schemathesis against the service, every check of every operation (`schemathesis.toml`).

Exit code 0 when none failed. Needs what `tabtrail run` leaves, and the `dev` extra:

    python benchmarks/fuzz.py [--config config_v2.yaml] [--cases 5000]
"""

import argparse
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=ROOT / "config_v2.yaml")
    parser.add_argument("--cases", type=int, default=5000)
    options = parser.parse_args()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    serve = ["serve", "--config", str(options.config.resolve()), "--set", "serve.access_log=false", "--port", str(port)]
    server = subprocess.Popen([sys.executable, "-m", "tabtrail", *serve], cwd=ROOT)
    try:
        raise SystemExit(fuzz(f"http://127.0.0.1:{port}", options.cases))
    finally:
        server.terminate()
        server.wait(30)


def fuzz(url: str, cases: int) -> int:
    """Run schemathesis with new seeds until it made so many cases or one failed; returns its exit code."""
    made, seed = 0, 1
    while made < cases:
        words = ["run", f"{url}/openapi.json", "--wait-for-schema", "60", "--checks", "all", "--max-examples", "60"]
        program = [
            str(Path(sys.executable).parent / "st"),
            *words,
            "--seed",
            str(seed),
            "--no-color",
            "--generation-database",
            "none",
        ]
        start = time.monotonic()
        done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True)
        found = re.search(r"([\d,]+) generated", done.stdout)
        made, seed = made + (int(found[1].replace(",", "")) if found else 0), seed + 1
        if done.returncode or not found:
            print(done.stdout, done.stderr)
            return 1
        print(f"{made:,} cases, none failed ({time.monotonic() - start:.0f} s)", flush=True)
    return 0


if __name__ == "__main__":
    main()
