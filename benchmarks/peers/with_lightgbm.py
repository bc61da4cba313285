"""LightGBM by itself, with its own defaults, on one thread."""

from typing import Any

import lightgbm
import pandas as pd
from contender import Fitted


def fit(train: pd.DataFrame, task: dict[str, Any]) -> Fitted:
    model = lightgbm.LGBMRegressor(n_jobs=1, verbose=-1, random_state=task["seed"])
    model.fit(train.drop(columns=task["target"]), train[task["target"]])
    return Fitted(model.predict, lightgbm.__version__, model=model)
