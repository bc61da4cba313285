"""What each stage of a run depends on, and why it is stale: the same answer for `run` and for `status`."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tabtrail.bundle.load import load_bundle
from tabtrail.config.tree import Config
from tabtrail.data.ingest import ingested_key, source_key
from tabtrail.data.manifest import Manifest
from tabtrail.data.profile import profile_files
from tabtrail.data.summaries import summary_files
from tabtrail.data.warehouse import benchmark_table_files
from tabtrail.errors import BundleError
from tabtrail.project.paths import leaderboard_path, shap_path, tuned_path
from tabtrail.system.files import read_json, write_json
from tabtrail.system.hashes import code_version, sha256_file, sha256_folder, sha256_json

_INGEST = ("source", "cleaning", "contract", "parquet")
_EDA = ("aggregations", "duckdb", "model", "parquet")
_PROFILE = ("profile", "model", "duckdb", "parquet")
_REPORT = ("profile", "report", "mlflow")
_TRAIN = (*_INGEST, "model", "split", "choice", "leakage", "intervals", "slices", "candidates", "explain", "export", "mlflow")
_READ = {"ingest": "the source files", "report": "what it shows"}
Kind = Literal["never", "input", "data", "config", "code", "missing", "altered", "store", "bundle", "before"]


@dataclass(frozen=True)
class Reason:
    """Why a stage is stale: what kind of thing changed, and which."""

    kind: Kind
    what: str

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True)
class Stage:
    """A stage by name: `depends_on` is what its key is made of, `settings` the parts of the config that it looks at."""

    config: Config
    name: str
    depends_on: dict[str, Any]
    settings: dict[str, Any]

    def is_fresh(self) -> bool:
        """Tell whether the stage ran with this very key, and each of its outputs is still there, unaltered."""
        return not self.reasons()

    def reasons(self) -> list[Reason]:
        """Return why the stage is to be repeated; nothing where it is fresh."""
        known = read_json(_record(self.config, self.name))
        if known is None or not isinstance(known.get("outputs"), dict):
            return [Reason("never", "it has not run yet")]
        changed = []
        if known.get("key") != self._key:
            changed = list(self._changes(known.get("facts") or {})) or [Reason("config", "what it depends on changed")]
        return [*changed, *_touched(known["outputs"])]

    def record(self, outputs: Mapping[str, str]) -> None:
        """Note that the stage wrote these outputs (path → sha256), so that unchanged work is not repeated."""
        write_json(_record(self.config, self.name), {"key": self._key, "facts": self._facts, "outputs": dict(outputs)})

    @property
    def _key(self) -> str:
        return sha256_json({**self.depends_on, "paths": self._paths, "code": code_version()})

    @property
    def _paths(self) -> dict[str, Any]:
        return self.config.paths.model_dump(mode="json")

    @property
    def _facts(self) -> dict[str, Any]:
        """Hashes, not values: an address of a store may hold a password."""
        tree = {**self.settings, "paths": self._paths}
        settings = {key: sha256_json(value)[:16] for key, value in _flat(tree)}
        return {"data": sha256_json(self._data), "code": code_version(), "settings": settings}

    @property
    def _data(self) -> dict[str, Any]:
        return {key: value for key, value in self.depends_on.items() if key not in ("config", "mlflow")}

    def _changes(self, known: Mapping[str, Any]) -> Iterator[Reason]:
        now, before = self._facts, known.get("settings") or {}
        if known.get("data") != now["data"]:
            yield Reason("data", f"{_READ.get(self.name, 'the dataset')} changed")
        settings = now["settings"]
        keys = sorted({_shown(key) for key in {*settings, *before} if settings.get(key) != before.get(key)})
        if keys:
            shown = ", ".join(keys[:8]) + (f" and {len(keys) - 8} more" if len(keys) > 8 else "")
            yield Reason("config", f"the config changed: {shown}")
        if known.get("code") != now["code"]:
            yield Reason("code", "tabtrail's own code changed")


def has_run(config: Config, name: str) -> bool:
    """Tell whether a stage was ever finished."""
    return _record(config, name).is_file()


def ingest_stage(config: Config, manifest: Manifest | None = None) -> Stage:
    """Return the stage from the source files, as they lie there or as an ingest just read them, to the dataset."""
    dropping = ("profile",) if config.profile.outliers.action == "drop" else ()
    tree = _sections(config, *_INGEST, *dropping)
    model = {
        key: value for key, value in _sections(config, "model")["model"].items() if key.endswith("features") or key == "target"
    }
    known = source_key(config) if manifest is None else ingested_key(manifest)
    return Stage(config, "ingest", known, {**tree, "model": model})


def eda_stage(config: Config, manifest: Manifest) -> Stage:
    """Return the stage from the dataset to database and summaries."""
    known = {"data": manifest.data_sha256, "config": config.digest(*_EDA), "synthetic": manifest.synthetic}
    return Stage(config, "eda", known, _sections(config, *_EDA))


def profile_stage(config: Config, manifest: Manifest) -> Stage:
    """Return the stage from the dataset to its description."""
    known = {"data": manifest.data_sha256, "config": config.digest(*_PROFILE)}
    return Stage(config, "profile", known, _sections(config, *_PROFILE))


def report_stage(config: Config) -> Stage:
    """Return the stage from the results of the others to the page for people."""
    shown = [leaderboard_path(config), shap_path(config), config.paths.manifest]
    shown += [profile_files(config.paths.output_dir)[0], *benchmark_table_files(config.paths.output_dir).values()]
    shown += sorted((config.paths.output_dir / "timeseries").glob("*.json"))
    known = {
        "shown": {str(path): sha256_file(path) for path in shown if path.is_file()},
        "config": config.digest("profile", "report"),
        "mlflow": config.mlflow.model_dump(),
        "templates": sha256_folder(Path(__file__).parents[1] / "report" / "templates", "*"),
    }
    return Stage(config, "report", known, _sections(config, *_REPORT))


def train_stage(config: Config, manifest: Manifest) -> Stage:
    """Return the stage from the dataset to leaderboard and bundle. `config` has the tuned candidates, where there are any."""
    known = {
        "data": manifest.data_sha256,
        "config": config.digest(),
        "mlflow": config.mlflow.model_dump(),
        "synthetic": manifest.synthetic,
    }
    return Stage(config, "train", known, _sections(config, *_TRAIN))


def train_reasons(config: Config, stage: Stage) -> list[Reason]:
    """Return why training is to be repeated: as its stage says, or because store, leaderboard or deployed bundle are gone.

    What is deployed is no result of the stage, so that a promotion or rollback stands; a damaged bundle is put back, though.
    """
    found = stage.reasons()
    if [reason.kind for reason in found] == ["never"]:
        return found
    if read_json(leaderboard_path(config)) is None and not any(reason.kind == "missing" for reason in found):
        found.append(Reason("missing", f"{leaderboard_path(config)} cannot be read"))
    if said := _store_complaint(config):
        found.append(Reason("store", said))
    try:
        load_bundle(config.paths.models_dir, config.model.name, config.bundle.public_key)
    except BundleError as error:
        found.append(Reason("bundle", str(error)))
    return found


def tuned_candidates(config: Config) -> dict[str, Any]:
    """Return the candidates that `tabtrail tune` found, by name."""
    return dict((read_json(tuned_path(config)) or {}).get("candidates", {}))


def eda_outputs(config: Config) -> dict[str, str]:
    """Return the files that summaries and database leave, with their sha256."""
    return {
        str(path): sha256_file(path)
        for path in (config.paths.duckdb_file, *summary_files(config.aggregations, config.paths.output_dir))
    }


def _record(config: Config, name: str) -> Path:
    return config.paths.output_dir / ".stages" / f"{name}.json"


def _touched(outputs: Mapping[str, str]) -> Iterator[Reason]:
    for path, digest in outputs.items():
        if not Path(path).is_file():
            yield Reason("missing", f"{path} is missing")
        elif sha256_file(Path(path)) != digest:
            yield Reason("altered", f"{path} was altered")


def _store_complaint(config: Config) -> str:
    """Return what is wrong with the MLflow store at a glance; empty where nothing is, or it is a server."""
    file = config.mlflow.sqlite_file
    if file is None:
        return ""
    if not file.is_file():
        return "the MLflow store is gone"
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("SELECT count(*) FROM runs").fetchone()
    except sqlite3.OperationalError as error:
        # What else may be is the journal of a killed process, which whoever writes plays back.
        return "the MLflow store has no runs" if "no such table" in str(error) else ""
    except sqlite3.DatabaseError as error:
        return f"the MLflow store is damaged ({error}); `tabtrail doctor` says what to do"
    return ""


def _sections(config: Config, *names: str) -> dict[str, Any]:
    return dict(json.loads(config.model_dump_json(include=set(names))))


def _shown(key: str) -> str:
    """Return the key of a setting as the user knows it: a candidate as a whole, whatever of it changed."""
    return ".".join(key.split(".")[:2]) if key.startswith("candidates.") else key


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
