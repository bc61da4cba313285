"""Intervals by quantiles: they hold their level, never cross, follow what comes, and are proven like the forecast beside them."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from scipy.stats import norm
from tests.support.demand import DEMAND, demand_panel

from tabtrail.bundle.demand.features import Array
from tabtrail.bundle.demand.intervals import ALL, CLASSES, Bounds, DemandIntervals, horizon_part
from tabtrail.bundle.demand.quantiles import probabilities_of, scores_of
from tabtrail.export.graph import export_onnx
from tabtrail.export.outputs import OUTPUT, QUANTILES, open_graph, without_clip, without_quantiles
from tabtrail.export.parity import check_parity
from tabtrail.forecast.panel.calibration import Adapting, Outcomes, Settings, bounds_of, fit_intervals, misses
from tabtrail.forecast.panel.candidates import parse_candidates
from tabtrail.forecast.panel.coverage import measure
from tabtrail.forecast.panel.direct import fit_direct
from tabtrail.forecast.panel.evaluate import Origins, default_recipe
from tabtrail.forecast.panel.quantiles import fit_quantiles
from tabtrail.forecast.panel.rows import Points, frame
from tabtrail.forecast.panel.task import Task

LEVELS = (0.9, 0.8)  # in an order that is not that of their widths
TEXTS = ("store_id", "product_id")


def outcomes(origins: int = 60, series: int = 60, *, sure: float = 0.6, seed: int = 3) -> Outcomes:
    """Demand whose spread changes from row to row, which the quantiles know, but take for `sure` times what it is; half of the
    series sell nothing on most days.
    """
    generator = np.random.default_rng(seed)
    usual = np.exp(generator.uniform(0, 3, series))
    shape = (origins, series, 14)
    mean, spread = np.broadcast_to(usual[None, :, None], shape), generator.uniform(0.05, 0.6, shape)
    sparse = np.broadcast_to((np.arange(series) % 2 == 0)[None, :, None], shape)
    actual = np.maximum(np.round(mean * (1 + spread * generator.normal(size=shape))), 0.0)
    actual = np.where(sparse & (generator.random(shape) < 0.7), 0.0, actual)
    probabilities = np.array(probabilities_of(LEVELS))
    dense = mean[..., None] * (1 + sure * spread[..., None] * norm.ppf(probabilities))
    within = np.clip((probabilities - 0.7) / 0.3, 1e-3, 1 - 1e-3)
    seldom = np.where(probabilities < 0.7, 0.0, mean[..., None] * (1 + sure * spread[..., None] * norm.ppf(within)))
    quantiles = np.maximum(np.where(sparse[..., None], seldom, dense), 0.0)
    kind = np.tile(np.where(np.arange(series) % 2 == 0, CLASSES.index("intermittent"), CLASSES.index("smooth")), (origins, 1))
    forecast = np.where(sparse, 0.3 * mean, mean)
    return Outcomes(400 + 7 * np.arange(origins), forecast, actual, np.tile(usual, (origins, 1)), kind, quantiles)


def fitted(found: Outcomes) -> DemandIntervals:
    half = len(found.places) // 2
    settings = Settings(LEVELS, 0.95, 14, 7, int(found.places[half - 1]), 0.0, 7)
    return fit_intervals(found.take(slice(0, half)), settings)


def later(found: Outcomes) -> Outcomes:
    return found.take(slice(len(found.places) // 2, None))


def test_quantiles_that_are_too_narrow_hold_their_level_after_the_calibration_of_sparse_demand_too() -> None:
    found = outcomes()
    intervals = fitted(found)
    raw = replace(
        intervals,
        offsets={key: replace(own, scores=((0.0,) * len(own.scores[0]),) * 2) for key, own in intervals.offsets.items()},
    )
    before, held = (measure(each, later(found), intervals.through, rate=0.0) for each in (raw, intervals))
    for level, own, narrow in zip(LEVELS, held["levels"], before["levels"], strict=True):
        assert own["level"] == level
        assert own["coverage"] == pytest.approx(level, abs=0.02)
        assert all(share == pytest.approx(level, abs=0.035) for share in own["by_class"].values())
        assert abs(narrow["by_class"]["smooth"] - level) > 0.1


def test_quantiles_that_know_the_spread_are_narrower_and_lose_less_than_errors_alone() -> None:
    found = outcomes()
    intervals = fitted(found)
    own, errors = (measure(each, later(found), intervals.through)["levels"] for each in (intervals, intervals.by_errors()))
    for one, other in zip(own, errors, strict=True):
        assert one["width"] < 0.97 * other["width"]
        assert one["pinball"] < other["pinball"]


def test_levels_never_cross_and_hold_the_forecast_whatever_was_learned() -> None:
    found = outcomes()
    intervals = fitted(found)
    learned = {**intervals.allowed, horizon_part(7): [0.6, 0.05], horizon_part(14): [0.01, 0.5]}
    for alphas in (intervals.allowed, learned):
        low, high = bounds_of(Bounds(intervals, alphas), found)
        wide, narrow = 0, 1
        assert (low[..., wide] >= 0).all()
        assert (low[..., wide] <= low[..., narrow]).all()
        assert (low[..., narrow] <= found.forecast).all()
        assert (found.forecast <= high[..., narrow]).all()
        assert (high[..., narrow] <= high[..., wide]).all()


def test_one_forecast_with_quantiles_has_the_bits_that_it_has_among_many_and_a_new_series_the_errors() -> None:
    found = outcomes(origins=10)
    intervals = replace(fitted(outcomes()), new=1.7)
    bounds, generator = Bounds(intervals, intervals.allowed), np.random.default_rng(5)
    rows = generator.integers(0, found.forecast.size, 300)
    forecast, quantiles = found.forecast.ravel()[rows], found.quantiles.reshape(found.forecast.size, -1)[rows]  # type: ignore[union-attr]
    horizon, kind, level = (
        generator.integers(1, 15, 300),
        generator.integers(-1, len(CLASSES), 300),
        generator.gamma(0.5, 20, 300),
    )
    low, high = bounds.of(forecast, horizon, level, kind, quantiles)
    for row in range(300):
        own = bounds.of_one(float(forecast[row]), int(horizon[row]), float(level[row]), int(kind[row]), quantiles[row])
        assert own == tuple(zip(low[row].tolist(), high[row].tolist(), strict=True))
    new = kind < 0
    plain = Bounds(intervals.by_errors(), intervals.allowed).of(forecast, horizon, level, kind)
    assert (low[new] == plain[0][new]).all()
    assert (high[new] == plain[1][new]).all()
    assert (high[~new] != plain[1][~new]).any()


def test_a_lower_quantile_of_zero_stays_zero_and_one_above_it_moves() -> None:
    actual, lower, upper = np.array([0.0, 1.0, 9.0]), np.array([0.0, 2.0, 2.0]), np.array([3.0, 5.0, 5.0])
    assert scores_of(actual, lower, upper, np.ones(3), 0.0).tolist() == [-3.0, 1.0, 4.0]
    assert scores_of(actual, lower, upper, np.full(3, 2.0), None).tolist() == [0.0, 0.5, 2.0]


def test_alpha_moves_by_what_the_quantiles_missed() -> None:
    found = outcomes()
    intervals, own = fitted(found), later(found)
    own.actual[:] *= 5
    state = Adapting(intervals, intervals.allowed, dict.fromkeys(intervals.parts, intervals.through))
    state.learn(own, int(own.places[-1]) + 14)
    for part in (horizon_part(7), horizon_part(14)):
        assert all(now < then for now, then in zip(state.alphas[part], intervals.allowed[part], strict=True))
    missed = misses(intervals, intervals.allowed, own.take(slice(0, 1)))[horizon_part(7)]
    low, high = bounds_of(Bounds(intervals, intervals.allowed), own.take(slice(0, 1)))
    actual = own.actual[:1, :, :7, None]
    assert missed == pytest.approx(1 - ((low[:, :, :7] <= actual) & (actual <= high[:, :, :7])).mean(axis=(0, 1, 2)))


def test_intervals_come_back_from_the_metadata_and_those_by_errors_say_nothing_of_quantiles() -> None:
    intervals = fitted(outcomes())
    assert DemandIntervals.from_dict(intervals.to_dict()) == intervals
    assert intervals.quantiles == (0.05, 0.1, 0.9, 0.95)
    plain = intervals.by_errors()
    assert "offsets" not in plain.to_dict()
    assert DemandIntervals.from_dict(plain.to_dict()) == plain
    assert horizon_part(7, ALL) in intervals.offsets


@pytest.mark.parametrize("scale", ["level", "none"])
def test_quantiles_are_outputs_of_the_graph_proven_with_the_forecast_and_ascending(scale: str) -> None:
    panel = demand_panel(160)
    recipe = default_recipe("D", 7, ("promotion",), ("price",))
    task = Task(DEMAND.model_copy(update={"max_rows": 1200}), panel, recipe, TEXTS, Origins((140,), 7))
    (candidate,) = parse_candidates({"LightGBM": {"n_estimators": 15, "num_leaves": 7, "scale": scale}})
    point = fit_direct(candidate, panel.until(140), recipe, texts=TEXTS, most=1200, seed=1)
    quantiles = fit_quantiles(task, panel.until(140), levels=(0.8,), recipe=point.recipe, at=0)
    model = quantiles.beside(point.estimator)
    x = frame(panel, point.recipe, Points.at(panel, 152, range(1, 8)), TEXTS)
    graph = export_onnx(model, [name for name in x.columns if name not in TEXTS], TEXTS, "demand")
    named = {"texts": TEXTS, "scale": float(np.nanstd(panel.target)), "tolerance": 1e-5, "seed": 1}
    parity = check_parity(graph, model, x, **named)  # type: ignore[arg-type]
    assert parity.passed, parity.complaint
    found: Array = quantiles.at_end(TEXTS, point.recipe, panel.until(152))
    assert found.shape == (panel.count, 7, 2)
    assert (np.diff(found, axis=2) >= 0).all()
    other = replace(quantiles, models=(quantiles.models[0], quantiles.models[0])).beside(point.estimator)
    assert not check_parity(graph, other, x, **named).passed  # type: ignore[arg-type]
    for alone in (without_quantiles(graph), without_clip(graph)):
        assert [each.name for each in onnx.load_from_string(alone).graph.output] == [OUTPUT]
    assert (open_graph(without_quantiles(graph))(x) == open_graph(graph)(x)).all()
    assert [each.name for each in onnx.load_from_string(graph).graph.output] == [OUTPUT, QUANTILES]
