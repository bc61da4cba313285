"""The child of `kills.py`: imports everything once, then forks for each command, for each look at what a kill left.

Requests are lines of JSON on stdin, `{"run": [words]}` or `{"look": name, "of": [values]}`; an answer is one line on stdout.
Nothing but imports happens before a fork: no thread is running that a child would lack.
"""

import atexit
import contextlib
import importlib
import json
import os
import re
import sqlite3
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl

from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.cli.app import main
from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.data.manifest import verify_files
from tabtrail.data.warehouse import query
from tabtrail.errors import DataError, NotTrainedError
from tabtrail.pipeline import STAGES
from tabtrail.project.lock import leftovers
from tabtrail.project.paths import Artifacts
from tabtrail.project.status import status
from tabtrail.system.hashes import sha256_file, sha256_folder
from tabtrail.system.temporary import abandoned_scratch
from tabtrail.tracking import sqlite_file

TIMED = ("run_id", "parent_run_id", "fit_seconds", "cv_fit_seconds", "row_us", "batch_row_us")
# What a run writes: everything below these is looked at. Names below mlruns are ids.
FOLDERS = ("data/processed", "duckdb", "models", "output", "mlruns")


def serve(config_file: Path, settings: list[str]) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        with tempfile.NamedTemporaryFile("r", dir=config_file.parents[1]) as result:
            if "import" in request:
                import_modules(request["import"])
                code = 0
            else:
                code = forked(lambda: handle(request, config_file, settings, Path(result.name)))  # noqa: B023 - run at once
            print(json.dumps({"code": code, "result": json.loads(result.read() or "null")}), file=answers, flush=True)


def import_modules(names: list[str]) -> None:
    """Import what a command imported meanwhile, so that the next one is spared the time."""
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def forked(work: Callable[[], int]) -> int:
    """Return how a child ended that does the work: its exit code, or the negative number of a signal."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 99
    try:
        os.setsid()
        code = work()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except Exception:  # noqa: BLE001 - the traceback is printed, and the exit code is 1
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        os._exit(code)


def handle(request: dict[str, Any], config_file: Path, settings: list[str], result: Path) -> int:
    os.chdir(config_file.parent)
    if "run" in request:
        sys.argv = ["tabtrail", *request["run"], *(word for each in settings for word in ("--set", each))]
        with Path(request["said"]).open("w") as said:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
        try:
            main()
        finally:
            if request.get("modules"):
                result.write_text(json.dumps([name for name in sys.modules if name != "__main__"]))
        return 0
    config = load_config(config_file, settings)
    found = torn(config, *request["of"]) if request["look"] == "torn" else outcome(config, config_file.parent)
    result.write_text(json.dumps(found))
    return 0


def torn(config: Config, datasets: list[str], rows: list[int]) -> list[str]:
    """Return what a reader finds torn between kill and rerun; what is not there yet is not torn."""
    paths, found = config.paths, list[str]()
    try:
        real = sha256_folder(paths.processed_dir, "*.parquet")
        if verify_files(config.dataset).data_sha256 != real or real not in datasets:
            found.append("the dataset is neither the old nor the new one")
    except DataError as error:
        found += [] if "there is no dataset" in str(error) else [f"the dataset: {error}"]
    try:
        bundle = load_bundle(paths.models_dir, config.model.name)
        Predictor(bundle).predict([bundle.schema.example])
    except NotTrainedError:
        pass
    except Exception as error:  # noqa: BLE001 - whatever it is, a reader would have met it
        found.append(f"the bundle: {error}")
    if paths.duckdb_file.exists():
        try:
            count = query(paths.duckdb_file, f'SELECT count(*) FROM "{config.duckdb.table}"')[1][0][0]
            found += [] if count in rows else [f"the database has {count} rows"]
        except Exception as error:  # noqa: BLE001
            found.append(f"the database: {error}")
    store = config.mlflow.sqlite_file
    if store is not None and store.exists() and (seen := sqlite_file.inspect(store)).state not in ("ok", "journal"):
        found.append(f"the store is {seen.state}: {seen.reason}")
    return found + torn_files(paths.output_dir)


def torn_files(folder: Path) -> list[str]:
    """Return the files of results that cannot be read as a whole."""
    found = []
    for path in folder.rglob("[!.]*.*"):
        try:
            data = path.read_bytes() if path.is_file() else b""
            match path.suffix if path.is_file() else "":
                case ".json":
                    json.loads(data)
                case ".parquet":
                    pl.read_parquet(path)
                case ".html":
                    assert data.rstrip().endswith(b"</html>")
                case ".png":
                    assert b"IEND" in data[-12:]
                case ".csv":
                    assert data.endswith(b"\n")
        except Exception as error:  # noqa: BLE001
            found.append(f"{path.relative_to(folder)}: {type(error).__name__} {error}"[:200])
    return found


def outcome(config: Config, root: Path) -> dict[str, Any]:
    """Return what there is after a command: the files with their hashes, and what hashes would not show."""
    files = sorted(path for folder in FOLDERS[:-1] for path in (root / folder).rglob("*") if path.is_file())
    shown = {plain(str(path.relative_to(root))): sha256_file(path) for path in files}
    written = Artifacts.of(config)
    board = written.demand_leaderboard if config.is_demand_only else written.leaderboard
    return {
        "files": shown,
        "leaderboard": without_times(json.loads(board.read_text())) if board.exists() else None,
        "rows": query(config.paths.duckdb_file, f'SELECT count(*) FROM "{config.duckdb.table}"')[1][0][0]
        if config.paths.duckdb_file.exists()
        else None,
        "stale": [each.stage for each in status(config, STAGES).stages if not each.fresh],
        "store": store_state(config.mlflow.sqlite_file),
        "mlruns": sorted(path.name for path in (root / "mlruns").iterdir() if not path.is_dir())
        if (root / "mlruns").is_dir()
        else [],
        "leftovers": [path.name for path in (*leftovers(config), *abandoned_scratch())],
    }


def plain(name: str) -> str:
    """Return a name without ids of runs, which differ from run to run."""
    return re.sub(r"[0-9a-f]{32}", "ID", name)


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_times(each) for key, each in value.items() if key not in TIMED}
    return [without_times(each) for each in value] if isinstance(value, list) else value


def store_state(store: Path | None) -> Any:
    if store is None or not store.exists():
        return None
    with closing(sqlite3.connect(store)) as connection:
        return {
            "integrity": connection.execute("PRAGMA integrity_check").fetchone()[0],
            "running": connection.execute("SELECT count(*) FROM runs WHERE status = 'RUNNING'").fetchone()[0],
            "complete": connection.execute("SELECT count(*) FROM tags WHERE key = 'tabtrail.complete'").fetchone()[0],
            "versions": connection.execute("SELECT count(*) FROM model_versions").fetchone()[0],
            "aliases": connection.execute("SELECT alias, version FROM registered_model_aliases ORDER BY alias").fetchall(),
            "unfinished": [path.name for path in store.parent.rglob(".artifact.uploading.*")],
        }


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2:])
