"""A bucket, of moto's server on loopback: what ingest from it costs, and uploads that are killed.

    python benchmarks/bucket.py ingest [--rows 1000000]
    python benchmarks/bucket.py kills [--points 60] [--seed 0]
    either with [--output FILE]

`ingest` reads one synthetic CSV from the disk and from the bucket, each in a process of its own, in turn: CPU and wall seconds,
peak memory, and whether `data_sha256` is the same. `kills` replaces a dataset of 40 files in a bucket by another one and kills
the process (SIGKILL) after a random time of the upload; after each kill a machine that has nothing yet fetches what is
published, which must be the old or the new dataset to the last byte, and the upload after the last kill must succeed. JSON on
stdout; exit code 1 where anything differs.
"""

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from measure import ROOT, report, spend

FILES, FILE_BYTES = 40, 200_000
UPLOAD = f"""
import sys
from pathlib import Path
from tabtrail.storage.address import Address
from tabtrail.storage.copies import Copy
folder, bucket, number = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
copy = Copy(Address(bucket, "data"), folder)
copy.refresh()
print("begin", flush=True)
with copy.changing():
    folder.mkdir(parents=True, exist_ok=True)
    for index in range({FILES}):
        (folder / f"part-{{index}}.parquet").write_bytes(f"{{number}} {{index}} ".encode() * {FILE_BYTES // 6})
print("end", flush=True)
"""
INGEST = """
import json, sys
from pathlib import Path
from tabtrail.config.load import load_config
from tabtrail.data.ingest import ingest
settings = [f"paths.raw_csv={sys.argv[1]}", f"paths.processed_dir={sys.argv[2]}/sales_parquet", "source.encoding=auto"]
print(ingest(load_config(Path("config_v2.yaml"), settings)).data_sha256)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("ingest", "kills"))
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--points", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from tests.support.buckets import running_buckets

    with running_buckets() as buckets, tempfile.TemporaryDirectory() as scratch:
        os.environ |= buckets.environment
        work = measure_ingest if options.what == "ingest" else kill_uploads
        result = work(Path(scratch), buckets.new(), options)
    report(result, options.output)
    raise SystemExit(0 if result["kept"] else 1)


def measure_ingest(folder: Path, bucket: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of both ways, medians of three."""
    from tabtrail.data.sample import write_sample
    from tabtrail.storage.address import Address
    from tabtrail.storage.bucket import Bucket

    block = folder / "block.csv"
    write_sample(block, rows=min(options.rows, 100_000))
    head, _, body = block.read_bytes().partition(b"\n")
    path = folder / "sales.csv"
    with path.open("wb") as file:
        file.write(head + b"\n")
        for _ in range(max(1, options.rows // 100_000)):
            file.write(body)
    block.unlink()
    Bucket.of(Address(bucket, "raw")).put("raw/sales.csv", path)
    runs: dict[str, list[Any]] = {"disk": [], "bucket": []}
    for _ in range(3):
        for way, source in (("disk", str(path)), ("bucket", f"s3://{bucket}/raw/sales.csv")):
            runs[way].append(spend(["-c", INGEST, source, str(folder / way)]))
    sha = {run.stdout for each in runs.values() for run in each}
    found = {
        way: {
            "cpu_seconds": round(statistics.median(run.cpu_seconds for run in each), 2),
            "wall_seconds": round(statistics.median(run.wall_seconds for run in each), 2),
            "peak_mb": max(run.peak_mb for run in each),
        }
        for way, each in runs.items()
    }
    return {
        "rows": options.rows,
        "bytes": path.stat().st_size,
        "ways": found,
        "same_data_sha256": len(sha) == 1,
        "kept": len(sha) == 1,
    }


def kill_uploads(folder: Path, bucket: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return what readers found after each kill."""
    from tabtrail.storage.address import Address
    from tabtrail.storage.copies import Copy, visible_files

    chance, here = random.Random(options.seed), folder / "writer"
    seconds = _upload(here, bucket, 0, None)
    published, outcomes, wrong = 0, Counter[str](), []
    for point in range(1, options.points + 1):
        _upload(here, bucket, point, chance.uniform(0, 1.1) * seconds)
        reader = folder / f"reader-{point}"
        Copy(Address(bucket, "data"), reader).refresh()
        numbers = {path.read_bytes().split()[0] for _, path in visible_files(reader)}
        whole = len(list(visible_files(reader))) == FILES and numbers in ({b"%d" % published}, {b"%d" % point})
        outcomes["old" if numbers == {b"%d" % published} else "new" if whole else "wrong"] += 1
        wrong += [] if whole else [point]
        published = point if numbers == {b"%d" % point} else published
        if point % 10 == 0:
            print(f"{point} of {options.points}: {dict(outcomes)}", file=sys.stderr, flush=True)
    _upload(here, bucket, 10_000, None)
    last = folder / "last"
    Copy(Address(bucket, "data"), last).refresh()
    ended = {path.read_bytes().split()[0] for _, path in visible_files(last)} == {b"10000"}
    return {"points": options.points, "upload_seconds": round(seconds, 2), "found": dict(outcomes), "kept": ended and not wrong}


def _upload(folder: Path, bucket: str, number: int, killed_after: float | None) -> float:
    """Upload a state, and kill that after so many seconds; return the seconds that the upload itself took."""
    command = [sys.executable, "-c", UPLOAD, str(folder), bucket, str(number)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begin\n"
        start = time.perf_counter()
        if killed_after is not None:
            time.sleep(killed_after)
            process.send_signal(signal.SIGKILL)
        else:
            assert process.stdout.readline() == "end\n"
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
