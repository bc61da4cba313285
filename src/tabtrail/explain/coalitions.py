"""Shapley values of any function of rows: what each column adds to a prediction, the others known or taken from reference rows.

numpy alone: whatever can call a model, be it a fitted one or the graph of a bundle, can explain it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Masks = NDArray[np.bool_]
Columns = Mapping[str, NDArray[np.float64] | NDArray[np.object_]]

_REFERENCE_ROWS = 20
_OF_ONE_ROW = 1024
_CELLS_AT_ONCE = 1 << 17  # of doubles, 1 MB: what a graph makes of them stays in the processor's cache
_SCREENED_ROWS = 8
_MOST_TOLD_APART = 40  # players whose coalitions fit into a number of 64 bits, beside that of the pair of rows


@dataclass(frozen=True)
class Game:
    """What is shared out, and among whom.

    `predict` takes columns by name, each [rows] of doubles or of texts, and returns predictions [rows]. `reference` are the rows
    from which columns are taken that are not known, all of them in turn. Each of the `players` is a group of columns that are
    known together; every column belongs to one.
    """

    predict: Callable[[Columns], Array]
    reference: Columns
    players: tuple[tuple[str, ...], ...]

    @property
    def references(self) -> int:
        return len(next(iter(self.reference.values())))

    @property
    def width(self) -> int:
        return sum(map(len, self.players))

    def worth(self, rows: Columns, known: Masks) -> Array:
        """Return the mean prediction [rows, coalitions] over the reference rows; `known` is [rows or 1, coalitions, players].

        Where a row and a reference row hold the same of a player, it does not matter whose that is: such rows are predicted once.
        """
        count = len(next(iter(rows.values())))
        shape = (count, known.shape[1], self.references)
        taken = np.broadcast_to(known, (count, *known.shape[1:]))
        first, every = self._distinct(rows, taken)
        row, coalition, reference = np.unravel_index(first, shape)
        mixed = {
            name: np.where(taken[row, coalition, place], rows[name][row], self.reference[name][reference])
            for place, own in enumerate(self.players)
            for name in own
        }
        found = np.asarray(self.predict(mixed), dtype=np.float64)
        mean: Array = found[every].reshape(shape).mean(axis=2)
        return mean

    def _distinct(self, rows: Columns, taken: Masks) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return where distinct mixed rows are among all [rows × coalitions × references], and for each of those its like."""
        count, asked, players = taken.shape
        every = np.arange(count * asked * self.references)
        if players > _MOST_TOLD_APART:
            return every, every
        differ = np.stack([self._differ(rows, own) for own in self.players], axis=-1)  # [rows, references, players]
        bits = 1 << np.arange(players, dtype=np.int64)
        changed = (taken[:, :, None, :] & differ[:, None, :, :]) @ bits
        pair = np.arange(count * self.references, dtype=np.int64).reshape(count, 1, self.references)
        _, first, like = np.unique((pair << players) + changed, return_index=True, return_inverse=True)
        return first, like.ravel()

    def _differ(self, rows: Columns, player: tuple[str, ...]) -> Masks:
        """Return where a player's columns of rows are not those of reference rows [rows, references]."""
        found = np.zeros((len(next(iter(rows.values()))), self.references), dtype=bool)
        for name in player:
            own, other = rows[name][:, None], self.reference[name][None, :]
            found |= (own != other) & ((own == own) | (other == other))  # NaN is as NaN
        return found


@dataclass(frozen=True)
class Shares:
    """`base_value`, the mean prediction of the reference rows, + row sum of `values` [rows, players] = `predictions` [rows]."""

    base_value: float
    values: Array
    predictions: Array


def explain_one(predict: Callable[[Columns], Array], background: Columns, row: Columns) -> Shares:
    """Return what each column of a single row (each [1]) adds to its prediction, relative to the rows of `background`: exact for
    up to 10 columns, by at least one order forth and back of more.
    """
    return share_out(Game(predict, reference_rows(predict, background), alone([*row])), row, coalitions=_OF_ONE_ROW, seed=0)


def reference_rows(predict: Callable[[Columns], Array], background: Columns, most: int = _REFERENCE_ROWS) -> Columns:
    """Return up to `most` of the rows, spread evenly over their predictions: few stand for all, and their mean for the mean."""
    order = np.argsort(predict(background), kind="stable")
    if len(order) <= most:
        return background
    kept = np.sort(order[((np.arange(most) + 0.5) / most * len(order)).astype(np.int64)])
    return {name: values[kept] for name, values in background.items()}


def share_out(game: Game, rows: Columns, *, coalitions: int, seed: int) -> Shares:
    """Return the Shapley values (Shapley 1953) of rows: the mean, over orders of the players, of what each adds to those before.

    Where `coalitions` suffice for all there are, the values are exact but for the choice of the reference. Else orders are drawn
    with `seed`, others for each row, as many as `coalitions` suffice for and at least one; each is gone through forth and back,
    which makes the values of two players that act together exact (Štrumbelj & Kononenko, Knowledge and Information Systems 41,
    2014; Mitchell et al., JMLR 23, 2022). Either way they add up to the predictions.
    """
    base = float(np.mean(game.predict(game.reference)))
    predictions = np.asarray(game.predict(rows), dtype=np.float64)
    count = len(game.players)
    if 1 << count <= max(coalitions, 4):
        known = _all_coalitions(count)
        worth = np.concatenate(
            [game.worth(part, known[None]) for part in _parts(rows, len(known) * game.references * game.width)]
        )
        worth[:, 0], worth[:, -1] = base, predictions
        return Shares(base, worth @ _weights(known), predictions)
    random, orders = np.random.default_rng(seed), max(1, coalitions // (2 * count))
    steps = np.arange(count + 1)[:, None]
    values = np.zeros((len(predictions), count))
    for _ in range(orders):
        place = random.permuted(np.tile(np.arange(count), (len(predictions), 1)), axis=1)
        at = 0
        for part in _parts(rows, 2 * count * game.references * game.width):
            own = place[at : at + len(next(iter(part.values())))]
            known = np.concatenate([own[:, None] < steps[1:-1], own[:, None] >= steps[1:-1]], axis=1)
            worth = game.worth(part, known)
            values[at : at + len(own)] += _steps(worth, own, base, predictions[at : at + len(own)])
            at += len(own)
    return Shares(base, values / orders, predictions)


def _steps(worth: Array, place: NDArray[np.int64], base: float, predictions: Array) -> Array:
    """Return what each player adds on the way forth and back [rows, players]; `place` [rows, players] is that in the order."""
    ends = np.full((len(worth), 1), base), predictions[:, None]
    forth, back = np.split(worth, 2, axis=1)
    forth = np.diff(np.concatenate([ends[0], forth, ends[1]], axis=1), axis=1)
    back = -np.diff(np.concatenate([ends[1], back, ends[0]], axis=1), axis=1)
    mean: Array = (forth + back) / 2
    return np.asarray(np.take_along_axis(mean, place, axis=1))


def _parts(rows: Columns, cost: int) -> Iterator[Columns]:
    """Cut rows into parts that the model predicts at once, where each row stands for `cost` numbers."""
    count, step = len(next(iter(rows.values()))), max(1, _CELLS_AT_ONCE // cost)
    for at in range(0, count, step):
        yield {name: values[at : at + step] for name, values in rows.items()}


def _all_coalitions(count: int) -> Masks:
    """Return all coalitions [coalitions, players], the empty one first and the full one last."""
    return (np.arange(1 << count)[:, None] >> np.arange(count) & 1).astype(bool)


def _weights(known: Masks) -> Array:
    """Return what the worth of each coalition counts in the Shapley value of each player [coalitions, players]."""
    count = known.shape[1]
    joined = np.array([factorial(size) * factorial(count - size - 1) / factorial(count) for size in range(count)])
    sizes = known.sum(axis=1)
    with_player, without = joined[np.maximum(sizes - 1, 0)], joined[np.minimum(sizes, count - 1)]
    weights: Array = np.where(known, with_player[:, None], -without[:, None])
    return weights


def leading(game: Game, rows: Columns, most: int) -> tuple[str, ...]:
    """Return up to `most` columns, in their order: those that move predictions most, each by itself changed to what reference
    rows hold, in 8 rows.
    """
    names = [name for player in game.players for name in player]
    if len(names) <= most:
        return tuple(names)
    some = np.unique(np.linspace(0, len(next(iter(rows.values()))) - 1, _SCREENED_ROWS).astype(np.int64))
    few = {name: values[some] for name, values in rows.items()}
    known, step = game.predict(few), max(1, _CELLS_AT_ONCE // (len(some) * len(names)))
    moved: dict[str, float] = {}
    for at in range(0, len(names), step):  # many at once: a call for each column would cost what its frame of all columns does
        part = names[at : at + step]
        other: dict[str, Any] = {name: np.tile(values, len(part)) for name, values in few.items()}
        for place, name in enumerate(part):
            own = game.reference[name]
            other[name][place * len(some) : (place + 1) * len(some)] = own[np.arange(len(some)) % len(own)]
        change = np.abs(game.predict(other).reshape(len(part), len(some)) - known).mean(axis=1)
        moved |= dict(zip(part, change.tolist(), strict=True))
    kept = sorted(names, key=lambda name: -moved[name])[:most]
    return tuple(name for name in names if name in kept)


def alone(names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return players of one column each."""
    return tuple((name,) for name in names)
