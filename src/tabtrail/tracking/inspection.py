"""What a store holds, counted for `tabtrail doctor`; nothing is made in it."""

from tabtrail.config.operation import Mlflow
from tabtrail.tracking.history import Place, read_history
from tabtrail.tracking.refusals import store_errors
from tabtrail.tracking.store import find_store

_MOST = 1000  # a store of a team may have any number, and doctor is to answer at once


def count_runs(mlflow: Mlflow) -> str | None:
    """Return how many runs the experiment has, None where there is none. Raises `StoreError` for a store that does not answer."""
    store = find_store(mlflow)
    if store is None:
        return None
    with store_errors(store.uri):
        found = store.client.search_runs([store.experiment_id], max_results=_MOST)
    return f"{len(found):,}" + (" or more" if len(found) == _MOST else "")


def count_entries(mlflow: Mlflow, name: str) -> int:
    """Return how many promotions a model had. Raises `StoreError` where the chain of their hashes is broken."""
    return len(read_history(Place(mlflow, name)))
