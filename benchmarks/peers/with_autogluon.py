"""AutoGluon: the preset of the task, within its seconds."""

from pathlib import Path
from typing import Any

import pandas as pd
from autogluon.tabular import TabularPredictor, __version__
from contender import Fitted


def fit(train: pd.DataFrame, task: dict[str, Any]) -> Fitted:
    place = Path(task["folder"]) / "autogluon"
    metric = "root_mean_squared_error"
    predictor = TabularPredictor(task["target"], problem_type="regression", eval_metric=metric, path=str(place))
    predictor.fit(train, presets=task["preset"], time_limit=task["seconds"], num_gpus=0, verbosity=0)
    return Fitted(predictor.predict, __version__, place)
