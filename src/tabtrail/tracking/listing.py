"""The trainings that a store holds, newest first, each with its candidates: what a list of runs shows, as plain data."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from mlflow.utils.mlflow_tags import (
    MLFLOW_EXPERIMENT_PRIMARY_METRIC_GREATER_IS_BETTER,
    MLFLOW_EXPERIMENT_PRIMARY_METRIC_NAME,
)

from tabtrail.config.operation import Mlflow
from tabtrail.system.addresses import without_user
from tabtrail.tracking.refusals import store_errors
from tabtrail.tracking.store import Store, find_store
from tabtrail.tracking.tags import BUNDLE, COMPLETE, TAG

MOST = 20  # trainings that are listed where nothing else is asked for: what a page shows at once
_PAGE = 200
_MOST_RUNS = 4000  # that are looked at: a sweep over segments leaves thousands beside the trainings
_PARENT, _COMMIT, _USER = "mlflow.parentRunId", "mlflow.source.git.commit", "mlflow.user"
_NAMES = {"benchmark": "rows", "demand": "series"}


@dataclass(frozen=True)
class ListedCandidate:
    """A candidate of a training: its run, and what it reached in the metric of the choice (None where it did not finish)."""

    run_id: str
    name: str
    state: str
    value: float | None
    link: str | None


@dataclass(frozen=True)
class ListedRun:
    """A training. `of` is rows or series, `state` is complete, running, failed or killed, `started` is UTC (ISO 8601), `seconds`
    is None while it runs. `value` is the champion's in `metric`, as MLflow names it. `link` leads to its page on the server; None
    where the store is a file or a database, which has no pages of its own.
    """

    run_id: str
    name: str
    of: str
    state: str
    started: str
    seconds: float | None
    who: str
    commit: str
    version: str
    champion: str
    metric: str
    value: float | None
    has_bundle: bool
    candidates: tuple[ListedCandidate, ...]
    link: str | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class _Metric:
    """A metric by MLflow's name, and whether more is better."""

    name: str
    greater: bool = False


def list_trainings(mlflow: Mlflow, most: int = MOST) -> list[ListedRun]:
    """Return the newest trainings of the experiment; none where there is no store yet. Raises `StoreError` for one that does
    not answer.
    """
    store = find_store(mlflow, files=False)
    if store is None:
        return []
    with store_errors(store.uri):
        experiment = store.client.get_experiment(store.experiment_id)
        named = str(experiment.tags.get(MLFLOW_EXPERIMENT_PRIMARY_METRIC_NAME, ""))
        metric = _Metric(named, experiment.tags.get(MLFLOW_EXPERIMENT_PRIMARY_METRIC_GREATER_IS_BETTER) == "True")
        children: dict[str, list[Any]] = {}
        found: list[Any] = []
        for run in _newest(store):
            # Candidates begin no earlier than their training, so that those of all that are listed were met by now.
            if len(found) == most and run.info.start_time < found[-1].info.start_time:
                break
            if _PARENT in run.data.tags:
                children.setdefault(run.data.tags[_PARENT], []).append(run)
            elif _kind(run) is not None and len(found) < most:
                found.append(run)
    return [_listed(store, run, children.get(str(run.info.run_id), []), metric) for run in found]


def page_of(uri: str, experiment_id: str, run_id: str = "") -> str | None:
    """Return the address of a run's page, or of its experiment's, on an MLflow server, without user and password; None for a
    store without a server.
    """
    if not uri.startswith(("http://", "https://")):
        return None
    return f"{without_user(uri).rstrip('/')}/#/experiments/{experiment_id}/runs" + (f"/{run_id}" if run_id else "")


def _newest(store: Store) -> Iterator[Any]:
    token, seen = None, 0
    while seen < _MOST_RUNS:
        page = store.client.search_runs(
            [store.experiment_id], order_by=["attributes.start_time DESC"], max_results=_PAGE, page_token=token
        )
        yield from page
        token, seen = page.token, seen + len(page)
        if not token:
            return


def _kind(run: Any) -> str | None:
    """Return the kind of a training's run, None for another one. It is tagged at its end, and before that has its name alone."""
    kind = run.data.tags.get(TAG + "kind") or str(run.info.run_name).partition(" ")[0]
    return kind if kind in _NAMES else None


def _listed(store: Store, run: Any, children: list[Any], primary: _Metric) -> ListedRun:
    tags, info = run.data.tags, run.info
    metric = _metric_of(run, primary)
    return ListedRun(
        run_id=str(info.run_id),
        name=str(info.run_name),
        of=_NAMES[str(_kind(run))],
        state=_state(run),
        started=datetime.fromtimestamp(info.start_time / 1000, UTC).isoformat(timespec="seconds"),
        seconds=None if info.end_time is None else round((info.end_time - info.start_time) / 1000, 1),
        who=tags.get(_USER, ""),
        commit=tags.get(_COMMIT, ""),
        version=tags.get(TAG + "version", ""),
        champion=tags.get(TAG + "champion", ""),
        metric=metric.name,
        value=run.data.metrics.get(metric.name),
        has_bundle=BUNDLE in tags,
        candidates=tuple(_candidates(store, children, metric)),
        link=page_of(store.uri, store.experiment_id, str(info.run_id)),
    )


def _metric_of(run: Any, primary: _Metric) -> _Metric:
    """Return the metric that a training is shown by. One that lacks the experiment's of today was chosen by another."""
    usual = _Metric("cv_root_mean_squared_error" if _kind(run) == "benchmark" else "origins_mae")
    return next((each for each in (primary, usual) if each.name in run.data.metrics), primary if primary.name else usual)


def _candidates(store: Store, children: list[Any], metric: _Metric) -> Iterator[ListedCandidate]:
    """Yield the candidates, best first, without the runs of those that were killed and finished in a later one."""
    found = [_candidate(store, each, metric) for each in sorted(children, key=lambda each: _order(each, metric))]
    complete = {each.name for each in found if each.state == "complete"}
    yield from (each for each in found if each.state == "complete" or each.name not in complete)


def _candidate(store: Store, run: Any, metric: _Metric) -> ListedCandidate:
    run_id, name = str(run.info.run_id), run.data.tags.get(TAG + "candidate") or str(run.info.run_name)
    link = page_of(store.uri, store.experiment_id, run_id)
    return ListedCandidate(run_id, name, _state(run), run.data.metrics.get(metric.name), link)


def _order(run: Any, metric: _Metric) -> tuple[bool, float, str]:
    """Best first; those without a value last."""
    value = run.data.metrics.get(metric.name)
    return value is None, (-1 if metric.greater else 1) * (value or 0.0), str(run.info.run_name)


def _state(run: Any) -> str:
    if run.info.status == "FINISHED":
        return "complete" if run.data.tags.get(COMPLETE) == "true" else "cut short"
    return str(run.info.status).lower()
