"""`tabtrail serve`: the service in one process or several that share a port, with logs in JSON."""

import json
import logging
import math
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import uvicorn
from fastapi import FastAPI

from tabtrail.config.operation import Serve
from tabtrail.errors import require_extra
from tabtrail.serving.prometheus import SHARED_FOLDER
from tabtrail.serving.protocol import BoundedProtocol
from tabtrail.serving.state import read_key
from tabtrail.serving.workers import DrainingServer, Workers
from tabtrail.system.files import require_writable
from tabtrail.system.ports import require_free
from tabtrail.system.temporary import scratch_folder


def run(app: Callable[[], FastAPI], settings: Serve) -> None:
    """Serve an app until SIGINT or SIGTERM; requests that came in are then answered, within `drain_seconds`.

    With several workers each of them calls `app`, which must be picklable. Raises `ConfigError` for a key that cannot be read,
    `TabtrailError` for an address or a log folder that cannot be used.
    """
    read_key(settings)
    if settings.jobs:
        require_extra("train", "filelock", "polars", "mlflow")
    if settings.prediction_log_dir is not None:
        require_extra("arrow", "pyarrow")
        require_writable(settings.prediction_log_dir)
    require_free(settings.host, settings.port)
    server = uvicorn.Config(
        app,
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        http=partial(BoundedProtocol, settings=settings),  # type: ignore[arg-type]
        ws="none",
        log_config=log_config(access=settings.access_log),
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here asks where a request came from
        timeout_graceful_shutdown=math.ceil(settings.drain_seconds),
    )
    listening = server.bind_socket()
    if settings.workers == 1:
        DrainingServer(server).run([listening])
        return
    with _shared_counters():
        Workers(server, listening, settings).run()


@contextmanager
def _shared_counters() -> Iterator[None]:
    """Name a folder for the counters of all workers in the environment, where prometheus_client looks for it, for a while."""
    before = os.environ.get(SHARED_FOLDER)
    with scratch_folder() as folder:
        os.environ[SHARED_FOLDER] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ[SHARED_FOLDER]
            else:
                os.environ[SHARED_FOLDER] = before


def log_config(*, access: bool) -> dict[str, Any]:
    """Return the logging of a worker: one JSON object a line, on stderr."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonLines}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
        "loggers": {
            "uvicorn": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
            "tabtrail": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
            "tabtrail.access": {"level": "INFO" if access else "WARNING"},
        },
    }


class JsonLines(logging.Formatter):
    """A record as one line of JSON. Of an exception it holds type and place, but not the words, which may hold data."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{record.msecs:03.0f}",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0]:
            line["exception"] = record.exc_info[0].__name__
            line["where"] = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(record.exc_info[2])]
        return json.dumps(line)
