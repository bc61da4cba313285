"""PSI and its null, χ² of texts, the texts that are new, and Wasserstein's distance."""

import numpy as np
import pytest
from scipy import stats

from tabtrail.monitor.sketch import Column, Sketch, Values, sketch_of
from tabtrail.monitor.statistics import (
    chi2,
    distribution_p,
    grouped,
    groups_of,
    ks_distance,
    missing_p,
    out_p,
    psi,
    psi_threshold,
    unseen_p,
    wasserstein,
)


def counts(sketch: Sketch, values: Values) -> np.ndarray:
    return np.bincount(sketch.encode(values), minlength=len(sketch.counts))


def texts(**counted: int) -> Values:
    return np.array([text for text, count in counted.items() for _ in range(count)], dtype=object)


@pytest.mark.parametrize("rows", [20, 40, 60, 200, 2000])
def test_the_threshold_of_psi_is_exceeded_by_five_percent_of_windows_without_drift(rows: int) -> None:
    rng = np.random.default_rng(rows)
    sketch = sketch_of(Column("x", "number"), rng.normal(0, 1, 5000))
    groups = groups_of(sketch)
    before = grouped(sketch.counts, groups)
    assert len(before) == 10
    above = sum(
        psi(before, grouped(counts(sketch, rng.normal(0, 1, rows)), groups)) > psi_threshold(before, rows) for _ in range(600)
    )
    assert 0.02 <= above / 600 <= 0.085


def test_psi_of_a_constant_that_changed_is_large() -> None:
    sketch = sketch_of(Column("x", "number"), np.full(500, 7.0))
    before = grouped(sketch.counts, groups_of(sketch))
    for other in (6.0, 8.0):
        window = counts(sketch, np.full(100, other))
        assert distribution_p(sketch, sketch.counts, window) < 1e-9
        assert psi(before, grouped(window, groups_of(sketch))) > 5


def test_kolmogorovs_distance_of_cells_is_nearly_that_of_the_values_and_never_larger() -> None:
    rng = np.random.default_rng(0)
    before, now = rng.normal(0, 1, 3000), rng.normal(0.2, 1.1, 400)
    sketch = sketch_of(Column("x", "number"), before)
    exact = stats.ks_2samp(before, now).statistic
    assert exact - 0.015 < ks_distance(sketch.counts, counts(sketch, now)) <= exact + 1e-12


def test_chi_squared_of_frequent_texts_is_scipys() -> None:
    sketch = sketch_of(Column("c", "category"), texts(a=400, b=300, c=300))
    window = counts(sketch, texts(a=30, b=40, c=30))
    statistic, freedom = chi2(sketch.counts, window)
    exact = stats.chi2_contingency([[400, 300, 300], [30, 40, 30]], correction=False)
    assert (statistic, freedom) == (pytest.approx(exact.statistic), exact.dof)


def test_rare_texts_are_pooled_so_that_few_rows_make_no_alarm() -> None:
    rng = np.random.default_rng(1)
    vocabulary = np.array([f"word {place}" for place in range(2000)], dtype=object)
    weights = 1 / np.arange(1, 2001)
    weights /= weights.sum()
    alarms = unseen = 0
    for _ in range(100):
        sketch = sketch_of(Column("c", "category"), vocabulary[rng.choice(2000, 3000, p=weights)])
        window = counts(sketch, vocabulary[rng.choice(2000, 150, p=weights)])
        alarms += distribution_p(sketch, sketch.counts, window) < 0.05
        unseen += unseen_p(sketch, sketch.known, window) < 0.05
    assert alarms <= 12
    assert unseen <= 12


def test_a_few_rows_of_a_text_that_was_never_seen_are_found() -> None:
    sketch = sketch_of(Column("c", "category"), texts(a=3000, b=2000))
    assert unseen_p(sketch, sketch.known, counts(sketch, texts(a=120, b=76, new=4))) < 1e-5
    assert unseen_p(sketch, sketch.known, counts(sketch, texts(a=120, b=80))) == 1.0


def test_a_share_of_missing_values_alarms_both_ways_and_one_outside_the_contract_only_up() -> None:
    rng = np.random.default_rng(2)
    sketch = sketch_of(Column("x", "number"), np.where(rng.random(3000) < 0.2, np.nan, 1.0))
    for share, alarms in ((0.05, True), (0.2, False), (0.4, True)):
        window = counts(sketch, np.where(np.arange(300) < 300 * share, np.nan, 1.0))
        assert (missing_p(sketch.counts, window) < 0.001) == alarms
    assert out_p(sketch, 0, 300) == 1.0
    assert out_p(sketch, 9, 300) < 1e-8


def test_wassersteins_distance_is_scipys_in_standard_deviations_beyond_the_range_too() -> None:
    rng = np.random.default_rng(3)
    before = rng.normal(50, 4, 4000)
    sketch = sketch_of(Column("x", "number"), before)
    for now in (rng.normal(52, 4, 500), 100 * rng.normal(50, 4, 500), rng.normal(-300, 1, 500)):
        below, above = float(np.maximum(before.min() - now, 0).sum()), float(np.maximum(now - before.max(), 0).sum())
        exact = stats.wasserstein_distance(before, now) / before.std()
        assert wasserstein(sketch, counts(sketch, now), below, above) == pytest.approx(exact, rel=0.06)
    constant = sketch_of(Column("x", "number"), np.ones(100))
    assert wasserstein(constant, counts(constant, np.zeros(5)), 5.0, 0.0) is None
