"""The champion proven, explained and bundled: all that can be refused is refused before the first file is replaced."""

import hashlib
import io
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import polars as pl
from joblib.compressor import BinaryZlibFile
from joblib.numpy_pickle import NumpyPickler

from tabtrail.bundle.build import build_bundle
from tabtrail.config.tree import Config
from tabtrail.contract.expressions import date_text
from tabtrail.contract.schema import Feature, ModelSchema, rules_over
from tabtrail.explain.shapley import Importance, explain, sample_rows, shap_table
from tabtrail.export.graph import export_onnx
from tabtrail.export.parity import check_parity, open_graph
from tabtrail.modeling.benchmark import Benchmark, Result
from tabtrail.modeling.coverage import calibrated, grouping
from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.modeling.metrics import rounded
from tabtrail.modeling.proof import Parity
from tabtrail.modeling.split import Split
from tabtrail.modeling.table import Table
from tabtrail.system.files import json_bytes
from tabtrail.system.hashes import sha256_json
from tabtrail.tracking.items import library_versions


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


def graph_bytes(config: Config, model: Any) -> bytes:
    """Return the ONNX graph of a model of this config."""
    return export_onnx(model, config.number_inputs, config.model.text_features, config.model.name)


def prove(config: Config, table: Table, split: Split, model: Any) -> tuple[int, Parity]:
    """Return the size in bytes of a model's ONNX graph, and the proof of it on every row of the table and on made ones."""
    tolerance = config.export.parity_tolerance
    try:
        graph = graph_bytes(config, model)
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:
        return len(pickled(model)), Parity(tolerance, {}, error=f"{type(error).__name__}: {str(error)[:200]}")
    scale = float(np.std(table.y[split.train], ddof=1)) or 1.0
    texts, seed = config.model.text_features, config.model.random_state
    return len(graph), check_parity(graph, model, table.x, texts=texts, scale=scale, tolerance=tolerance, seed=seed)


def export_champion(config: Config, benchmark: Benchmark) -> Exported:
    """Return the champion as it is deployed."""
    champion = benchmark.champion
    parity = champion.parity or prove(config, benchmark.table, benchmark.split, champion.model)[1]
    return Exported(graph_bytes(config, champion.model), parity, pickled(champion.model))


def pickled(model: Any) -> bytes:
    """Return the joblib file of a model; equal models give equal bytes."""
    buffer = io.BytesIO()
    with BinaryZlibFile(buffer, "wb", compresslevel=3) as file:
        _Canonical(file).dump(model)
    return buffer.getvalue()


class _Canonical(NumpyPickler):
    """Equal strings are written once, and referred to from then on.

    Which of them are one object depends on what the process made or unpickled before: instances of a class share the strings
    that are the names of their attributes, and the first instance brings them.
    """

    def save(self, obj: Any) -> None:
        super().save(sys.intern(obj) if type(obj) is str else obj)


def bundle_champion(config: Config, benchmark: Benchmark, leaderboard: Leaderboard, exported: Exported) -> dict[str, bytes]:
    """Return the files of the champion's bundle by name. Raises `ConfigError` for a signing key that is none."""
    champion = benchmark.champion
    schema = describe_model(config, benchmark.table.take(benchmark.split.train))
    row = leaderboard.champion_row
    intervals = calibrated(config, benchmark, champion)
    metadata: dict[str, Any] = {
        "model": champion.candidate.name,
        "family": champion.candidate.family,
        "target": config.model.target,
        "currency": config.model.currency,
        "run_id": row.run_id,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "synthetic": leaderboard.synthetic,
        "schema": schema.to_dict(),
        "metrics": {key: value for key, value in asdict(row).items() if key.startswith(("cv_", "test_", "interval_"))},
        "intervals": None if intervals is None else {**intervals.to_dict(), "by": grouping(config).to_dict()},
        "leakage": [finding.to_dict() for finding in leaderboard.findings],
        "parity": exported.parity.summary(),
        "versions": library_versions(),
        "data_sha256": leaderboard.data_sha256,
        "config_sha256": config.digest(),
        "test_sha256": sha256_json(sorted(set(benchmark.table.keys.take(benchmark.split.test).key))),
    }
    proved = {"onnx_sha256": exported.onnx_sha256, "data_sha256": leaderboard.data_sha256}
    proof = {"model": champion.candidate.name, **proved, **exported.parity.to_dict()}
    return build_bundle(
        config.model.name,
        onnx=exported.onnx,
        joblib=exported.joblib,
        metadata=metadata,
        reports={"parity": json_bytes(proof)},
        signing_key=config.bundle.signing_key,
    )


def explain_champion(config: Config, benchmark: Benchmark, run_id: str, graph: bytes) -> tuple[Importance, pl.DataFrame]:
    """Return the champion's mean absolute Shapley values by raw column on a sample of the training part, and all of them.

    The sample is also what the values are relative to, so that one row can be explained later from the table alone.
    """
    champion: Result = benchmark.champion
    train = benchmark.table.take(benchmark.split.train)
    seed = config.model.random_state
    rows = sample_rows(train.x, config.explain.max_rows, seed)
    explanation = explain(champion.model, rows, rows, seed, open_graph(graph))
    importance = Importance(
        model=champion.candidate.name,
        run_id=run_id,
        rows=len(rows),
        unit=config.model.currency or f"units of {config.model.target}",
        base_value=rounded(explanation.base_value),
        additivity_error=explanation.additivity_error,
        mean_absolute_shap=explanation.importance,
    )
    return importance, shap_table(explanation, rows)


def describe_model(config: Config, train: Table) -> ModelSchema:
    """Return what the model takes: the contract of each feature, what the training rows hold of it, and an example that works.

    The example is the training row nearest to the medians, so that it keeps the row rules.
    """
    model = config.model
    x = train.x
    numbers = x[list(config.number_inputs)]
    if numbers.shape[1]:
        spread = numbers.std().replace(0, 1).fillna(1)
        typical = int(((numbers - numbers.median()) / spread).abs().sum(axis=1).to_numpy().argmin())
    else:
        typical = 0
    features: list[Feature] = []
    for name in config.inputs:
        rule, values = config.column_rule(name), x[name]
        example = values.iloc[typical]
        if name in model.text_features:
            features.append(Feature(name, "categorical", rule, str(example), categories=tuple(sorted(set(values)))))
            continue
        low, high = (None, None) if values.isna().all() else (float(values.min()), float(values.max()))
        kind: Literal["date", "numeric"] = "date" if rule.dtype == "date" else "numeric"
        shown = _example(rule.dtype, float(example))
        features.append(Feature(name, kind, rule, shown, seen_min=low, seen_max=high))
    return ModelSchema(model.target, tuple(features), rules_over(config.contract.rows, set(config.inputs)))


def _example(dtype: str, value: float) -> float | str | None:
    if np.isnan(value):
        return None
    return date_text(value) if dtype == "date" else int(value) if dtype == "int" else value
