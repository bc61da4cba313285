"""SIGKILL at the events of the file system, stage by stage, each followed by the same command again: is the end the same?

    python benchmarks/kills.py [--points 500] [--stages ingest,train] [--seed 0] [--rounds FILE] [--output FILE]

A library that is preloaded (`file_events.c`, built with cc) counts what changes files in the project's folder (open for writing,
write, rename, exchange, link, unlink, mkdir, rmdir, ftruncate, fsync), by Python, Polars, DuckDB, SQLite and MLflow alike, and
kills the process group right before the N-th event. The project is the sales config with 300 synthetic rows and two fast
candidates. Every stage begins with what an older file left, complete, and the stages before it done with a newer one; `first …`
begins without any results. Points are spread over stages and kinds: of a kind with few events all, of others evenly.

After the kill a reader looks: the dataset must be the old or the new one to the last byte, with its manifest and rejects, the
bundle load and predict, the database open with the rows of either, the store be sound (a journal may wait to be played back),
and JSON, Parquet, CSV, pictures and page be whole. Then the command is run once more. Compared with an undisturbed run are the
names of all files, the hashes of those that two undisturbed runs write alike, the leaderboard without ids and times, what is
stale, the store (integrity, complete runs, none running, versions, aliases), and that nothing temporary is left. Each call
makes its forecast again, so that one more may be complete. JSON on stdout; exit code 1 where anything differs. Linux only.

With `--rounds`, a line for each point is appended to a file. What is in it is not repeated, and the report is over all of it:
a measurement can be cut short and go on, or be divided by stages among processes; `--points 0` only reports.
"""

import argparse
import errno
import json
import mmap
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("data", "duckdb", "models", "output", "mlruns")
SETTINGS = [
    "promotion.automatic=always",
    "split.repeats=1",
    "split.folds=3",
    "explain.max_rows=10",
    "report.learning_curve_folds=1",
    "engine.kind=serial",
    "candidates={LinearRegression: {}, GradientBoosting: {n_estimators: 5}}",
    "risk.max_origins=8",
    "risk.sarima=[{order: [0, 1, 1]}]",
]
# What a message must say of the fault, so that a person knows what to do.
REASONS = {
    "ENOSPC": ("No space left", "disk is full"),
    "EDQUOT": ("quota",),
    "EFBIG": ("ulimit",),
}
PROMOTE = ["promote", "1", "--force", "--reason", "a test of kills"]
# The command of a stage, and what was done with the newer file before it; `first` begins without any results.
STAGES: dict[str, tuple[list[str], list[list[str]]]] = {
    "ingest": (["ingest"], []),
    "summaries": (["eda"], [["ingest"]]),
    "profile": (["profile"], [["ingest"]]),
    "train": (["train"], [["ingest"], ["eda"], ["profile"]]),
    "promote": (PROMOTE, [["run", "--no-report"]]),
    "forecast": (["forecast"], [["run", "--no-report"]]),
    "report": (["report"], [["run", "--no-report"]]),
    "tune": (["tune", "--trials", "2"], [["run", "--no-report"]]),
    "predict": (
        ["predict", "--input", "data/raw/sales_data_sample.csv", "--output", "output/scored.csv"],
        [["run", "--no-report"]],
    ),
    "first ingest": (["ingest"], []),
    "first summaries": (["eda"], [["ingest"]]),
    "first train": (["train"], [["ingest"], ["eda"], ["profile"]]),
}
# Training takes seconds each time, the others less than one: shares of the points.
SHARES = {"train": 3, "ingest": 3, "first train": 1, "first summaries": 1, "first ingest": 2}


@dataclass
class Events:
    """The shared counter: see `file_events.c`."""

    memory: mmap.mmap

    @classmethod
    def create(cls, path: Path) -> Self:
        path.write_bytes(bytes(24))
        with path.open("r+b") as file:
            return cls(mmap.mmap(file.fileno(), 24))

    def begin(self, kill_at: int = 0, error: int = 0) -> None:
        self.memory[:] = struct.pack("qqq", 0, kill_at, error)

    @property
    def count(self) -> int:
        return int(struct.unpack("qqq", self.memory[:])[0])


class Server:
    """The process that forks for each command, with the library preloaded."""

    def __init__(self, project: Path, scratch: Path) -> None:
        self.project, self.scratch = project, scratch
        self.log = scratch / "events.log"
        library = build(scratch)
        self.events = Events.create(scratch / "state")
        (scratch / "tmp").mkdir()
        environment = os.environ | {
            "LD_PRELOAD": str(library),
            "FILE_EVENTS_ROOT": str(project),
            "FILE_EVENTS_STATE": str(scratch / "state"),
            "FILE_EVENTS_LOG": str(self.log),
            "TMPDIR": str(scratch / "tmp"),
            "OMP_NUM_THREADS": "2",
        }
        words = [sys.executable, str(ROOT / "benchmarks" / "kills_server.py"), str(project / "config_v2.yaml"), *SETTINGS]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def run(self, words: list[str], *, kill_at: int = 0, error: int = 0, must_end: bool = True) -> int:
        self.log.write_bytes(b"")
        self.events.begin(kill_at, error)
        answer = self.ask({"run": words, "said": str(self.scratch / "said"), "modules": must_end and not kill_at})
        if must_end and answer["code"]:
            raise SystemExit(f"`tabtrail {' '.join(words)}` ended with {answer['code']}: {self.said()[-3000:]}")
        if answer["result"]:
            self.ask({"import": answer["result"]})
        return int(answer["code"])

    def said(self) -> str:
        return (self.scratch / "said").read_text()

    def torn(self, datasets: list[str], rows: list[int]) -> list[str]:
        self.events.begin()
        answer = self.ask({"look": "torn", "of": [datasets, rows]})
        return list(answer["result"]) if answer["code"] == 0 else ["the reader itself failed"]

    def outcome(self) -> dict[str, Any]:
        self.events.begin()
        answer = self.ask({"look": "outcome", "of": []})
        if answer["code"]:
            raise SystemExit("what a run left cannot be read")
        return dict(answer["result"])

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the server of forks ended")
        return dict(json.loads(line))

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=500)
    parser.add_argument("--stages", default=",".join(name for name in STAGES if name not in ("tune", "predict")))
    parser.add_argument(
        "--error", choices=[*REASONS, ""], default="", help="let every event from the point on fail so, and do not kill"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=Path, metavar="FILE", help="keep each point there, and go on after those that are in it")
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the JSON there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rounds = Rounds(options.rounds or Path(folder) / "rounds.jsonl")
        if options.points:
            wanted = Wanted(options.stages.split(","), options.points, options.seed, options.error)
            measure(Path(folder).resolve(), wanted, rounds)
        report = summary(rounds.read())
    text = json.dumps(report, indent=2)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    print(text)
    sys.exit(0 if not report["torn"] and not report["differs"] else 1)


@dataclass(frozen=True)
class Wanted:
    """Which stages are killed, and at how many points together."""

    stages: list[str]
    points: int
    seed: int
    error: str = ""

    def share(self, stage: str) -> int:
        whole = sum(SHARES.get(each, 1) for each in self.stages)
        return -(-self.points * SHARES.get(stage, 1) // whole)


@dataclass(frozen=True)
class Rounds:
    """What came of each point, a line of JSON each."""

    file: Path

    def read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()] if self.file.exists() else []

    def add(self, found: dict[str, Any]) -> None:
        with self.file.open("a") as file:
            file.write(json.dumps(found) + "\n")


def measure(folder: Path, wanted: Wanted, rounds: Rounds) -> None:
    project = folder / "project"
    old, new = prepare(folder, project)
    server = Server(project, folder)
    try:
        datasets, rows = old_state(server, old, new, folder)
        for stage in wanted.stages:
            known = [each for each in rounds.read() if (each["stage"], each.get("error", "")) == (stage, wanted.error)]
            chance = random.Random(f"{wanted.seed} {stage} {len(known)}")
            kill_in(server, stage, Chosen(wanted.share(stage), chance, datasets, rows, wanted.error), known, rounds)
    finally:
        server.close()


def summary(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    killed = [each for each in rounds if each["killed"]]
    stages = {stage: dict(Counter(each["kind"] for each in killed if each["stage"] == stage)) for stage in STAGES}
    return {
        "points": len(killed),
        "ended_before_the_kill": len(rounds) - len(killed),
        "kinds": dict(Counter(each["kind"] for each in killed)),
        "stages": {stage: {"points": sum(kinds.values()), **kinds} for stage, kinds in stages.items() if kinds},
        "torn": [each for each in rounds if each["torn"]],
        "differs": [each for each in rounds if each["differs"]],
    }


def prepare(folder: Path, project: Path) -> tuple[Path, Path]:
    """Make the project, and return the CSVs of its old and its new state."""
    (project / "data" / "raw").mkdir(parents=True)
    shutil.copy(ROOT / "config_v2.yaml", project)
    old, new = folder / "old.csv", folder / "new.csv"
    words = [sys.executable, "-m", "tabtrail", "sample", "--rows", "300", "--output", str(old)]
    subprocess.run(words, cwd=project, check=True, capture_output=True)
    new.write_bytes(b"".join(old.read_bytes().splitlines(keepends=True)[:-20]))
    return old, new


def old_state(server: Server, old: Path, new: Path, folder: Path) -> tuple[list[str], list[int]]:
    """Keep what an older file leaves in `warm`, nothing in `cold`, both with the newer file; return both datasets and rows."""
    raw = server.project / "data" / "raw" / "sales_data_sample.csv"
    shutil.copy(old, raw)
    server.run(["run"])
    server.run(["forecast"])
    before = manifest(server.project)
    shutil.copy(new, raw)
    save(server.project, folder / "warm")
    clear(server.project)
    raw.parent.mkdir(parents=True)
    shutil.copy(new, raw)
    save(server.project, folder / "cold")
    server.run(["ingest"])
    after = manifest(server.project)
    return [each["data_sha256"] for each in (before, after)], [each["rows_kept"] for each in (before, after)]


def manifest(project: Path) -> dict[str, Any]:
    return dict(json.loads((project / "data" / "processed" / "sales_manifest.json").read_text()))


@dataclass(frozen=True)
class Chosen:
    """How many points a stage gets, and what a reader may find."""

    share: int
    chance: random.Random
    datasets: list[str]
    rows: list[int]
    error: str


def kill_in(server: Server, stage: str, chosen: Chosen, known: list[dict[str, Any]], rounds: Rounds) -> None:
    """Kill a stage at its points, but for those that are known."""
    words, before = STAGES[stage]
    start = server.scratch / "start"
    restore(server.project, server.scratch / ("cold" if stage.startswith("first") else "warm"))
    for each in before:
        server.run(each)
    save(server.project, start)
    begin = server.outcome()
    server.run(words)
    first, events = server.outcome(), [line.split(" ", 1) for line in server.log.read_text().splitlines()]
    restore(server.project, start)
    server.run(words)
    expected = comparable(first, server.outcome())
    repeats = made(expected) - made(begin) if stage == "forecast" else 0
    done = {each["event"] for each in known}
    for number in [each for each in points(events, chosen.share, chosen.chance) if each not in done][: chosen.share - len(known)]:
        begun = time.perf_counter()
        restore(server.project, start)
        code = server.run(words, kill_at=number, error=getattr(errno, chosen.error, 0), must_end=False)
        faults = refused(code, server.said(), chosen.error) if chosen.error else []
        said = server.log.read_text().splitlines()
        kind, path = said[number - 1].split(" ", 1) if len(said) >= number else events[number - 1]
        torn = server.torn(chosen.datasets, chosen.rows)
        code_again = server.run(words, must_end=False)
        differs = [*faults, *([f"the rerun ended with {code_again}: {server.said()[-700:]}"] if code_again else [])]
        differs += difference(server.outcome(), expected, repeats)
        point = {"stage": stage, "error": chosen.error, "event": number, "kind": kind, "path": path}
        found = {**point, "killed": code == -9 or bool(chosen.error and code), "torn": torn, "differs": differs}
        rounds.add(found)
        print(f"{time.perf_counter() - begun:.1f} s: {found}", file=sys.stderr, flush=True)


def refused(code: int, said: str, error: str) -> list[str]:
    """Return what is wrong with the end of a command whose events failed: it may go on without what it can do without."""
    if code == 0:
        return []
    faults = [f"it ended with {code}"] if code != 1 else []
    if "Traceback" in said or not any(word in said for word in REASONS[error]):
        faults.append(f"it said: {said[-700:]}")
    return faults


def made(state: dict[str, Any]) -> int:
    """Return how many complete runs are in the store."""
    return int(state["store"]["complete"]) if state["store"] else 0


def points(events: list[list[str]], share: int, chance: random.Random) -> list[int]:
    """Return which events to be killed at: turn by turn one of each kind, evenly over the events of that kind."""
    by_kind: dict[str, list[int]] = {}
    for number, (kind, _) in enumerate(events, 1):
        by_kind.setdefault(kind, []).append(number)
    taken, left, counts = list[int](), share, sorted(by_kind.values(), key=len)
    for position, numbers in enumerate(counts):
        wanted = min(len(numbers), left // (len(counts) - position))
        step = len(numbers) / wanted if wanted else 0
        offset = chance.random() * step
        taken += sorted(
            {numbers[int(offset + index * step)] for index in range(wanted) if int(offset + index * step) < len(numbers)}
        )
        left -= wanted
    return taken


def comparable(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return an outcome with the hashes of those files alone that two undisturbed runs write alike."""
    files = {name: digest if other["files"].get(name) == digest else None for name, digest in one["files"].items()}
    if files.keys() != other["files"].keys() or one | {"files": 0} != other | {"files": 0}:
        raise SystemExit(f"two undisturbed runs differ: {difference(one, other)}")
    return {**one, "files": files}


def difference(found: dict[str, Any], expected: dict[str, Any], repeats: int = 0) -> list[str]:
    if repeats and made(expected) < made(found) <= made(expected) + repeats:
        found["store"]["complete"] = made(expected)
    differs = [
        f"{key}: {found[key]} instead of {expected[key]}"[:300]
        for key in expected
        if key != "files" and found[key] != expected[key]
    ]
    names, wanted = found["files"], expected["files"]
    differs += [f"{name} is there" for name in names.keys() - wanted.keys()]
    differs += [f"{name} is missing" for name in wanted.keys() - names.keys()]
    return differs + [f"{name} differs" for name in names.keys() & wanted.keys() if wanted[name] not in (None, names[name])]


def clear(project: Path) -> None:
    for folder in FOLDERS:
        shutil.rmtree(project / folder, ignore_errors=True)


def save(project: Path, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    for folder in FOLDERS:
        if (project / folder).exists():
            shutil.copytree(project / folder, place / folder, symlinks=True)


def restore(project: Path, place: Path) -> None:
    """Stage records and artifacts name absolute paths: a state comes back to the same place."""
    clear(project)
    shutil.copytree(place, project, symlinks=True, dirs_exist_ok=True)


def build(folder: Path) -> Path:
    """Compile the library that is preloaded."""
    library = folder / "file_events.so"
    words = ["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(ROOT / "benchmarks" / "file_events.c"), "-ldl"]
    subprocess.run(words, check=True)
    return library


if __name__ == "__main__":
    main()
