"""Rows of a table that its order does not tell apart."""

from collections.abc import Sequence

import polars as pl


class TieWatch:
    """Counts rows that have the same values in the columns of the order as the row before them."""

    def __init__(self, order: Sequence[str]) -> None:
        self._order, self._ties = list(order), 0
        self._last = pl.DataFrame()

    def see(self, rows: pl.DataFrame) -> None:
        """Count those of the next rows of a table."""
        if not self._order:
            return
        keys = pl.concat([self._last, rows.select(self._order)]) if self._last.width else rows.select(self._order)
        same = pl.all_horizontal([pl.col(name).eq_missing(pl.col(name).shift(1)) for name in self._order])
        self._ties += int(keys.lazy().select(same.slice(1).sum()).collect().item())
        self._last = keys.tail(1)

    def findings(self, name: str) -> list[str]:
        """Return what a person should know of rows whose order is left open."""
        if not self._ties:
            return []
        return [
            f"{name}: {self._ties:,} rows have the same {' and '.join(self._order)} as the row before, and source.order_by leaves"
            " their order to the server, which may give another one the next time, with another data_sha256; add a column that"
            " tells them apart"
        ]
