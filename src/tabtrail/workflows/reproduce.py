"""A run fitted again from what it recorded: equal, or the first thing that differs."""

import hashlib
import json
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from tabtrail import __version__
from tabtrail.config.load import config_from_run
from tabtrail.config.tree import Config
from tabtrail.data.manifest import verify_files
from tabtrail.export.pickles import pickled
from tabtrail.export.prove import graph_bytes
from tabtrail.modeling.benchmark import run_benchmark
from tabtrail.modeling.candidates import BLEND
from tabtrail.modeling.problem import Problem
from tabtrail.modeling.results import Benchmark, Result
from tabtrail.progress import SILENT, Progress
from tabtrail.project.training import BENCHMARK_SECTIONS
from tabtrail.system.hashes import code_version
from tabtrail.tracking.artifacts import read_artifact
from tabtrail.tracking.benchmarks import complete_benchmark
from tabtrail.tracking.items import CODE, CONFIG, GRAPH, JOBLIB, PREDICTIONS, TAG, candidate_items, library_versions
from tabtrail.tracking.runs import Run, complete_children
from tabtrail.tracking.store import open_store, store_errors
from tabtrail.workflows.prepare import prepare


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

    Compared are, in this order, data, config, metrics, predictions (to the last bit) and, for the champion, the deployed
    files. Nothing is logged or replaced. Raises `UsageError` for a run that is not there, not of a benchmark or not complete.
    """
    store = open_store(config.mlflow.tracking_uri, config.mlflow.experiment)
    with store_errors(store.uri):
        found = complete_benchmark(store, run_id)
        parent = found.benchmark
        text = json.loads(read_artifact(store, parent.run_id, CONFIG))
        children = complete_children(store, parent.run_id)
    manifest = verify_files(config.dataset)
    if manifest.data_sha256 != parent.tags[TAG + "data_sha256"]:
        then = parent.tags[TAG + "data_sha256"]
        return Reproduction(run_id, (), (), f"data: the run had {then[:12]}, the dataset is {manifest.data_sha256[:12]} now")
    recorded = config_from_run(text, config)
    if recorded.digest(*BENCHMARK_SECTIONS) != parent.tags[TAG + "config_sha256"]:
        return Reproduction(run_id, (), ("data",), "config: the recorded config is not read as it was when the run was made")
    wanted = sorted(children) if found.candidate is None else [found.candidate.tags[TAG + "candidate"]]
    prepared = prepare(recorded, progress)
    benchmark = run_benchmark(
        only(prepared.problem, wanted),
        prepared.table,
        prepared.split,
        export=lambda model: (len(graph_bytes(prepared.config.model, model)), None),
        progress=progress.advance,
    )
    compared = ["data", "config"]
    for what, equal in _comparisons(prepared.config, benchmark, parent, {name: children[name] for name in wanted}):
        if not equal:
            return Reproduction(run_id, tuple(wanted), tuple(compared), f"{what} ({known_cause(parent)})")
        compared.append(what)
    return Reproduction(run_id, tuple(wanted), tuple(compared), None)


def only(problem: Problem, wanted: list[str]) -> Problem:
    """Return the problem with the wanted candidates alone; a blend needs all of them."""
    if any(name.partition("_")[0] == BLEND for name in wanted):
        return problem
    return replace(problem, candidates={name: params for name, params in problem.candidates.items() if name in wanted})


def _comparisons(config: Config, benchmark: Benchmark, parent: Run, runs: dict[str, Run]) -> Iterator[tuple[str, bool]]:
    """Yield what is compared and whether it is equal: of every candidate first the metrics, then the predictions."""
    results = {name: benchmark.result(name) for name in runs}
    for name, result in results.items():
        yield from _metric_comparisons(name, result, runs[name])
    for name, result in results.items():
        yield f"predictions of {name}", result.predictions_sha256 == runs[name].tags[PREDICTIONS]
    champion = parent.tags[TAG + "champion"]
    if champion in results:
        model = results[champion].model
        yield "ONNX file of the champion", _sha256(graph_bytes(config.model, model)) == parent.tags[GRAPH]
        yield "joblib file of the champion", _sha256(pickled(model)) == parent.tags[JOBLIB]


def _metric_comparisons(name: str, result: Result, run: Run) -> Iterator[tuple[str, bool]]:
    again = {item.key: item.value for item in candidate_items(result).metrics if not item.key.endswith("_seconds")}
    for key, value in again.items():
        if run.metrics.get(key) != value:
            yield f"metrics of {name}: {key} was {run.metrics.get(key)}, is {value}", False
            return
    yield f"metrics of {name}", True


def known_cause(parent: Run) -> str:
    """Name what is known to be different between then and now, the likeliest cause of a difference first."""
    for name, now in library_versions().items():
        if (then := parent.tags.get(f"{TAG}lib.{name}")) != now:
            return f"library version: {name} was {then}, is {now}"
    if (then := parent.tags.get(TAG + "python")) != platform.python_version():
        return f"Python was {then}, is {platform.python_version()}"
    if parent.tags.get(CODE) != code_version():
        return f"the code of tabtrail differs; the run was made by {parent.tags.get(TAG + 'version')}, this is {__version__}"
    return "nondeterminism: data, config, code and library versions are the same"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
