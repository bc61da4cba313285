"""RealMLP as PyTorch trains it (Holzmüller, Grinsztajn & Steinwart, "Better by Default", NeurIPS 2024, section 3): one pass after
the other over the rows, under schedules of learning rate, dropout and weight decay.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tabtrail.modeling.families.family import Sample
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.nets.net import Layer, Net, Periodic, Table
from tabtrail.modeling.nets.settings import Settings
from tabtrail.modeling.nets.torch_runs import array, floats, seeded

# Factors of the learning rate: of the scales before the first layer, and of what bends, shifts or waves.
_FAST, _SLOW = 6.0, 0.1
_BETAS = (0.9, 0.95)
_COSINES, _FEATURES = 16, 3
_DRAWN = 1024  # rows that the first weights are fitted to
_CORNERS = 5
_EVALUATED = 1024  # rows whose error is computed at once


Rows = tuple[torch.Tensor, ...]
"""Inputs that are not learned [rows, inputs], places of embedded categories in their tables [rows, tables], the target in
standard deviations, and the weight of each row."""


def train(
    settings: Settings, blank: Net, learned: Sample, watched: Sample | None, *, epochs: int, patience: int, seed: int
) -> tuple[dict[int, Net], int]:
    """Return the net after `epochs` of the `settings.epochs` that the schedules are laid out for, by epoch, and the best one.

    `blank` is a net without what is trained. With rows to watch there is a net for every end of a cycle of the learning rate,
    where it is zero, and the best is the one that errs least on those rows; where none was better for `patience` epochs, the
    rest is given up. Raises `ValueError` for a device that PyTorch cannot use.
    """
    device = _device(settings.device)
    with seeded(seed):
        rows = _rows(blank, learned, device)
        held = None if watched is None else _rows(blank, watched, device)
        module = _Net(settings, blank, rows[0].shape[1]).to(device)
        module.begin(*(each[:_DRAWN] for each in rows[:2]))
        optimizer = torch.optim.AdamW(module.groups(settings.weight_decay), lr=0.0, betas=_BETAS, eps=1e-8, fused=True)
        found: dict[int, Net] = {}
        best, least = epochs, math.inf
        for epoch in range(1, epochs + 1):
            _pass(module, rows, optimizer, settings, epoch)
            if held is not None and epoch in settings.cycle_ends:
                found[epoch], error = module.into(blank), _error(module, held)
                if error < least:
                    best, least = epoch, error
                elif epoch - best >= patience:
                    break
        return found or {epochs: module.into(blank)}, best


def _device(name: str) -> torch.device:
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError("this PyTorch is built without CUDA" if torch.version.cuda is None else "PyTorch finds no CUDA device")
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ValueError(str(error).splitlines()[0]) from None


def _rows(blank: Net, sample: Sample, device: torch.device) -> Rows:
    matrix, y = np.asarray(sample.x, dtype=np.float64), np.asarray(sample.y, dtype=np.float64)
    codes = [table.places(matrix) for table in blank.embedded]
    weights = np.ones(len(y)) if sample.weights is None else sample.weights / np.mean(sample.weights)
    stacked = np.column_stack(codes) if codes else np.zeros((len(y), 0), dtype=np.int64)
    parts = (floats(blank.plain(matrix)), torch.from_numpy(stacked), floats((y - blank.mean) / blank.spread), floats(weights))
    return tuple(each.to(device) for each in parts)


def rate_at(progress: float) -> float:
    """Factor of the learning rate: four cycles from 0 over 1 to 0, each twice as long as the one before."""
    return 0.5 * (1 - math.cos(2 * math.pi * math.log2(1 + 15 * progress)))


def fading_at(progress: float) -> float:
    """Factor of dropout and weight decay: 1 in the first half, then down to 0 along a cosine."""
    return 1.0 if progress < 0.5 else 0.5 * (1 + math.cos(math.pi * (2 * progress - 1)))


def _pass(module: "_Net", rows: Rows, optimizer: Any, settings: Settings, epoch: int) -> None:
    """Learn from every row once, in batches; a last one that is not full is left for the next pass."""
    plain, codes, y, weights = rows
    size = min(settings.batch_size, len(y))
    order = torch.randperm(len(y)).to(y.device)
    steps = len(y) // size
    module.train()
    for step in range(steps):
        progress = (epoch - 1 + step / steps) / settings.epochs
        rate, fading = rate_at(progress) * settings.learning_rate, fading_at(progress)
        module.dropout.p = settings.dropout * fading
        for group in optimizer.param_groups:
            group["lr"], group["weight_decay"] = rate * group["factor"], group["decay"] * fading
        part = order[step * size : (step + 1) * size]
        optimizer.zero_grad()
        (weights[part] * (module(plain[part], codes[part]) - y[part]) ** 2).mean().backward()
        optimizer.step()


def _error(module: "_Net", rows: Rows) -> float:
    module.eval()
    plain, codes, y, weights = rows
    total = 0.0
    with torch.no_grad():
        for part in torch.arange(len(y)).split(_EVALUATED):
            total += float((weights[part] * (module(plain[part], codes[part]) - y[part]) ** 2).sum())
    return total / len(y)


class _Net(nn.Module):
    """Periodic features and embeddings, scales of all inputs, and layers whose units learn how far they are bent."""

    def __init__(self, settings: Settings, blank: Net, plain: int) -> None:
        super().__init__()
        places = len(blank.periodic.places)
        self.register_buffer("places", torch.from_numpy(blank.periodic.places))
        self.frequencies = nn.Parameter(torch.randn(places, _COSINES) * settings.frequency_scale * 2 * math.pi)
        self.phases = nn.Parameter((torch.rand(places, _COSINES) * 2 - 1) * math.pi)
        self.mix = nn.Parameter((torch.rand(places, _COSINES, _FEATURES) * 2 - 1) / math.sqrt(_COSINES))
        self.offsets = nn.Parameter((torch.rand(places, _FEATURES) * 2 - 1) / math.sqrt(_COSINES))
        self.embeddings = nn.ParameterList(torch.randn(len(table.rows), settings.embedding_size) for table in blank.embedded)
        inputs = plain + places * _FEATURES + len(blank.embedded) * settings.embedding_size
        widths = (inputs, *[settings.width] * settings.layers, 1)
        self.scale = nn.Parameter(torch.ones(inputs))
        self.matrices = nn.ParameterList(torch.randn(into, out) for into, out in pairwise(widths))
        self.biases = nn.ParameterList(torch.zeros(out) for out in widths[1:])
        self.bends = nn.ParameterList(torch.ones(out) for out in widths[1:-1])
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, plain: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        values = self._features(plain, codes) * self.scale
        for layer in range(len(self.bends)):
            values = self.dropout(self._bent(layer, self._linear(layer, values)))
        return self._linear(len(self.bends), values)[:, 0]

    def begin(self, plain: torch.Tensor, codes: torch.Tensor) -> None:
        """Fit the first weights to rows: every unit begins with variance 1 and its bend amid the rows, the last layer with 0."""
        with torch.no_grad():
            values = self._features(plain, codes)
            for layer, bias in enumerate(self.biases[:-1]):
                found = self._linear(layer, values)
                self.matrices[layer] /= found.std(dim=0, unbiased=False).clamp(min=1e-6)
                found = self._linear(layer, values)
                drawn = torch.randint(len(found), (_CORNERS, found.shape[1])).to(found.device)
                shares = -torch.rand(_CORNERS, found.shape[1]).to(found.device).clamp(min=1e-12).log()
                bias.copy_(-(found.gather(0, drawn) * shares / shares.sum(dim=0)).sum(dim=0))
                values = self._bent(layer, found + bias)
            self.matrices[-1].zero_()

    def groups(self, decay: float) -> list[dict[str, Any]]:
        """What is learned, by the factor of its rate and its decay.

        Rates of a layer with n inputs are √n times smaller, and its decay, which is multiplied by the rate, as much larger: to
        Adam that is the neural tangent parametrisation, under which one rate suits layers of any width.
        """
        roots = [math.sqrt(len(each)) for each in self.matrices]
        return [
            *({"params": [each], "factor": 1 / n, "decay": decay * n} for each, n in zip(self.matrices, roots, strict=True)),
            {"params": [self.scale], "factor": _FAST, "decay": decay},
            {"params": [*self.embeddings], "factor": 1.0, "decay": decay},
            {"params": [*self.bends, self.frequencies, self.mix], "factor": _SLOW, "decay": decay},
            {"params": [*self.biases, self.phases, self.offsets], "factor": _SLOW, "decay": 0.0},
        ]

    def into(self, blank: Net) -> Net:
        """Return a net with what is learned so far; codes that are new to an embedding have the mean of the known ones."""
        learned = [array(table) for table in self.embeddings]
        for table in learned:
            table[-1] = table[:-1].mean(axis=0)
        matrices = [array(each) for each in self.matrices]
        matrices[0] = array(self.scale)[:, None] * matrices[0]
        bends: list[Array | None] = [*(array(each) for each in self.bends), None]
        layers = zip(matrices, map(array, self.biases), bends, strict=True)
        waves = (array(each) for each in (self.frequencies, self.phases, self.mix, self.offsets))
        embedded = (Table(table.column, rows) for table, rows in zip(blank.embedded, learned, strict=True))
        return replace(
            blank,
            periodic=Periodic(blank.periodic.places, *waves),
            embedded=tuple(embedded),
            layers=tuple(Layer(*each) for each in layers),
        )

    def _features(self, plain: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        return torch.cat([plain, *self._learned(plain, codes)], dim=1)

    def _learned(self, plain: torch.Tensor, codes: torch.Tensor) -> Iterator[torch.Tensor]:
        if len(self.frequencies):
            waves = (plain[:, self.places].unsqueeze(2) * self.frequencies + self.phases).cos()
            found = torch.baddbmm(self.offsets.unsqueeze(1), waves.transpose(0, 1), self.mix)
            yield found.transpose(0, 1).flatten(1)
        for place, table in enumerate(self.embeddings):
            yield table[codes[:, place]]

    def _linear(self, layer: int, values: torch.Tensor) -> torch.Tensor:
        return torch.addmm(self.biases[layer], values, self.matrices[layer])

    def _bent(self, layer: int, values: torch.Tensor) -> torch.Tensor:
        return torch.lerp(values, functional.mish(values), self.bends[layer])
