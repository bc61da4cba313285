"""The quality report for people: figures as the other pages write them."""

from typing import Any

import pytest

from tabtrail.report.quality_snapshot import shown


def evidence(value: Any, unit: str = "", missing: str = "") -> dict[str, Any]:
    return {"value": value, "unit": unit, "missing": missing}


@pytest.mark.parametrize(
    ("name", "value", "unit", "text"),
    [
        ("metrics.cv", 416.5412, "RMSE, USD", "416.5 RMSE, USD"),
        ("intervals.coverage", 0.932384, "", "93.2 %"),
        ("size.rows", 2823, "rows", "2,823 rows"),
        ("leakage.findings", 1, "findings", "1 finding"),
        ("parity.passed", True, "", "yes"),
        ("hashes.data", "43adbf01c1ad1e0c" + "0" * 48, "", "43adbf01c1ad1e0c"),
        ("drift.window", "2005Q2_against_2003", "", "2005Q2_against_2003"),
    ],
)
def test_a_figure_is_read_as_on_the_page_and_no_name_is_cut(name: str, value: Any, unit: str, text: str) -> None:
    assert shown(evidence(value, unit), name) == text


def test_what_was_not_measured_says_why() -> None:
    assert shown(evidence(None, missing="no a|b"), "metrics.cv") == "– (no a\\|b)"
