"""The champion proven, explained and bundled: all that can be refused is refused before the first file is replaced."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
import polars as pl

from tabtrail.bundle.build import as_bundle, build_bundle
from tabtrail.bundle.intervals import Intervals
from tabtrail.bundle.metadata import REFERENCE, metadata_name
from tabtrail.config.columns import Columns
from tabtrail.config.dataset import TableRules
from tabtrail.config.tree import Config
from tabtrail.contract.aliases import tables_over
from tabtrail.contract.expressions import date_text, moment_text
from tabtrail.contract.schema import Feature, ModelSchema, rules_over
from tabtrail.contract.texts import unit_of
from tabtrail.data.manifest import Manifest, read_manifest
from tabtrail.errors import TabtrailError
from tabtrail.explain.shapley import Explanation, Importance, explain, sample_rows, shap_table
from tabtrail.export.cost import measure_cost, row_cost
from tabtrail.export.kept import keeping
from tabtrail.export.outputs import open_graph, without_clip
from tabtrail.export.pickles import pickled
from tabtrail.export.prove import graph_bytes, graph_of, prove
from tabtrail.jobs.job import Shared
from tabtrail.jobs.run import run_one
from tabtrail.modeling.benchmark import fitting_libraries
from tabtrail.modeling.estimators import Blend, clip, unclipped
from tabtrail.modeling.families import model_libraries
from tabtrail.modeling.intervals import grouping
from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.modeling.metrics import rounded
from tabtrail.modeling.proof import Cost, Parity, Prove
from tabtrail.modeling.refit import learned_rows
from tabtrail.modeling.results import Benchmark, Fit, Result
from tabtrail.modeling.split import Split
from tabtrail.modeling.table import Table
from tabtrail.modeling.worth import weaker_than
from tabtrail.project.training import benchmark_digest
from tabtrail.system.files import json_bytes
from tabtrail.system.hashes import sha256_json
from tabtrail.system.temporary import scratch_folder
from tabtrail.system.versions import installed_versions
from tabtrail.tracking.artifacts import list_files, read_artifact
from tabtrail.tracking.libraries import library_versions
from tabtrail.tracking.models import BundleFiles, FittedModel
from tabtrail.tracking.registry import Registration
from tabtrail.tracking.store import Store
from tabtrail.tracking.tags import BUNDLE_FOLDER
from tabtrail.version import __version__
from tabtrail.workflows.reference import training_reference

_SERVING = ("numpy", "pandas", "onnxruntime")  # what a registered bundle is opened with, beside tabtrail and mlflow-skinny
_LOADING = ("numpy", "pandas", "cloudpickle")  # what opening a logged model takes beside tabtrail and the library of its family

# Of a candidate whose like is fitted again and proven on all rows before it is deployed: enough to find what a converter does.
_CANDIDATE_ROWS = 10_000
# Numbers of rows of a graph of a megabyte and of one column that are explained from outside in about 4 CPU-seconds.
_EXPLAINED = 12_000
_LEAST_EXPLAINED = 100


@dataclass(frozen=True)
class Exported:
    """A model as it is deployed: the ONNX graph with its proof, and the pickled pipeline for Python users."""

    onnx: bytes
    parity: Parity
    joblib: bytes

    @property
    def onnx_sha256(self) -> str:
        return hashlib.sha256(self.onnx).hexdigest()

    @property
    def joblib_sha256(self) -> str:
        return hashlib.sha256(self.joblib).hexdigest()


class Proofs:
    """Proves the fitted models of a benchmark one by one.

    The proven graphs are kept on disk, since those of large forests would not fit into memory together: the champion's is
    deployed as it was proven. A model that an earlier process proved is exported once more.
    """

    def __init__(self, config: Config, table: Table, split: Split) -> None:
        self.scale = float(np.std(table.y[split.train], ddof=1)) or 1.0
        self.job: Prove = partial(prove, config.model, scale=self.scale, tolerance=config.export.parity_tolerance)
        self._model, self._table, self._again = config.model, table, config.split.refit == "all"
        self._open, self._folder = ExitStack(), scratch_folder()
        self._open.callback(self._folder.cleanup)
        self._proven: list[Any] = []

    def __enter__(self) -> Self:
        self._open.enter_context(keeping())
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def prove_fit(self, fit: Fit) -> tuple[int, Parity, Cost | None]:
        """Return size and proof of a fit's model, as `prove` does, and what its graph takes for a row on this machine.

        A proof that was made by a worker is taken as it is. There is no cost where there is no graph.
        """
        graph, parity = self.job(fit.model, self._x) if fit.proof is None else fit.proof
        cost = None if graph is None else measure_cost(graph, self._x)
        return *self._keep(fit.model, graph, parity), cost

    def row_us(self, fitted: Any) -> float | None:
        """Return the microseconds of CPU that a model's graph takes for a row by itself, None where there is no graph."""
        graph = graph_of(self._model, fitted)
        return None if graph is None else row_cost(graph, self._x)

    def prove(self, fitted: Any) -> tuple[int, Parity]:
        """Return the size in bytes of a model's ONNX graph (of its pickle where it has none), and the proof."""
        return self._keep(fitted, *self.job(fitted, self._x))

    @cached_property
    def _x(self) -> pd.DataFrame:
        """All rows where one of these models is deployed; else some, since what is deployed is fitted again and proven on all."""
        rows = self._table.x
        step = -(-len(rows) // _CANDIDATE_ROWS) if self._again else 1
        return rows if step == 1 else rows.iloc[::step]

    def _keep(self, fitted: Any, graph: bytes | None, parity: Parity) -> tuple[int, Parity]:
        if graph is None:
            return len(pickled(fitted)), parity
        self._proven.append(fitted)
        self._file(len(self._proven) - 1).write_bytes(graph)
        return len(graph), parity

    def export(self, champion: Result) -> Exported:
        """Return the champion as it is deployed."""
        parity = champion.parity or self.prove(champion.model)[1]
        kept = [index for index, fitted in enumerate(self._proven) if fitted is champion.model]
        graph = self._file(kept[0]).read_bytes() if kept else graph_bytes(self._model, champion.model)
        return Exported(graph, parity, pickled(champion.model))

    def _file(self, index: int) -> Path:
        return Path(self._folder.name) / f"{index}.onnx"


@dataclass(frozen=True)
class Parts:
    """What of a candidate is deployed beside its figures: exported model, intervals, when it was `created` (UTC, ISO 8601), why
    there is no explanation, if so, and what the metadata says of a fit after its choice, if it had one.
    """

    exported: Exported
    intervals: Intervals | None
    created: str
    missing_explanation: str | None = None
    fitted_after: Mapping[str, Any] = field(default_factory=dict)


def made_at(store: Store, run_id: str, name: str) -> str:
    """Return when the bundle that a run is to hold was made (UTC, ISO 8601): now, or when an earlier process left it there, which
    was killed after it had registered it, or had no key to sign it with. So the same bundle is deployed as is registered.
    """
    file = f"{BUNDLE_FOLDER}/{metadata_name(name)}"
    if file in list_files(store, run_id, BUNDLE_FOLDER):
        with suppress(ValueError, KeyError, TypeError):
            return str(json.loads(read_artifact(store, run_id, file))["created"])
    return datetime.now(UTC).isoformat(timespec="seconds")


def bundle_model(config: Config, benchmark: Benchmark, leaderboard: Leaderboard, parts: Parts) -> dict[str, bytes]:
    """Return the files of the chosen candidate's bundle by name. Raises `ConfigError` for a bad signing key."""
    champion, exported, intervals = benchmark.champion, parts.exported, parts.intervals
    schema = describe_model(config, benchmark.table.take(learned_rows(benchmark.problem, benchmark.split)))
    row = leaderboard.row(champion.candidate.name)
    reference, missing_reference = _reference(benchmark, schema, intervals)
    metadata: dict[str, Any] = {
        "model": champion.candidate.name,
        "family": champion.candidate.family,
        "target": config.model.target,
        "currency": config.model.currency,
        "run_id": row.run_id,
        "created": parts.created,
        "synthetic": leaderboard.synthetic,
        "schema": schema.to_dict(),
        "layout": asdict(config.source.layout),
        "date_column": _date_column(proven_rules(config.table_rules, read_manifest(config.dataset))),
        "last_dates": _last_dates(config.columns, read_manifest(config.dataset)),
        "metrics": {key: value for key, value in row.to_dict().items() if key.startswith(("cv_", "test_", "interval_"))},
        "intervals": None if intervals is None else {**intervals.to_dict(), "by": grouping(benchmark.problem).to_dict()},
        "leakage": [finding.to_dict() for finding in leaderboard.findings],
        "clip": list(benchmark.problem.clip),
        "weaker_than": weaker_than(leaderboard, champion.candidate.name),
        "explanation_missing": parts.missing_explanation,
        "reference_missing": missing_reference,
        "parity": exported.parity.summary(),
        "versions": library_versions(),
        "data_sha256": leaderboard.data_sha256,
        "config_sha256": benchmark_digest(config),
        "test_sha256": sha256_json(sorted(set(benchmark.table.keys.take(benchmark.split.test).key))),
        **parts.fitted_after,
    }
    if leaderboard.held_out is not None and leaderboard.champion == champion.candidate.name:
        metadata["held_out"] = asdict(leaderboard.held_out)
    proved = {"onnx_sha256": exported.onnx_sha256, "data_sha256": leaderboard.data_sha256}
    proof = {"model": champion.candidate.name, **proved, **exported.parity.to_dict()}
    return build_bundle(
        config.model.name,
        onnx=exported.onnx,
        joblib=exported.joblib,
        metadata=metadata,
        reports={"parity": json_bytes(proof), **reference},
        signing_key=config.bundle.signing_key,
    )


def _reference(benchmark: Benchmark, schema: ModelSchema, intervals: Intervals | None) -> tuple[dict[str, bytes], str | None]:
    """Return the file of the reference that drift is measured against, by its kind, or why there is none."""
    try:
        return {REFERENCE: training_reference(benchmark, schema, intervals).to_bytes()}, None
    except ValueError as error:
        return {}, str(error)


@dataclass(frozen=True)
class Explained:
    """The champion's explanation: its importances, and the table of the rows with their Shapley values."""

    importance: Importance
    table: pl.DataFrame


def explain_champion(most: int, benchmark: Benchmark, run_id: str, graph: bytes) -> Explained:
    """Return the champion's mean absolute Shapley values by raw column on `most` rows of those it learned from, and all of them.

    Of a bag or blend, whose graph is large and asked from outside, so many fewer that this takes seconds, and at least 100.
    The sample is also what the values are relative to, so that one row can be explained later from the table alone. An
    explanation that fails is missing, and the importances say why: the model is as good without. A cluster explains on a worker.
    """
    champion: Result = benchmark.champion
    learned = benchmark.split.train if champion.is_baseline else learned_rows(benchmark.problem, benchmark.split)
    train = benchmark.table.take(learned)
    model, seed = benchmark.problem.model, benchmark.problem.seed
    if isinstance(unclipped(champion.model), Blend):
        most = min(most, max(_LEAST_EXPLAINED, int(_EXPLAINED / (len(model.inputs) * len(graph) / 1e6))))
    rows = sample_rows(train.x, most, seed)
    unit = unit_of(model.target, model.currency)
    none = Importance(champion.candidate.name, run_id, len(rows), unit)
    job = (Shared(champion.model), Shared(rows), seed, without_clip(graph))
    explanation = run_one(_explanation, job, benchmark.problem.engine, libraries=fitting_libraries())
    if isinstance(explanation, str):
        return Explained(replace(none, missing=explanation), shap_table(None, rows))
    importance = replace(
        none,
        base_value=rounded(explanation.base_value),
        additivity_error=explanation.additivity_error,
        mean_absolute_shap=explanation.importance,
        together=explanation.together,
        clipped_rows=int(np.sum(clip(explanation.predictions, benchmark.problem.clip) != explanation.predictions)),
    )
    return Explained(importance, shap_table(explanation, rows))


def _explanation(model: Any, rows: pd.DataFrame, seed: int, graph: bytes) -> Explanation | str:
    """Return the explanation of rows relative to themselves, or why there is none: raised, a worker would log the rows."""
    try:
        return explain(model, rows, rows, seed=seed, predict=open_graph(graph))
    except TabtrailError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - shap and the boosters raise classes of their own that have no common base
        return f"{type(error).__name__}: {str(error)[:200]}"


def fitted_model(config: Config, table: Table, split: Split, result: Result) -> FittedModel:
    """Return a candidate's model as the store keeps it: with what it takes, three rows that show that, and what opens it."""
    example = table.take(np.arange(len(table.y)) < 3).x
    schema = describe_model(config, table.take(split.train))
    return FittedModel(result.candidate.name, result.model, schema, example, opening_requirements())


def opening_requirements() -> list[str]:
    """Return what opens a logged model, pinned."""
    libraries = installed_versions((*model_libraries(), *_LOADING))
    # The pickle names classes of tabtrail.modeling, and the rows are read by tabtrail.bundle.
    return [f"tabtrail[train]=={__version__}", *(f"{name}=={found}" for name, found in libraries.items())]


def registration(run_id: str, files: Mapping[str, bytes], name: str) -> Registration:
    """Return what is registered of a bundle: its files, what opens them, and what it is in a few words."""
    bundle = as_bundle(files, name)
    about, libraries = bundle.metadata, installed_versions(_SERVING)
    # mlflow-skinny is mlflow without what trains; a bundle needs no more of it.
    requirements = [f"tabtrail=={__version__}", f"mlflow-skinny=={installed_versions(('mlflow',))['mlflow']}"]
    requirements += [f"{library}=={found}" for library, found in libraries.items()]
    learned = ""
    if refit := about.get("refit"):
        measured = f"its figures are of a twin that learned from {refit['training_rows']:,} of them"
        learned = f" It learned from all {refit['rows']:,} rows; {measured}."
    description = (
        f"**{about['model']}** predicts `{about['target']}`, made {about['created']} from data `{about['data_sha256'][:12]}`;"
        f" ONNX equals Python on {about['parity']['rows']:,} rows.{learned} Run `{about['run_id']}` has its figures."
    )
    return Registration(run_id, BundleFiles(name, files, bundle.schema, requirements), about["model"], description)


def _date_column(rules: TableRules) -> dict[str, Any] | None:
    """Return the name of the date column, which the model need not take, and how it is read."""
    name = rules.cleaning.date_column
    return None if name is None else {"name": name, "dtype": rules.columns.kind(name), "reading": asdict(rules.reading(name))}


def proven_rules(rules: TableRules, manifest: Manifest) -> TableRules:
    """Return the rules of the rows with the formats of dates that the data has."""
    return replace(rules, proven_formats={name: tuple(forms) for name, forms in manifest.date_formats.items()})


def _last_dates(columns: Columns, manifest: Manifest) -> dict[str, str]:
    """Return the last day (YYYY-MM-DD) of the dataset by column of dates."""
    statistics = manifest.statistics
    dated = {name: statistics[name].max for name in columns.dataset if columns.rule(name).is_date and name in statistics}
    return {name: str(last)[:10] for name, last in dated.items() if last is not None}


def describe_model(config: Config, train: Table) -> ModelSchema:
    """Return what the model takes: the contract of each feature, what the training rows hold of it, and an example that works.

    The example is the training row nearest to the medians, so that it keeps the row rules.
    """
    model, rules = config.model, proven_rules(config.table_rules, read_manifest(config.dataset))
    x = train.x
    numbers = x[list(model.number_inputs)]
    if numbers.shape[1]:
        spread = numbers.std().replace(0, 1).fillna(1)
        typical = int(((numbers - numbers.median()) / spread).abs().sum(axis=1).to_numpy().argmin())
    else:
        typical = 0
    features: list[Feature] = []
    for name in model.inputs:
        rule, reading, values = rules.columns.rule(name), rules.reading(name), x[name]
        example = values.iloc[typical]
        if name in model.text_features:
            categories = tuple(sorted(set(values)))
            features.append(Feature(name, "categorical", rule, str(example), categories=categories, reading=reading))
            continue
        low, high = (None, None) if values.isna().all() else (float(values.min()), float(values.max()))
        kind: Literal["date", "numeric"] = "date" if rule.is_date else "numeric"
        shown = _example(rule.dtype, float(example))
        features.append(Feature(name, kind, rule, shown, seen_min=low, seen_max=high, reading=reading))
    tables = tables_over(rules.aliases, model.inputs)
    return ModelSchema(model.target, tuple(features), rules_over(config.contract.rows, set(model.inputs)), tables)


def _example(dtype: str, value: float) -> float | str | None:
    if np.isnan(value):
        return None
    if dtype == "datetime":
        return moment_text(value)
    return date_text(value) if dtype == "date" else int(value) if dtype == "int" else value
