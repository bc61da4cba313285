"""A prediction log as the service writes it, without a service."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq

from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.logged import file_name
from tabtrail.bundle.predictor import Predictor
from tabtrail.config.tree import Config
from tabtrail.serving.prediction_log import Entry, log_table
from tabtrail.serving.shadow import Answered


def write_log(
    config: Config, folder: Path, rows: Sequence[Mapping[str, Any]], *, request: str = "r", days_ago: int = 0
) -> list[float]:
    """Write a file of the log with the predictions of rows, all of one request, and return the predictions."""
    predictor = Predictor(load_bundle(config.paths.models_dir, config.model.name))
    found = predictor.predict(rows)
    served: Any = SimpleNamespace(schema=predictor.schema, run_id=predictor.metadata["run_id"])
    folder.mkdir(exist_ok=True)
    path, when = folder / file_name("predictions", time.monotonic_ns() % 10**6), time.time_ns() - days_ago * 86_400 * 10**9
    pq.write_table(log_table([Entry(when, Answered(request, served, found))]), path)
    os.utime(path, ns=(when, when))
    return [each.value for each in found]
