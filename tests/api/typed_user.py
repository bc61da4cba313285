"""A program as a user of the API writes it: mypy reads it in its strict mode, as pyproject.toml says; nothing runs it."""

from pathlib import Path
from typing import Any, assert_type

import pandas as pd
import polars as pl

import tabtrail as tt


def train(frame: pl.DataFrame, cars: pd.DataFrame) -> tt.Model:
    result = tt.fit(frame, target="price", folder=Path("cars"), overrides={"split.folds": 3}, say=print)
    assert_type(result, tt.Result)
    assert_type(result.leaderboard, pl.DataFrame)
    assert_type(result.findings, pl.DataFrame)
    assert_type(result.champion.error, float | None)
    assert_type(result.report.path, Path)
    assert_type(result.series, tt.Result | None)
    assert_type(tt.run("config.yaml", overrides=["split.folds=3"], force=True, report=False), tt.Result)
    assert_type(tt.fit(cars, target="price").model, tt.Model)
    return result.model


def predict(model: tt.Model, frame: pl.DataFrame, cars: pd.DataFrame, rows: list[dict[str, float | str]]) -> float:
    answer = model.predict({"miles": 30.5, "make": "Audi"})
    assert_type(answer, tt.Prediction)
    assert_type(answer.low, float | None)
    assert_type(model.predict(rows), list[tt.Prediction])
    assert_type(model.predict(frame, refused="keep"), pl.DataFrame)
    assert_type(model.predict(cars), pd.DataFrame)
    assert_type(model.explain(rows[0]), tt.Explanation)
    assert_type(model.schema.example, dict[str, Any])
    try:
        return tt.load_model("models:/cars@champion", config="cars.yaml").predict(rows[0]).value
    except tt.TabtrailError as error:
        raise SystemExit(error.exit_code) from error


def compare(cars: pd.DataFrame) -> pl.DataFrame:
    regressor = tt.Regressor(preset="quick", folds=3).fit(cars[["miles"]], cars["price"])
    assert_type(regressor.leaderboard_, pl.DataFrame)
    return regressor.leaderboard_
