"""The chosen candidate fitted in the end on all rows, on this machine or, where none holds them, by a cluster; proven anew.

What was measured (folds, test part, intervals) was measured of its twin, which learned from the training part (of the sample,
where there is one); what is deployed is this one.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
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
from tabtrail.modeling.benchmark import fitting_libraries, proven
from tabtrail.modeling.final_fit import fit_finally
from tabtrail.modeling.leaderboard import Refit
from tabtrail.modeling.metrics import Metric, score
from tabtrail.modeling.preprocess import feature_frame
from tabtrail.modeling.proof import Parity, Proof, Tried
from tabtrail.modeling.refit import Refitted, refit
from tabtrail.modeling.results import Benchmark, Result
from tabtrail.modeling.sampled import FinalRows
from tabtrail.modeling.split import Split
from tabtrail.progress import Progress
from tabtrail.tracking.artifacts import log_artifact, read_artifact
from tabtrail.tracking.runs import read_run, set_tags
from tabtrail.tracking.store import Store
from tabtrail.tracking.tags import FINAL, TWIN
from tabtrail.workflows.champion import Exported, Proofs
from tabtrail.workflows.prepare import Beyond, Prepared

_FILE = "final_fit.joblib"


@dataclass(frozen=True)
class FinalFit:
    """What came of a final fit on a cluster: `rows` of the dataset's `of` that the model learned from, held by so many `workers`;
    the `sample` that chose it; the test figures of the model itself (None where it learned from the test part too), and of its
    like that learned from the sample, by metric.
    """

    rows: int
    of: int
    workers: int
    sample: int
    test: dict[str, float | None] | None
    test_of_sample: dict[str, float | None]

    def note(self, name: str, metric: Metric) -> str:
        """Say on the leaderboard what was measured, and what is deployed."""
        own = "" if self.test is None else f"; its own test {metric.label} is {self.test[metric.name]}, here it is"
        return (
            f"chosen on a sample of {self.sample:,} of {self.of:,} rows (engine.final: dask): every figure here is of models that"
            f" learned from that sample. {name} as it is deployed learned from {self.rows:,} rows on {self.workers} Dask"
            f" {'worker' if self.workers == 1 else 'workers'}, {'all of them' if self.test is None else 'all but the test part'},"
            f" with the sample's medians, categories, encodings and number of rounds"
            + (f"{own} {self.test_of_sample[metric.name]}" if own else "")
        )


@dataclass(frozen=True)
class Final:
    """A candidate's `result` with the model that is deployed, exported, in the place of its twin's; its figures are the twin's.

    `refit` says what came of fitting it on all rows, `fit` what a cluster did for it.
    """

    result: Result
    exported: Exported
    refit: Refit | None
    fit: FinalFit | None = None

    def put_in(self, benchmark: Benchmark) -> Benchmark:
        """Return a benchmark with this result in the place of the candidate's own."""
        name = self.result.candidate.name
        results = tuple(self.result if each.candidate.name == name else each for each in benchmark.results)
        return replace(benchmark, results=results)

    def stated(self, split: Split, twin: Exported) -> dict[str, Any]:
        """Return what the metadata of the bundle says of it: what it learned from, and which twin has the figures."""
        found: dict[str, Any] = {} if self.fit is None else {"final_fit": asdict(self.fit)}
        if self.refit is None:
            return found
        rows = {"rows": self.refit.rows, "training_rows": int(split.train.sum()), "test_rows": int(split.test.sum())}
        return {**found, "refit": {**rows, "rounds": self.refit.rounds, "twin_sha256": twin.onnx_sha256}}


def final_of(prepared: Prepared, result: Result, store: Store, run_id: str, progress: Progress) -> Final | None:
    """Return the final fit of a candidate; None where what was measured is what is deployed.

    That of a cluster is kept by a run from then on. Raises `ParityError` where its graph fails the proof, `ConfigError` or
    `DataError` where it cannot be fitted, and what `fit_finally` raises.
    """
    if prepared.beyond is not None:
        return _on_cluster(prepared, prepared.beyond, result, _Kept(store, run_id), progress)
    return _on_all(prepared, result, progress) if prepared.problem.split.refit == "all" else None


def refit_again(prepared: Prepared, result: Result, progress: Progress) -> Refitted:
    """Fit a candidate on all rows of the dataset, on this machine or one worker."""
    progress.say(f"train: {result.candidate.name} is fitted again on all {len(prepared.table.y):,} rows (split.refit: all)")
    return refit(prepared.problem, prepared.table, prepared.split, result.candidate, result.model)


def _on_all(prepared: Prepared, result: Result, progress: Progress) -> Final:
    problem, table, split = prepared.problem, prepared.table, prepared.split
    fitted = refit_again(prepared, result, progress)
    with Proofs(prepared.config, table, split) as proofs:
        graph, parity = proven(problem, table, split, fitted.model, proofs.job)
    graph = _require_proof(result, graph, parity)
    made = Refit(len(table.y), fitted.rounds, len(graph), parity.max_difference)
    return _deployed(result, fitted.model, graph, parity, refit=made)


def _require_proof(result: Result, graph: bytes | None, parity: Parity) -> bytes:
    if graph is None or not parity.passed:
        raise ParityError(
            f"{result.candidate.name} is not deployable after its final fit on all rows: {parity.complaint}; take it out of"
            " candidates, or deploy the one that learned from the training part alone (split.refit: training)"
        )
    return graph


def _deployed(
    result: Result, model: Any, graph: bytes, parity: Parity, *, refit: Refit | None, fit: FinalFit | None = None
) -> Final:
    own = replace(result, final=replace(result.final, model=model), model_bytes=len(graph), parity=parity)
    return Final(own, Exported(graph, parity, pickled(model)), refit, fit)


@dataclass(frozen=True)
class _Kept:
    """The run that keeps a final fit of a cluster."""

    store: Store
    run_id: str


def _on_cluster(prepared: Prepared, beyond: Beyond, result: Result, kept: _Kept, progress: Progress) -> Final:
    store, run_id = kept.store, kept.run_id
    fitted = _kept(store, run_id)
    if fitted is None:
        fitted = fit_again(prepared, result, progress)
        _keep(store, run_id, fitted)
    everything = prepared.problem.split.refit == "all"
    model, test = fitted.model, prepared.table.take(prepared.split.test)
    graph, parity = _proven(prepared, beyond, model)
    graph = _require_proof(result, graph, parity)
    own = None if everything else score(test.y, np.asarray(model.predict(test.x), dtype=np.float64).ravel())
    fit = FinalFit(
        rows=fitted.rows,
        of=beyond.rows,
        workers=fitted.workers,
        sample=prepared.height,
        test=None if own is None else dict(own.values),
        test_of_sample=dict(result.final.scores.values),
    )
    made = Refit(fitted.rows, {}, len(graph), parity.max_difference) if everything else None
    return _deployed(result, model, graph, parity, refit=made, fit=fit)


def fit_again(prepared: Prepared, result: Result, progress: Progress) -> Fitted:
    """Fit a candidate on all rows, or on all but the test part, as `split.refit` says, on the cluster."""
    beyond, problem = prepared.beyond, prepared.problem
    assert beyond is not None  # noqa: S101 - asked by who calls
    but = "" if problem.split.refit == "all" else " but the test part"
    progress.say(f"train: {result.candidate.name} is fitted again on all {beyond.rows:,} rows{but}, by the Dask workers")
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


def keep_twin(store: Store, run_id: str, final: Final, twin: Exported) -> None:
    """Keep the graph that the figures belong to with the run of the candidate: the gate compares by it."""
    if final.refit is not None:
        log_artifact(store, run_id, TWIN, twin.onnx)


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
