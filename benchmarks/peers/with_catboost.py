"""CatBoost by itself, with its own defaults, on one thread."""

from typing import Any

import catboost
import pandas as pd
from contender import Fitted


def fit(train: pd.DataFrame, task: dict[str, Any]) -> Fitted:
    settings = {"cat_features": task["texts"], "verbose": False, "thread_count": 1, "random_seed": task["seed"]}
    model = catboost.CatBoostRegressor(allow_writing_files=False, **settings)
    model.fit(train.drop(columns=task["target"]), train[task["target"]])
    return Fitted(model.predict, catboost.__version__, model=model)
