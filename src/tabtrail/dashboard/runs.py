"""The trainings in the MLflow store, asked for in a process of its own: MLflow takes 200 MB, which a dashboard would keep."""

import json
import os
import subprocess
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
import polars as pl

from tabtrail.config.operation import Mlflow
from tabtrail.dashboard.figures import bars
from tabtrail.dashboard.wording import shown
from tabtrail.modeling.metrics import METRICS
from tabtrail.system.addresses import without_passwords, without_user

SECONDS = 120
"""That the answer may take: starting MLflow takes 3 CPU seconds, and took more than 40 s on two cores with twenty busy processes.
A server that is away is told sooner, by the variables below."""
_IN_SECONDS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "8", "PGCONNECT_TIMEOUT": "5"}
"""A page says within seconds that a server is away; a training waits longer for it."""
_SCHEMA = {
    "started": pl.String,
    "of": pl.String,
    "state": pl.String,
    "champion": pl.String,
    "metric": pl.String,
    "value": pl.Float64,
    "candidates": pl.Int64,
    "seconds": pl.Float64,
    "who": pl.String,
    "commit": pl.String,
    "deployed": pl.Boolean,
    "run": pl.String,
    "link": pl.String,
}
_MOST_DRAWN = 40
_LABELS = {each.mlflow_name: each.label for each in METRICS.values()} | {each.name: each.label for each in METRICS.values()}


@dataclass(frozen=True)
class Trainings:
    """The trainings as `tabtrail runs --format json` has them, newest first; `problem` says why there are none to show."""

    found: tuple[dict[str, Any], ...] = ()
    problem: str = ""


def ask_trainings(words: Sequence[str], seconds: float = SECONDS) -> Trainings:
    """Return what the store holds. `words` name the config for a command. A store that does not answer is a problem, not an
    error: the rest of the page can be shown without it.
    """
    command = [sys.executable, "-m", "tabtrail", "runs", "--format=json", *words]
    variables = {**_IN_SECONDS, **os.environ}
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            command, stdin=subprocess.DEVNULL, capture_output=True, env=variables, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return Trainings(problem=f"the MLflow store did not answer within {seconds:g} s")
    except OSError as error:
        return Trainings(problem=f"the store cannot be asked: {error.strerror}")
    if done.returncode:
        return Trainings(problem=_message(done.stderr.decode("utf-8", "replace")) or f"it ended with code {done.returncode}")
    try:
        return Trainings(tuple(json.loads(done.stdout)))
    except ValueError:
        return Trainings(problem="what `tabtrail runs --format json` printed cannot be read")


def trainings_frame(trainings: Sequence[dict[str, Any]], deployed: Collection[str]) -> pl.DataFrame:
    """Return a row for each training: started (UTC), of, state, champion, metric, value (of the champion), candidates, seconds,
    who, commit, deployed (whether the model in use is of it), run, link.
    """
    rows = [
        {
            **{name: each[name] for name in ("of", "state", "champion", "value", "seconds", "who", "link")},
            "started": each["started"][:19].replace("T", " "),
            "metric": metric_label(each["metric"]),
            "candidates": len(each["candidates"]),
            "commit": each["commit"][:10],
            "deployed": any(run in deployed for run in (each["run_id"], *(one["run_id"] for one in each["candidates"]))),
            "run": each["run_id"],
        }
        for each in trainings
    ]
    return pl.DataFrame(rows, schema=_SCHEMA)


def candidates_frame(training: dict[str, Any]) -> pl.DataFrame:
    """Return a row for each candidate of a training, best first: candidate, state, value (in the metric of the training), run,
    link.
    """
    schema = {"candidate": pl.String, "state": pl.String, "value": pl.Float64, "run": pl.String, "link": pl.String}
    rows = [
        {"candidate": each["name"], "run": each["run_id"], **{name: each[name] for name in ("state", "value", "link")}}
        for each in training["candidates"]
    ]
    return pl.DataFrame(rows, schema=schema)


def candidates_figure(training: dict[str, Any]) -> go.Figure | None:
    """Return the candidates of a training as bars, best first; None where no value is known."""
    known = candidates_frame(training).filter(pl.col("value").is_not_null())
    if not known.height:
        return None
    metric, drawn = metric_label(training["metric"]), known.head(_MOST_DRAWN)
    first, last = drawn.row(0, named=True), drawn.row(-1, named=True)
    told = f"{metric} of {known.height} candidates: best {first['candidate']} with {shown(first['value'])}"
    told += f", last {last['candidate']} with {shown(last['value'])}." if drawn.height > 1 else "."
    told += f" The best {_MOST_DRAWN} are drawn." if known.height > drawn.height else ""
    return bars(drawn["candidate"].to_list(), drawn["value"].to_list(), f"Candidates by {metric}", told, unit=metric)


def metric_label(name: str) -> str:
    """Return a metric of MLflow as people call it: cv_root_mean_squared_error is the RMSE over the folds."""
    prefix, _, own = name.partition("_")
    where = {"cv": " over the folds", "origins": " over the origins", "test": " on the test part"}.get(prefix)
    return name if where is None else _LABELS.get(own, own.upper()) + where


def server_page(mlflow: Mlflow) -> str | None:
    """Return the address of MLflow's pages, where a server has them."""
    uri = mlflow.tracking_uri
    return without_user(uri) if uri.startswith(("http://", "https://")) else None


def pages_command(mlflow: Mlflow) -> str:
    """Return the command that shows MLflow's pages of a file or a database; a password in its address is left out."""
    return f"mlflow ui --backend-store-uri {without_passwords(mlflow.tracking_uri)}"


def _message(text: str) -> str:
    """Return the error that a command printed, without what it says of its progress."""
    lines = text.strip().splitlines()
    starts = [place for place, line in enumerate(lines) if line.startswith("error: ")]
    return "\n".join(lines[starts[-1] :]).removeprefix("error: ") if starts else "\n".join(lines[-1:])
