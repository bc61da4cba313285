"""A run fitted again from what it recorded: equal, or the first thing that differs."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tabtrail.config.load import config_from_run
from tabtrail.config.tree import Config
from tabtrail.data.manifest import verify_files
from tabtrail.export.outputs import open_graph
from tabtrail.export.pickles import pickled
from tabtrail.export.prove import graph_bytes
from tabtrail.modeling.benchmark import run_benchmark
from tabtrail.modeling.proof import Cost
from tabtrail.modeling.results import Result
from tabtrail.progress import SILENT, Progress
from tabtrail.project.training import DEMAND_SECTIONS, benchmark_digest
from tabtrail.tracking.artifacts import read_artifact
from tabtrail.tracking.benchmarks import complete_benchmark, is_of_series
from tabtrail.tracking.items import candidate_items
from tabtrail.tracking.provenance import GRAPH, JOBLIB, TWIN_GRAPH, read_provenance
from tabtrail.tracking.refusals import store_errors
from tabtrail.tracking.runs import Run, complete_children
from tabtrail.tracking.store import open_store
from tabtrail.tracking.tags import CONFIG, PREDICTIONS, TAG
from tabtrail.workflows.demand import prepare as prepare_series
from tabtrail.workflows.deploy import Site, fetch
from tabtrail.workflows.final import fit_again, refit_again
from tabtrail.workflows.prepare import Prepared, prepare
from tabtrail.workflows.refit import Again, known_cause, only
from tabtrail.workflows.reproduce_demand import compare_series

# Of the root mean square difference of predictions, in standard deviations of the target: which worker holds which rows decides
# where a feature is cut into bins, and with that the trees. benchmarks/final_fit.py measures it.
FINAL_TOLERANCE = 0.05


@dataclass(frozen=True)
class Reproduction:
    """What came of fitting a run again: `compared` names what was equal, up to the first difference (None: all is equal)."""

    run_id: str
    candidates: tuple[str, ...]
    compared: tuple[str, ...]
    difference: str | None

    @property
    def equal(self) -> bool:
        return self.difference is None

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "equal": self.equal}


def reproduce(config: Config, run_id: str, progress: Progress = SILENT) -> Reproduction:
    """Fit a benchmark, or one candidate of it, again from the config, seeds and data that its run names, and compare.

    Compared are, in this order, data, config, metrics, predictions (to the last bit, of nets within a tolerance) and, for the
    champion, the deployed files, and where they were fitted again on all rows the graph of the twin that has the figures; of a
    final fit on a cluster its predictions, within a tolerance. Nothing is logged or replaced.
    Raises `UsageError` for a run that is not there, not of a benchmark or not complete.
    """
    store = open_store(config.mlflow)
    with store_errors(store.uri):
        found = complete_benchmark(store, run_id)
        parent = found.benchmark
        text = json.loads(read_artifact(store, parent.run_id, CONFIG))
        provenance = read_provenance(store, parent)
        children = complete_children(store, parent.run_id)
    manifest = verify_files(config.dataset)
    if manifest.data_sha256 != (then := provenance.data_sha256):
        return Reproduction(run_id, (), (), f"data: the run had {then[:12]}, the dataset is {manifest.data_sha256[:12]} now")
    of_series = is_of_series(parent)
    recorded = config_from_run(text, config)
    settings = recorded.digest(*DEMAND_SECTIONS) if of_series else benchmark_digest(recorded)
    if settings != provenance.config_sha256:
        return Reproduction(run_id, (), ("data",), "config: the recorded config is not read as it was when the run was made")
    wanted = sorted(children) if found.candidate is None else [found.candidate.tags[TAG + "candidate"]]
    runs, compared = {name: children[name] for name in wanted}, ["data", "config"]
    with store_errors(store.uri):
        site = Site.of(recorded.for_demand() if of_series else recorded, store)
        again = Again(site, parent, provenance, runs, children, whole=found.candidate is None)
        if of_series:
            made = compare_series(prepare_series(recorded), again, manifest, progress)
        else:
            made = _compare_rows(recorded, again, progress)
        for what, equal in made:
            if not equal:
                return Reproduction(run_id, tuple(wanted), tuple(compared), f"{what} ({known_cause(provenance)})")
            compared.append(what)
    return Reproduction(run_id, tuple(wanted), tuple(compared), None)


def _compare_rows(recorded: Config, again: Again, progress: Progress) -> Iterator[tuple[str, bool]]:
    """Yield what is compared and whether it is equal: of every candidate first the metrics, then the predictions."""
    prepared, runs = prepare(recorded, progress), again.runs
    model = prepared.config.model
    benchmark = run_benchmark(
        only(prepared.problem, list(runs)),
        prepared.table,
        prepared.split,
        export=lambda fit: (len(graph_bytes(model, fit.model)), None, _cost(again.children.get(fit.candidate))),
        progress=progress.advance,
    )
    results = {name: benchmark.result(name) for name in runs}
    for name, result in results.items():
        yield from _metric_comparisons(name, result, runs[name])
    for name, result in results.items():
        yield f"predictions of {name}", result.predictions_sha256 == runs[name].tags[PREDICTIONS]
    if (champion := again.parent.tags[TAG + "champion"]) in results:
        fitted, made, everything = results[champion].model, again.provenance.made, prepared.problem.split.refit == "all"
        if everything:
            yield "ONNX file of the champion's twin", _sha256(graph_bytes(model, fitted)) == made.get(TWIN_GRAPH)
        if prepared.beyond is not None:
            yield _final_comparison(prepared, results[champion], fetch(again.site, again.parent.run_id).bundle.onnx, progress)
            return
        if everything:
            fitted = refit_again(prepared, results[champion], progress).model
        yield "ONNX file of the champion", _sha256(graph_bytes(model, fitted)) == made[GRAPH]
        yield "joblib file of the champion", _sha256(pickled(fitted)) == made[JOBLIB]


def _final_comparison(prepared: Prepared, result: Result, deployed: bytes, progress: Progress) -> tuple[str, bool]:
    """Compare another final fit with the deployed graph by their predictions of the test part."""
    test = prepared.table.take(prepared.split.test).x
    again = np.asarray(fit_again(prepared, result, progress).model.predict(test), dtype=np.float64).ravel()
    scale = float(np.std(prepared.table.y[prepared.split.train])) or 1.0
    difference = float(np.sqrt(np.mean((again - open_graph(deployed)(test)) ** 2))) / scale
    what = f"predictions of the final fit of the champion (within {FINAL_TOLERANCE:g} standard deviations: {difference:.2g})"
    return what, difference <= FINAL_TOLERANCE


def _cost(run: Run | None) -> Cost | None:
    """What a candidate's graph was measured to take: a blend is made again of members that were affordable then."""
    if run is None or "row_us" not in run.metrics:
        return None
    return Cost(run.metrics["row_us"], run.metrics["batch_row_us"])


def _metric_comparisons(name: str, result: Result, run: Run) -> Iterator[tuple[str, bool]]:
    again = {item.key: item.value for item in candidate_items(result).metrics if not item.key.endswith(("_seconds", "_us"))}
    for key, value in again.items():
        if run.metrics.get(key) != value:
            yield f"metrics of {name}: {key} was {run.metrics.get(key)}, is {value}", False
            return
    yield f"metrics of {name}", True


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
