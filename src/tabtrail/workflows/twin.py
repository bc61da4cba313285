"""What a run recorded of a model's training: which rows it learned from, its twin, and its recipe, to be fitted on other rows."""

import hashlib
import json
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tabtrail.bundle.load import Bundle
from tabtrail.config.load import config_from_run
from tabtrail.config.tree import Config
from tabtrail.errors import ConfigError, UsageError
from tabtrail.modeling.baselines import BLEND
from tabtrail.modeling.benchmark import candidates_of, run_benchmark, run_tasks
from tabtrail.modeling.leakage.findings import columns_to_drop
from tabtrail.modeling.learned import Learned
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.problem import Problem, problem_of
from tabtrail.modeling.results import FULL
from tabtrail.modeling.split import Mask, Split
from tabtrail.modeling.table import cut_folds, load_table, needed_columns
from tabtrail.tracking.artifacts import list_files, read_artifact
from tabtrail.tracking.benchmarks import find_benchmark
from tabtrail.tracking.runs import read_run
from tabtrail.tracking.store import Store
from tabtrail.tracking.tags import CONFIG, LEARNED, TWIN
from tabtrail.workflows.refit import only

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Training:
    """How a model was made: the problem that it solved, its candidate's name, and the rows it learned from (None: not kept)."""

    problem: Problem
    candidate: str
    learned: Learned | None

    def knows(self, data: pl.DataFrame, rows: Rows) -> Mask:
        """Tell of each of the `rows` (positions in `data`) whether the model may have learned from it."""
        if self.learned is None:
            return np.ones(len(rows), dtype=bool)
        table = load_table(self.problem, data)
        known = np.zeros(data.height, dtype=bool)
        known[table.row] = self.learned.has(table.keys.key)
        return known[rows]

    def predict(self, data: pl.DataFrame, *, train: Rows, test: Rows) -> Array:
        """Fit the recipe on some rows of `data` and return its predictions of others [test], in their order.

        Raises `ConfigError` or `DataError` where it cannot be fitted, `UsageError` where there is no such candidate.
        """
        table, named = load_table(self.problem, data), {each.name: each for each in candidates_of(self.problem)}
        if self.candidate not in named:
            raise UsageError(f"the recorded config has no candidate {self.candidate}")
        learned, scored = np.isin(table.row, train), np.isin(table.row, test)
        if named[self.candidate].family == BLEND or named[self.candidate].bag:
            split = cut_folds(self.problem, table, learned, scored, self.problem.seed)
            final = run_benchmark(only(self.problem, [self.candidate]), table, split).result(self.candidate).final
        else:
            (final,) = run_tasks(self.problem, table, Split(learned, scored, ()), [(named[self.candidate], FULL)])
        predicted = np.empty(data.height)
        predicted[table.row[scored]] = final.predicted
        return predicted[test]


def training_of(config: Config, store: Store, metadata: Mapping[str, Any], columns: Set[str]) -> Training | None:
    """Return what the run of a bundle recorded of its training.

    None where the store no longer has it, it cannot be read, or it takes more than the `columns` that the dataset has.
    """
    try:
        benchmark = find_benchmark(store, str(metadata["run_id"])).benchmark.run_id
        if CONFIG not in (files := list_files(store, benchmark)):
            return None
        recorded = recorded_config(config, store, benchmark, metadata)
    except (UsageError, ConfigError):
        return None
    learned = Learned.from_bytes(read_artifact(store, benchmark, LEARNED)) if LEARNED in files else None
    problem = problem_of(recorded)
    return Training(problem, str(metadata["model"]), learned) if columns >= set(needed_columns(problem)) else None


def twin_graph(store: Store, bundle: Bundle) -> bytes | None:
    """Return the graph that a model is compared by: its own, or where it learned from all rows, that of its twin.

    None where its run no longer has the twin as the bundle names it.
    """
    if (refit := bundle.metadata.get("refit")) is None:
        return bundle.onnx
    run_id = str(bundle.metadata["run_id"])
    if read_run(store, run_id) is None or TWIN not in list_files(store, run_id):
        return None
    graph = read_artifact(store, run_id, TWIN)
    return graph if hashlib.sha256(graph).hexdigest() == refit["twin_sha256"] else None


def recorded_config(config: Config, store: Store, benchmark: str, metadata: Mapping[str, Any]) -> Config:
    """Return the config that a bundle was trained with, as far as it places rows and makes features, with today's gate.

    Raises `ConfigError` where it is no longer read.
    """
    recorded = config_from_run(json.loads(read_artifact(store, benchmark, CONFIG)), config)
    columns = columns_to_drop((each["column"], each["kind"]) for each in metadata["leakage"])
    if recorded.leakage.policy == "drop" and columns:
        return recorded.without_columns(columns)
    return recorded
