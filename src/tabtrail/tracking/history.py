"""What was deployed when, by whom and why: one MLflow run a model, an artifact for every entry, never changed again.

Two machines may write the same entry at once. Each sends an artifact of its own, which counts from the moment in which the run's
parameter of that number holds its sha256: whatever the store, its database lets a parameter be written once and no second time.
"""

import getpass
import json
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

import polars as pl
from mlflow.exceptions import MlflowException

from tabtrail.config.operation import Mlflow
from tabtrail.errors import ConflictError
from tabtrail.system.temporary import scratch_folder
from tabtrail.tracking.artifacts import download_folder, log_text, remove_unfinished
from tabtrail.tracking.entries import CLAIM, FOLDER, Deployed, Entry, entry_name, only_begun, read_entries
from tabtrail.tracking.refusals import store_errors
from tabtrail.tracking.runs import log_metrics, start_run
from tabtrail.tracking.sqlite_file import HISTORY_SUFFIX
from tabtrail.tracking.store import Store, find_store, open_store
from tabtrail.tracking.tags import TAG, MetricItem

WITHDRAWN = "withdrawn"
_IDENTITY = ("model", "run_id", "version", "bundle_sha256")
OWN_METRICS = ("cv_rmse", "cv_mae", "test_rmse", "test_mae", "interval_coverage")
_METRICS = ("champion_rmse", "challenger_rmse", "difference", "low", "high")


@dataclass(frozen=True)
class Place:
    """Where the history of a model lies: an MLflow store, and the name of the model in an experiment of its own."""

    mlflow: Mlflow
    model: str

    @property
    def own(self) -> Mlflow:
        """The store with the experiment of the histories, which is one beside that of the runs."""
        return self.mlflow.of(self.mlflow.experiment + HISTORY_SUFFIX)


@dataclass(frozen=True)
class Change:
    """What changes in what is deployed. `verdict` is the gate's, `metrics` are the new model's own (RMSE and MAE in units of the
    target).

    Actions: `first` (there was none), `automatic` (after a training), `promote`, `rollback`, `restore` (the deployed files were
    damaged), `found` (the files had been exchanged by other means) and `withdrawn` (the change before could not be made).
    """

    action: str
    before: Deployed | None
    after: Deployed
    reason: str
    forced: bool = False
    verdict: dict[str, Any] | None = None
    metrics: dict[str, float] = field(default_factory=dict)


def read_history(place: Place) -> list[Entry]:
    """Return every entry, oldest first. Raises `StoreError` where one is missing or was changed."""
    store = find_store(place.own)
    if store is None:
        return []
    with store_errors(store.uri), scratch_folder() as folder:
        run = _find(store, place.model)
        if run is None:
            return []
        return read_entries(download_folder(store, run.info.run_id, FOLDER, Path(folder)), run.data.params)


def append_entry(place: Place, change: Change) -> Entry:
    """Write the next entry and return it; callers hold the lock of the deployment, which is this machine's.

    Raises `ConflictError` where another machine wrote it first, or one since `change.before` was read; its entry counts then.
    """
    entries = read_history(place)
    if change.before is not None and entries and entries[-1].after.bundle_sha256 != change.before.bundle_sha256:
        raise _conflict(place.model)
    entry = Entry(
        number=len(entries) + 1,
        when=datetime.now(UTC).isoformat(timespec="milliseconds"),
        who=_who(),
        previous_sha256=entries[-1].sha256 if entries else "",
        # Once through JSON, so that what is hashed is what is read back.
        **{**vars(change), "verdict": json.loads(json.dumps(change.verdict))},
    )
    store = open_store(place.own)
    with store_errors(store.uri):
        run_id = _run_of(store, place.model)
        text = json.dumps({**entry.to_dict(), "sha256": entry.sha256}, indent=2) + "\n"
        # As one artifact, which MLflow moves into its place whole; a folder of them it copies file by file.
        log_text(store, run_id, text, f"{FOLDER}/{entry_name(entry.number, entry.sha256)}")
        _claim(store, run_id, place.model, entry)
        remove_unfinished(store.client.get_run(run_id).info.artifact_uri)
        figures = (entry.verdict or {}).get("comparison") or {}
        measured = {**{key: figures[key] for key in _METRICS if key in figures}, **entry.metrics}
        log_metrics(store, run_id, [MetricItem(key, value, entry.number) for key, value in measured.items()])
        store.client.set_terminated(run_id)
    return entry


def history_table(entries: Sequence[Entry], name: str) -> pl.DataFrame:
    """Return one row an entry of the model `name`: number, at_utc, who, action, `before_` and `after_` (model, run_id, version,
    …), figures, why, name.
    """
    rows = []
    for entry in entries:
        figures = (entry.verdict or {}).get("comparison") or {}
        before, after = ({} if each is None else asdict(each) for each in (entry.before, entry.after))
        rows.append(
            {
                "number": entry.number,
                "at_utc": datetime.fromisoformat(entry.when).replace(tzinfo=None),
                "who": entry.who,
                "action": entry.action,
                **{f"{side}_{key}": each.get(key) for side, each in (("before", before), ("after", after)) for key in _IDENTITY},
                "reason": entry.reason,
                "forced": entry.forced,
                "gate_reasons": json.dumps((entry.verdict or {}).get("reasons", [])),
                "metric": figures.get("metric", "rmse")
                if figures
                else None,  # the first entries were by RMSE, and do not name it
                **{key: figures.get(key) for key in _METRICS},
                **{f"after_{key}": entry.metrics.get(key) for key in OWN_METRICS},
                "sha256": entry.sha256,
                "name": name,
            }
        )
    text = dict.fromkeys((*(f"before_{key}" for key in _IDENTITY), *(f"after_{key}" for key in _IDENTITY), "metric"), pl.String)
    return pl.DataFrame(
        rows,
        schema_overrides={**text, **dict.fromkeys((*_METRICS, *(f"after_{key}" for key in OWN_METRICS)), pl.Float64)},
        infer_schema_length=None,
    )


def standing(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries without those of changes that were withdrawn, as they could not be made."""
    return [entry for entry, after in zip_longest(entries, entries[1:]) if after is None or after.action != WITHDRAWN]


def stack(entries: list[Entry]) -> list[Deployed]:
    """Return what a rollback goes back through: the bundles that led to the one deployed now, which is the last."""
    models: list[Deployed] = []
    for entry in standing(entries):
        hashes = [each.bundle_sha256 for each in models]
        if entry.action == "rollback" and entry.after.bundle_sha256 in hashes:
            last = len(hashes) - hashes[::-1].index(entry.after.bundle_sha256)
            models = models[:last]
        elif not models or hashes[-1] != entry.after.bundle_sha256:
            models.append(entry.after)
    return models


def _find(store: Store, name: str) -> Any:
    """Return the run of a model's history, None where there is none. Raises `StoreError` where two runs have entries."""
    found = store.client.search_runs([store.experiment_id], f"tags.`{TAG}model` = '{name}'", order_by=["attributes.start_time"])
    begun = only_begun(name, {str(each.info.run_id): each.data.params for each in found})
    return next((each for each in found if begun in (None, each.info.run_id)), None)


def _run_of(store: Store, name: str) -> str:
    """Return the id of the run of a model's history, of a new one where there is none: of two that begin at once, the first."""
    if _find(store, name) is None:
        start_run(store, f"promotions of {name}", {TAG + "kind": "promotions", TAG + "model": name})
    return str(_find(store, name).info.run_id)


def _claim(store: Store, run_id: str, model: str, entry: Entry) -> None:
    try:
        store.client.log_param(run_id, f"{CLAIM}{entry.number:06}", entry.sha256)
    except MlflowException as error:
        if error.error_code != "INVALID_PARAMETER_VALUE":
            raise
        raise _conflict(model) from None


def _conflict(model: str) -> ConflictError:
    return ConflictError(
        f"what is deployed of {model} was changed from another machine meanwhile; that counts (`tabtrail history`), and this"
        " command deployed nothing; run it again if it is still wanted"
    )


def _who() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container without a name for its user
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
