"""`model.clip` bounds a prediction and its interval alike, in folds, graph, pickle, files, requests and explanations."""

import json
from pathlib import Path
from typing import Any

import joblib
import mlflow.pyfunc
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.commands import run_in
from tests.support.projects import Project, make_store
from tests.support.small_project import LINEAR, small

from tabtrail.bundle.columnar import CodedTexts, ColumnScorer
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.errors import ConfigError
from tabtrail.project.paths import Artifacts
from tabtrail.project.summary import read_leaderboard
from tabtrail.tracking.models import model_of
from tabtrail.tracking.store import open_store

pytestmark = pytest.mark.usefixtures("one_picture")

SMALL, LARGE = {"a": -500.0, "b": "p"}, {"a": 900.0, "b": "q"}
NUMBERS = st.floats(-1e6, 1e6)


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The target is about 3 a, cut off at 30 and 200, and the contract says so: a line goes beyond at either end."""
    root = tmp_path_factory.mktemp("clip")
    make_store(root / "store" / "mlflow.db")
    project = small(
        root,
        root / "store" / "mlflow.db",
        y=lambda a, random: np.clip(3 * a + random.normal(0, 5, len(a)), 30, 200),
        contract={"columns": {"y": {"dtype": "float", "min": 30, "max": 200}}},
        candidates={LINEAR: {}},
        intervals={"by": "b"},
    )
    done = run_in(project, "run")
    assert done.returncode == 0, done.stderr
    return project


@pytest.fixture(scope="module")
def predictor(bounded: Project) -> Predictor:
    return Predictor(load_bundle(bounded.config().paths.models_dir, "m"))


@given(rows=st.lists(st.tuples(NUMBERS, st.sampled_from(["p", "q", "r", "never seen"])), min_size=1, max_size=20))
def test_low_prediction_and_high_are_in_order_and_inside_the_bounds_for_any_row(
    predictor: Predictor, rows: list[tuple[float, str]]
) -> None:
    columns: dict[str, Any] = {
        "a": np.array([a for a, _ in rows]),
        "b": CodedTexts(("p", "q", "r", "never seen"), np.array([["p", "q", "r", "never seen"].index(b) for _, b in rows])),
    }
    found = ColumnScorer(predictor).score(columns, intervals=True)
    assert found.low is not None
    assert found.high is not None
    assert (found.low >= 30).all()
    assert (found.low <= found.values).all()
    assert (found.values <= found.high).all()
    assert (found.high <= 200).all()
    for index, one in enumerate(predictor.predict([{"a": a, "b": b} for a, b in rows])):
        assert one.interval is not None
        assert (one.interval.low, one.value, one.interval.high) == (found.low[index], found.values[index], found.high[index])


def test_every_way_to_a_prediction_has_the_same_bounds(bounded: Project, predictor: Predictor, tmp_path: Path) -> None:
    config, rows = bounded.config(), [SMALL, LARGE]
    served = [each.value for each in predictor.predict(rows)]
    assert served == [30, 200]
    x = pd.DataFrame({"a": [row["a"] for row in rows], "b": np.array([row["b"] for row in rows], dtype=object)})
    assert joblib.load(config.paths.models_dir / "m.joblib").predict(x).tolist() == served
    board = read_leaderboard(Artifacts.of(config))
    store = open_store(config.mlflow)
    pyfunc = mlflow.pyfunc.load_model(model_of(store, board.champion_row.run_id).location)
    assert np.ravel(pyfunc.predict(x)).tolist() == served
    x.to_csv(tmp_path / "rows.csv", index=False)
    output = tmp_path / "scored.parquet"
    assert run_in(bounded, "predict", "--input", str(tmp_path / "rows.csv"), "--output", str(output)).returncode == 0
    assert pl.read_parquet(output).get_column("prediction").to_list() == served


def test_the_folds_and_so_all_metrics_are_of_clipped_predictions(bounded: Project) -> None:
    predictions = pl.read_parquet(bounded.root / "output" / "metrics" / "predictions.parquet")
    numbers = predictions.select(pl.selectors.by_name("predicted", "low", "high", require_all=False)).to_numpy()
    assert (np.nanmin(numbers), np.nanmax(numbers)) == (30, 200)


def test_an_explanation_is_of_the_sum_before_it_is_bounded_and_says_so(bounded: Project) -> None:
    done = run_in(bounded, "explain", "--json", json.dumps(SMALL), "--format", "json")
    found = json.loads(done.stdout)
    assert found["prediction"] == 30
    assert found["unclipped"] < -1000
    assert found["base_value"] + sum(found["contributions"].values()) == pytest.approx(found["unclipped"])
    assert "and model.clip bounds it" in run_in(bounded, "explain", "--json", json.dumps(SMALL)).stdout
    assert "model.clip" not in run_in(bounded, "explain", "--json", '{"a": 40, "b": "p"}').stdout
    importance = json.loads(Artifacts.of(bounded.config()).importance.read_text())
    assert 0 < importance["clipped_rows"] < importance["rows"]
    assert "before <code>model.clip</code> bounds it" in Artifacts.of(bounded.config()).page.read_text()


@pytest.mark.parametrize(
    ("written", "bounds"),
    [("contract", (30, 200)), ("off", (None, None)), ("[null, 150]", (None, 150)), ("[0, null]", (0, None)), ("[0, 1]", (0, 1))],
)
def test_the_bounds_are_those_of_the_contract_of_the_config_or_none(
    bounded: Project, written: str, bounds: tuple[float | None, float | None]
) -> None:
    assert bounded.problem(f"model.clip={written}").clip == bounds


@pytest.mark.parametrize("written", ["[1, 0]", "[null, null]", "[0]", "[a, 1]", "contracts", "3", "[.nan, 1]", "true"])
def test_bounds_that_are_none_are_refused_with_what_to_write(bounded: Project, written: str) -> None:
    with pytest.raises(ConfigError, match=r"model.clip: .*write contract, off, or the least and the largest prediction"):
        bounded.config(f"model.clip={written}")


def test_targets_that_can_never_be_predicted_are_noted(bounded: Project) -> None:
    done = run_in(bounded, "train", "--verbose", "--set", "model.clip=[50, 150]", "--set", f"candidates={{{LINEAR}: {{}}}}")
    assert done.returncode == 0, done.stderr
    assert "rows have a target that can never be predicted: model.clip is 50 to 150" in done.stdout
