"""A training on many series fitted again from what its run recorded: what is compared, and whether it is equal.

Models that are fitted in whole numbers of steps by one thread come out the same to the last bit. Nets do not promise that:
PyTorch's sums differ with the processor and its library, so theirs are compared within a tolerance.
"""

import hashlib
import json
from collections.abc import Iterator
from functools import partial

import numpy as np

from tabtrail.bundle.demand.features import Array
from tabtrail.data.manifest import Manifest
from tabtrail.export.outputs import open_graph
from tabtrail.export.pickles import pickled
from tabtrail.forecast.panel.blend import BLEND
from tabtrail.forecast.panel.nets.settings import NET_FAMILIES
from tabtrail.forecast.panel.tables import leaderboard
from tabtrail.forecast.panel.task import Task, Trained
from tabtrail.progress import Progress
from tabtrail.tracking.demand_finished import forecasts_sha256, read_forecasts
from tabtrail.tracking.demand_items import candidate_items, training_items
from tabtrail.tracking.runs import Run
from tabtrail.tracking.store import Store
from tabtrail.tracking.tags import BUNDLE, PREDICTIONS, TAG, RunItems
from tabtrail.workflows.demand import fit_chosen, judge_all, judge_candidate
from tabtrail.workflows.demand_bundle import deployable, graph_of, rows_of_proof
from tabtrail.workflows.deploy import Challenger, fetch
from tabtrail.workflows.refit import Again

# Of the standard deviation of the demand, or of a metric's own size: a hundredth of what two seeds of a net differ by.
NET_TOLERANCE = 1e-3


def compare_series(task: Task, again: Again, manifest: Manifest, progress: Progress) -> Iterator[tuple[str, bool]]:
    """Yield what is compared and whether it is equal: metrics and forecasts of the candidates, then, of a whole training, the
    choice, its metrics and, where it was bundled, intervals and files.
    """
    parent = again.parent
    trained = judge_all(task, partial(judge_candidate, task), progress, wanted=again.runs)
    for run in again.runs.values():
        yield from _candidate(task, trained, run, again.site.store)
    if not again.whole:
        return
    yield f"choice of {parent.tags[TAG + 'champion']}", trained.chosen.name == parent.tags[TAG + "champion"]
    found = leaderboard(task, trained, parent.run_id, manifest.data_sha256, synthetic=manifest.synthetic)
    yield _metrics("metrics of the training", training_items(task, trained, found), parent, exact=not _has_net(trained))
    if BUNDLE in parent.tags:
        yield from _bundle(task, trained, fetch(again.site, parent.run_id))


def _candidate(task: Task, trained: Trained, run: Run, store: Store) -> Iterator[tuple[str, bool]]:
    name = run.tags[TAG + "candidate"]
    own = next(each for each in trained.evaluated if each.name == name)
    candidate = next(each for each in trained.candidates if each.name == name)
    exact = not is_net(name)
    items = candidate_items(candidate, own, seconds=0.0, gap=task.origins.gap)
    yield _metrics(f"metrics of {name}", items, run, exact=exact)
    equal = forecasts_sha256(own.forecast) == run.tags.get(PREDICTIONS)
    if not equal and not exact:
        equal = near(task.panel.target, own.forecast, read_forecasts(store, run, own.forecast.shape))
    yield f"forecasts of {name}" + ("" if exact else _within()), equal


def _metrics(what: str, items: RunItems, run: Run, *, exact: bool) -> tuple[str, bool]:
    """Compare the metrics that are there again, of one with steps the last."""
    for key, value in {item.key: item.value for item in items.metrics if not item.key.endswith("_seconds")}.items():
        then = run.metrics.get(key)
        if then is None or (then != value and (exact or not np.isclose(then, value, rtol=NET_TOLERANCE, atol=NET_TOLERANCE))):
            return f"{what}: {key} was {then}, is {value}", False
    return what + ("" if exact else _within()), True


def _bundle(task: Task, trained: Trained, stored: Challenger) -> Iterator[tuple[str, bool]]:
    fitted = fit_chosen(task, trained, task.panel, len(task.origins.places))
    models = {name: model for name, (model, _) in fitted.items()}
    estimator = deployable(task, trained, models)
    x = rows_of_proof(task, next(iter(models.values())).recipe)
    graph = graph_of(task, estimator, x)
    files = stored.bundle.metadata["files"]
    if _has_net(trained):
        yield (
            "ONNX graph of the champion" + _within(),
            near(task.panel.target, open_graph(graph)(x), open_graph(stored.bundle.onnx)(x)),
        )
        return
    intervals = None if trained.intervals is None else json.loads(json.dumps(trained.intervals.to_dict()))
    yield "intervals of the champion", intervals == stored.bundle.metadata["demand_intervals"]
    yield "ONNX file of the champion", _sha256(graph) == files["onnx"]["sha256"]
    yield "joblib file of the champion", _sha256(pickled(estimator)) == files["joblib"]["sha256"]


def is_net(name: str) -> bool:
    """Tell whether a candidate is of a net family."""
    return name.partition("_")[0] in NET_FAMILIES


def _has_net(trained: Trained) -> bool:
    members = trained.weights if trained.chosen.name == BLEND else [trained.chosen.name]
    return any(map(is_net, members))


def _within() -> str:
    return f" (a net: within {NET_TOLERANCE:g} standard deviations)"


def near(demand: Array, one: Array, other: Array) -> bool:
    """Tell whether forecasts differ by no more than nets may, of the standard deviation of a demand."""
    scale = float(np.nanstd(demand)) or 1.0
    return one.shape == other.shape and bool(np.allclose(one, other, rtol=0, atol=NET_TOLERANCE * scale, equal_nan=True))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
