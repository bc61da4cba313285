"""What is known of a project's quality, each figure with the file that it was read from and the command that makes that file.

Nothing is assumed: evidence that is not there is None, with the reason.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tabtrail.bundle.load import Bundle, load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.config.dataset import Dataset
from tabtrail.config.model import Split
from tabtrail.config.quality import EVIDENCE
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.manifest import read_manifest
from tabtrail.data.result_files import benchmark_table_files
from tabtrail.errors import DataError, NotTrainedError
from tabtrail.modeling.bootstrap import Resampling, interval_of
from tabtrail.modeling.metrics import METRICS
from tabtrail.monitor.calibration import calibration_error
from tabtrail.project.paths import Artifacts
from tabtrail.project.summary import read_leaderboard
from tabtrail.project.test_results import read_coverage, read_test_results
from tabtrail.system.files import read_json
from tabtrail.workflows.quality_series import quality_of_series

SCHEMA_VERSION = 1
_LEVEL, _SEED = 0.95, 42


@dataclass(frozen=True)
class Evidence:
    """One figure, its unit, the artifact that it was read from and the command that makes that; `missing` says why it is None."""

    value: Any
    artifact: str | None = None
    command: str = ""
    unit: str = ""
    missing: str = ""


Found = Iterator[tuple[str, Evidence]]


@dataclass(frozen=True)
class Subject:
    """The parts of a project that its quality is read from. `root` is the folder that paths are named from."""

    artifacts: Artifacts
    dataset: Dataset
    split: Split
    metric: str
    root: Path

    @property
    def folder(self) -> Path:
        """Where the report and the results of tests, coverage and load lie."""
        return self.artifacts.paths.output_dir / "quality"

    def name(self, path: Path) -> str:
        """Return a path from the project's folder."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)


def collect(subject: Subject) -> dict[str, Evidence]:
    """Return all evidence by the names of `EVIDENCE`. Raises `BundleError` or `DataError` for files that were altered."""
    found = dict(_tests(subject.folder, subject))
    found |= dict(_data(subject))
    try:
        bundle = load_bundle(subject.artifacts.paths.models_dir, subject.artifacts.name)
    except NotTrainedError:
        bundle = None
    if bundle is not None:
        found |= dict(_deployed(bundle, subject))
        found |= dict(_measured(bundle, subject))
    found |= dict(_latency(subject))
    found |= dict(_load(subject))
    found |= dict(_drift(subject))
    nothing = "no model is deployed" if bundle is None else ""
    return {name: found.get(name) or Evidence(None, missing=nothing or "it was not measured") for name in EVIDENCE}


def report_of(projects: Sequence[tuple[str, Mapping[str, Evidence], Sequence[str]]], created: str) -> dict[str, Any]:
    """Return the report as JSON has it, given the name of each project, its evidence, and what is required of that."""
    return {
        "schema_version": SCHEMA_VERSION,
        "created": created,
        "projects": [
            {
                "name": name,
                "evidence": {key: asdict(each) for key, each in evidence.items()},
                "required": list(required),
                "missing": [key for key in required if evidence[key].value is None],
            }
            for name, evidence, required in projects
        ],
    }


def _tests(folder: Path, subject: Subject) -> Found:
    junit, covered = folder / "pytest.junit.xml", folder / "coverage.json"
    results, share = read_test_results(junit), read_coverage(covered)
    command = f"pytest --junitxml={subject.name(junit)}"
    for name in ("passed", "failed", "skipped", "seconds"):
        unit = "s" if name == "seconds" else "tests"
        if results is None:
            yield f"tests.{name}", Evidence(None, command=command, missing=f"there is no {subject.name(junit)}")
        else:
            yield f"tests.{name}", Evidence(getattr(results, name), subject.name(junit), command, unit)
    command = f"coverage json -o {subject.name(covered)}"
    missing = f"there is no {subject.name(covered)}" if share is None else ""
    yield "tests.coverage", Evidence(share, None if share is None else subject.name(covered), command, missing=missing)


def _data(subject: Subject) -> Found:
    try:
        manifest = read_manifest(subject.dataset)
    except DataError as error:
        for name in ("size.rows", "size.rejected", "hashes.data"):
            yield name, Evidence(None, command="tabtrail ingest", missing=str(error))
        return
    about = (subject.name(subject.dataset.manifest), "tabtrail ingest")
    yield "size.rows", Evidence(manifest.rows_kept, *about, "rows")
    yield "size.rejected", Evidence(manifest.rows_rejected, *about, "rows")
    yield "hashes.data", Evidence(manifest.data_sha256, *about)


def _deployed(bundle: Bundle, subject: Subject) -> Found:
    """Yield what the deployed bundle says about itself, and its prediction of its own example."""
    metadata, unit = bundle.metadata, bundle.metadata["currency"]
    about = (subject.name(subject.artifacts.metadata), "tabtrail train")
    parity, intervals = metadata.get("parity") or {}, metadata.get("intervals") or {}
    yield "leakage.findings", Evidence(len(metadata["leakage"]), *about, "findings")
    for name in ("passed", "max_difference", "rows"):
        yield f"parity.{name}", Evidence(parity.get(name), *about)
    yield "intervals.level", Evidence(intervals.get("level"), *about, missing="" if intervals else "it gives no intervals")
    value = Predictor(bundle).predict([bundle.schema.example])[0].value
    yield "sample.prediction", Evidence(value, about[0], "tabtrail bundle verify", unit)
    files = metadata["files"]
    folder = subject.name(subject.artifacts.paths.models_dir)
    sizes = [path.stat().st_size for path in sorted(subject.artifacts.paths.models_dir.iterdir()) if path.is_file()]
    yield "size.bundle", Evidence(sum(sizes), folder, "tabtrail train", "bytes")
    yield "size.graph", Evidence(subject.artifacts.graph.stat().st_size, subject.name(subject.artifacts.graph), about[1], "bytes")
    yield "hashes.trained_on", Evidence(metadata["data_sha256"], *about)
    yield "hashes.bundle", Evidence(bundle.sha256, about[0], "tabtrail bundle verify")
    yield "hashes.graph", Evidence(files["onnx"]["sha256"], *about)
    yield "versions", Evidence(metadata["versions"], *about)


def _measured(bundle: Bundle, subject: Subject) -> Found:
    """Yield the deployed model's errors by the metric of the choice, with an interval, and how well it is calibrated."""
    if bundle.metadata.get("panel") is not None:
        yield from _of_series(bundle, subject)
        return
    metrics, metric = bundle.metadata.get("metrics") or {}, METRICS[subject.metric]
    about = (subject.name(subject.artifacts.metadata), "tabtrail train")
    unit = ", ".join(filter(None, (metric.label, bundle.metadata["currency"] if metric.unit == "target" else "")))
    yield "metrics.cv", Evidence(metrics.get(f"cv_{metric.name}"), *about, unit)
    yield "metrics.cv_std", Evidence(metrics.get(f"cv_{metric.name}_std"), *about, unit)
    yield "metrics.test", Evidence(metrics.get(f"test_{metric.name}"), *about, unit)
    yield "intervals.coverage", Evidence(metrics.get("interval_coverage"), *about)
    path = benchmark_table_files(subject.artifacts.paths.output_dir)["predictions"]
    names = ("metrics.test_low", "metrics.test_high", "calibration.error", "calibration.share")
    if not (path.is_file() and _is_of_last_benchmark(bundle, subject)):
        why = "the predictions of the deployed model's training are not here: another benchmark, or none, was the last"
        yield from ((name, Evidence(None, command="tabtrail train", missing=why)) for name in names)
        return
    tested = pl.read_parquet(path).filter(pl.col("part") == "test")
    actual, predicted = (tested.get_column(name).to_numpy() for name in ("actual", "predicted"))
    low, high = interval_of(metric, actual, predicted, _resampling(tested, subject)) or (None, None)
    error = calibration_error(predicted, actual)
    mean = float(np.mean(np.abs(actual)))
    values = (low, high, error, error / mean if mean else None)
    for name, value, own in zip(names, values, (unit, unit, bundle.metadata["currency"], ""), strict=True):
        rounded = None if value is None else float(f"{value:.7g}")
        yield name, Evidence(rounded, subject.name(path), "tabtrail train", own, "" if value is not None else "it is not defined")


def _of_series(bundle: Bundle, subject: Subject) -> Found:
    """Yield what is known of a model of series."""
    for name, each in quality_of_series(bundle.metadata, subject.artifacts).items():
        artifact = None if each.file is None or each.value is None else subject.name(each.file)
        yield name, Evidence(each.value, artifact, "tabtrail train", each.unit, each.missing)


def _is_of_last_benchmark(bundle: Bundle, subject: Subject) -> bool:
    """Whether the tables of the last benchmark are of the deployed model."""
    try:
        return read_leaderboard(subject.artifacts).champion_row.run_id == str(bundle.metadata["run_id"])
    except NotTrainedError:
        return False


def _resampling(tested: pl.DataFrame, subject: Subject) -> Resampling:
    """Whole groups are drawn where the split has a key, since rows of one err alike."""
    key = subject.split.group_key
    if key is None:
        return Resampling(None, None, _LEVEL, _SEED)
    groups = scan_dataset(subject.dataset).select(pl.col(key).cast(pl.String)).collect().get_column(key)
    return Resampling(groups[tested.get_column("row")].to_numpy().astype(object), key, _LEVEL, _SEED)


def _latency(subject: Subject) -> Found:
    """Yield what this command measured, now or before."""
    path = subject.folder / "latency.json"
    for name, value in (read_json(path) or {}).items():
        yield f"latency.{name}", Evidence(value, subject.name(path), "tabtrail quality", "ms")


def _load(subject: Subject) -> Found:
    """Yield what `benchmarks/serving.py` measured, where its JSON lies beside the report."""
    path = subject.folder / "serving.json"
    http = (read_json(path) or {}).get("http", {})
    about = (subject.name(path), f"python benchmarks/serving.py --output {subject.name(path)}")
    missing = "" if http else f"there is no {subject.name(path)}"
    artifact = about[0] if http else None
    yield "load.http_cpu", Evidence(http.get("cpu_microseconds", {}).get("ours"), artifact, about[1], "µs", missing)
    yield "load.over_empty", Evidence(http.get("ours_over_empty"), artifact, about[1], "", missing)


def _drift(subject: Subject) -> Found:
    """Yield what the last check for drift found."""
    folder = subject.artifacts.paths.output_dir / "drift"
    checks = sorted(folder.glob("*.json"), key=lambda each: each.stat().st_mtime) if folder.is_dir() else []
    last = read_json(checks[-1]) if checks else None
    if last is None:
        for name in ("drift.alarm", "drift.window"):
            yield name, Evidence(None, command="tabtrail drift", missing="no check for drift was made")
        return
    about = (subject.name(checks[-1]), "tabtrail drift")
    yield "drift.alarm", Evidence(last.get("alarm"), *about)
    yield "drift.window", Evidence(checks[-1].stem, *about)
