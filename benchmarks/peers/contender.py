"""One peer in a process of its own: reads the rows, fits, predicts the held-out ones, and says what it came to.

    python benchmarks/peers/contender.py NAME FOLDER

FOLDER has train.csv and test.csv with the same columns, and task.json; answer.json is written to it. Nothing of tabtrail is
imported: the interpreter is that of the peer's own environment.
"""

import importlib
import json
import pickle
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

_TRIES = 20


@dataclass(frozen=True)
class Fitted:
    """How a peer predicts from a frame, its version, and the folder of its files (None: what a pickle of `model` takes)."""

    predict: Callable[[pd.DataFrame], Any]
    version: str
    folder: Path | None = None
    model: Any = None


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    task = json.loads((folder / "task.json").read_text())
    kinds = dict.fromkeys(task["texts"], str)
    train, test = (
        pd.read_csv(folder / f"{part}.csv", dtype=kinds, keep_default_na=False, na_values=[""]) for part in ("train", "test")
    )
    for column in task["texts"]:
        known = pd.CategoricalDtype(sorted({*train[column].fillna(""), *test[column].fillna("")}))
        train[column], test[column] = (frame[column].fillna("").astype(known) for frame in (train, test))
    start = time.perf_counter()
    fitted: Fitted = importlib.import_module(f"with_{name}").fit(train, {**task, "folder": str(folder)})
    wall = time.perf_counter() - start
    x = test.drop(columns=task["target"])
    error = np.asarray(fitted.predict(x), dtype=np.float64).ravel() - test[task["target"]].to_numpy(dtype=np.float64)
    answer = {
        "rmse": float(np.sqrt(np.mean(error**2))),
        "mae": float(np.mean(np.abs(error))),
        "fit_wall_seconds": round(wall, 1),
        "size_bytes": _size(fitted),
        "row_ms": _row_ms(fitted, x),
        "version": fitted.version,
    }
    (folder / "answer.json").write_text(json.dumps(answer))


def _size(fitted: Fitted) -> int:
    if fitted.folder is None:
        return len(pickle.dumps(fitted.model))
    return sum(path.stat().st_size for path in fitted.folder.rglob("*") if path.is_file())


def _row_ms(fitted: Fitted, x: pd.DataFrame) -> float:
    """The least CPU time of a prediction of one row, so that other work on the machine hardly shows."""
    row, found = x.head(1), []
    fitted.predict(row)
    for _ in range(_TRIES):
        start = time.process_time()
        fitted.predict(row)
        found.append(time.process_time() - start)
    return round(1_000 * min(found), 2)


if __name__ == "__main__":
    main()
