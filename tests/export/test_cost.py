"""What a graph costs a row, in CPU time of one thread."""

import pytest
from tests.support.fitting import CATEGORICAL, NUMERIC, fit, make_rows

from tabtrail.export.cost import measure_cost
from tabtrail.export.graph import export_onnx

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_row_by_itself_costs_more_than_one_of_a_batch_and_trees_more_than_a_line() -> None:
    x, _ = make_rows(1_000, seed=2)
    line, trees = (
        measure_cost(export_onnx(fit(name), NUMERIC, CATEGORICAL, "m"), x) for name in ("LinearRegression", "LightGBM")
    )
    assert 0 < line.batch_row_us < line.row_us
    assert line.batch_row_us < trees.batch_row_us < trees.row_us


def test_one_row_is_enough_to_measure() -> None:
    x, _ = make_rows(1, seed=2)
    assert measure_cost(export_onnx(fit("LinearRegression"), NUMERIC, CATEGORICAL, "m"), x).batch_row_us > 0
