"""Watching again and again: a conformal test martingale, whose alarm is false in at most 5 % of all deployments, however often
and for however long it is looked at.

Each row gets a conformal p-value: its rank among the reference's rows and those before it, ties broken at random. Without drift
these are independent and uniform (Vovk, Gammerman & Shafer, Algorithmic Learning in a Random World, 2nd edition, 2022, chapter
8), so that no bet on them gains on average; the capital of a mixture of bets exceeds 20 with probability at most 1/20 (Ville).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from tabtrail.monitor.reference import Reference
from tabtrail.monitor.sketch import ERROR, MISSING, PREDICTION, Array, Codes, Counts, Sketch

ALARM_AT = 20.0
_CELLS = 16  # ties are broken at random, so that fewer cells only cost power
_TILTS = (-1.5, -0.5, 0.5, 1.5)  # bets 1 + ε (u − ½): the values grew or shrank, by little or much
_SPREADS = (-1.0, 1.0)  # bets 1 + δ (|2u − 1| − ½): they spread or gather
_CHUNK = 100  # rows between two redistributions of the capital
_JUMP = 0.005  # share that is redistributed: a drift may begin at any time (Vovk's Simple Jumper)
_MOST = 1e100  # capital that could not be counted otherwise
_BLOCK = 2000  # rows at a time
_ALIKE = 1.5  # an inflation below this may be the noise of its own estimate
_HISTORY = 400  # looks whose values are kept: a year of daily ones
_PER_WORTH = 2  # rows that are skipped for each row that correlated ones are worth, so that what is left is nearly independent

Part = Literal["inputs", "prediction", "errors"]
PARTS: tuple[Part, ...] = ("inputs", "prediction", "errors")


@dataclass
class Stream:
    """The bets on one column. Every `stride`-th row of those `seen` is bet on, as rows near in time are alike.

    `counts` [cells] are rows of the reference and of the stream, `capital` [bets] what each bet holds, 1 in all at the start.
    """

    name: str
    stride: int
    counts: Counts
    capital: Array
    seen: int = 0
    used: int = 0

    @property
    def value(self) -> float:
        return float(self.capital.sum())


@dataclass
class Martingale:
    """The mean of the martingales of inputs (itself the mean over columns), prediction and errors.

    `largest` is the highest value at any look, `alarmed` whether it reached 20, `alarmed_at` the number of the look that did,
    `history` the values of the last 400.
    A part that the reference lacks is left out from the start; errors stand at 1 until labels come.
    """

    reference_sha256: str
    seed: int
    streams: dict[Part, list[Stream]]
    looks: int = 0
    largest: float = 1.0
    alarmed_at: int | None = None
    history: list[float] = field(default_factory=list)

    @property
    def value(self) -> float:
        """The capital now, 1 at the start."""
        return float(np.mean(list(self.parts().values()))) if self.streams else 1.0

    @property
    def alarmed(self) -> bool:
        return self.alarmed_at is not None

    def parts(self) -> dict[Part, float]:
        """Return the capital of each part."""
        return {part: float(np.mean([each.value for each in streams])) for part, streams in self.streams.items()}

    def leading(self, most: int = 5) -> list[tuple[str, float]]:
        """Return the columns that gained most, with their capital."""
        ranked = sorted((each for streams in self.streams.values() for each in streams), key=lambda each: -each.value)
        return [(each.name, each.value) for each in ranked[:most]]

    def look(self, reference: Reference, codes: Mapping[str, Codes]) -> bool:
        """Take the cells [rows] of new rows, as `Window.add` returns them, in time order; tell whether the alarm is raised.

        The rows of `ERROR` may be others than those of the inputs: labels come late. A missing error is no label.
        """
        if reference.sha256 != self.reference_sha256:
            raise ValueError("the state belongs to another reference; begin a new one at each deployment")
        place = 0
        for streams in self.streams.values():
            for stream in streams:
                place += 1
                if stream.name in codes:
                    own = codes[stream.name]
                    sketch = reference.sketches[stream.name]
                    if sketch.role != "input":
                        own = own[own != MISSING]
                    _bet(stream, _cells_of(sketch)[own], self.seed * 1_000_003 + place)
        self.looks += 1
        value = self.value
        self.largest = max(self.largest, value)
        self.history = [*self.history, round(value, 6)][-_HISTORY:]
        if value >= ALARM_AT and self.alarmed_at is None:
            self.alarmed_at = self.looks
        return self.alarmed

    def to_dict(self) -> dict[str, Any]:
        """Return the state as JSON."""
        told = {**vars(self), "streams": {part: [_stream_dict(each) for each in of] for part, of in self.streams.items()}}
        return told | {"value": self.value}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Martingale":
        """Go on from a state; it has to be of the same reference."""
        streams = {part: [_stream_from(each) for each in of] for part, of in value["streams"].items()}
        own = {key: each for key, each in value.items() if key != "value"}
        return cls(**{**own, "streams": streams, "history": list(value["history"])})


def begin(reference: Reference, *, seed: int) -> Martingale:
    """Begin to watch what was deployed with this reference; a new deployment begins again, whatever the capital was."""
    inputs = [each for each in reference.sketches.values() if each.role == "input" and each.name not in reference.apart]
    others = {"prediction": reference.sketches.get(PREDICTION), "errors": reference.sketches.get(ERROR)}
    chosen: dict[Part, list[Sketch]] = {"inputs": inputs}
    chosen |= {part: [sketch] for part, sketch in others.items() if sketch is not None}  # type: ignore[misc]
    streams = {part: [_stream(each, reference) for each in of] for part, of in chosen.items() if of}
    return Martingale(reference.sha256, seed, streams)


def _stream(sketch: Sketch, reference: Reference) -> Stream:
    worth = reference.ladder.worth(sketch.name, "distribution", 200) if reference.ladder else 1.0
    cells = _cells_of(sketch)
    rows = sketch.counts.copy()
    if not sketch.is_ordered:
        rows[-1] = sketch.novel
    if sketch.role != "input":
        rows[MISSING] = 0
    counts = np.bincount(cells, weights=rows, minlength=int(cells.max()) + 1).astype(np.int64)
    bets = 1 + len(_TILTS) + len(_SPREADS)
    stride = 1 if worth < _ALIKE else int(np.ceil(_PER_WORTH * worth))
    return Stream(sketch.name, stride, counts, np.full(bets, 1 / bets))


def _cells_of(sketch: Sketch) -> Codes:
    """Return the cell of the martingale for each cell of the sketch: missing, sixteenths or the most frequent texts, the rest."""
    counts = sketch.counts[1:]
    if sketch.is_ordered:
        share = (np.cumsum(counts) - counts / 2) / max(counts.sum(), 1)
        own = np.minimum((share * _CELLS).astype(np.int64), _CELLS - 1)
    else:
        own = np.minimum(np.arange(len(counts)), _CELLS - 1)
        own[-1] = own[-2:].max() + (1 if len(own) > 1 and own[-1] == own[-2] else 0)
    return np.concatenate(([0], own + 1))


def _bet(stream: Stream, cells: Codes, seed: int) -> None:
    first = -stream.seen % stream.stride
    stream.seen += len(cells)
    chosen = cells[first :: stream.stride]
    for start in range(0, len(chosen), _BLOCK):
        block = chosen[start : start + _BLOCK]
        _settle(stream, _factors(_p_values(stream, block, seed)))


def _p_values(stream: Stream, cells: Codes, seed: int) -> Array:
    """Smoothed conformal p-values of rows in turn, each ranked among the reference and the rows before it; counts them."""
    size = len(stream.counts)
    up_to = (cells[:, None] <= np.arange(size)).astype(np.int32)
    before = np.cumsum(up_to, axis=0) - up_to + np.cumsum(stream.counts)
    rows = np.arange(len(cells))
    below = np.where(cells > 0, before[rows, np.maximum(cells - 1, 0)], 0)
    same = before[rows, cells] - below
    ties = _uniform(seed, np.arange(stream.used, stream.used + len(cells), dtype=np.uint64))
    stream.counts = stream.counts + np.bincount(cells, minlength=size)
    p_values: Array = (below + ties * (same + 1)) / (before[:, -1] + 1)
    return p_values


def _uniform(seed: int, places: Any) -> Array:
    """Random numbers in (0, 1) by place (SplitMix64), so that the same rows cut into other looks get the same ones."""
    with np.errstate(over="ignore"):
        z = (places + np.uint64(seed % 2**63)) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed * 0xD1342543DE82EF95 % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    uniform: Array = ((z >> np.uint64(11)).astype(np.float64) + 0.5) / 2**53
    return uniform


def _factors(p_values: Array) -> Array:
    """By how much each bet multiplies its capital at each row [rows × bets]; the first bet is not to bet."""
    tilt, spread = p_values - 0.5, np.abs(2 * p_values - 1) - 0.5
    bets = [np.ones_like(tilt), *(1 + each * tilt for each in _TILTS), *(1 + each * spread for each in _SPREADS)]
    return np.column_stack(bets)


def _settle(stream: Stream, factors: Array) -> None:
    """Multiply the capital, and redistribute a share of it whenever a chunk of rows is full."""
    start, rows = 0, len(factors)
    while start < rows:
        end = min(rows, start + _CHUNK - stream.used % _CHUNK)
        capital = np.minimum(stream.capital * factors[start:end].prod(axis=0), _MOST)
        stream.used += end - start
        if stream.used % _CHUNK == 0:
            capital = (1 - _JUMP) * capital + _JUMP * capital.mean()
        stream.capital, start = capital, end


def _stream_dict(stream: Stream) -> dict[str, Any]:
    return {**vars(stream), "counts": stream.counts.tolist(), "capital": stream.capital.tolist()}


def _stream_from(value: Mapping[str, Any]) -> Stream:
    return Stream(**{**value, "counts": np.array(value["counts"], np.int64), "capital": np.array(value["capital"], np.float64)})
