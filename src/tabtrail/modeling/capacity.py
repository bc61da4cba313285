"""The memory that a benchmark takes, known before it reads the rows into memory, and what there is."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tabtrail.config.model import Model
from tabtrail.config.operation import Engine
from tabtrail.errors import CapacityError
from tabtrail.jobs.run import worker_count
from tabtrail.modeling.preprocess import DIRECTIONS
from tabtrail.modeling.problem import Problem
from tabtrail.modeling.table import needed_columns

GIB = 2**30
# Bytes of a value, measured by benchmarks/many_rows.py: as read and once more sorted; in the table; in the frame of raw columns
# that a fit takes; in the matrix that models fit, which is there as blocks, joined, and as the library's own copy.
_READ, _TABLE, _FRAME, _MATRIX = 24, 8, 16, 24
# Bytes of a row's key: of a group, a reference to a text that its rows share; else a text of all values of the row.
_KEY, _ROW_KEY, _ROW_KEY_VALUE = 16, 60, 14
_START = 700 * 2**20  # the driver with all libraries imported and MLflow's store open
_WORKER = 300 * 2**20  # a worker process with the libraries of the families imported
_UNLIMITED = 2**62


@dataclass(frozen=True)
class Plan:
    """What a benchmark takes [bytes]: the driver, one fit on a fold, one on all training rows; and how many run at once
    (0: on a cluster, whose memory is not looked at).

    `rows` and `columns` are those of the whole matrix that models fit.
    """

    rows: int
    columns: int
    driver: int
    fold: int
    final: int
    fold_workers: int
    final_workers: int

    @property
    def need(self) -> int:
        return self.driver + max(self.fold * self.fold_workers, self.final * self.final_workers)

    def __str__(self) -> str:
        at_once = f"fits at once: {self.fold_workers} on folds, {self.final_workers} on all rows"
        return f"{self.rows:,} rows × {self.columns:,} columns take about {self.need / GIB:.1f} GiB at most ({at_once})"


def plan(problem: Problem, rows: int, distinct: Mapping[str, int], limit: int) -> Plan:
    """Return how the benchmark fits into `limit` bytes, with fewer fits at once where that is what it takes.

    `distinct` are the different texts of each text column. On a cluster, fits take no memory of this machine. Raises
    `CapacityError`, with what can be done, where not even one fit at a time has room.
    """
    columns, driver = matrix_columns(problem.model, distinct), _driver_bytes(problem, rows)
    train = rows if problem.split.train_before is not None else int(rows * (1 - problem.split.test_size))
    fold = _fit_bytes(problem, min(train, problem.split.max_rows or train), columns)
    final = _fit_bytes(problem, rows if problem.split.refit == "all" else train, columns)
    at_once, room = worker_count(problem.engine), limit - driver
    workers = (0, 0) if problem.engine.kind == "dask" else tuple(max(1, min(at_once, room // each)) for each in (fold, final))
    found = Plan(rows, columns, driver, fold, final, *workers)
    if found.need > limit:
        raise CapacityError(
            f"{found}, and there are {limit / GIB:.1f} GiB; take columns or categories out (model.max_categories,"
            " model.frequency_encoded), fit on machines with more (engine.kind: dask), or in the end on several of them together"
            " (engine.final: dask), free memory, or, if you know better, raise engine.memory_limit_gib"
        )
    return found


def matrix_columns(model: Model, distinct: Mapping[str, int]) -> int:
    """Return the columns of the matrix that a regressor is fitted on, with one for each category, from the distinct texts."""
    one_hot = sum(min(distinct[name], model.max_categories) for name in model.categorical_features)
    encoded = len(model.frequency_encoded) + len(model.target_encoded)
    rotated = len(DIRECTIONS) * len(model.pairs_of_coordinates)
    return len(model.numeric_features) + len(model.formulas) + rotated + one_hot + encoded


def _driver_bytes(problem: Problem, rows: int) -> int:
    split, read = problem.split, len(needed_columns(problem))
    keys = _KEY if split.kind in ("group", "group_time") else _ROW_KEY + _ROW_KEY_VALUE * read
    masks = 2 * (split.folds * split.repeats + 1) + len(problem.model.strata)
    # Beside the inputs the table holds the target, the row's number and its date.
    return _START + rows * (_READ * read + keys + _TABLE * (len(problem.model.inputs) + 3) + masks)


def _fit_bytes(problem: Problem, rows: int, columns: int) -> int:
    return _WORKER + rows * (_FRAME * len(problem.model.inputs) + _MATRIX * columns)


def memory_limit(engine: Engine) -> int:
    """Return the bytes that a benchmark may take: as configured, else what is free, of the machine or of its container."""
    if engine.memory_limit_gib is not None:
        return int(engine.memory_limit_gib * GIB)
    return min((each for each in (_machine(), _container(Path("/sys/fs/cgroup"))) if each is not None), default=_UNLIMITED)


def _machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None


def _container(folder: Path) -> int | None:
    """Return what a control group (version 2, else 1) has left, the cache of files not counted; None where it has no limit."""
    for limit, used, of, cache in (
        ("memory.max", "memory.current", "memory.stat", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
    ):
        try:
            left = int((folder / limit).read_text()) - int((folder / used).read_text())
            lines = (folder / of).read_text().splitlines() if (folder / of).is_file() else []
            return max(0, left + sum(int(line.split()[1]) for line in lines if line.startswith(f"{cache} ")))
        except (OSError, ValueError):
            continue
    return None
