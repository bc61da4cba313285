"""Runs of an open store: begun, found, filled and ended. Explicit run ids, one batch a run, no fluent state, no autolog."""

import getpass
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import (
    MLFLOW_EXPERIMENT_PRIMARY_METRIC_GREATER_IS_BETTER,
    MLFLOW_EXPERIMENT_PRIMARY_METRIC_NAME,
)

from tabtrail.system.process import is_alive, this_process
from tabtrail.tracking.artifacts import remove_unfinished
from tabtrail.tracking.refusals import store_errors
from tabtrail.tracking.store import Store
from tabtrail.tracking.tags import COMPLETE, KEY, PROCESS, TAG, MetricItem, RunItems

# The runs that this process works on. One that a server which went away could not end still says that it is running, by a process
# that is alive: in a notebook or a service the next training is to continue it.
_at_work: set[str] = set()


@dataclass(frozen=True)
class Run:
    """A run in the store: its id, tags and metrics (of a metric with steps the last), and the address of its artifacts."""

    run_id: str
    tags: dict[str, str]
    metrics: dict[str, float]
    address: str = ""


@contextmanager
def running(
    store: Store,
    name: str,
    tags: dict[str, str],
    *,
    parent: str | None = None,
    started: float | None = None,
    resumed: str | None = None,
) -> Iterator[str]:
    """Yield the id of a new run (or of the one that is resumed), which ends complete, or failed where an exception passes."""
    with store_errors(store.uri):
        run_id = resumed or start_run(store, name, {**tags, PROCESS: this_process()}, parent=parent, started=started)
        if resumed:
            # Its process may have been killed after it had ended the run, in the middle of a file that it added.
            remove_unfinished(store.client.get_run(run_id).info.artifact_uri)
            store.client.update_run(run_id, status="RUNNING")
            store.client.set_tag(run_id, PROCESS, this_process())
        _at_work.add(run_id)
        try:
            yield run_id
        except BaseException as error:
            with suppress(Exception):  # the store itself may be what failed: the first error is the one to report
                finish_run(store, run_id, "FAILED" if isinstance(error, Exception) else "KILLED")
            raise
        finally:
            _at_work.discard(run_id)
        finish_run(store, run_id)


def _who() -> dict[str, str]:
    """Return who made a run and by which program, as MLflow's pages show them."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # an account without a name, as in some containers
        user = "unknown"
    return {"mlflow.user": user, "mlflow.source.name": "tabtrail", "mlflow.source.type": "LOCAL"}


def start_run(store: Store, name: str, tags: dict[str, str], *, parent: str | None = None, started: float | None = None) -> str:
    """Create a run, started now or at a Unix time in seconds, and return its id."""
    own = {"mlflow.runName": name, **_who(), **({"mlflow.parentRunId": parent} if parent else {}), **tags}
    start_time = int((started or time.time()) * 1000)
    return str(store.client.create_run(store.experiment_id, start_time=start_time, tags=own, run_name=name).info.run_id)


def finish_run(store: Store, run_id: str, status: str = "FINISHED") -> None:
    """End a run; a finished one is tagged complete before, the last thing that is said of it.

    Which process worked on it is of interest for as long as it runs.
    """
    if status == "FINISHED":
        store.client.set_tag(run_id, COMPLETE, "true")
    store.client.set_terminated(run_id, status)
    store.client.delete_tag(run_id, PROCESS)


def find_run(store: Store, key: str) -> str | None:
    """Return the newest run with this key that no living process works on: it may be complete, or have been cut short."""
    found = store.client.search_runs([store.experiment_id], f"tags.`{KEY}` = '{key}'", order_by=["attributes.start_time DESC"])
    for run in found:
        if run.info.status != "RUNNING" or not _is_at_work(str(run.info.run_id), run.data.tags.get(PROCESS, "")):
            return str(run.info.run_id)
    return None


def _is_at_work(run_id: str, process: str) -> bool:
    return run_id in _at_work if process == this_process() else is_alive(process)


def read_run(store: Store, run_id: str) -> Run | None:
    """Return a run's tags, None where there is no such run."""
    try:
        found = store.client.get_run(run_id)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
    return _run(found)


def complete_children(store: Store, parent: str) -> dict[str, Run]:
    """Return the complete runs under a parent by the candidate that they hold."""
    children = store.client.search_runs([store.experiment_id], f"tags.`mlflow.parentRunId` = '{parent}'")
    runs = [_run(each) for each in children]
    return {run.tags[TAG + "candidate"]: run for run in runs if run.tags.get(COMPLETE) == "true"}


def close_dead_runs(store: Store) -> int:
    """End as killed the runs that say they are running while their process is gone; return how many.

    Files that it was copying to them are removed.
    """
    running_now = store.client.search_runs([store.experiment_id], "attributes.status = 'RUNNING'")
    dead = [each for each in running_now if PROCESS in each.data.tags and not is_alive(each.data.tags[PROCESS])]
    for each in dead:
        remove_unfinished(each.info.artifact_uri)
        store.client.set_terminated(each.info.run_id, "KILLED")
    return len(dead)


def _run(found: Any) -> Run:
    return Run(str(found.info.run_id), dict(found.data.tags), dict(found.data.metrics), str(found.info.artifact_uri))


@dataclass(frozen=True)
class ModelOn:
    """A logged model and the dataset that metrics were measured on, by which its page and `search_logged_models` know them."""

    model_id: str
    dataset: str
    digest: str


def dataset_link(source: str, sha256: str) -> tuple[str, str]:
    """Return name and digest of a dataset as `log_dataset` notes them."""
    return Path(source).name, sha256[:36]


def log_items(store: Store, run_id: str, items: RunItems, model: ModelOn | None = None) -> None:
    """Send params, metrics (of the model too) and tags in one batch (more where they pass MLflow's limits of a batch)."""
    now = int(time.time() * 1000)
    of_model = (
        {} if model is None else {"model_id": model.model_id, "dataset_name": model.dataset, "dataset_digest": model.digest}
    )
    metrics = [Metric(each.key, each.value, now, each.step, run_id=run_id, **of_model) for each in items.metrics]
    params = [Param(key, value[:6000]) for key, value in items.params.items() if value]
    tags = {**items.tags, **({"mlflow.note.content": items.description} if items.description else {})}
    sent_tags = [RunTag(key, value[:8000]) for key, value in tags.items()]
    store.client.log_batch(run_id, metrics=metrics[:1000], params=params[:100], tags=sent_tags)
    for start in range(1000, len(metrics), 1000):
        store.client.log_batch(run_id, metrics=metrics[start : start + 1000])
    for start in range(100, len(params), 100):
        store.client.log_batch(run_id, params=params[start : start + 100])


def set_primary_metric(store: Store, name: str, *, greater: bool) -> None:
    """Say of the experiment which metric chose, so that MLflow's pages show and sort by it."""
    store.client.set_experiment_tag(store.experiment_id, MLFLOW_EXPERIMENT_PRIMARY_METRIC_NAME, name)
    store.client.set_experiment_tag(store.experiment_id, MLFLOW_EXPERIMENT_PRIMARY_METRIC_GREATER_IS_BETTER, str(greater))


def log_metrics(store: Store, run_id: str, metrics: Sequence[MetricItem]) -> None:
    """Send metrics in one batch."""
    now = int(time.time() * 1000)
    store.client.log_batch(run_id, metrics=[Metric(each.key, each.value, now, each.step) for each in metrics])


def set_tags(store: Store, run_id: str, tags: dict[str, str]) -> None:
    """Set tags of a run in one batch."""
    store.client.log_batch(run_id, tags=[RunTag(key, value[:8000]) for key, value in tags.items()])


@dataclass(frozen=True)
class LoggedData:
    """A dataset as the store names it: the columns that were used, how many rows, the target and where they came from."""

    schema: Mapping[str, pl.DataType]
    rows: int
    target: str
    source: str


def log_dataset(store: Store, run_ids: Sequence[str], data: LoggedData, sha256: str) -> None:
    """Note the dataset that runs used. Its digest is the start of our own fingerprint: MLflow's covers 10,000 rows only."""
    name, digest = dataset_link(data.source, sha256)
    columns = [{"type": _mlflow_type(dtype), "name": name, "required": True} for name, dtype in data.schema.items()]
    dataset = Dataset(
        name=name,
        digest=digest,
        source_type="local",
        source=json.dumps({"uri": data.source}),
        schema=json.dumps({"mlflow_colspec": columns}),
        profile=json.dumps({"num_rows": data.rows, "num_elements": data.rows * len(data.schema), "target": data.target}),
    )
    entity = DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])
    for run_id in run_ids:
        store.client.log_inputs(run_id, [entity])


def _mlflow_type(dtype: pl.DataType) -> str:
    return "long" if dtype.is_integer() else "double" if dtype.is_float() else "datetime" if dtype.is_temporal() else "string"
