"""The rows that a proof makes: which columns are changed in them, and how many there are of a wide table."""

import numpy as np
import pandas as pd
import pytest

from tabtrail.export.probes import extremes, missing_values, strange_texts


def table(columns: int) -> pd.DataFrame:
    random = np.random.default_rng(0)
    numbers = {f"n{place}": random.normal(size=60) for place in range(columns)}
    return pd.DataFrame({**numbers, "t": random.choice(np.array(["a", "b"], dtype=object), 60)}).astype({"t": object})


@pytest.mark.parametrize(("columns", "rows"), [(3, 20), (199, 20), (799, 5), (4000, 1)])
def test_each_column_is_missing_in_turn_in_as_many_rows_as_a_wide_table_allows(columns: int, rows: int) -> None:
    x = table(columns)
    made = missing_values(x, ["t"], seed=1)
    assert len(made.x) == len(made.changed) == (columns + 2) * rows
    gone = (made.x.isna() | (made.x == "")).to_numpy().sum(axis=1)
    assert gone.tolist() == [1] * ((columns + 1) * rows) + [columns + 1] * rows
    assert made.x.iloc[rows]["n0"] == x.loc[made.x.index[rows], "n0"]
    assert made.x["n1"].iloc[rows : 2 * rows].isna().all()
    assert made.changed[rows] == f"data row {made.x.index[rows]} with n1 missing"


def test_every_number_is_as_small_and_as_large_as_may_be_in_turn_and_texts_stay_texts() -> None:
    x = table(300)
    made = extremes(x, [f"n{place}" for place in range(300)], seed=1)
    assert len(made.x) == 301 * 11 * 3
    assert made.x["n7"].max() == 1e30
    assert (made.x["n7"].iloc[-33:] == made.x["n8"].iloc[-33:]).all()
    assert made.x["t"].dtype == object
    strange = strange_texts(x, ["t"], seed=1)
    assert strange.x["t"].str.len().max() == 10_000
    assert (strange.x["n1"].to_numpy() == x.loc[strange.x.index, "n1"].to_numpy()).all()
