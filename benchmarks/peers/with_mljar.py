"""mljar: its mode Perform within the seconds of the task."""

from pathlib import Path
from typing import Any

import pandas as pd
from contender import Fitted
from supervised import AutoML, __version__


def fit(train: pd.DataFrame, task: dict[str, Any]) -> Fitted:
    place = Path(task["folder"]) / "mljar"
    limits = {"total_time_limit": task["seconds"], "random_state": task["seed"], "results_path": str(place)}
    found = AutoML(mode="Perform", ml_task="regression", eval_metric="rmse", verbose=0, **limits)
    found.fit(train.drop(columns=task["target"]), train[task["target"]].to_numpy())
    return Fitted(found.predict, __version__, place)
