"""How MLflow behaves in a process of our own. It is set before mlflow is imported, by the program that owns the process."""

import logging
import os


def quiet_mlflow() -> None:
    """Set what MLflow reads from the environment, where nothing is set, and silence what it and its migrations log.

    Nothing is reported to MLflow's makers, no bars are drawn over our own, and a server that is down is an error in seconds,
    not minutes. For the commands; who uses tabtrail as a library decides this for their own process.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")  # importing MLflow sets the level of its loggers from this
    for name in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # With a traceback it logs what it raises too, and what `store_errors` says in one message.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
