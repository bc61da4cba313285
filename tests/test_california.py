"""Another dataset with nothing but another YAML: California housing, from the CSV to a prediction."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.model_selection import train_test_split
from tests.support.projects import CALIFORNIA_CSV, REPO

from tabtrail import pipeline
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.data.dataset import scan_dataset
from tabtrail.export.outputs import run_onnx
from tabtrail.modeling.benchmark import run_benchmark
from tabtrail.modeling.metrics import score
from tabtrail.modeling.problem import problem_of
from tabtrail.modeling.split import split_training_part
from tabtrail.modeling.table import load_table
from tabtrail.workflows.champion import Proofs

pytestmark = pytest.mark.usefixtures("one_picture")

EXAMPLE = REPO / "examples" / "california_housing" / "config.yaml"
# One of the example's candidates, with fewer rounds, for the time of a test.
LIGHTGBM = "{n_estimators: 600, num_leaves: 31, learning_rate: 0.07, subsample: 0.8, subsample_freq: 1, colsample_bytree: 0.6}"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    if not CALIFORNIA_CSV.is_file():
        pytest.skip(f"{CALIFORNIA_CSV} is missing: the example is not run")
    folder = tmp_path_factory.mktemp("california")
    (folder / "config.yaml").write_bytes(EXAMPLE.read_bytes())
    candidates = f"candidates={{LinearRegression: {{}}, LightGBM: {LIGHTGBM}}}"
    cheap = ["explain.max_rows=50", "report.learning_curve_folds=0", "engine.kind=serial"]
    return load_config(folder / "config.yaml", [f"paths.raw_csv={CALIFORNIA_CSV}", candidates, *cheap])


def test_the_whole_path_runs_with_another_yaml(config: Config) -> None:
    report = pipeline.run(config)
    assert report.manifest.rows_kept == 20_640
    assert report.leaderboard.findings == ()
    assert report.leaderboard.champion == "LightGBM"
    summary = pl.read_parquet(config.paths.output_dir / "summary" / "by_ocean_proximity.parquet")
    assert summary["districts"].sum() == 20_640
    predictor = Predictor(load_bundle(config.paths.models_dir, "housing_regressor"))
    (answer,) = predictor.predict([predictor.schema.example])
    assert answer.interval is not None
    assert 0 <= answer.interval.low < answer.value < answer.interval.high
    for row in report.leaderboard.coverage:
        if row.rows > 400:
            assert 0.85 <= row.coverage <= 0.95


def test_its_error_on_the_usual_split_is_below_what_an_automl_search_reached(config: Config, tmp_path: Path) -> None:
    pipeline.run_stage("ingest", config)
    data = scan_dataset(config.dataset).collect()
    table = load_table(problem_of(config), data)
    _, test_rows = train_test_split(np.arange(data.height), test_size=0.2, random_state=42)
    test = np.isin(table.row, test_rows)
    two = config.split.model_copy(update={"folds": 2})  # they choose, and the error is that of a fit on all training rows
    split = split_training_part(table.keys, two, config.model.random_state, ~test, test)
    benchmark = run_benchmark(problem_of(config), table, split)
    with Proofs(config, table, split) as proofs:
        exported = proofs.export(benchmark.champion)
    assert exported.parity.passed
    assert score(table.y[test], run_onnx(exported.onnx, table.x[test]))["rmse"] < 44_500
