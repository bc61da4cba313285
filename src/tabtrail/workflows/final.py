"""The chosen candidate fitted in the end on rows that no machine holds, by a cluster; proven on all of them, and kept in its run.

What was measured (folds, test part, intervals) was measured of the model that the sample taught; what is deployed is this one.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from tabtrail.config.model import Model
from tabtrail.data.parts import Part
from tabtrail.data.rows_place import RowsPlace
from tabtrail.errors import ParityError, StoreError
from tabtrail.export.parity import compare_data, joined
from tabtrail.export.pickles import pickled, unpickled
from tabtrail.jobs.job import Fitted, Shared
from tabtrail.jobs.run import run
from tabtrail.modeling.benchmark import fitting_libraries
from tabtrail.modeling.final_fit import fit_finally
from tabtrail.modeling.metrics import Metric, score
from tabtrail.modeling.preprocess import feature_frame
from tabtrail.modeling.proof import Proof, Tried
from tabtrail.modeling.results import Benchmark, Result
from tabtrail.modeling.sampled import FinalRows
from tabtrail.progress import Progress
from tabtrail.tracking.artifacts import log_artifact, read_artifact
from tabtrail.tracking.runs import read_run, set_tags
from tabtrail.tracking.store import Store
from tabtrail.tracking.tags import FINAL
from tabtrail.workflows.champion import Exported, Proofs
from tabtrail.workflows.prepare import Beyond, Prepared

_FILE = "final_fit.joblib"


@dataclass(frozen=True)
class FinalFit:
    """What came of a final fit: `rows` of the dataset's `of` that the model learned from, held by so many `workers`; the `sample`
    that chose it; the test figures of the model itself, and of its like that learned from the sample, by metric.
    """

    rows: int
    of: int
    workers: int
    sample: int
    test: dict[str, float | None]
    test_of_sample: dict[str, float | None]

    def note(self, name: str, metric: Metric) -> str:
        """Say on the leaderboard what was measured, and what is deployed."""
        return (
            f"chosen on a sample of {self.sample:,} of {self.of:,} rows (engine.final: dask): every figure here is of models that"
            f" learned from that sample. {name} as it is deployed learned from {self.rows:,} rows on {self.workers} Dask"
            f" {'worker' if self.workers == 1 else 'workers'}, all but the test part, with the sample's medians, categories,"
            f" encodings and number of rounds; its own test {metric.label} is {self.test[metric.name]}, here it is"
            f" {self.test_of_sample[metric.name]}"
        )


@dataclass(frozen=True)
class Final:
    """A candidate's `result` with the model that is deployed, exported, in the place of the sample's; its figures are the
    sample's.
    """

    result: Result
    exported: Exported
    fit: FinalFit

    def put_in(self, benchmark: Benchmark) -> Benchmark:
        """Return a benchmark with this result in the place of the candidate's own."""
        name = self.result.candidate.name
        results = tuple(self.result if each.candidate.name == name else each for each in benchmark.results)
        return replace(benchmark, results=results)


def final_of(prepared: Prepared, result: Result, store: Store, run_id: str, progress: Progress) -> Final | None:
    """Return the final fit of a candidate, which a run keeps from then on; None where the config asks for none.

    Raises `ParityError` where its graph fails the proof, and what `fit_finally` raises.
    """
    if prepared.beyond is None:
        return None
    fitted = _kept(store, run_id)
    if fitted is None:
        fitted = fit_again(prepared, result, progress)
        _keep(store, run_id, fitted)
    model, test = fitted.model, prepared.table.take(prepared.split.test)
    graph, parity = _proven(prepared, prepared.beyond, model)
    if graph is None or not parity.passed:
        raise ParityError(f"{result.candidate.name} is not deployable after its final fit on all rows: {parity.complaint}")
    own = score(test.y, np.asarray(model.predict(test.x), dtype=np.float64).ravel())
    fit = FinalFit(
        rows=fitted.rows,
        of=prepared.beyond.rows,
        workers=fitted.workers,
        sample=prepared.data.height,
        test=dict(own.values),
        test_of_sample=dict(result.final.scores.values),
    )
    deployed = replace(result, final=replace(result.final, model=model), model_bytes=len(graph), parity=parity)
    return Final(deployed, Exported(graph, parity, pickled(model)), fit)


def fit_again(prepared: Prepared, result: Result, progress: Progress) -> Fitted:
    """Fit a candidate on all rows but the test part, on the cluster."""
    beyond, problem = prepared.beyond, prepared.problem
    assert beyond is not None  # noqa: S101 - asked by who calls
    progress.say(
        f"train: {result.candidate.name} is fitted again on all {beyond.rows:,} rows but the test part, by the Dask workers"
    )
    rows = FinalRows.of(problem, beyond.sample, prepared.data, prepared.table, prepared.split)
    train = prepared.table.take(prepared.split.train)
    fitted = fit_finally(problem, result, train, rows, beyond.source, libraries=fitting_libraries())
    progress.say(f"train: {result.candidate.name} has learned from {fitted.rows:,} rows, held by {fitted.workers} workers")
    return fitted


@dataclass(frozen=True)
class _Proving:
    """What a worker needs to prove a model on a part of the dataset; `scale` is the standard deviation of the target."""

    place: RowsPlace
    model: Model
    fitted: Any
    graph: bytes
    scale: float


def _proven(prepared: Prepared, beyond: Beyond, fitted: Any) -> Proof:
    """Prove a model on every row of the dataset with a target, part by part on the workers, and on rows made from the sample."""
    with Proofs(prepared.config, prepared.table, prepared.split) as proofs:
        graph, parity = proofs.job(fitted, prepared.table.x)
        scale = proofs.scale
    if graph is None:
        return None, parity
    shared = Shared(_Proving(beyond.source.place, prepared.problem.model, fitted, graph, scale))
    engine = prepared.problem.engine.model_copy(update={"kind": "dask"})
    tried = list(run(_prove_part, [(shared, part) for part in beyond.source.parts], engine, libraries=fitting_libraries()))
    return graph, replace(parity, classes={**parity.classes, "data": joined(tried)})


def _prove_part(proving: _Proving, part: Part) -> Tried:
    model = proving.model
    rows = proving.place.read_part(part, list(dict.fromkeys((*model.inputs, model.target))))
    x = feature_frame(rows.filter(pl.col(model.target).is_not_null()), model.number_inputs, model.text_features)
    tried = compare_data(proving.graph, proving.fitted, x, proving.scale)
    return replace(tried, worst=f"{tried.worst} of {next(iter(part.files))}")


def _keep(store: Store, run_id: str, fitted: Fitted) -> None:
    """Keep a final fit with its run, so that a command that is cut short need not fit again."""
    data = pickled(fitted.model)
    log_artifact(store, run_id, _FILE, data)
    facts = {"rows": fitted.rows, "workers": fitted.workers, "sha256": hashlib.sha256(data).hexdigest()}
    set_tags(store, run_id, {FINAL: json.dumps(facts)})


def _kept(store: Store, run_id: str) -> Fitted | None:
    """Return the final fit that a run keeps. Raises `StoreError` for one that was altered."""
    known = read_run(store, run_id)
    if known is None or FINAL not in known.tags:
        return None
    facts, data = json.loads(known.tags[FINAL]), read_artifact(store, run_id, _FILE)
    if hashlib.sha256(data).hexdigest() != facts["sha256"]:
        raise StoreError(f"the final fit of run {run_id} in the MLflow store was altered; run `tabtrail train --force`")
    return Fitted(unpickled(data), facts["rows"], facts["workers"])
