"""The nets of demand as PyTorch trains them, in one thread and from a seed."""

import copy
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tabtrail.bundle.demand.features import Array
from tabtrail.forecast.panel.nets.settings import LOG_LOSSES, Budget, TableSettings, WindowSettings
from tabtrail.forecast.panel.nets.window_weights import WindowWeights
from tabtrail.modeling.nets.torch_runs import array, floats, seeded

Codes = NDArray[np.int64]
Target = tuple[Array, Array, NDArray[np.bool_]]
"""What is learned, the weight of each row, and the rows that early stopping looks at [rows]."""
_EVALUATED = 8192  # rows whose loss is computed at once


def train_table(
    settings: TableSettings, inputs: tuple[Array, Codes], target: Target, sizes: list[tuple[int, int]], seed: int
) -> tuple[list[Array], list[tuple[Array, Array]]]:
    """Return the embeddings [texts + 1, columns] and the layers (weights [in, out], bias [out]) of a fitted net.

    The first row of an embedding, which is for new texts, is the mean of the others.
    """
    with seeded(seed):
        module = _Table(settings, inputs[0].shape[1], sizes)
        mean = float(np.average(target[0], weights=target[1]))
        with torch.no_grad():  # from the mean on: what few epochs learn is what differs from it
            module.layers[-1].bias.fill_(np.log(max(mean, 1e-6)) if settings.loss in LOG_LOSSES else mean)
        _descend(module, (floats(inputs[0]), torch.from_numpy(inputs[1])), target, settings)
    tables = [array(each.weight) for each in module.tables]
    for table in tables:
        table[0] = table[1:].mean(axis=0)
    return tables, [(array(each.weight).T.copy(), array(each.bias)) for each in module.layers]


def train_window(settings: WindowSettings, inputs: tuple[Array, Codes], target: Target, horizon: int, seed: int) -> WindowWeights:
    """Return the weights of a net fitted on windows [rows, T], oldest value first, and places of horizons [rows]."""
    with seeded(seed):
        module = Window(settings, horizon)
        _descend(module, (floats(inputs[0]), torch.from_numpy(inputs[1])), target, settings)
    return weights_of(module, settings)


def weights_of(module: "Window", settings: WindowSettings) -> WindowWeights:
    """Return the weights of a net over windows."""
    steps = settings.window
    kernel = array(module.convolution.weight)[:, 0, :]
    front = np.zeros((steps, steps, settings.channels))
    for step in range(steps):
        for place in range(settings.kernel):
            if 0 <= (at := step + place - settings.kernel // 2) < steps:
                front[at, step] = kernel[:, place]
    lstm = module.lstm
    gates = (
        array(lstm.weight_ih_l0).T.copy(),
        array(lstm.weight_hh_l0).T.copy(),
        array(lstm.bias_ih_l0) + array(lstm.bias_hh_l0),
    )
    bias = np.tile(array(module.convolution.bias), steps)
    return WindowWeights(front.reshape(steps, -1), bias, gates, (array(module.head.weight).T.copy(), array(module.head.bias)))


class _Table(nn.Module):
    def __init__(self, settings: TableSettings, numbers: int, sizes: list[tuple[int, int]]) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(rows, columns) for rows, columns in sizes)
        widths = (numbers + sum(columns for _, columns in sizes), settings.hidden_1, settings.hidden_2, 1)
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, numbers: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        found = torch.cat([numbers, *(table(codes[:, place]) for place, table in enumerate(self.tables))], dim=1)
        for layer in self.layers[:-1]:
            found = self.dropout(torch.relu(layer(found)))
        return self.layers[-1](found)[:, 0]


class Window(nn.Module):
    """A convolution, an LSTM, and a forecast for each horizon, of which a row has the one at its place."""

    def __init__(self, settings: WindowSettings, horizon: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(1, settings.channels, settings.kernel, padding=settings.kernel // 2)
        self.lstm = nn.LSTM(settings.channels, settings.hidden, batch_first=True)
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(settings.hidden, horizon)

    def forward(self, windows: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        seen = torch.relu(self.convolution(windows[:, None, :])).transpose(1, 2)
        states, _ = self.lstm(seen)
        return self.head(self.dropout(states[:, -1])).gather(1, places[:, None])[:, 0]


def _descend(module: Any, inputs: tuple[torch.Tensor, ...], target: Target, budget: Budget) -> None:
    """Train a module, and leave it with the weights of the epoch that did best on the rows held out, where there are any."""
    y, weights, held = floats(target[0]), floats(target[1]), torch.from_numpy(target[2])
    learned, watched = torch.nonzero(~held)[:, 0], torch.nonzero(held)[:, 0]
    optimizer = torch.optim.Adam(module.parameters(), lr=budget.learning_rate)
    best, kept, waited = float("inf"), None, 0
    for _ in range(budget.epochs):
        module.train()
        for part in learned[torch.randperm(len(learned))].split(budget.batch_size):
            optimizer.zero_grad()
            _loss(budget, module(*(each[part] for each in inputs)), y[part], weights[part]).mean().backward()
            optimizer.step()
        if not len(watched):
            continue
        module.eval()
        with torch.no_grad():
            parts = [
                _loss(budget, module(*(each[part] for each in inputs)), y[part], weights[part])
                for part in watched.split(_EVALUATED)
            ]
        loss = float(torch.cat(parts).mean())
        if loss < best:
            best, kept, waited = loss, copy.deepcopy(module.state_dict()), 0
        elif (waited := waited + 1) >= budget.patience:
            break
    if kept is not None:
        module.load_state_dict(kept)


def _loss(budget: Budget, found: torch.Tensor, y: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Loss of each row; under a logarithmic link `found` is the logarithm of the forecast.

    Poisson's and Tweedie's are negative log-likelihoods up to a constant (Jørgensen, "The Theory of Dispersion Models", ch. 4).
    """
    if budget.loss == "absolute":
        return weights * (found - y).abs()
    if budget.loss == "squared":
        return weights * (found - y) ** 2
    if budget.loss == "poisson":
        return weights * (found.exp() - y * found)
    assert isinstance(budget, TableSettings)  # noqa: S101 - checked when the config was read
    power = budget.tweedie_power
    return weights * ((found * (2 - power)).exp() / (2 - power) - y * (found * (1 - power)).exp() / (1 - power))
