"""Fitted tree ensembles of every library as one plain form, exact to the bit.

Each library compares in its own way: scikit-learn's forests, XGBoost and CatBoost cast inputs to float32 first, LightGBM
compares doubles; XGBoost goes left below the threshold, scikit-learn and LightGBM at or below it, CatBoost right above it. The
form keeps thresholds as doubles, so that a graph that casts and compares the same way takes the same branch in every row.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

Mode = Literal["BRANCH_LEQ", "BRANCH_LT"]
LEAF = "LEAF"


@dataclass
class Trees:
    """Trees as parallel lists, one entry a node; the sum of the leaves reached plus `base` is the prediction.

    A node sends a row to `true_id` where `feature mode threshold` holds (`BRANCH_LEQ` or `BRANCH_LT`), else to `false_id`.
    Leaves have the mode `LEAF` and their `value`. `missing_true` says where NaN goes. `float32_inputs`: the library casts.
    """

    mode: Mode
    float32_inputs: bool
    base: float = 0.0
    tree: list[int] = field(default_factory=list)
    node: list[int] = field(default_factory=list)
    modes: list[str] = field(default_factory=list)
    feature: list[int] = field(default_factory=list)
    threshold: list[float] = field(default_factory=list)
    true_id: list[int] = field(default_factory=list)
    false_id: list[int] = field(default_factory=list)
    missing_true: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)

    def split(
        self, tree: int, node: int, feature: int, threshold: float, true_id: int, false_id: int, *, missing_true: bool
    ) -> None:
        """Add an inner node."""
        self._add(tree, node, self.mode, feature, threshold, true_id, false_id, int(missing_true), 0.0)

    def leaf(self, tree: int, node: int, value: float) -> None:
        """Add a leaf."""
        self._add(tree, node, LEAF, 0, 0.0, 0, 0, 0, value)

    def _add(self, *entry: Any) -> None:
        for name, item in zip(_ENTRY, entry, strict=True):
            getattr(self, name).append(item)


_ENTRY = ("tree", "node", "modes", "feature", "threshold", "true_id", "false_id", "missing_true", "value")
