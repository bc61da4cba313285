"""The pickle of a model depends on the model alone, not on what its process did before; one of other code is refused by name."""

import io
import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tests.support.fitting import pickle_of_a_moved_class

from tabtrail.export.pickles import ForeignPickleError, pickled, unpickled, write_plain_pickle


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


def test_equal_models_give_equal_files_that_plain_pickle_reads(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    write_plain_pickle(fitted(), ours)
    write_plain_pickle(with_names_of_its_own(fitted()), theirs)
    assert pickle.dumps(fitted()) != pickle.dumps(with_names_of_its_own(fitted())), "pickle alone tells them apart"
    assert ours.read_bytes() == theirs.read_bytes()
    row = np.array([[4.0, 5.0]])
    assert pickle.loads(ours.read_bytes()).predict(row) == unpickled(ours.read_bytes()).predict(row) == fitted().predict(row)


def test_the_file_is_one_that_joblib_reads() -> None:
    again = joblib.load(io.BytesIO(pickled(fitted())))
    assert again.predict(np.array([[4.0, 5.0]])) == fitted().predict(np.array([[4.0, 5.0]]))


def test_both_forms_are_read() -> None:
    for data in (pickled(fitted()), pickle.dumps(fitted())):
        assert unpickled(data).predict(np.array([[4.0, 5.0]])) == fitted().predict(np.array([[4.0, 5.0]]))


@pytest.mark.parametrize("dump", [pickled, pickle.dumps])
def test_a_pickle_of_a_class_that_has_moved_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, dump: Any) -> None:
    data = pickle_of_a_moved_class(monkeypatch, dump)
    with pytest.raises(ForeignPickleError, match=r"by another version of tabtrail .*No module named 'tabtrail\.expressions'"):
        unpickled(data)


def test_a_model_with_several_empty_arrays_is_written_as_a_plain_pickle_too(tmp_path: Path) -> None:
    write_plain_pickle([np.zeros((0, 8)), np.zeros(0), np.arange(3)], tmp_path / "model.pkl")
    assert [each.shape for each in pickle.loads((tmp_path / "model.pkl").read_bytes())] == [(0, 8), (0,), (3,)]
