"""docs/python.md: every block of Python in it runs, one after the other, as it stands."""

import re
import shutil
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.support.projects import REPO, SMALL_CANDIDATE, Project, place_store

BLOCKS = re.findall(r"^```python\n(.*?)^```", (REPO / "docs" / "python.md").read_text(encoding="utf-8"), re.M | re.S)


def test_every_block_of_the_page_runs_as_it_stands(
    small: Project, empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "project"
    shutil.copytree(small.root, root)
    random = np.random.default_rng(0)
    miles, make = random.uniform(0, 100, 120), random.choice(["Audi", "Opel"], 120)
    sold = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 4, 29), eager=True)
    pl.DataFrame({"miles": miles, "make": make, "sold": sold, "price": 200 - miles}).write_csv(root / "cars.csv")
    (root / "cars").mkdir()
    place_store(empty_store, root / "cars" / "mlruns" / "mlflow.db")
    monkeypatch.chdir(root)
    # What the project was trained with; of other candidates than these two nothing on the page depends.
    for each in SMALL_CANDIDATE:
        key, _, value = each.partition("=")
        monkeypatch.setenv(f"TABTRAIL__{key.replace('.', '__').upper()}", value)
    names: dict[str, object] = {}
    printed = StringIO()
    with redirect_stdout(printed):
        for block in BLOCKS:
            exec(compile(block, "docs/python.md", "exec"), names)
    assert len(BLOCKS) == 4
    assert "QUANTITYORDERED: must be at least" in printed.getvalue()
