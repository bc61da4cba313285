"""A column of dates is drawn along days, in the numbers that an axis of dates takes."""

from datetime import date
from types import SimpleNamespace
from typing import Any, cast

from tabtrail.explain.effects import Effect
from tabtrail.report.charts import Line
from tabtrail.report.explanation_pictures import partial_dependence


def evidence(dtype: str) -> Any:
    effect = Effect("day", (18262.0, 18627.0), (1.0, 2.0), ((1.0, 2.0),), 1)
    profile = SimpleNamespace(columns=[SimpleNamespace(column="day", dtype=dtype)])
    settings = SimpleNamespace(label=str)
    return cast("Any", SimpleNamespace(effects=(effect,), profile=profile, settings=settings, unit="EUR"))


def test_days_since_1970_are_drawn_as_dates_and_other_numbers_as_they_are() -> None:
    dated, plain = (partial_dependence(evidence(dtype)) for dtype in ("DATE", "DOUBLE"))
    assert dated is not None
    assert plain is not None
    first, other = dated.charts[0], plain.charts[0]
    drawn, as_is = first.layers[-1], other.layers[-1]
    assert isinstance(drawn, Line)
    assert isinstance(as_is, Line)
    assert first.x.dates
    assert drawn.x[0] == date(2020, 1, 1).toordinal()
    assert not other.x.dates
    assert as_is.x[0] == 18262.0
