"""The section `drift`: what is watched once a model is in use, and what an alarm does."""

from typing import Annotated, Literal

from pydantic import Field

from tabtrail.config.columns import Columns
from tabtrail.config.section import Names, Positive, Problems, Section, undeclared


class Drift(Section):
    """How windows of later rows are compared with what the model learned from."""

    ignore: Names = Field((), description="Columns that never alarm, such as a running number; they are still described.")
    level: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.05, description="Share of checks of a window without drift that may alarm, over all columns together."
    )
    min_rows: Positive = Field(30, description="Windows with fewer rows are described but never alarm.")
    window_days: Positive = Field(7, description="Days of the prediction log that are described; all since the deployment alarm.")
    on_alarm: Literal["report", "retrain"] = Field(
        "report", description="Whether an alarm of the log is only reported, or a model is trained, too, once there are labels."
    )
    min_labels: Positive = Field(200, description="Labelled rows after an alarm that a retraining waits for.")


def check_drift(drift: Drift, columns: Columns) -> Problems:
    """Yield the ignored columns that no row has."""
    for name in drift.ignore:
        if name not in columns.dataset:
            yield ("drift", "ignore"), undeclared(name, columns.dataset)
