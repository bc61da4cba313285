"""What MLflow registers is what is deployed: the bundle behind `mlflow.pyfunc`, without a pickle, found by its figures."""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import polars as pl
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from tests.support.projects import Project

from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.bundle.rows import PayloadError


@pytest.fixture
def predictor(small: Project) -> Predictor:
    config = small.config()
    return Predictor(load_bundle(config.paths.models_dir, config.model.name))


@pytest.fixture
def client(small: Project, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    uri = small.config().mlflow.tracking_uri
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return MlflowClient(uri)


@pytest.fixture
def registered(client: MlflowClient, small: Project) -> Any:
    return mlflow.pyfunc.load_model(f"models:/{small.config().model.name}@champion")


def answers(found: pd.DataFrame) -> list[tuple[float, float, float, list[str]]]:
    assert list(found.columns) == ["prediction", "low", "high", "warnings"]
    return list(found.itertuples(index=False, name=None))


def expected(predictor: Predictor, rows: list[dict[str, Any]]) -> list[tuple[float, float, float, list[str]]]:
    found = predictor.predict(rows)
    return [(each.value, each.interval.low, each.interval.high, list(each.warnings)) for each in found if each.interval]


def test_frames_with_whole_numbers_lists_and_columns_of_values_are_answered_as_the_service_does(
    registered: Any, predictor: Predictor
) -> None:
    rows = [dict(predictor.schema.example), {**predictor.schema.example, "COUNTRY": "Atlantis"}]
    frame = pd.DataFrame(rows)
    assert (frame.dtypes == "int64").any()
    wanted = expected(predictor, rows)
    assert wanted[1][3], "a country that training did not have is told"
    assert answers(registered.predict(frame)) == wanted
    assert answers(registered.predict(rows)) == wanted
    assert answers(registered.predict({name: [row[name] for row in rows] for name in rows[0]})) == wanted
    assert answers(registered.predict(pl.DataFrame(rows).to_pandas())) == wanted


def test_a_row_that_breaks_the_contract_is_refused_in_the_words_of_the_service(registered: Any, predictor: Predictor) -> None:
    row = {**predictor.schema.example, "QUANTITYORDERED": -5}
    with pytest.raises(PayloadError) as ours:
        predictor.predict([row])
    with pytest.raises(MlflowException) as theirs:
        registered.predict(pd.DataFrame([row]))
    assert str(theirs.value) == str(ours.value)


def test_a_version_holds_the_deployed_graph_and_no_pickle_and_says_what_it_is(client: MlflowClient, small: Project) -> None:
    config = small.config()
    version = client.get_model_version_by_alias(config.model.name, "champion")
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/{config.model.name}@champion"))
    names = {each.name for each in folder.rglob("*")}
    assert not [name for name in names if name.endswith((".pkl", ".joblib", ".pickle"))]
    graph = f"{config.model.name}.onnx"
    assert next(folder.rglob(graph)).read_bytes() == (config.paths.models_dir / graph).read_bytes()
    requirements = (folder / "requirements.txt").read_text()
    assert "mlflow-skinny==" in requirements
    assert "scikit-learn" not in requirements
    assert "predicts `SALES`" in version.description
    assert "champion" in client.get_registered_model(config.model.name).description


def test_models_are_found_by_their_figures_and_runs_say_who_made_them(client: MlflowClient, small: Project) -> None:
    experiment = client.get_experiment_by_name(small.config().mlflow.experiment)
    assert experiment.tags["mlflow.experiment.primaryMetric.name"] == "cv_root_mean_squared_error"
    found = mlflow.search_logged_models(
        experiment_ids=[experiment.experiment_id],
        filter_string="metrics.test_root_mean_squared_error > 0",
        output_format="list",
    )
    assert "GradientBoosting_40" in {each.name for each in found}
    model = next(each for each in found if each.name == "GradientBoosting_40")
    run = client.get_run(model.source_run_id)
    measured = {each.key: each.value for each in model.metrics}
    assert measured["test_root_mean_squared_error"] == run.data.metrics["test_root_mean_squared_error"]
    assert model.params["model.n_estimators"] == "40"
    assert {each.dataset_name for each in model.metrics} == {run.inputs.dataset_inputs[0].dataset.name}
    assert {"mlflow.user", "mlflow.source.name", "mlflow.source.type"} <= set(run.data.tags)
