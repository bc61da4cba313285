"""How MLflow behaves in a process: for good in one of our own, for the time of a call in that of whoever uses tabtrail."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # which wait for 12 s together
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",  # of a server that is there but does not answer
    "PGCONNECT_TIMEOUT": "15",  # of a database behind a network that swallows what is sent
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # stdout is for what a command answers
    "MLFLOW_LOGGING_LEVEL": "ERROR",  # importing MLflow sets the level of its loggers from this
}
_LEVELS = {
    **dict.fromkeys(("mlflow", "alembic", "urllib3"), logging.ERROR),
    # With a traceback it logs what it raises too, and what `store_errors` says in one message.
    "mlflow.store.db.utils": logging.CRITICAL,
}


def quiet_mlflow() -> None:
    """Set what MLflow reads from the environment, where nothing is set, and silence what it and its migrations log.

    Nothing is reported to MLflow's makers, no bars are drawn over our own, and a server that is down is an error in seconds,
    not minutes. It is set before mlflow is imported, by the program that owns the process.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    for name, level in _LEVELS.items():
        logging.getLogger(name).setLevel(level)


@contextmanager
def mlflow_kept_quiet() -> Iterator[None]:
    """Behave as `quiet_mlflow` has it until the end, and then as before: for a call within the process of another program.

    Calls in several threads share it, and the last to end puts back what the first found.
    """
    _KEPT.begin()
    try:
        yield
    finally:
        _KEPT.end()


class _Kept:
    """What was set before the first of the calls that are under way."""

    def __init__(self) -> None:
        self._lock, self._calls = Lock(), 0
        self._unset: list[str] = []
        self._levels: dict[str, int] = {}

    def begin(self) -> None:
        with self._lock:
            if not self._calls:
                self._unset = [name for name in _SETTINGS if name not in os.environ]
                self._levels = {name: logging.getLogger(name).level for name in _LEVELS}
                quiet_mlflow()
                # In a notebook without ipywidgets tqdm, which MLflow imports, would ask for them, though no bar is drawn.
                warnings.filterwarnings("ignore", "IProgress not found")
            self._calls += 1

    def end(self) -> None:
        with self._lock:
            self._calls -= 1
            if self._calls:
                return
            for name in self._unset:
                os.environ.pop(name, None)
            for name, level in self._levels.items():
                logging.getLogger(name).setLevel(level)


_KEPT = _Kept()
