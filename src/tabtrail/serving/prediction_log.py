"""Predictions and their inputs as Parquet files, for later questions about drift. A thread writes them, never a request."""

import logging
import threading
import time
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tabtrail.bundle.logged import INPUT, KEY, OTHER, OTHER_RUN, REQUEST, ROW, RUN, TIME, file_name, label_files, log_files
from tabtrail.config.operation import Serve
from tabtrail.contract.schema import Feature, ModelSchema
from tabtrail.errors import TabtrailError
from tabtrail.serving.prometheus import Counters
from tabtrail.serving.shadow import Answered, Other
from tabtrail.system.files import atomic_file, make_folder

logger = logging.getLogger("tabtrail.serve")


@dataclass(frozen=True)
class Entry:
    """What one model answered at a time (in nanoseconds since 1970-01-01, UTC), and what the other one predicts for it."""

    time_ns: int
    answered: Answered
    other: Other | None = None


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
        self._entries: list[Entry] = []
        self._rows = self._left_out = 0
        self._files = 0
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="prediction-log", daemon=True)

    def offer(self, answered: Answered, other: Other | None = None) -> None:
        """Take predictions that were answered, without waiting for the disk."""
        predictions = answered.predictions
        with self._lock:
            if self._rows > 10 * self._settings.prediction_log_rows:
                self._counters.log_rows.labels("left_out").inc(len(predictions))
                self._left_out += len(predictions)
                return
            self._entries.append(Entry(time.time_ns(), answered, other))
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
        by_model: dict[int, list[Entry]] = {}
        for entry in entries:
            by_model.setdefault(id(entry.answered.served), []).append(entry)
        try:
            for group in by_model.values():
                self._write(group)
            self._rotate()
        except (TabtrailError, OSError) as error:
            self._counters.log_rows.labels("lost").inc(rows)
            logger.warning("the prediction log cannot be written: %s", type(error).__name__)
        else:
            self._counters.log_rows.labels("written").inc(rows)

    def _write(self, entries: list[Entry]) -> None:
        self._files += 1
        with atomic_file(self._folder / file_name("predictions", self._files)) as temporary:
            pq.write_table(log_table(entries), temporary, compression="zstd")

    def _rotate(self) -> None:
        for files in (log_files(self._folder), label_files(self._folder)):
            for path in files[: max(len(files) - self._settings.prediction_log_files, 0)]:
                path.unlink(missing_ok=True)


def log_table(entries: list[Entry]) -> Any:
    """Return the rows of one model: time (UTC), request_id, row (in the request, from 1), mlflow_run_id, prediction, low, high,
    unseen, then the inputs. Where the traffic is parted also other_run_id and other_prediction, what the other model predicts,
    and key, the hash by which it is parted.
    """
    served = entries[0].answered.served
    schema: ModelSchema = served.schema
    rows = [(entry, place, each) for entry in entries for place, each in enumerate(entry.answered.predictions)]
    found = [each for *_, each in rows]
    shares = [entry.answered.share for entry, *_ in rows]
    columns: dict[str, Any] = {
        TIME: pa.array([entry.time_ns // 1000 for entry, *_ in rows], pa.timestamp("us", "UTC")),
        REQUEST: pa.array([entry.answered.request_id for entry, *_ in rows], pa.string()),
        ROW: pa.array(
            [place + 1 if share is None else share.rows[place] for share, (_, place, _) in zip(shares, rows, strict=True)],
            pa.int32(),
        ),
        RUN: pa.array([served.run_id] * len(rows), pa.string()),
        "prediction": pa.array([each.value for each in found], pa.float64()),
        "low": pa.array([each.interval.low if each.interval else None for each in found], pa.float64()),
        "high": pa.array([each.interval.high if each.interval else None for each in found], pa.float64()),
        "unseen": pa.array([list(each.unseen) for each in found], pa.list_(pa.string())),
    }
    if any(share is not None for share in shares):
        others = [(entry.other, place) for entry, place, _ in rows]
        columns[OTHER_RUN] = pa.array([None if each is None else each.run_id for each, _ in others], pa.string())
        columns[OTHER] = pa.array([None if each is None else each.values[place] for each, place in others], pa.float64())
        keys = [None if share is None else share.keys[place] for share, (_, place, _) in zip(shares, rows, strict=True)]
        columns[KEY] = pa.array(keys, pa.string())
    for feature in schema.features:
        columns[INPUT + feature.name] = pa.array([each.inputs[feature.name] for each in found], _arrow_type(feature))
    return pa.table(columns)


def _arrow_type(feature: Feature) -> Any:
    return pa.float64() if feature.kind == "numeric" else pa.string()
