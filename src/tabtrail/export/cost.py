"""What a graph costs to serve: CPU time of one thread, so that other work on the machine hardly shows."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from tabtrail.export.outputs import Array, Columns, open_graph
from tabtrail.modeling.proof import Cost

# The least of the tries is the cost itself: whatever else happens on the machine only adds to one. Many short ones find a moment
# without a change of process, which empties the caches: on a loaded machine one graph took 281 and 391 µs in tries of ten calls.
Predict = Callable[[Columns], Array]
_TRIES, _CALLS, _BATCH = 25, 2, 1_000
_BATCH_TRIES = 3


def measure_cost(graph: bytes, x: pd.DataFrame) -> Cost:
    """Return the CPU time of one row by itself, as a request sends it, and of a row of a batch of 1,000 (fewer where `x` has
    fewer), rounded to tenths of a microsecond.
    """
    predict = open_graph(graph)
    many, rows = _columns(x.head(_BATCH)), max(1, min(len(x), _BATCH))
    return Cost(_alone(predict, x), round(_least(lambda: predict(many), 1, _BATCH_TRIES) / rows, 1))


def row_cost(graph: bytes, x: pd.DataFrame) -> float:
    """Return the CPU time of one row by itself, as `measure_cost` does."""
    return _alone(open_graph(graph), x)


def _alone(predict: Predict, x: pd.DataFrame) -> float:
    one = _columns(x.head(1))
    return round(_least(lambda: predict(one), _CALLS, _TRIES), 1)


def _columns(rows: pd.DataFrame) -> dict[str, Any]:
    return {str(name): rows[name].to_numpy() for name in rows}


def _least(call: Callable[[], object], calls: int, tries: int) -> float:
    """Return the least CPU time of a call over the tries [microseconds]; the first, which warms up, is not among them."""
    call()
    found = []
    for _ in range(tries):
        start = time.thread_time_ns()
        for _ in range(calls):
            call()
        found.append((time.thread_time_ns() - start) / calls)
    return float(np.min(found)) / 1_000
