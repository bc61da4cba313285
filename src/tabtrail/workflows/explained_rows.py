"""The table of explained rows of a deployed model that is not the last run's: the run has it in the store."""

from tabtrail.config.operation import Mlflow
from tabtrail.errors import TabtrailError, UsageError
from tabtrail.project.paths import SHAP_FILE
from tabtrail.tracking.artifacts import list_files, read_artifact
from tabtrail.tracking.benchmarks import find_benchmark
from tabtrail.tracking.refusals import store_errors
from tabtrail.tracking.store import open_store


def fetch_explained_rows(mlflow: Mlflow, run_id: str) -> bytes:
    """Return the Parquet file of the explained rows of a run. Raises `TabtrailError` where the store has none."""
    store = open_store(mlflow)
    with store_errors(store.uri):
        try:
            parent = find_benchmark(store, run_id).benchmark.run_id
        except UsageError:
            parent = ""
        if not parent or SHAP_FILE not in list_files(store, parent):
            raise TabtrailError("no explained rows of the deployed model are stored; run `tabtrail train --force`")
        return read_artifact(store, parent, SHAP_FILE)
