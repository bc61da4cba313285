"""Files as people have them: `init` reads every column right, and what it writes runs without an edit, from another folder.

`benchmarks/first_hour.py` does the whole run with every file; here files are small, and two of them run with cheap candidates.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.commands import run_here
from tests.support.projects import REPO, place_store

from tabtrail.config.load import load_config
from tabtrail.data.ingest import ingest

sys.path.append(str(REPO / "benchmarks"))  # last: a benchmark there is called as a module of Python
tried, files, more, shapes = map(
    importlib.import_module, ("first_hour", "first_hour_files", "first_hour_more", "first_hour_shapes")
)
ROWS = 300
SLOW = ("sensors.csv", "yield.csv")  # the audit looks at each of 300 columns; `benchmarks/first_hour.py` has it
FILES = [each for each in (*files.ZOO, *more.MORE, *shapes.SHAPES) if each.name not in SLOW]
CHEAP = ["--set", "candidates={LinearRegression: {}, LightGBM: {n_estimators: 30}}", "--set", "engine.kind=serial"]


def proposed(exhibit: Any, folder: Path, rows: int = ROWS) -> dict[str, list[Any]]:
    """Make the file, and let `init` write `it.yaml` beside it."""
    truth = exhibit.make(folder / exhibit.name, np.random.default_rng(7), min(rows, exhibit.small))
    file, config = str(folder / exhibit.name), str(folder / "it.yaml")
    done = run_here("init", file, "--target", exhibit.target, *exhibit.words, "--output", config, "-q")
    assert done.returncode == 0, done.stderr
    return truth


@pytest.mark.parametrize("exhibit", FILES, ids=lambda each: each.name)
def test_every_column_of_a_file_is_read_as_a_person_reads_it(exhibit: Any, tmp_path: Path) -> None:
    truth = proposed(exhibit, tmp_path)
    config = load_config(tmp_path / "it.yaml")
    ingest(config)
    assert tried.compare(tried.Outcome(exhibit.name, exhibit.like, ROWS, "ingest", 0), config, truth).misread == {}


@pytest.mark.parametrize("name", ["used_cars.csv", "shipping.xlsx"])
def test_what_init_wrote_is_checked_and_runs_from_another_folder(
    name: str, tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables with gaps in numbers, units in cells, titles above the header and totals below."""
    proposed(next(each for each in files.ZOO if each.name == name), tmp_path, rows=200)
    place_store(empty_store, tmp_path / "mlruns" / "mlflow.db")
    (elsewhere := tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(elsewhere)
    checked = run_here("check", "--config", "../it.yaml", "--format", "json", "-q")
    assert (checked.returncode, json.loads(checked.stdout)["faults"]) == (0, 0), checked.stdout
    done = run_here("run", "--config", "../it.yaml", "--no-report", "-q", *CHEAP)
    assert done.returncode == 0, done.stderr
    assert not list(elsewhere.iterdir())
