"""FLAML: its search within the seconds of the task, over the learners that it takes by default."""

from typing import Any

import flaml
import pandas as pd
from contender import Fitted


def fit(train: pd.DataFrame, task: dict[str, Any]) -> Fitted:
    found = flaml.AutoML()
    x, y = train.drop(columns=task["target"]), train[task["target"]].to_numpy()
    found.fit(x, y, task="regression", metric="rmse", time_budget=task["seconds"], n_jobs=-1, seed=task["seed"], verbose=0)
    return Fitted(found.predict, f"{flaml.__version__} ({found.best_estimator})", model=found)
