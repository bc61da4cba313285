"""SIGKILLs at random points of `tabtrail run`, each followed by a plain `run`: is the end that of an undisturbed run?

    python benchmarks/kills.py data/raw/sales_data_sample.csv [--kills 200] [--seed 0] [--small] [--output FILE]

Two files take turns: all rows of the CSV (the old state), and all but the last hundred (the new one). Two rounds of three begin
with the old state complete and the new file in place, the third in an empty folder. The whole process group is killed at a
moment drawn from the time that a part of the run takes undisturbed: start and ingest, SQL (summaries and profile), benchmark,
what follows the choice of the champion (evidence, bundle, deployment, tables), or the report; the parts take turns. Then,
before anything is run again, a reader looks: the dataset must be the old or the new one to the last byte, the bundle must load
and predict, the database must open and have the rows of either, leaderboard and manifest must parse, the page must be whole (in
an empty folder each may be missing as well). Then `run` is typed once more, without --force; compared with the undisturbed run
are the hashes of the Parquet files, rejects and summaries, the leaderboard without run ids and times, the ONNX and joblib files
and the proof, SHAP importance, the number and state of MLflow runs, the store's integrity, and that no temporary file is left.
`--small` takes two fast candidates and one repeat. JSON on stdout; exit code 1 where anything differs.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resume import TIMED

from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.metadata import metadata_path
from tabtrail.bundle.predictor import Predictor
from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.data.manifest import read_manifest
from tabtrail.data.warehouse import query
from tabtrail.errors import NotTrainedError
from tabtrail.pipeline import STAGES
from tabtrail.project.lock import leftovers
from tabtrail.project.paths import Artifacts
from tabtrail.project.status import status
from tabtrail.system.hashes import sha256_file, sha256_folder

ROOT = Path(__file__).resolve().parent.parent
SMALL = [
    "split.repeats=1",
    "explain.max_rows=20",
    "report.learning_curve_folds=1",
    "engine.kind=serial",
    "candidates={LinearRegression: {}, LightGBM: {n_estimators: 20}}",
]
LEFT_OUT_ROWS = 100
FOLDERS = ("data/processed", "duckdb", "models", "output", "mlruns")
# Each part of a run with the line that ends it.
PARTS = {"ingest": "ingest:", "sql": "profile:", "benchmark": "train: champion", "bundle": "report:", "report": ""}


@dataclass(frozen=True)
class Project:
    """A folder with config and CSV, and the command that runs it. What the gate would say is no part of this."""

    root: Path
    settings: tuple[str, ...]

    @property
    def config(self) -> Config:
        return load_config(self.root / "config_v2.yaml", self.settings)

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "tabtrail", "run", *(word for each in self.settings for word in ("--set", each))]

    def run(self) -> dict[str, float]:
        """Run to the end and return the seconds of each part."""
        spent, lines, since = {}, [], time.perf_counter()
        with self.start() as process:
            for part, mark in PARTS.items():
                lines += read_until(process, mark)
                spent[part], since = time.perf_counter() - since, time.perf_counter()
        if process.returncode:
            raise SystemExit(f"a plain run failed with exit code {process.returncode}: {''.join(lines)}")
        return spent

    def start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self.command,
            cwd=self.root,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def put(self, csv: Path) -> None:
        shutil.copy(csv, self.config.paths.raw_csv)

    def clear(self) -> None:
        for folder in FOLDERS:
            shutil.rmtree(self.root / folder, ignore_errors=True)

    def restore(self, template: Path) -> None:
        """Stage records and artifacts name absolute paths: the state comes back to the same place."""
        self.clear()
        for folder in FOLDERS:
            shutil.copytree(template / folder, self.root / folder)

    def save(self, template: Path) -> None:
        for folder in FOLDERS:
            shutil.copytree(self.root / folder, template / folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the JSON there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = measure(Path(folder), options.csv, options.kills, options.seed, small=options.small)
    text = json.dumps(report, indent=2)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    print(text)
    sys.exit(0 if report["equal"] and not report["torn"] else 1)


def measure(folder: Path, csv: Path, kills: int, seed: int, *, small: bool) -> dict[str, Any]:
    project, old, new = prepare(folder, csv, small=small)
    template = folder / "template"
    project.put(old)
    project.run()
    project.save(template)
    before = outcome(project)
    project.put(new)
    seconds = {"warm": project.run()}
    expected = {"warm": outcome(project)}
    project.clear()
    seconds["cold"] = project.run()
    expected["cold"] = outcome(project)
    datasets = {before["data"], expected["cold"]["data"]}
    rows = {before["rows"], expected["cold"]["rows"]}
    chance, rounds, tried = random.Random(seed), [], 0
    while len(rounds) < kills:
        start, part = ("cold" if tried % 3 == 2 else "warm"), list(PARTS)[tried % len(PARTS)]
        tried += 1
        project.clear() if start == "cold" else project.restore(template)
        after = chance.uniform(0, seconds[start][part])
        if not kill(project, part, after):
            continue
        torn = read(project, datasets, rows, may_be_missing=start == "cold")
        project.run()
        differs = difference(outcome(project), expected[start])
        rounds.append({"start": start, "part": part, "killed_after": round(after, 2), "torn": torn, "differs": differs})
        print(f"{len(rounds)}/{kills} {rounds[-1]}", file=sys.stderr, flush=True)
    return {
        "kills": len(rounds),
        "ended_before_the_kill": tried - len(rounds),
        "equal": not any(each["differs"] for each in rounds),
        "torn": [each for each in rounds if each["torn"]],
        "killed_in": dict(Counter(each["part"] for each in rounds)),
        "undisturbed_seconds": {key: {part: round(each, 2) for part, each in value.items()} for key, value in seconds.items()},
        "rounds": rounds,
    }


def prepare(folder: Path, csv: Path, *, small: bool) -> tuple[Project, Path, Path]:
    """Return a project, and the CSVs of its old and its new state."""
    root = folder / "project"
    (root / "data" / "raw").mkdir(parents=True)
    shutil.copy(ROOT / "config_v2.yaml", root)
    lines = csv.read_bytes().splitlines(keepends=True)
    old, new = folder / "old.csv", folder / "new.csv"
    old.write_bytes(b"".join(lines))
    new.write_bytes(b"".join(lines[:-LEFT_OUT_ROWS]))
    shutil.copy(old, root / "data" / "raw" / "sales_data_sample.csv")
    return Project(root, ("promotion.automatic=always", *(SMALL if small else ()))), old, new


def kill(project: Project, part: str, seconds: float) -> bool:
    """Run, and kill the whole group so long after a part began; False where it ended before."""
    before = list(PARTS)[: list(PARTS).index(part)]
    with project.start() as process:
        said = [line for each in before for line in read_until(process, PARTS[each])]
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return True
        if process.returncode:
            raise SystemExit(f"an undisturbed run failed with exit code {process.returncode}: {''.join(said)}")
        return False


def read_until(process: "subprocess.Popen[str]", mark: str) -> list[str]:
    """Return the lines up to the first that begins with the mark; all where the mark is empty."""
    lines: list[str] = []
    assert process.stderr is not None
    while line := process.stderr.readline():
        lines.append(line)
        if mark and line.startswith(mark):
            break
    return lines


def read(project: Project, datasets: set[str], rows: set[int], *, may_be_missing: bool) -> list[str]:
    """Return what a reader finds torn or missing between kill and rerun."""
    config, found = project.config, []
    paths = config.paths
    if paths.manifest.is_file():
        stated, real = read_manifest(config.dataset).data_sha256, sha256_folder(paths.processed_dir, "*.parquet")
        if stated != real or real not in datasets:
            found.append("the dataset is neither the old nor the new one")
    elif not may_be_missing or paths.processed_dir.exists():
        found.append("there is no dataset")
    try:
        bundle = load_bundle(paths.models_dir, config.model.name)
        Predictor(bundle).predict([bundle.schema.example])
    except NotTrainedError:
        found += [] if may_be_missing else ["there is no bundle"]
    except Exception as error:  # noqa: BLE001 - whatever it is, a reader would have met it
        found.append(f"the bundle: {error}")
    if paths.duckdb_file.exists():
        try:
            count = query(config.paths.duckdb_file, f'SELECT count(*) FROM "{config.duckdb.table}"')[1][0][0]
            found += [] if count in rows else [f"the database has {count} rows"]
        except Exception as error:  # noqa: BLE001
            found.append(f"the database: {error}")
    elif not may_be_missing:
        found.append("there is no database")
    for path in (Artifacts.of(config).leaderboard, Artifacts.of(config).importance):
        try:
            json.loads(path.read_text())
        except FileNotFoundError:
            found += [] if may_be_missing else [f"there is no {path.name}"]
        except ValueError:
            found.append(f"{path.name} is torn")
    page = Artifacts.of(config).page
    if page.is_file() and not page.read_text().rstrip().endswith("</html>"):
        found.append("the page is torn")
    elif not (may_be_missing or page.is_file()):
        found.append("there is no page")
    return found


def outcome(project: Project) -> dict[str, Any]:
    """Return what a run leaves, without run ids and times."""
    config = project.config
    board = json.loads(Artifacts.of(config).leaderboard.read_text())
    metadata = json.loads(metadata_path(config.paths.models_dir, config.model.name).read_text())
    rows = [{key: value for key, value in row.items() if key not in TIMED} for row in board["candidates"]]
    store = config.mlflow.tracking_uri.removeprefix("sqlite:///")
    with closing(sqlite3.connect(store)) as connection:
        integrity = connection.execute("PRAGMA integrity_check").fetchone()[0]
        running = connection.execute("SELECT count(*) FROM runs WHERE status = 'RUNNING'").fetchone()[0]
        complete = connection.execute("SELECT count(*) FROM tags WHERE key = 'tabtrail.complete'").fetchone()[0]
    return {
        "data": sha256_folder(config.paths.processed_dir, "*.parquet"),
        "rows": read_manifest(config.dataset).rows_kept,
        "rejects": sha256_file(config.paths.rejects),
        "summaries": sha256_folder(config.paths.output_dir / "summary", "*"),
        "plots": sorted(path.name for path in (config.paths.output_dir / "plots").iterdir()),
        "page": Artifacts.of(config).page.is_file(),
        "stale": [each.stage for each in status(config, STAGES).stages if not each.fresh],
        "database_rows": query(config.paths.duckdb_file, f'SELECT count(*) FROM "{config.duckdb.table}"')[1][0][0],
        "leaderboard": {**{key: value for key, value in board.items() if key not in TIMED}, "candidates": rows},
        "bundle": {kind: each["sha256"] for kind, each in metadata["files"].items()},
        "importance": json.loads(Artifacts.of(config).importance.read_text())["mean_absolute_shap"],
        "store": integrity,
        "running": running,
        "complete_runs": complete,
        "leftovers": [path.name for path in leftovers(config.paths)],
    }


def difference(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    return [key for key in expected if found[key] != expected[key]]


if __name__ == "__main__":
    main()
