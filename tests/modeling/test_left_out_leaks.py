"""Columns that the config leaves out are named where they give the target away."""

import numpy as np

from tabtrail.modeling.leakage.columns import read_numbers, read_texts
from tabtrail.modeling.leakage.left_out import left_out_leaks


def test_columns_that_give_the_target_away_alone_or_together_are_named_and_others_are_not() -> None:
    random = np.random.default_rng(0)
    casual, registered = random.integers(0, 200, 400).astype(float), random.integers(0, 500, 400).astype(float)
    y = casual + registered
    columns = {
        "casual": read_numbers(casual),
        "registered": read_numbers(registered),
        "doubled": read_numbers(2 * y),
        "noise": read_numbers(random.normal(size=400)),
        "note": read_texts(np.array([f"text {each % 7}" for each in range(400)], dtype=object)),
    }
    found = {each.column: each for each in left_out_leaks(columns, y, 42)}
    assert set(found) == {"casual", "registered", "doubled"}
    assert found["doubled"].kind == "rescaled"
    assert found["casual"].partners == ("registered",)
    assert left_out_leaks({"noise": columns["noise"]}, y, 42) == ()
