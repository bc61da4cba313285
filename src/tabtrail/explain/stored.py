"""The rows of a stored explanation, which that of a single row is relative to."""

import numpy as np
import polars as pl

from tabtrail.explain.coalitions import Columns


def explained_columns(table: pl.DataFrame) -> Columns:
    """Return the rows of a `shap_values.parquet`: numbers as doubles (dates in days since 1970-01-01), texts as objects."""
    rows = table.get_column("value").struct.unnest()
    return {
        each.name: each.to_numpy() if each.dtype == pl.Float64 else each.fill_null("").to_numpy().astype(np.object_)
        for each in rows.get_columns()
    }
