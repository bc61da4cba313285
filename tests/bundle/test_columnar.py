"""Many rows at once, by hand, over a model that is two lines."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tabtrail.bundle.columnar import CodedTexts, ColumnScorer, evaluate_columns
from tabtrail.bundle.intervals import Band, Grouping, Intervals
from tabtrail.contract.expressions import parse_expression
from tabtrail.contract.schema import ColumnRule, Feature, RowRule

N = Feature("n", "numeric", ColumnRule("int", nullable=False, min=0, max=100), seen_min=1, seen_max=50)
X = Feature("x", "numeric", ColumnRule("float"), seen_min=0, seen_max=9)
T = Feature("t", "categorical", ColumnRule("string"), categories=("a", "b", ""))
D = Feature("d", "date", ColumnRule("date"), seen_min=0, seen_max=10)


def scorer(grouping: Grouping | None = None, *, synthetic: bool = False, intervals: Intervals | None = None) -> ColumnScorer:
    predictor = SimpleNamespace(
        schema=SimpleNamespace(features=(N, X, T, D), row_rules=(RowRule("more", "x <= n"),)),
        metadata={"synthetic": synthetic},
        demand=None,
        problems_of_read=lambda row: [f"{name}={value}" for name, value in row.items() if value not in (None, "a")],
        warnings=lambda row: [*(["synthetic"] if synthetic else []), *new_in(row)],
        outputs=lambda feed: ((feed["n"] + 1000 * (feed["t"] == "b") + feed["d"]).ravel(), None),
        calibrated=intervals,
        grouping=grouping or Grouping(),
    )
    return ColumnScorer(predictor)  # type: ignore[arg-type]


def new_in(row: dict[str, Any]) -> list[str]:
    """What is new of a row, by hand."""
    found = [] if 1 <= row["n"] <= 50 else ["n"]
    found += ["no x"] if row["x"] is None else [] if row["x"] <= 9 else ["x"]
    found += [] if row["t"] in ("a", "b", None) else ["t"]
    return found + ([] if row["d"] <= "1970-01-11" else ["d"])


def columns(n: list[float], x: list[float], t: list[str | None], d: list[str | None] | None = None) -> dict[str, Any]:
    days = d or ["1970-01-02"] * len(n)
    texts, dates = CodedTexts(tuple(t), np.arange(len(t))), CodedTexts(tuple(days), np.arange(len(n)))
    return {"n": np.array(n), "x": np.array(x), "t": texts, "d": dates}


def test_texts_are_read_filled_and_taken_by_their_codes() -> None:
    texts = CodedTexts(("a", None), np.array([1, 0, 1]))
    assert texts.map(lambda value: value, object).tolist() == [None, "a", None]
    assert texts.filled("?").values == ("a", "?")
    assert texts.take(np.array([2, 1])).map(lambda value: value, object).tolist() == [None, "a"]


def test_only_rows_that_may_break_the_contract_are_looked_at() -> None:
    n = [5.0, -1.0, 101.0, 2.5, np.nan, 5.0, 2.0**54, 0.0, 100.0]
    x = [1.0, -9.0, 1.0, 1.0, 1.0, 6.0, 1.0, 0.0, np.nan]
    refused = scorer().refused(columns(n, x, ["a"] * 9), {})
    assert sorted(refused) == [1, 2, 3, 4, 5, 6], "below, above, not whole, missing, against the rule of rows, too large"
    assert refused[5] == "n=5; x=6.0; d=1970-01-02"
    assert sorted(scorer().refused(columns([5.0], [1.0], ["a"]), {0: {"n": "unread"}})) == [0]  # type: ignore[dict-item]


def test_rows_with_what_the_model_has_not_seen_are_warned_of() -> None:
    n, x = [1.0, 50.0, 0.0, 51.0, 5.0, 5.0, 51.0], [0.0, 9.0, 1.0, 1.0, 10.0, np.nan, np.nan]
    days: list[str | None] = ["1970-01-01", "1970-01-11", *["1970-01-02"] * 4, "1970-01-12"]
    rows = columns(n, x, ["a", None, "a", "a", "new", "b", "b"], days)
    said = ["", "", "n", "n", "x; t", "no x", "n; no x; d"]
    assert told(scorer(), rows) == [words or None for words in said]
    assert told(scorer(synthetic=True), rows) == [f"synthetic; {words}".removesuffix("; ") for words in said]
    assert told(scorer(), columns([], [], [], [])) == []


def test_rows_with_many_columns_that_are_new_are_told_apart() -> None:
    features = tuple(replace(X, name=f"x{number}") for number in range(70))
    generator = np.random.default_rng(0)
    rows = {each.name: generator.choice([1.0, 10.0, np.nan], 200) for each in features}
    alike = SimpleNamespace(
        schema=SimpleNamespace(features=features, row_rules=()), demand=None, warnings=lambda row: map(str, row.values())
    )
    found = told(ColumnScorer(alike), rows)  # type: ignore[arg-type]
    assert found == [
        "; ".join(str(None if np.isnan(values[at]) else values[at]) for values in rows.values()) for at in range(200)
    ]


def told(scorer: ColumnScorer, rows: dict[str, Any]) -> list[Any]:
    return list(scorer.warnings(rows).map(lambda words: words, object))


def test_a_row_is_its_values_with_whole_numbers_as_such() -> None:
    rows = columns([5.0], [5.0], [None])
    assert scorer().row(rows, 0) == {"n": 5, "x": 5.0, "t": None, "d": "1970-01-02"}
    assert type(scorer().row(rows, 0)["n"]) is int
    assert type(scorer().row(rows, 0)["x"]) is float


def test_missing_texts_are_filled_in_and_numbers_left() -> None:
    rows = columns([5.0], [1.0], [None])
    assert scorer().filled(rows)["n"] is rows["n"]


BANDS = {"": Band(9, 2.0, (0.0, 10.0), (1.0, 3.0)), "b": Band(9, 1.0, (0.0,), (50.0,)), "high": Band(9, 1.0, (0.0,), (0.5,))}


def test_predictions_have_the_interval_of_their_group_inside_the_bounds() -> None:
    rows = columns([4.0, 9.0, 9.0], [1.0, 1.0, 9.0], ["a", "b", None])
    plain = scorer(intervals=Intervals(0.9, None, BANDS)).score(rows, intervals=False)
    assert (plain.values.tolist(), plain.low, plain.high) == ([5.0, 1010.0, 10.0], None, None)
    assert scorer().score(rows, intervals=True).low is None
    by_text = scorer(Grouping("t"), intervals=Intervals(0.9, 2.0, BANDS, 1040.0)).score(rows, intervals=True)
    assert by_text.low is not None
    assert by_text.high is not None
    assert by_text.low == pytest.approx([2.0, 960.0, 4.0])
    assert by_text.high == pytest.approx([9.0, 1040.0, 16.0])
    strata = {"high": "x > 5", "b": "n > 5"}
    found = scorer(Grouping(None, strata), intervals=Intervals(0.9, None, BANDS)).score(rows, intervals=True)
    assert found.low is not None
    assert found.low == pytest.approx([1.0, 960.0, 9.5])


def test_and_and_or_of_true_false_and_unknown_by_their_table() -> None:
    values = [1.0, 0.0, np.nan]
    rows = {"a": np.repeat(values, 3), "b": np.tile(values, 3)}
    both, either = (evaluate_columns(parse_expression(f"a > 0.5 {word} b > 0.5"), rows) for word in ("and", "or"))
    assert np.nan_to_num(both, nan=-1).tolist() == [1, 0, -1, 0, 0, 0, -1, 0, -1]
    assert np.nan_to_num(either, nan=-1).tolist() == [1, 1, 1, 1, 0, -1, 1, -1, -1]
