"""Training on a GPU: how it is asked for, what libraries no longer know, what a machine without one says. No GPU is used."""

from typing import Any

import numpy as np
import pytest
from tests.support.projects import Project

from tabtrail.config.operation import Engine
from tabtrail.errors import ConfigError
from tabtrail.modeling.candidates import Candidate, list_candidates
from tabtrail.modeling.devices import is_on_device, one_at_a_time, require_devices
from tabtrail.modeling.families import FAMILIES
from tabtrail.project.names import check_names

SERIAL = Engine(kind="serial")


def candidate(name: str, **params: Any) -> Candidate:
    (found,) = [each for each in list_candidates({name: params}) if each.name == name]
    return found


@pytest.mark.parametrize(
    ("name", "params", "asked"),
    [
        ("XGBoost", {}, False),
        ("XGBoost", {"device": "cpu"}, False),
        ("XGBoost", {"device": "cuda"}, True),
        ("XGBoost", {"device": "cuda:1"}, True),
        ("CatBoost", {"task_type": "GPU", "devices": "0"}, True),
        ("CatBoost", {"task_type": "CPU"}, False),
        ("LightGBM", {"device_type": "gpu"}, True),
        ("LightGBM", {"device": "cuda"}, True),
        ("LightGBM", {"device_type": "cpu"}, False),
        ("RandomForest", {}, False),
    ],
)
def test_the_parameters_of_each_library_say_whether_it_learns_on_a_device(name: str, params: dict[str, Any], asked: bool) -> None:
    assert is_on_device(candidate(name, **params)) is asked


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            "XGBoost: {tree_method: gpu_hist}",
            r"XGBoost\.tree_method: XGBoost no longer knows gpu_hist; write tree_method: hist and",
        ),
        ("XGBoost: {gpu_id: 1}", r"XGBoost\.gpu_id: XGBoost no longer knows gpu_id; write device: cuda, or device: cuda:1"),
        ("XGBoost: {predictor: gpu_predictor}", r"XGBoost\.predictor: XGBoost no longer knows predictor; take it out"),
        ("XGBoost: {device: cudo}", r"XGBoost\.device: 'cudo' is no device; write cuda or gpu or cpu; did you mean 'cuda'\?"),
        ("CatBoost: {task_type: gpu}", r"CatBoost\.task_type: 'gpu' is no device; write GPU or CPU"),
        ("LightGBM: {device_type: opencl}", r"LightGBM\.device_type: 'opencl' is no device; write gpu or cuda or cpu"),
    ],
)
def test_settings_that_a_library_no_longer_knows_are_refused_with_the_edit(project: Project, written: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        check_names(project.config(f"candidates={{{written}}}"))
    assert "no such parameter" not in str(caught.value)


def test_fits_on_a_device_run_one_at_a_time_and_others_on_all_workers() -> None:
    engine, plain, asks = Engine(workers=4), candidate("LightGBM"), candidate("XGBoost", device="cuda")
    assert one_at_a_time(engine, [plain]).workers == 4
    assert one_at_a_time(engine, [plain, asks]).workers == 1


def _has_gpu() -> bool:
    try:
        require_devices([candidate("CatBoost", task_type="GPU")], SERIAL, ())
    except ConfigError:
        return False
    return True


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            candidate("XGBoost", device="cuda", n_estimators=3),
            r"candidates\.XGBoost\.device: cuda cannot be used here: Device is changed from GPU to CPU .*\. It takes an",
        ),
        (
            candidate("LightGBM", device_type="cuda"),
            r"LightGBM\.device_type: cuda cannot be used here: .*\. gpu takes an OpenCL runtime.*or take device_type out",
        ),
        (candidate("LightGBM", device_type="gpu"), r"LightGBM\.device_type: gpu cannot be used here: No OpenCL device found\."),
        (candidate("CatBoost", task_type="GPU"), r"CatBoost\.task_type: GPU cannot be used here: .*\. CatBoost's own package is"),
    ],
)
def test_a_device_that_is_not_there_is_said_before_anything_is_fitted_with_what_to_install(
    asked: Candidate, message: str
) -> None:
    if _has_gpu():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ConfigError, match=message) as caught:
        require_devices([candidate("LinearRegression"), asked], SERIAL, ())
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:.*changed from GPU to CPU")
def test_a_model_that_learned_on_a_device_predicts_on_the_cpu() -> None:
    x = np.random.default_rng(1).uniform(size=(50, 2))
    model = FAMILIES["XGBoost"].build({"device": "cuda", "n_estimators": 2}, 0).fit(x, x[:, 0])
    FAMILIES["XGBoost"].make_canonical(model)
    assert model.get_params()["device"] == "cpu"
    plain = FAMILIES["XGBoost"].build({"n_estimators": 2}, 0).fit(x, x[:, 0])
    FAMILIES["XGBoost"].make_canonical(plain)
    assert plain.get_params()["device"] is None
    assert np.array_equal(model.predict(x), plain.predict(x))
