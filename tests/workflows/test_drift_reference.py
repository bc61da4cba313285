"""Which training rows drift is measured against."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tabtrail.workflows import reference


@pytest.mark.parametrize("dated", [True, False])
def test_of_many_rows_the_newest_are_sketched_or_without_dates_evenly_spread_ones(
    monkeypatch: pytest.MonkeyPatch, *, dated: bool
) -> None:
    monkeypatch.setattr(reference, "_MOST_ROWS", 3)
    days = np.array([5.0, np.nan, 9.0, 1.0, 7.0, 8.0, 0.0]) if dated else None
    table: Any = SimpleNamespace(keys=SimpleNamespace(date=days))
    known = np.array([True, True, False, True, True, True, True])
    chosen = np.flatnonzero(reference._newest(known, table)).tolist()
    assert chosen == ([0, 4, 5] if dated else [0, 3, 6])
