"""The first hour with a file: `tabtrail init` and `tabtrail run`, nothing edited, on files as people have them.

    python benchmarks/first_hour.py                          # every file, each in a folder of its own
    python benchmarks/first_hour.py --only used_cars.csv --check
    python benchmarks/first_hour.py --shared ../shared/data  # the files of that folder, too

For each file: whether every column was read right (types, numbers, dates, gaps, against what its maker knows), what came of the
run, its champion's error beside LightGBM's own on the table as a person would read it, and what it took. Files are synthetic,
made from a seed. A table on stdout, JSON where `--output` names a file; the exit code is 1 where a file fails.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
from first_hour_files import ZOO, Exhibit, Truth
from first_hour_more import MORE
from first_hour_shapes import SHAPES

from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.manifest import read_manifest

SEED = 7
SHARED = (
    ("sales_data_sample.csv", "SALES"),
    ("california_housing.csv", "median_house_value"),
    ("diamonds.csv", "price"),
    ("bike_sharing_hourly.csv", "cnt"),
    ("retail_sales_dataset.csv", "Total Amount"),
    ("pasta_hierarchical_sales_data.csv", "qty", "--demand"),
)
_LINES = 12  # of what a command said, where it failed


@dataclass(frozen=True)
class Outcome:
    """What came of a file: for each column that is `misread` what is not as in the file; `left_out` are not in the dataset."""

    file: str
    like: str
    rows: int
    step: str
    code: int
    misread: dict[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    champion: str = ""
    rmse: float | None = None
    native_rmse: float | None = None
    cpu_seconds: float = 0.0
    seconds: float = 0.0
    said: str = ""

    @property
    def is_good(self) -> bool:
        return self.code == 0 and not self.misread


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], metavar="FILE")
    parser.add_argument("--check", action="store_true", help="init and ingest alone: how the file is read")
    parser.add_argument("--shared", type=Path, help="a folder of real files to try too")
    parser.add_argument("--output", type=Path, help="where the outcomes go as JSON")
    parser.add_argument("--keep", type=Path, help="a folder for the files and projects")
    options = parser.parse_args()
    zoo = [*ZOO, *MORE, *SHAPES, *(_real(options.shared, *each) for each in SHARED if options.shared)]
    chosen = [each for each in zoo if not options.only or each.name in options.only]
    with tempfile.TemporaryDirectory() as scratch:
        root = (options.keep or Path(scratch)).resolve()
        outcomes = [_tried(each, root / Path(each.name).stem, run=not options.check) for each in chosen]
    _print(outcomes)
    if options.output:
        options.output.write_text(json.dumps([asdict(each) for each in outcomes], indent=2, ensure_ascii=False) + "\n")
    raise SystemExit(not all(each.is_good for each in outcomes))


def _real(folder: Path, name: str, target: str, *words: str) -> Exhibit:
    def link(path: Path, _random: np.random.Generator, _rows: int) -> Truth:
        path.symlink_to((folder / name).resolve())
        return {}

    return Exhibit(name, "real", target, link, words=words)


def _tried(exhibit: Exhibit, folder: Path, *, run: bool) -> Outcome:
    """Make the file in a folder of its own, and type the commands there."""
    folder.mkdir(parents=True, exist_ok=True)
    truth = exhibit.make(folder / exhibit.name, np.random.default_rng(SEED), exhibit.small)
    rows = len(truth[exhibit.target]) if truth else 0
    outcome = Outcome(exhibit.name, exhibit.like, rows, "init", 0)
    outcome = _typed(outcome, folder, "init", exhibit.name, "--target", exhibit.target, *exhibit.words, "--output", "it.yaml")
    if outcome.code == 0:
        outcome = _typed(outcome, folder, *(["run"] if run else ["ingest"]), "--config", "it.yaml")
    try:
        config = load_config(folder / "it.yaml")
        outcome = compare(outcome, config, truth)
    except Exception as error:  # noqa: BLE001 - what failed is in the outcome already
        outcome = replace(outcome, said=outcome.said or str(error))
    print(
        f"{exhibit.name}: {outcome.step} {outcome.code} {outcome.misread or ''} {outcome.said[-600:]}",
        file=sys.stderr,
        flush=True,
    )
    if run and outcome.code == 0:
        outcome = _scored(outcome, config, truth, exhibit.target)
    return outcome


def _typed(outcome: Outcome, folder: Path, *words: str) -> Outcome:
    """Run a command in the folder, and add what it took."""
    start = time.perf_counter()
    log = folder / f"{words[0]}.log"
    with log.open("w") as file:
        process = subprocess.Popen([sys.executable, "-m", "tabtrail", *words], cwd=folder, stdout=file, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    code = process.returncode = os.waitstatus_to_exitcode(status)
    return replace(
        outcome,
        step=words[0],
        code=code,
        cpu_seconds=round(outcome.cpu_seconds + usage.ru_utime + usage.ru_stime, 1),
        seconds=round(outcome.seconds + time.perf_counter() - start, 1),
        said="\n".join(log.read_text().splitlines()[-_LINES:]) if code else "",
    )


def compare(outcome: Outcome, config: Config, truth: Truth) -> Outcome:
    """Hold every column of the dataset to what the file says."""
    if not truth:
        return replace(outcome, rows=read_manifest(config.dataset).rows_in)
    data, rename = scan_dataset(config.dataset).collect(), config.source.rename
    misread, left_out = dict[str, str](), list[str]()
    kept = _kept(config, truth)
    if data.height != len(kept):
        misread["rows"] = f"{data.height} of {len(kept)}"
    for name, values in truth.items():
        called = rename.get(name, name)
        if called not in data.columns:
            called = next((each for each in data.columns if _folded(each) == _folded(called)), called)
        if called not in data.columns:
            left_out.append(name)
        elif data.height == len(kept) and (wrong := _difference(data.get_column(called), [values[row] for row in kept])):
            misread[name] = wrong
    return replace(outcome, misread=misread, left_out=tuple(left_out))


def _folded(name: str) -> str:
    return "".join(each for each in name.casefold() if each.isalnum())


def _kept(config: Config, truth: Truth) -> list[int]:
    """Return the rows that have a target: others cannot be learned from."""
    target = next(old for old in truth if config.source.rename.get(old, old).strip() == config.model.target.strip())
    return [row for row, value in enumerate(truth[target]) if value is not None or config.keeps_plans]


def _difference(column: pl.Series, values: Sequence[Any]) -> str:
    """Return what differs between a column and the values that the file has, in whatever order; nothing where they are equal.

    Flags and codes may be texts: a category of the model is one.
    """
    if column.dtype == pl.String:
        values = [_written(each) if isinstance(each, bool | int) else each for each in values]
    nulls = sum(each is None for each in values)
    found, expected = (
        sorted(map(_plain, column.drop_nulls().to_list())),
        sorted(_plain(each) for each in values if each is not None),
    )
    if column.null_count() != nulls and not (nulls and column.dtype == pl.String and column.null_count() == 0):
        return f"{column.null_count()} nulls, {nulls} in the file"
    if column.dtype == pl.String and nulls and not column.null_count():
        return f"the {nulls} nulls are the text {sorted(set(found) - set(expected))[:3]}"
    kinds = {type(each) for each in found}, {type(each) for each in expected}
    if kinds[0] != kinds[1]:
        return f"{column.dtype}, as {found[0]!r}, where the file has {expected[0]!r}"
    odd = next(((one, other) for one, other in zip(found, expected, strict=True) if not _equal(one, other)), None)
    return "" if odd is None else f"{odd[0]!r}, where the file has {odd[1]!r}"


def _written(value: bool | int) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _plain(value: Any) -> float | str:
    """Return numbers and flags as numbers, days and points in time as texts that compare."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat()
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day).isoformat()
    return float(value) if isinstance(value, bool | int | float) else str(value)


def _equal(one: float | str, other: float | str) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return one == other


def _scored(outcome: Outcome, config: Config, truth: Truth, target: str) -> Outcome:
    """Add the champion's cross-validated error, and that of LightGBM itself on the table as the file has it."""
    found = sorted(config.paths.output_dir.glob("metrics/*_metrics.json"))
    if not found:
        return outcome
    board = json.loads(found[0].read_text())
    champion = board.get("champion") or board.get("chosen")
    rows = {each.get("candidate"): each.get("cv_rmse") for each in board.get("candidates", [])}
    rmse = rows.get(champion)
    outcome = replace(outcome, champion=str(champion), rmse=rmse)
    return outcome if not truth or config.is_demand_only else replace(outcome, native_rmse=_native(truth, target))


def _native(truth: Truth, target: str) -> float:
    """Return the cross-validated RMSE of LightGBM with its defaults on the right table, its texts as categories."""
    y = np.array([math.nan if each is None else float(each) for each in truth[target]])
    columns = {
        name: values
        for name, values in truth.items()
        if name != target and (_number(values) or 1 < len(set(values)) < 0.9 * len(values))
    }
    x = np.column_stack([_numbers(values) for values in columns.values()])
    texts = [place for place, values in enumerate(columns.values()) if not _number(values)]
    keep = ~np.isnan(y)
    x, y = x[keep], y[keep]
    fold = np.random.default_rng(SEED).integers(0, 5, len(y))
    params = {"objective": "regression", "verbose": -1, "num_threads": 1, "seed": SEED, "learning_rate": 0.05}
    errors = []
    for each in range(5):
        train = lightgbm.Dataset(x[fold != each], y[fold != each], categorical_feature=texts)
        guess = lightgbm.train(params, train, num_boost_round=200).predict(x[fold == each])
        errors.append(float(np.sqrt(np.mean((guess - y[fold == each]) ** 2))))
    return round(float(np.mean(errors)), 4)


def _number(values: Sequence[Any]) -> bool:
    return all(each is None or isinstance(each, bool | int | float | date) for each in values)


def _numbers(values: Sequence[Any]) -> list[float]:
    if _number(values):
        return [math.nan if each is None else float(each.toordinal() if isinstance(each, date) else each) for each in values]
    codes = {text: place for place, text in enumerate(sorted({str(each) for each in values}))}
    return [float(codes[str(each)]) for each in values]


def _print(outcomes: Sequence[Outcome]) -> None:
    print("| file | like | rows | outcome | columns | champion | RMSE | LightGBM | CPU-s | s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for each in outcomes:
        read = "; ".join(f"{name}: {what}" for name, what in each.misread.items()) or "right"
        out = f", left out: {len(each.left_out)}" if each.left_out else ""
        outcome = "ok" if each.code == 0 else f"{each.step} ended with {each.code}"
        figures = " | ".join("" if value is None else f"{value:.4g}" for value in (each.rmse, each.native_rmse))
        took = f"{each.cpu_seconds:.0f} | {each.seconds:.0f}"
        print(f"| {each.file} | {each.like} | {each.rows:,} | {outcome} | {read}{out} | {each.champion} | {figures} | {took} |")


if __name__ == "__main__":
    main()
