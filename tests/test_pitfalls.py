"""What comparable pipelines get wrong, one test each, named after the mistake. None of them can happen here."""

import json
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import joblib
import numpy as np
import polars as pl
import polars.selectors as cs
import pytest
import yaml
from tests.support.commands import call, run_in
from tests.support.projects import ONE_CANDIDATE, REPO, Project, Trained, make_project, serving
from tests.support.stages import run_train
from tests.support.tables import swap_day_and_month

from tabtrail import pipeline
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.config.tree import Config
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.ingest import ingest
from tabtrail.errors import BundleError, ConfigError, DataError
from tabtrail.modeling.benchmark import run_benchmark
from tabtrail.modeling.preprocess import feature_frame
from tabtrail.modeling.problem import problem_of
from tabtrail.modeling.table import load_table

pytestmark = pytest.mark.usefixtures("one_picture")


def test_day_first_date_inference_swapped_days_and_months_unnoticed(project: Project) -> None:
    months = scan_dataset(_ingested(project).dataset).collect()
    assert months.filter(pl.col("ORDERDATE").dt.month() != pl.col("MONTH_ID")).is_empty()
    project.rewrite(swap_day_and_month)
    with pytest.raises(DataError, match="disagrees with MONTH_ID"):
        ingest(project.config())


def test_a_rewrite_left_a_stale_partition(project: Project) -> None:
    _ingested(project)
    lines = project.csv.read_bytes().splitlines()
    project.csv.write_bytes(b"\n".join([lines[0], *(line for line in lines[1:] if b"/2003 " in line)]) + b"\n")
    config = _ingested(project)
    assert [path.name for path in config.paths.processed_dir.glob("YEAR=*")] == ["YEAR=2003"]
    assert scan_dataset(config.dataset).collect()["YEAR"].unique().to_list() == [2003]


def test_a_relative_path_worked_from_one_folder_only(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with chdir(elsewhere):
        assert run_in(project, "ingest").returncode == 0
    assert project.config().paths.manifest.is_file()
    assert not any(elsewhere.iterdir())


@pytest.mark.parametrize("command", ["run", "ingest"])
def test_a_mistyped_input_path_trained_on_invented_data_with_exit_0(project: Project, command: str) -> None:
    done = run_in(project, command, "--set", "paths.raw_csv=data/raw/sales_data_sampel.csv")
    assert done.returncode == 2
    assert project.tree() == {}
    assert not (project.root / "data" / "raw" / "sales_data_sampel.csv").exists()


def test_outliers_were_removed_by_the_target_before_the_split(trained: Trained) -> None:
    board = trained.report.leaderboard
    assert board.train_rows + board.test_rows == board.rows == trained.report.manifest.rows_in


def test_the_winner_was_chosen_on_the_test_set(trained: Trained) -> None:
    board = trained.report.leaderboard
    by_cv = min(board.candidates, key=lambda row: row.cv["rmse"])
    assert board.champion == board.best == by_cv.candidate


def test_lines_of_one_order_straddled_the_split(trained: Trained) -> None:
    config = trained.config
    table = load_table(problem_of(config), scan_dataset(config.dataset).collect())
    one = config.model_copy(update={"candidates": {}, "engine": config.engine.model_copy(update={"kind": "serial"})})
    split = run_benchmark(problem_of(one), table).split
    for rows in (split.test, *(fold.valid for fold in split.folds)):
        keys = np.array(table.keys.key)
        assert not set(keys[rows]) & set(keys[~rows])


def test_missing_targets_were_imputed_with_the_median(project: Project) -> None:
    lines = project.csv.read_bytes().splitlines()
    fields = lines[50].split(b",")
    fields[4] = b""
    lines[50] = b",".join(fields)
    project.csv.write_bytes(b"\n".join(lines) + b"\n")
    config = _ingested(project)
    assert scan_dataset(config.dataset).collect().height == 2822
    assert pl.read_parquet(config.paths.rejects)["_rules"].to_list() == ["SALES: missing"]


def test_preprocessing_was_fitted_on_an_object_array_without_names(trained: Trained) -> None:
    fitted = joblib.load(trained.config.paths.models_dir / "sales_regressor.joblib")
    assert list(fitted.feature_names_in_) == [*trained.config.model.number_inputs, *trained.config.model.text_features]


def test_an_onnx_file_was_tested_for_existence_only(trained: Trained) -> None:
    predictor = Predictor(load_bundle(trained.config.paths.models_dir, "sales_regressor"))
    data = scan_dataset(trained.config.dataset).select(trained.config.model.inputs).collect()
    rows = data.with_columns(cs.date().cast(pl.String)).to_dicts()
    graph = np.array([answer.value for answer in predictor.predict(rows)])
    fitted = joblib.load(trained.config.paths.models_dir / "sales_regressor.joblib")
    assert graph == pytest.approx(
        fitted.predict(feature_frame(data, trained.config.model.number_inputs, trained.config.model.text_features)), rel=1e-6
    )


def test_a_pickle_was_loaded_unchecked(trained: Trained, tmp_path: Path) -> None:
    """A crafted joblib file: it is refused by its hash, and nothing that serves ever unpickles."""
    project = trained.copy(tmp_path / "project")
    canary = tmp_path / "canary"

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (canary,)  # type: ignore[return-value]

    joblib.dump(Evil(), project.config().paths.models_dir / "sales_regressor.joblib")
    with pytest.raises(BundleError, match="was altered"):
        load_bundle(project.config().paths.models_dir, "sales_regressor")
    done = call("src.predict_sales", "--config", str(project.config_file), "--json", "{}")
    assert done.returncode == 1
    assert not canary.exists()


def test_the_service_loaded_the_alphabetically_last_model(trained: Trained, tmp_path: Path) -> None:
    project = trained.copy(tmp_path)
    models = project.config().paths.models_dir
    (models / "zzz.onnx").write_bytes(b"not the champion")
    with pytest.raises(BundleError, match=r"zzz.onnx is not part of the bundle"):
        load_bundle(models, "sales_regressor")
    (models / "zzz_metadata.json").write_bytes(b"another bundle, whatever it is")
    assert load_bundle(models, "sales_regressor").metadata["model"] == trained.report.leaderboard.champion


def test_health_was_healthy_while_every_prediction_failed(trained: Trained, tmp_path: Path) -> None:
    project = trained.copy(tmp_path)
    (project.config().paths.models_dir / "sales_regressor.onnx").write_bytes(b"")
    with serving(project) as client:
        assert client.get("/health").json()["status"] == "damaged"
        assert client.post("/predict", json={}).status_code == 503


def test_the_first_request_imported_shap(trained: Trained) -> None:
    code = (
        "import sys, json\n"
        "from pathlib import Path\n"
        "from fastapi.testclient import TestClient\n"
        "from tabtrail.config.load import load_config\n"
        "from tabtrail.serving.app import create_app\n"
        "with TestClient(create_app(load_config(Path(sys.argv[1])))) as client:\n"
        "    request = client.get('/openapi.json').json()['paths']['/predict']['post']['requestBody']\n"
        "    example = request['content']['application/json']['example']\n"
        "    assert client.post('/predict', json=example).status_code == 200\n"
        "print(sorted({'shap', 'sklearn', 'mlflow', 'pandas'} & set(sys.modules)))"
    )
    words = [sys.executable, "-W", "ignore", "-c", code, str(trained.project.config_file)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=REPO)
    assert done.stdout.strip() == "[]"


def test_requirements_were_inferred_in_every_log_model(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow.sklearn

    def inferred(*args: object, **kwargs: object) -> list[str]:
        raise AssertionError("requirements are inferred: seconds for each model")

    monkeypatch.setattr(mlflow.sklearn, "infer_pip_requirements", inferred, raising=False)
    monkeypatch.setattr("mlflow.models.infer_pip_requirements", inferred)
    save, written = mlflow.sklearn.save_model, list[object]()
    monkeypatch.setattr(
        mlflow.sklearn, "save_model", lambda model, *args, **kw: (written.append(model), save(model, *args, **kw))
    )
    config = _ingested(project, *ONE_CANDIDATE)
    leaderboard, _ = run_train(config)
    assert leaderboard.champion == "LinearRegression"
    assert {type(model).__name__ for model in written} == {"DummyRegressor"}, "each model is pickled once, by our own pickler"
    for about in (project.root / "mlruns").rglob("MLmodel"):
        if (pickled := about.with_name("model.pkl")).exists():
            assert yaml.safe_load(about.read_text())["model_size_bytes"] > pickled.stat().st_size


def test_column_names_that_are_not_plain_words_broke_the_export(tmp_path: Path) -> None:
    names = ["unit price", "a-b", "x[1] <2>", "größe", "variable"]
    random = np.random.default_rng(0)
    data = pl.DataFrame({name: random.normal(size=300) for name in names}).with_columns(
        pl.Series("kind of", random.choice(["red", "blue, dark"], 300)), y=pl.sum_horizontal(names) * 10
    )
    data.write_csv(tmp_path / "x.csv")
    (tmp_path / "config_v2.yaml").write_text(
        f"version: 2\npaths: {{raw_csv: x.csv}}\nsplit: {{kind: random}}\nengine: {{kind: serial}}\n"
        f"model: {{target: y, numeric_features: {json.dumps(names)}, categorical_features: [kind of]}}\n"
        "candidates: {LinearRegression: {}, LightGBM: {n_estimators: 20}}\n"
    )
    project = Project(tmp_path)
    report = pipeline.run(project.config())
    assert report.leaderboard.champion == "LinearRegression"
    row = data.drop("y").row(0, named=True)
    done = call("src.predict_sales", "--config", str(project.config_file), "--json", json.dumps(row), "--format", "json")
    assert json.loads(done.stdout)["prediction"] == pytest.approx(data["y"][0], rel=1e-6)


def test_paths_with_spaces_and_other_letters_broke_things(tmp_path: Path, sample_csv: Path) -> None:
    root = tmp_path / "my données 'quoted'"
    root.mkdir()
    project = make_project(root, sample_csv, repeats=1)  # and makes its MLflow store there
    report = pipeline.run(project.config(*ONE_CANDIDATE, "report.learning_curve_folds=0"))
    assert json.loads(report.artifacts["bundle"].read_text())["model"] == "LinearRegression"


def test_an_unknown_group_key_silently_fell_back_to_a_random_split(project: Project) -> None:
    with pytest.raises(ConfigError, match="a group split needs the column"):
        project.config("split={kind: group}")
    with pytest.raises(DataError, match=r"missing column 'ORDERNUMBR'; did you mean 'ORDERNUMBER'"):
        ingest(project.config("split.group_key=ORDERNUMBR"))


def _ingested(project: Project, *overrides: str) -> Config:
    config = project.config(*overrides)
    ingest(config)
    return config
