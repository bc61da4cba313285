"""An explanation as a notebook shows it."""

from tabtrail.api.model import Explanation


def test_values_stand_as_the_row_has_them_and_missing_ones_have_a_word() -> None:
    values = {"built": 2015, "fuel": None, "seller": ""}
    shown = Explanation(12.0, 9.0, {"built": 4.0, "fuel": -0.5, "seller": -0.5}, values, "EUR", ())._repr_html_()
    assert "2015" in shown
    assert "2,015" not in shown
    assert shown.count("missing") == 2
