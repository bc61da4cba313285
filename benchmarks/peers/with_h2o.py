"""H2O: its AutoML within the seconds of the task; the model as its own file, since the MOJO takes a licence. Takes a Java."""

from pathlib import Path
from typing import Any

import h2o
import pandas as pd
from contender import Fitted
from h2o.automl import H2OAutoML


def fit(train: pd.DataFrame, task: dict[str, Any]) -> Fitted:
    h2o.init(bind_to_localhost=True)
    h2o.no_progress()
    rows = _frame(train, task["texts"])
    found = H2OAutoML(max_runtime_secs=task["seconds"], seed=task["seed"], sort_metric="RMSE")
    found.train(y=task["target"], training_frame=rows)
    place = Path(task["folder"]) / "h2o"
    place.mkdir()
    h2o.save_model(found.leader, str(place))
    return Fitted(lambda x: found.predict(_frame(x, task["texts"])).as_data_frame()["predict"], h2o.__version__, place)


def _frame(rows: pd.DataFrame, texts: list[str]) -> h2o.H2OFrame:
    plain = rows.assign(**{name: rows[name].astype(str) for name in texts})
    return h2o.H2OFrame(plain, column_types=dict.fromkeys(texts, "enum"))
