"""Columns of dates are drawn along days, those of years along years, and a missing text has a word."""

from datetime import date
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd

from tabtrail.explain.effects import Effect
from tabtrail.report.charts import Line
from tabtrail.report.explanation_pictures import dependence, partial_dependence
from tabtrail.report.scales import ticks


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


def test_a_text_that_is_not_there_has_a_word_on_both_pictures() -> None:
    effect = Effect("fuel", ("", "Diesel"), (1.0, 2.0), ((1.0, 2.0),), 1)
    explanation = SimpleNamespace(columns=["fuel"], values=np.array([[3.0], [1.0]]), importance={"fuel": 2.0})
    rows = pd.DataFrame({"fuel": np.array(["", "Diesel"], dtype=object)})
    settings = SimpleNamespace(label=str, top=1)
    shown = cast("Any", SimpleNamespace(effects=(effect,), explanation=(explanation, rows), settings=settings, unit="EUR"))
    pictures = (partial_dependence(shown), dependence(shown))
    assert [each.charts[0].y.categories for each in pictures if each is not None] == [("missing", "Diesel")] * 2


def test_whole_numbers_have_ticks_at_whole_numbers_and_years_no_comma() -> None:
    effect = Effect("built", (2005.0, 2023.0), (1.0, 2.0), ((1.0, 2.0),), 1)
    settings = SimpleNamespace(label=str)
    picture = partial_dependence(cast("Any", SimpleNamespace(effects=(effect,), profile=None, settings=settings, unit="EUR")))
    assert picture is not None
    assert [label for _, label in ticks(picture.charts[0].x, 2004.5, 2023.5)] == ["2008", "2012", "2016", "2020"]
