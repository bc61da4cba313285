"""Write `demand_oracles.json`: features, errors and sums of a small synthetic panel, as Nixtla's libraries compute them.

They do not install beside our pins, so that this runs in an environment of its own, and the tests read the file:

    python3 -m venv oracles && oracles/bin/pip install mlforecast==1.0.2 hierarchicalforecast==1.5.3 utilsforecast==0.2.17
    oracles/bin/python tests/golden/make_demand_oracles.py

The panel has a row for every day of every series: mlforecast counts rows, not days. All values are synthetic.
"""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import utilsforecast.losses as losses
from hierarchicalforecast.core import HierarchicalReconciliation
from hierarchicalforecast.methods import BottomUp
from hierarchicalforecast.utils import aggregate
from mlforecast import MLForecast
from mlforecast.lag_transforms import RollingMean, RollingStd, SeasonalRollingMean

DAYS, HORIZON, SHOWN = 110, 14, 30
SERIES = {"north/bread": 9.0, "north/milk": 4.0, "south/bread": 0.6, "south/milk": 30.0}


def main() -> None:
    """Compute and write everything."""
    panel = make_panel()
    found = {
        "data": "synthetic",
        "versions": {name: version(name) for name in ("mlforecast", "hierarchicalforecast", "utilsforecast")},
        "first_day": "2023-01-02",
        "horizon": HORIZON,
        "demand": {name: [float(value) for value in group["y"]] for name, group in panel.groupby("unique_id")},
        "features": features(panel),
        **judged(panel),
    }
    path = Path(__file__).with_name("demand_oracles.json")
    path.write_text(json.dumps(found, separators=(",", ":")) + "\n", encoding="utf-8")


def make_panel() -> pd.DataFrame:
    """Counts with a weekly season, one series mostly empty."""
    random, days = np.random.default_rng(2023), pd.date_range("2023-01-02", periods=DAYS)
    season = np.array([0.7, 0.8, 0.9, 1.0, 1.2, 1.6, 0.8])[np.arange(DAYS) % 7]
    frames = [
        pd.DataFrame({"unique_id": name, "ds": days, "y": random.poisson(level * season).astype(float)})
        for name, level in SERIES.items()
    ]
    return pd.concat(frames, ignore_index=True)


def features(panel: pd.DataFrame) -> dict[str, Any]:
    """Lags and windows of the last `SHOWN` days of each series: of a day, from the days before it."""
    names = {
        "rolling_mean_lag1_window_size7": "mean_7",
        "rolling_mean_lag1_window_size14": "mean_14",
        "rolling_mean_lag1_window_size28": "mean_28",
        "rolling_std_lag1_window_size7": "std_7",
        "seasonal_rolling_mean_lag7_season_length7_window_size8": "season_mean_8",
    }
    model = MLForecast(
        models=[],
        freq="D",
        lags=[1, 7, 14, 28],
        lag_transforms={1: [RollingMean(7), RollingMean(14), RollingMean(28), RollingStd(7)], 7: [SeasonalRollingMean(7, 8)]},
    )
    table = model.preprocess(panel, dropna=False, static_features=[])
    table = table.rename(columns=names | {f"lag{lag}": f"lag_{lag}" for lag in (1, 7, 14, 28)})
    wanted = [*(f"lag_{lag}" for lag in (1, 7, 14, 28)), *names.values()]
    return {
        name: {column: shown(group.sort_values("ds")[column].to_numpy()[-SHOWN:]) for column in wanted}
        for name, group in table.groupby("unique_id")
    }


def judged(panel: pd.DataFrame) -> dict[str, Any]:
    """Two made-up forecasts of the last days: their errors by series, and their sums by region and in all."""
    random = np.random.default_rng(7)
    train = panel[panel["ds"] < panel["ds"].max() - pd.Timedelta(days=HORIZON - 1)]
    test = panel.drop(train.index).copy()
    means = train.groupby("unique_id")["y"].mean()
    test["flat"] = test["unique_id"].map(means)
    test["noisy"] = test["flat"] * random.gamma(20, 1 / 20, len(test))
    models = ["flat", "noisy"]
    tables = {
        "mae": losses.mae(test, models),
        "rmse": losses.rmse(test, models),
        "mape": losses.mape(test, models),
        "smape": losses.smape(test, models),
        "nd": losses.nd(test, models),
        "mase": losses.mase(test, models, seasonality=1, train_df=train),
        "rmsse": losses.rmsse(test, models, seasonality=1, train_df=train),
        "pinball_90": losses.quantile_loss(test, {model: model for model in models}, q=0.9),
    }
    return {
        "forecasts": {
            model: {name: shown(group[model].to_numpy()) for name, group in test.groupby("unique_id")} for model in models
        },
        "errors": {
            metric: {model: dict(zip(table["unique_id"], shown(table[model].to_numpy()), strict=True)) for model in models}
            for metric, table in tables.items()
        },
        "bottom_up": bottom_up(train, test),
    }


def bottom_up(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, list[float]]:
    """The forecasts `noisy` of the series, summed by hierarchicalforecast to the regions and to all."""

    def parted(table: pd.DataFrame) -> pd.DataFrame:
        names = table["unique_id"].str.split("/", expand=True)
        return table.assign(all="all", region=names[0], product=names[1]).drop(columns="unique_id")

    levels = [["all"], ["all", "region"], ["all", "region", "product"]]
    history, summing, tags = aggregate(parted(train), levels)
    base, _, _ = aggregate(parted(test.assign(y=test["noisy"])[["unique_id", "ds", "y"]]), levels)
    # What the upper levels forecast themselves is no matter to the sums from below.
    base["noisy"] = np.where(base["unique_id"].str.count("/") == 2, base["y"], 1.0)
    found = HierarchicalReconciliation([BottomUp()]).reconcile(
        Y_hat_df=base.drop(columns="y"), Y_df=history, S_df=summing, tags=tags
    )
    column = "noisy/BottomUp"
    return {
        str(name): shown(group.sort_values("ds")[column].to_numpy())
        for name, group in found.groupby("unique_id")
        if str(name).count("/") < 2
    }


def shown(values: Any) -> list[float]:
    """Twelve significant digits."""
    return [float(f"{value:.12g}") for value in values]


if __name__ == "__main__":
    main()
