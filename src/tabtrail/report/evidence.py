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
from tabtrail.report.data_evidence import DataEvidence, PageSettings, each_once


@dataclass(frozen=True)
class ModelEvidence:
    """What is known of a benchmark; None where a run did not leave it."""

    board: Leaderboard
    folds: pl.DataFrame | None
    slices: pl.DataFrame | None
    predictions: pl.DataFrame | None
    curve: LearningCurve | None


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
    together: int
    effects: tuple[Effect, ...]
    forecasts: tuple[SegmentResult, ...]
    tags: Mapping[str, str]
    settings: PageSettings

    @property
    def data(self) -> DataEvidence:
        """What is known of the data, of columns that are the same in every row but the first."""
        return DataEvidence(None if self.profile is None else each_once(self.profile), self.model.board.target, self.settings)

    @property
    def unit(self) -> str:
        """The unit of the target."""
        board = self.model.board
        return unit_of(board.target, board.currency)
