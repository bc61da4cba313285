"""The joblib file of a model depends on the model alone, not on what its process did before."""

import io
from typing import Any

import joblib
import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tabtrail.workflows.champion import pickled


def fitted() -> Any:
    x = np.arange(20.0).reshape(10, 2)
    return make_pipeline(StandardScaler(), LinearRegression()).fit(x, x[:, 0])


def with_names_of_its_own(model: Any) -> Any:
    """As a class is left whose first instance came out of another pickle: each name is a string object of its own."""
    for _, step in model.steps:
        step.__dict__ = {f"{name} "[:-1]: value for name, value in vars(step).items()}
    return model


def test_equal_models_give_equal_bytes_whichever_strings_they_share() -> None:
    ours, theirs = fitted(), with_names_of_its_own(fitted())
    plain = io.BytesIO(), io.BytesIO()
    joblib.dump(ours, plain[0], compress=3)
    joblib.dump(theirs, plain[1], compress=3)
    assert plain[0].getvalue() != plain[1].getvalue(), "joblib alone tells them apart"
    assert pickled(ours) == pickled(theirs)


def test_the_file_is_one_that_joblib_reads() -> None:
    again = joblib.load(io.BytesIO(pickled(fitted())))
    assert again.predict(np.array([[4.0, 5.0]])) == fitted().predict(np.array([[4.0, 5.0]]))
