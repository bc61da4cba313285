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
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # which wait for 12 s together
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")  # of a server that is there but does not answer
    os.environ.setdefault("PGCONNECT_TIMEOUT", "15")  # of a database behind a network that swallows what is sent
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # stdout is for what a command answers
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")  # importing MLflow sets the level of its loggers from this
    for name in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # With a traceback it logs what it raises too, and what `store_errors` says in one message.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
