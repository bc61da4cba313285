"""Two models on rows that neither has learned from: their errors compared, and the coverage of the challenger's intervals.

A model that was fitted again on all rows is compared by its twin, the graph that learned from the training part alone.
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tabtrail.bundle.intervals import Grouping, Intervals
from tabtrail.bundle.load import Bundle
from tabtrail.config.tree import Config
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.dates import MOMENT
from tabtrail.data.manifest import read_manifest, verify_files
from tabtrail.errors import DataError, TabtrailError
from tabtrail.export.outputs import run_onnx
from tabtrail.modeling.bootstrap import CoverageCheck, Resampling, check_coverage, compare
from tabtrail.modeling.gate import FEW_UNITS, Measured
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.preprocess import feature_frame
from tabtrail.modeling.problem import Problem, problem_of
from tabtrail.modeling.sampled import Sample, sampled
from tabtrail.modeling.split import Mask
from tabtrail.modeling.table import Table, hold_out_rows, load_table, needed_columns
from tabtrail.progress import SILENT, Progress
from tabtrail.system.hashes import sha256_json
from tabtrail.tracking.store import Store
from tabtrail.workflows.twin import Training, training_of, twin_graph

_ENOUGH = 0.5  # of the test rows: with fewer that are new to both models, chance would decide more than the models do


@dataclass(frozen=True)
class _Model:
    """A model, the graph that it is compared by (its twin's, where it learned from all rows), what its run recorded of its
    training (None: nobody knows), and which test rows that graph may have learned from.
    """

    name: str
    bundle: Bundle
    graph: bytes
    training: Training | None
    known: Mask

    @property
    def shown(self) -> str:
        return f"the twin of the {self.name}" if self.bundle.metadata.get("refit") else f"the {self.name}"


@dataclass(frozen=True)
class _Part:
    """What two models are compared on: `data` as it was read, the positions in it that twins learn from, and the test rows."""

    data: pl.DataFrame
    train: NDArray[np.int64]
    test: Table


def measure(config: Config, store: Store, challenger: Bundle, champion: Bundle, progress: Progress = SILENT) -> Measured:
    """Return how two models compare on the test part that `config`, the challenger's, cuts from the dataset.

    A model that learned from all rows is compared by its twin, which learned from its training part. Rows that either has learned
    from do not count. Where too few are left, a model that knows some of the test part is fitted again, by the recipe that its
    run recorded, on the challenger's training part, and is compared so on all of the test part. Nothing is compared where a
    column is gone, or nobody knows any more what a model has learned from.
    """
    verify_files(config.dataset)
    dataset, problem = scan_dataset(config.dataset), problem_of(config)
    have, needed = set(dataset.collect_schema().names()), {*needed_columns(problem), *challenger.schema.names}
    if not needed <= have or config.model.target != challenger.schema.target:
        return Measured(said="the dataset lacks columns that the challenger takes")
    trainings = [training_of(config, store, each.metadata, have) for each in (challenger, champion)]
    asked = needed.union(champion.schema.names, *(needed_columns(each.problem) for each in trainings if each is not None))
    sample = Sample.of(problem, read_manifest(config.dataset))
    rows = sampled(dataset, sample).select(sorted(asked & have))
    part = _part(problem, rows.collect(engine="auto" if sample is None else "streaming"))
    first = _model(store, "challenger", challenger, trainings[0], part)
    how = Resampling(part.test.groups, config.split.group_key, config.promotion.level, problem.seed)
    coverage = _coverage(first, part, how)
    if not set(champion.schema.names) <= have or challenger.schema.target != champion.schema.target:
        return Measured(coverage=coverage, said="the dataset lacks columns that the champion takes")
    if unlike := _unlike(champion, part.data.schema):
        return Measured(coverage=coverage, said=f"in the dataset {unlike}")
    try:
        second = _model(store, "champion", champion, trainings[1], part)
        return replace(_compared(problem, part, (first, second), how, progress), coverage=coverage)
    except TabtrailError as error:
        return Measured(coverage=coverage, said=str(error))


def _unlike(model: Bundle, schema: pl.Schema) -> str:
    """Return which columns are texts in the dataset and no texts to a model; nothing where none is."""
    found = [each for each in model.schema.features if each.kind != "categorical" and schema[each.name] == pl.String]
    return "; ".join(f"{each.name} is text, and the champion takes it as {each.kind}" for each in found[:5])


def _part(problem: Problem, data: pl.DataFrame) -> _Part:
    table = load_table(problem, data)
    train, test = hold_out_rows(problem, table)
    return _Part(data, table.row[train], table.take(test))


def _model(store: Store, name: str, bundle: Bundle, training: Training | None, part: _Part) -> _Model:
    """Return a model of the comparison; one whose twin the store no longer has may have learned from every row."""
    twin = twin_graph(store, bundle)
    if twin is None:
        return _Model(name, bundle, bundle.onnx, training, np.ones(len(part.test.y), dtype=bool))
    return _Model(name, bundle, twin, training, _known(bundle, training, part))


def _known(bundle: Bundle, training: Training | None, part: _Part) -> Mask:
    """Tell of each test row whether a model, or its twin, may have learned from it."""
    if bundle.metadata.get("test_sha256") == sha256_json(sorted(set(part.test.keys.key))):
        return np.zeros(len(part.test.y), dtype=bool)  # they are the test part of its own training
    if training is None:
        return np.ones(len(part.test.y), dtype=bool)
    return training.knows(part.data, part.test.row)


def _compared(problem: Problem, part: _Part, models: tuple[_Model, _Model], how: Resampling, progress: Progress) -> Measured:
    """Compare two models on the rows that are new to both; with twins on the whole test part, where those are few."""
    test, new = part.test, ~(models[0].known | models[1].known)
    if new.all() or _are_enough(new, test):
        fresh = test.take(new)
        challenger, champion = (_predict(each, part.data[fresh.row]) for each in models)
        compared = compare(fresh.y, champion, challenger, problem.metric, replace(how, groups=fresh.groups))
        which = f"the {len(fresh.y):,} of {len(test.y):,}" if len(fresh.y) < len(test.y) else f"all {len(test.y):,}"
        by = "neither model has learned"
        if twins := [each.shown for each in models if each.bundle.metadata.get("refit")]:
            by = f"{by} (what was compared is {' and '.join(twins)}: what is deployed has learned from all rows of its dataset)"
        return Measured(compared, said=f"compared on {which} test rows, from which {by}")
    said = [
        f"{each.shown} may have learned from {each.known.sum():,} of the {len(test.y):,} test rows, so that its recipe was"
        " fitted again on the challenger's training part for the comparison"
        for each in models
        if each.known.any()
    ]
    for text in said:
        progress.say(f"gate: {text}")
    challenger, champion = (_predict_new(each, part) for each in models)
    return Measured(compare(test.y, champion, challenger, problem.metric, how), said="; ".join(said))


def _are_enough(new: Mask, test: Table) -> bool:
    rows = test.take(new)
    units = len(rows.y) if rows.groups is None else len(set(rows.groups))
    return len(rows.y) >= _ENOUGH * len(test.y) and units >= FEW_UNITS


def _predict_new(model: _Model, part: _Part) -> Array:
    """Return what a model predicts for the test part; its twin, where it may have learned from some of it."""
    if not model.known.any():
        return _predict(model, part.data[part.test.row])
    run_id = model.bundle.metadata["run_id"]
    if model.training is None:
        raise DataError(
            f"nobody knows which rows the {model.name} has learned from, as the MLflow store has not the run {run_id} as it was"
        )
    try:
        return model.training.predict(part.data, train=part.train, test=part.test.row)
    except TabtrailError as error:
        raise DataError(f"the recipe of the {model.name} cannot be fitted again: {error}") from None


def _predict(model: _Model, rows: pl.DataFrame) -> Array:
    bundle = model.bundle
    numbers = [feature.name for feature in bundle.schema.features if feature.kind != "categorical"]
    texts = [feature.name for feature in bundle.schema.features if feature.kind == "categorical"]
    try:
        predicted = run_onnx(model.graph, feature_frame(rows, tuple(numbers), tuple(texts)))
    except Exception as error:  # noqa: BLE001 - onnxruntime and Polars raise classes of their own that have no common base
        raise DataError(f"the model of run {bundle.metadata['run_id']} cannot read the dataset: {type(error).__name__}") from None
    if not np.isfinite(predicted).all():
        raise DataError(f"the model of run {bundle.metadata['run_id']} predicts values that are not finite on the test rows")
    return predicted


def _coverage(model: _Model, part: _Part, how: Resampling) -> CoverageCheck | None:
    """Return the share of the test rows new to a model that its intervals hold; None where it has none, or knows all rows."""
    stated = model.bundle.metadata["intervals"]
    new = part.test.take(~model.known)
    if stated is None or not len(new.y):
        return None
    rows = part.data[new.row]
    intervals, grouping = Intervals.from_dict(stated), Grouping.from_dict(stated["by"])
    plain = rows.select(model.bundle.schema.names).with_columns(
        pl.col(pl.Date).cast(pl.String), pl.col(MOMENT).dt.to_string("%Y-%m-%dT%H:%M:%S")
    )
    bounds = [
        intervals.bounds(value, grouping.group(row))
        for value, row in zip(_predict(model, rows).tolist(), plain.iter_rows(named=True), strict=True)
    ]
    low, high = np.array(bounds).T
    inside = np.asarray((low <= new.y) & (new.y <= high))
    return check_coverage(inside, float(stated["level"]), replace(how, groups=new.groups))
