"""Champion and challenger on the rows of the log that both predicted, once their labels are there."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tabtrail.bundle.load import read_metadata
from tabtrail.bundle.logged import label_files, log_files, read_labels, read_pairs
from tabtrail.errors import UsageError
from tabtrail.modeling.bootstrap import Comparison, Resampling, compare
from tabtrail.modeling.metrics import metric_of
from tabtrail.workflows.drift_job import Job, log_folder

Row = tuple[float, float, float, str]


@dataclass(frozen=True)
class Served:
    """The runs of two models in service, how many rows that both predicted each of them answered, how many of these have a label,
    and the comparison on them, None where none has.
    """

    champion: str
    challenger: str
    by_champion: int
    by_challenger: int
    labelled: int
    comparison: Comparison | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def compare_in_service(job: Job) -> Served:
    """Compare the two models that are in service on the labelled rows that both predicted, by `choice.metric`.

    The bootstrap is paired and draws whole keys, as the rows of one customer err alike. Raises `UsageError` where no challenger
    or no log is configured.
    """
    config = job.config
    if config.serve.shadow_dir is None or config.serve.challenger_key is None:
        raise UsageError("no challenger is in service: set serve.shadow_dir, serve.challenger_share and serve.challenger_key")
    folder, key = log_folder(job), config.bundle.public_key
    runs = tuple(
        str(read_metadata(place, config.model.name, key)["run_id"])
        for place in (config.paths.models_dir, config.serve.shadow_dir)
    )
    labels: dict[tuple[str, int], float] = {}
    for path in label_files(folder):
        found = read_labels(path)
        labels |= dict(zip(zip(found.files.tolist(), found.places.tolist(), strict=True), found.actual.tolist(), strict=True))
    rows, answered = list[Row](), [0, 0]
    for path in log_files(folder):
        if (pairs := read_pairs(path)) is None or pairs.run_id not in runs:
            continue
        own = runs.index(pairs.run_id)
        ours = pairs.other_runs == runs[1 - own]
        answered[own] += int(ours.sum())
        for index in np.flatnonzero(ours).tolist():
            actual = labels.get((path.name, int(pairs.places[index])))
            if actual is not None:
                both = (float(pairs.predicted[index]), float(pairs.other[index]))
                # Rows without a key are nobody's, each a unit of its own.
                rows.append((actual, *(both if own == 0 else both[::-1]), pairs.keys[index] or f"{path.name} {index}"))
    return Served(runs[0], runs[1], answered[0], answered[1], len(rows), _comparison(job, rows))


def _comparison(job: Job, rows: list[Row]) -> Comparison | None:
    if not rows:
        return None
    config = job.config
    actual, champion, challenger = (np.array([each[place] for each in rows]) for place in range(3))
    groups = np.array([each[3] for each in rows], dtype=object)
    how = Resampling(groups, config.serve.challenger_key, config.promotion.level, config.model.random_state)
    return compare(actual, champion, challenger, metric_of(config.choice.metric), how)
