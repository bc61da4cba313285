"""A net from the config to the service, which answers for the last values of a series, too."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from tests.support.commands import run_in
from tests.support.demand import CONFIG, demand_rows, write_project
from tests.support.nets import needs_torch
from tests.support.projects import Project, serving

from tabtrail import pipeline
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.bundle.rows import PayloadError

NET = (
    CONFIG.partition("  candidates:")[0]
    .replace("lead_time: 5", "lead_time: 2")
    .replace("horizon: 7", "horizon: 2\n  origins: 1\n  choice: {deploy_unless_beaten: true}")
    + "  candidates:\n    CNNLSTM: {window: 7, epochs: 2}\n"
)
KEY = {"store_id": "STORE_001", "product_id": "PROD_C"}
WINDOW = [3, 4, None, 5, 6.5, 7, 2]


@pytest.mark.skipif(find_spec("torch") is not None, reason="PyTorch is installed")
def test_a_config_with_a_net_is_refused_without_pytorch_before_anything_is_trained(tmp_path: Path) -> None:
    project = write_project(tmp_path, demand_rows(120), NET)
    done = run_in(project, "run")
    assert done.returncode == 1
    assert "pip install 'tabtrail[torch]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = write_project(tmp_path_factory.mktemp("net"), demand_rows(120), NET)
    pipeline.run(project.config(), report=False)
    return project


@needs_torch
def test_a_window_of_the_history_is_forecast_as_a_row_is_and_the_bundle_says_what_it_learned_from(trained: Project) -> None:
    bundle = load_bundle(trained.config().paths.models_dir, "shop_demand")
    model = Predictor(bundle)
    assert bundle.history is not None
    place = [tuple(each) for each in bundle.history.keys].index(tuple(KEY.values()))
    values = bundle.history.target[place, -7:].tolist()
    row = {"date": "2023-05-02", **KEY, "price": 12.0, "promotion": 0}
    (expected,) = model.predict([row])
    found = model.predict_window({**KEY, "values": values})
    assert (found["prediction"], found["horizon"], found["window"]) == (expected.value, 1, 7)
    stated = bundle.metadata["window"]
    assert stated["data_sha256"] == bundle.metadata["data_sha256"]
    assert "2023-03-01" < stated["cut"] < "2023-05-01"
    assert stated["scales"]["STORE_001 · PROD_C"]["mean"] == pytest.approx(np.nanmean(bundle.history.target[place]), rel=0.2)


@needs_torch
@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({**KEY, "values": WINDOW[1:]}, "has 6 values, and the model was trained on windows of 7"),
        ({**KEY, "values": [*WINDOW, 1]}, "has 8 values"),
        ({**KEY, "values": [None] * 7}, "has no number"),
        ({**KEY, "values": ["3", *WINDOW[1:]]}, "value 1 is neither"),
        ({**KEY, "values": [*WINDOW[:-1], True]}, "value 7 is neither"),
        ({**KEY, "values": "3"}, "list of the last 7 values"),
        ({**KEY}, "list of the last 7 values"),
        ({"store_id": "STORE_001", "values": WINDOW}, "product_id: has to be sent"),
        ({**KEY, "product_id": "PROD_X", "values": WINDOW}, "not known"),
        ({**KEY, "price": 3, "values": WINDOW}, "price: is not a column of the series"),
    ],
)
def test_a_window_that_is_not_as_trained_is_refused(trained: Project, body: dict[str, object], told: str) -> None:
    with pytest.raises(PayloadError) as caught:
        Predictor(load_bundle(trained.config().paths.models_dir, "shop_demand")).predict_window(body)
    assert told in str(caught.value)


@needs_torch
def test_the_service_forecasts_windows_by_both_paths_and_describes_them(trained: Project) -> None:
    with serving(trained, door=False) as client:
        first = client.post("/predict/window", json={**KEY, "values": WINDOW})
        other = client.post("/api/predict", json={"series": KEY, "values": WINDOW})
        assert first.status_code == 200
        assert first.json() == other.json()
        refused = client.post("/predict/window", json={**KEY, "values": WINDOW[1:]})
        assert (refused.status_code, refused.json()["errors"][0]["column"]) == (422, "values")
        document = client.get("/openapi.json").json()
        body = document["paths"]["/predict/window"]["post"]["requestBody"]["content"]["application/json"]
        assert body["schema"]["properties"]["values"]["maxItems"] == 7
        assert client.post("/predict/window", json=body["example"]).status_code == 200
