"""What a benchmark is to solve, and how: all that modelling needs of the config."""

from collections.abc import Mapping
from dataclasses import dataclass

from tabtrail.config.model import Choice, Intervals, Model, Slices
from tabtrail.config.model import Split as SplitRules
from tabtrail.config.operation import Engine
from tabtrail.config.section import Parameter
from tabtrail.config.tree import Config
from tabtrail.contract.schema import ColumnRule
from tabtrail.modeling.estimators import UNBOUNDED, Bounds
from tabtrail.modeling.metrics import Metric, metric_of


@dataclass(frozen=True)
class Problem:
    """The sections of the config that modelling reads, and what it needs of the others.

    `date_column` places rows in time. Predictions and their intervals stay inside `clip`, the least and the largest value (None:
    unbounded). `outliers_dropped` are the columns whose outliers the ingest rejected. Fits on the whole training part run
    `final_workers` at once, where that is fewer than the engine has.
    """

    model: Model
    split: SplitRules
    choice: Choice
    intervals: Intervals
    slices: Slices
    candidates: Mapping[str, dict[str, Parameter]]
    engine: Engine
    date_column: str | None = None
    clip: Bounds = UNBOUNDED
    outliers_dropped: tuple[str, ...] = ()
    final_workers: int | None = None

    @property
    def seed(self) -> int:
        return self.model.random_state

    @property
    def metric(self) -> Metric:
        """The metric that candidates are compared by. Raises `ConfigError` for one that is not in the table."""
        return metric_of(self.choice.metric)


def problem_of(config: Config) -> Problem:
    """Return the modelling problem that a config states. Nothing else in this package takes the whole config."""
    return Problem(
        model=config.model,
        split=config.split,
        choice=config.choice,
        intervals=config.intervals,
        slices=config.slices,
        candidates=config.candidates,
        engine=config.engine,
        date_column=config.cleaning.date_column,
        clip=_clip(config.model, config.column_rules[config.model.target]),
        outliers_dropped=config.outlier_columns if config.profile.outliers.action == "drop" else (),
    )


def _clip(model: Model, target: ColumnRule) -> Bounds:
    if model.clip == "off":
        return UNBOUNDED
    low, high = (target.min, target.max) if model.clip == "contract" else model.clip
    return (None if low is None else float(low), None if high is None else float(high))
