"""Predictions and their inputs as Parquet files, for later questions about drift. A thread writes them, never a request."""

import logging
import threading
import time
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tabtrail.bundle.logged import INPUT, REQUEST, ROW, RUN, TIME, file_name, label_files, log_files
from tabtrail.bundle.predictor import Prediction
from tabtrail.config.operation import Serve
from tabtrail.contract.schema import Feature, ModelSchema
from tabtrail.errors import TabtrailError
from tabtrail.serving.models import Served
from tabtrail.serving.prometheus import Counters
from tabtrail.system.files import atomic_file, make_folder

logger = logging.getLogger("tabtrail.serve")
_Entry = tuple[int, str, Served, list[Prediction]]


class PredictionLog:
    """Collects rows and writes them when they fill a file or are old enough. While ten files' worth of rows wait for the disk,
    further rows are left out and counted.
    """

    def __init__(self, settings: Serve, counters: Counters) -> None:
        assert settings.prediction_log_dir is not None  # noqa: S101 - made only where it is configured
        self._folder = settings.prediction_log_dir
        make_folder(self._folder)
        self._settings, self._counters = settings, counters
        self._lock = threading.Lock()
        self._entries: list[_Entry] = []
        self._rows = self._left_out = 0
        self._files = 0
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="prediction-log", daemon=True)

    def offer(self, request_id: str, served: Served, predictions: list[Prediction]) -> None:
        """Take predictions that were answered, without waiting for the disk."""
        with self._lock:
            if self._rows > 10 * self._settings.prediction_log_rows:
                self._counters.log_rows.labels("left_out").inc(len(predictions))
                self._left_out += len(predictions)
                return
            self._entries.append((time.time_ns(), request_id, served, predictions))
            self._rows += len(predictions)
            full = self._rows >= self._settings.prediction_log_rows
        if full:
            self._wake.set()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is left and end the thread."""
        self._stopping = True
        self._wake.set()
        self._thread.join(30)

    def _work(self) -> None:
        while not self._stopping:
            self._wake.wait(self._settings.prediction_log_seconds)
            self._wake.clear()
            self._flush()
        self._flush()

    def _flush(self) -> None:
        with self._lock:
            entries, self._entries, rows, self._rows = self._entries, [], self._rows, 0
            left_out, self._left_out = self._left_out, 0
        if left_out:
            logger.warning("the prediction log is behind: %s rows were left out", left_out)
        by_model: dict[int, list[_Entry]] = {}
        for entry in entries:
            by_model.setdefault(id(entry[2]), []).append(entry)
        try:
            for group in by_model.values():
                self._write(group)
            self._rotate()
        except (TabtrailError, OSError) as error:
            self._counters.log_rows.labels("lost").inc(rows)
            logger.warning("the prediction log cannot be written: %s", type(error).__name__)
        else:
            self._counters.log_rows.labels("written").inc(rows)

    def _write(self, entries: list[_Entry]) -> None:
        self._files += 1
        with atomic_file(self._folder / file_name("predictions", self._files)) as temporary:
            pq.write_table(log_table(entries), temporary, compression="zstd")

    def _rotate(self) -> None:
        for files in (log_files(self._folder), label_files(self._folder)):
            for path in files[: max(len(files) - self._settings.prediction_log_files, 0)]:
                path.unlink(missing_ok=True)


def log_table(entries: list[_Entry]) -> Any:
    """Return the rows of one model: time (UTC), request_id, row (in the request, from 1), mlflow_run_id, prediction, low, high,
    unseen, then the inputs.
    """
    schema: ModelSchema = entries[0][2].schema
    rows = [
        (time_ns, request_id, row, each)
        for time_ns, request_id, _, predictions in entries
        for row, each in enumerate(predictions, 1)
    ]
    found = [each for *_, each in rows]
    columns: dict[str, Any] = {
        TIME: pa.array([time_ns // 1000 for time_ns, *_ in rows], pa.timestamp("us", "UTC")),
        REQUEST: pa.array([request_id for _, request_id, *_ in rows], pa.string()),
        ROW: pa.array([row for *_, row, _ in rows], pa.int32()),
        RUN: pa.array([entries[0][2].run_id] * len(rows), pa.string()),
        "prediction": pa.array([each.value for each in found], pa.float64()),
        "low": pa.array([each.interval.low if each.interval else None for each in found], pa.float64()),
        "high": pa.array([each.interval.high if each.interval else None for each in found], pa.float64()),
        "unseen": pa.array([list(each.unseen) for each in found], pa.list_(pa.string())),
    }
    for feature in schema.features:
        columns[INPUT + feature.name] = pa.array([each.inputs[feature.name] for each in found], _arrow_type(feature))
    return pa.table(columns)


def _arrow_type(feature: Feature) -> Any:
    return pa.float64() if feature.kind == "numeric" else pa.string()
