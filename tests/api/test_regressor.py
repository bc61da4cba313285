"""`tabtrail.Regressor` as scikit-learn's tools use estimators: its checks, frames, pipelines, copies."""

import pickle
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import tabtrail as tt
from tabtrail.errors import DataError

# What cannot hold, with the reason. Nothing is in it.
EXPECTED: dict[str, str] = {}
LINEAR = {"LinearRegression": {}}


# By a line alone, so that fifty checks cost seconds; with the candidates of `quick` they pass as well (15 CPU-s).
@parametrize_with_checks([tt.Regressor(candidates=LINEAR, folds=2)], expected_failed_checks=lambda _: EXPECTED)
@pytest.mark.filterwarnings("ignore")
def test_every_check_of_scikit_learn_passes(estimator: Any, check: Any) -> None:
    check(estimator)


def frame(rows: int = 200) -> pl.DataFrame:
    """Prices by mileage, make, age of a flag and day of sale, with gaps."""
    random = np.random.default_rng(3)
    miles, make = random.uniform(0, 100, rows), random.choice(["Opel", "Audi", "Fiat"], rows)
    day = [date(2023, 1, 1) + timedelta(days=int(each)) for each in random.integers(0, 700, rows)]
    price = 100 - miles + 30 * (make == "Audi") + 0.02 * np.arange(rows) + random.normal(0, 1, rows)
    found = pl.DataFrame({"miles": miles, "make": make, "sold": day, "new": miles < 20, "price": price})
    return found.with_columns(
        miles=pl.when(pl.int_range(pl.len()) % 17 == 0).then(None).otherwise(pl.col("miles")),
        make=pl.when(pl.int_range(pl.len()) % 19 == 0).then(None).otherwise(pl.col("make")),
    )


@pytest.fixture(scope="module")
def fitted() -> tt.Regressor:
    data = frame()
    return tt.Regressor().fit(data.drop("price"), data["price"])


def test_it_tries_several_models_and_predicts_with_the_best(fitted: tt.Regressor) -> None:
    data = frame()
    assert fitted.leaderboard_["candidate"][0] == fitted.champion_
    assert fitted.leaderboard_["error"].is_sorted()
    assert {"LinearRegression", "ExtraTrees", "MeanBaseline"} <= set(fitted.leaderboard_["candidate"])
    assert fitted.score(data.drop("price"), data["price"]) > 0.9
    assert fitted.n_features_in_ == 4
    assert fitted.feature_names_in_.tolist() == ["miles", "make", "sold", "new"]


def test_a_frame_of_whichever_library_and_type_of_text_gives_the_same_predictions(fitted: tt.Regressor) -> None:
    x = frame().drop("price")
    wanted = fitted.predict(x)
    pandas = x.to_pandas()
    for name, other in {
        "pandas": pandas,
        "its own index": pandas.set_index(pd.Index(range(500, 700))),
        "categories": pandas.assign(make=pandas["make"].astype("category"), sold=pd.to_datetime(pandas["sold"])),
        "nullable numbers": pandas.assign(miles=pandas["miles"].astype("Float64")),
        "objects": pandas.astype(object).where(pandas.notna(), None),
        "enums": x.with_columns(pl.col("make").cast(pl.Enum(["Audi", "Fiat", "Opel"]))),
        "arrow": x.to_arrow(),
    }.items():
        assert np.array_equal(fitted.predict(other), wanted), name
    assert np.array_equal(fitted.predict(x[::-1]), wanted[::-1])
    assert np.isfinite(fitted.predict(x.with_columns(make=pl.lit("Lada"), miles=pl.lit(None, pl.Float64)))).all(), "new, missing"


def test_the_order_of_the_rows_changes_nothing(fitted: tt.Regressor) -> None:
    data = frame().sample(fraction=1, shuffle=True, seed=1)
    again = tt.Regressor().fit(data.drop("price").to_pandas(), data["price"].to_pandas())
    assert np.array_equal(again.predict(frame().drop("price")), fitted.predict(frame().drop("price")))


def test_a_copy_by_pickle_predicts_the_same(fitted: tt.Regressor) -> None:
    x = frame().drop("price")
    assert np.array_equal(pickle.loads(pickle.dumps(fitted)).predict(x), fitted.predict(x))


def test_it_goes_into_pipelines_that_set_their_output_into_searches_and_cross_validation() -> None:
    data = frame().drop_nulls()
    x, y = data.select("miles"), data["price"].to_numpy()
    steps = make_pipeline(StandardScaler(), tt.Regressor(candidates=LINEAR)).set_output(transform="polars")
    assert steps.fit(x, y).predict(x).shape == (data.height,)
    assert steps[-1].feature_names_in_.tolist() == ["miles"]
    assert cross_val_score(tt.Regressor(candidates=LINEAR), x.to_pandas(), y, cv=3).min() > 0.5
    search = GridSearchCV(tt.Regressor(candidates=LINEAR), {"folds": [2, 3]}, cv=2).fit(x.to_numpy(), y)
    assert search.best_estimator_.champion_ == "LinearRegression"


def test_more_rows_are_boosted_and_the_full_preset_tries_what_a_config_without_candidates_would() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 3))
    y = np.sin(3 * x[:, 0]) * x[:, 1]
    assert tt.Regressor().fit(x, y).champion_ == "LightGBM_quick"
    with pytest.raises(ValueError, match="preset: write quick or full"):
        tt.Regressor(preset="fast").fit(x, y)


def test_rows_that_cannot_be_learned_from_are_refused_with_what_is_wrong() -> None:
    data = frame(50)
    x, y = data.drop("price"), data["price"]
    for match, other, target in (
        ("n_samples=3", x.head(3), y.head(3)),
        ("inconsistent numbers of samples", x, y.head(7)),
        ("Input y contains NaN", x, y.to_numpy() * np.nan),
        ("column 0 .* is List", x.with_columns(miles=pl.concat_list("miles")), y),
        ("the same value in all 50", x, np.ones(50)),
        ("infinity", x.with_columns(miles=pl.lit(float("inf"))), y),
        ("two columns", pd.DataFrame([[1, 2]] * 50, columns=["a", "a"]), y),
    ):
        with pytest.raises(ValueError, match=match):
            tt.Regressor(candidates=LINEAR).fit(other, target)
    with pytest.raises(DataError, match=r"candidates\.Forest: unknown model family"):
        tt.Regressor(candidates={"Forest": {}}).fit(x, y)
    with pytest.raises(ValueError, match=r"column 1 \(from 0\) holds numbers, and the model learned from texts there"):
        tt.Regressor(candidates=LINEAR).fit(x, y).predict(x.with_columns(make=pl.lit(1)))


def test_fitting_leaves_no_file_and_prints_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data = frame(60)
    tt.Regressor(candidates=LINEAR).fit(data.drop("price"), data["price"])
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr() == ("", "")
