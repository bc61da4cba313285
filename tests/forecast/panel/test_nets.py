"""Nets: what PyTorch trained is what numpy and the graph compute, and a net without PyTorch is refused."""

from dataclasses import replace

import numpy as np
import pytest
from tests.support.demand import demand_panel
from tests.support.nets import needs_torch

from tabtrail import errors
from tabtrail.bundle.plain_graph import require_plain_graph
from tabtrail.config.section import Parameter
from tabtrail.errors import ConfigError, DataError, MissingExtraError
from tabtrail.export.graph import export_onnx
from tabtrail.export.parity import check_parity
from tabtrail.forecast.panel.candidates import DirectCandidate, parse_candidates
from tabtrail.forecast.panel.direct import DirectModel, fit_direct
from tabtrail.forecast.panel.evaluate import default_recipe
from tabtrail.forecast.panel.nets.settings import TableSettings, WindowSettings, parse_net
from tabtrail.forecast.panel.nets.timeline import cut_of, training
from tabtrail.forecast.panel.panel import Panel
from tabtrail.forecast.panel.rows import Points, actual, frame, training_points
from tabtrail.modeling.candidates import Candidate
from tabtrail.modeling.estimators import unclipped

TEXTS = ("store_id", "product_id")
RECIPE = default_recipe("D", 7, ("promotion",), ("price",))
PANEL = demand_panel(150)
FEW: dict[str, Parameter] = {"epochs": 3, "batch_size": 128}
NETS: dict[str, dict[str, Parameter]] = {
    "MLP": {**FEW, "scale": "level"},
    "MLP_tweedie": {**FEW, "scale": "level", "loss": "tweedie", "patience": 0},
    "MLP_poisson": {**FEW, "loss": "poisson"},
    "MLP_document": {**FEW, "loss": "squared", "features": "sixteen"},
    "CNNLSTM": {**FEW, "window": 7},
    "CNNLSTM_each": {**FEW, "window": 7, "per": "product_id", "loss": "squared"},
}


def fitted(name: str, panel: Panel = PANEL, seed: int = 1) -> DirectModel:
    (candidate,) = parse_candidates({name: NETS[name]})
    return fit_direct(candidate, panel, RECIPE, texts=TEXTS, most=2000, seed=seed)


@needs_torch
@pytest.mark.parametrize("name", NETS)
def test_a_net_is_better_than_the_mean_and_its_graph_plain_and_exact(name: str) -> None:
    model = fitted(name)
    points = training_points(PANEL, model.recipe, most=800, seed=3)
    x, y = frame(PANEL, model.recipe, points, TEXTS), actual(PANEL, points)
    assert np.abs(model.estimator.predict(x) - y).mean() < 0.95 * np.abs(y - y.mean()).mean()
    graph = export_onnx(model.estimator, [each for each in x.columns if each not in TEXTS], TEXTS, "demand")
    require_plain_graph(graph)
    parity = check_parity(graph, model.estimator, x, texts=TEXTS, scale=float(np.std(y)), tolerance=1e-9, seed=1)
    assert parity.passed, parity.complaint


@needs_torch
@pytest.mark.parametrize("name", ["MLP", "CNNLSTM"])
def test_the_same_seed_gives_the_same_net_and_another_seed_another(name: str) -> None:
    points = Points.at(PANEL, PANEL.periods - 1, range(1, 8))
    first, again, other = (fitted(name, seed=seed).predict(PANEL, points) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@needs_torch
@pytest.mark.parametrize("kernel", [1, 3, 9])
def test_a_net_over_windows_computes_in_numpy_what_it_computes_in_pytorch(kernel: int) -> None:
    import torch  # an optional extra

    settings = WindowSettings(window=6, kernel=kernel, channels=4, hidden=5)
    module = training().Window(settings, 3).eval().double()
    windows = np.random.default_rng(0).normal(size=(20, 6))
    found = training().weights_of(module, settings).run(windows)
    for place in range(3):
        expected = module(torch.from_numpy(windows), torch.full((20,), place)).detach().numpy()
        np.testing.assert_allclose(found[:, place], expected, rtol=0, atol=1e-12)


@needs_torch
def test_a_series_is_learned_in_its_own_size_from_the_part_before_the_cut() -> None:
    grown = np.where(np.arange(PANEL.periods) >= PANEL.periods - 10, 1000.0, 1.0)
    net = unclipped(fitted("CNNLSTM", replace(PANEL, target=PANEL.target * grown)).estimator)
    first, size = PANEL.target[0, : PANEL.periods - 10], net.scales_["STORE_000\x1fPROD_A"]
    assert net.cut_ < PANEL.first + PANEL.periods - 10
    assert size[0] == pytest.approx(float(np.nanmean(first)), rel=0.2)


@needs_torch
def test_a_loss_that_knows_no_returns_refuses_them() -> None:
    target = PANEL.target.copy()
    target[0, 50] = -3
    with pytest.raises(DataError, match="below zero"):
        fitted("MLP_tweedie", replace(PANEL, target=target))


def test_the_part_that_stops_the_training_is_the_last_one() -> None:
    periods = np.arange(100, 200)
    assert cut_of(periods, TableSettings(held_out=0.1)) == 189
    assert cut_of(periods, TableSettings(held_out=0.1, patience=0)) == 199
    assert cut_of(periods[:1], TableSettings()) == 100


@pytest.mark.parametrize(
    ("name", "params", "told"),
    [
        ("MLP", {"epoch": 3}, "demand.candidates.MLP.epoch: a net has no such parameter; did you mean 'epochs'"),
        ("MLP", {"window": 3}, "has no such parameter"),
        ("MLP", {"epochs": 0}, "whole number from 1 to"),
        ("MLP", {"epochs": 2.5}, "whole number"),
        ("MLP", {"epochs": True}, "whole number"),
        ("MLP", {"epochs": None}, "whole number"),
        ("MLP", {"dropout": 1}, "number from 0 to 0.95"),
        ("MLP", {"loss": "absolut"}, "did you mean 'absolute'"),
        ("MLP", {"features": 16}, "write all or sixteen"),
        ("CNNLSTM", {"loss": "tweedie"}, "write absolute or squared"),
        ("CNNLSTM", {"kernel": 4}, "odd number"),
        ("CNNLSTM", {"per": 3}, "column of demand.series"),
    ],
)
def test_a_wrong_parameter_of_a_net_is_named(name: str, params: dict[str, Parameter], told: str) -> None:
    with pytest.raises(ConfigError, match=f"demand.candidates.{name}") as caught:
        parse_net(name, params)
    assert told in str(caught.value)


def test_a_net_without_pytorch_is_refused_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"torch.*pip install 'tabtrail\[torch\]'"):
        parse_candidates({"LinearRegression": {}, "MLP_small": {}})
    assert len(parse_candidates({"LinearRegression": {}})) == 1


def test_the_column_of_separate_nets_is_one_of_the_series() -> None:
    candidate = DirectCandidate(Candidate("CNNLSTM", "CNNLSTM", {}), False, WindowSettings(per="store"))
    with pytest.raises(ConfigError, match=r"demand\.candidates\.CNNLSTM\.per.*did you mean 'store_id'"):
        fit_direct(candidate, PANEL, RECIPE, texts=TEXTS, most=2000, seed=1)
