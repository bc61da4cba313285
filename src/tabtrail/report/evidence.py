"""Everything that a page shows, as a run left it."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import polars as pl

from tabtrail.contract.texts import unit_of
from tabtrail.data.manifest import Manifest
from tabtrail.data.profile import Profile
from tabtrail.explain.effects import Effect
from tabtrail.explain.shapley import Explanation
from tabtrail.forecast.result import SegmentResult
from tabtrail.modeling.leaderboard import Leaderboard
from tabtrail.modeling.learning_curve import LearningCurve


@dataclass(frozen=True)
class ModelEvidence:
    """What is known of a benchmark; None where a run did not leave it."""

    board: Leaderboard
    folds: pl.DataFrame | None
    slices: pl.DataFrame | None
    predictions: pl.DataFrame | None
    curve: LearningCurve | None


@dataclass(frozen=True)
class PageSettings:
    """What the config says about a page.

    `inputs` are the model's columns, `labels` has name and unit of columns that have one. At most `points` rows are drawn one by
    one, and the `top` columns have a dependence plot. `ewma_decay` is that of the forecasts' volatility. `store` is the address
    of the MLflow store, empty where that is not a file.
    """

    inputs: tuple[str, ...]
    labels: Mapping[str, str]
    points: int
    top: int
    ewma_decay: float
    store: str

    def label(self, column: str) -> str:
        """Name and unit of a column, its name where no more is known."""
        return self.labels.get(column, column)


@dataclass(frozen=True)
class CheckedWindow:
    """A window that was checked for drift, and the columns that drift."""

    window: str
    reference: str
    created: str
    rows: int
    alarm: bool
    columns: tuple[str, ...]


@dataclass(frozen=True)
class DataEvidence:
    """What is known of the data (None: no profile was made), whose column is the target, and how it is shown."""

    profile: Profile | None
    target: str
    settings: PageSettings


@dataclass(frozen=True)
class Evidence:
    """All that a page shows; None or empty where a run did not leave it.

    `explanation_missing` says why there is no explanation, if it failed; `clipped_rows` counts the explained rows whose
    prediction `model.clip` bounds. `tags` say what the run was made from, `forecasts` are
    the stored forecasts with their risk, the largest first.
    """

    model: ModelEvidence
    manifest: Manifest | None
    profile: Profile | None
    explanation: tuple[Explanation, pd.DataFrame] | None
    explanation_missing: str
    clipped_rows: int
    effects: tuple[Effect, ...]
    forecasts: tuple[SegmentResult, ...]
    tags: Mapping[str, str]
    settings: PageSettings

    @property
    def data(self) -> DataEvidence:
        """What is known of the data."""
        return DataEvidence(self.profile, self.model.board.target, self.settings)

    @property
    def unit(self) -> str:
        """The unit of the target."""
        board = self.model.board
        return unit_of(board.target, board.currency)
