"""Two models of series at the origins that both were judged at: what each forecast there before it saw the outcome, compared."""

from dataclasses import replace

from tabtrail.bundle.load import Bundle
from tabtrail.config.operation import Promotion
from tabtrail.errors import DataError
from tabtrail.forecast.panel.kept import Kept, shared
from tabtrail.modeling.bootstrap import Comparison, Resampling, compare
from tabtrail.modeling.metrics import METRICS
from tabtrail.tracking.artifacts import list_files, read_artifact
from tabtrail.tracking.runs import read_run
from tabtrail.tracking.store import Store
from tabtrail.tracking.tags import EVALUATION

_GROUP = "series at an origin"
_SEED = 42


def measure_series(store: Store, rules: Promotion, challenger: Bundle, champion: Bundle) -> Comparison | None:
    """Return how two models of series compare by the challenger's metric of the choice (MAE for one that has a scale of its own).

    None where they share no origin with the same demand, are of different targets, or the store no longer has the forecasts
    of one. The bootstrap draws whole series of an origin, as the periods of one err alike.
    """
    if champion.metadata.get("panel") is None or champion.schema.target != challenger.schema.target:
        return None
    first, second = (_kept(store, each) for each in (champion, challenger))
    if first is None or second is None or (found := shared(first, second)) is None:
        return None
    wanted = str(challenger.metadata.get("choice_metric", "mae"))
    metric = METRICS.get(wanted, METRICS["mae"])
    try:
        compared = compare(
            found.actual, found.champion, found.challenger, metric, Resampling(found.groups, _GROUP, rules.level, _SEED)
        )
    except DataError:
        return None
    return compared if metric.name == wanted else replace(compared, instead_of=wanted)


def _kept(store: Store, bundle: Bundle) -> Kept | None:
    """Return what the training of a bundle kept of its origins; None where the store no longer has it."""
    run_id = str(bundle.metadata["run_id"])
    if read_run(store, run_id) is None or EVALUATION not in list_files(store, run_id):
        return None
    try:
        return Kept.from_bytes(read_artifact(store, run_id, EVALUATION))
    except (ValueError, KeyError):
        return None
