"""Fitted tree ensembles of every library as one plain form, exact to the bit.

Each library compares in its own way: scikit-learn's forests, XGBoost and CatBoost cast inputs to float32 first, LightGBM and
histogram boosting compare doubles; XGBoost goes left below the threshold, scikit-learn and LightGBM at or below it, CatBoost
right above it. The form keeps thresholds as doubles, so that a graph that casts and compares the same way takes the same branch
in every row.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Mode = Literal["BRANCH_LEQ", "BRANCH_LT"]
Link = Literal["identity", "exp", "sigmoid"]
Place = tuple[int, int]  # tree, node
Branches = tuple[int, int]  # true_id, false_id
LEAF = "LEAF"
MEMBER = "BRANCH_MEMBER"


@dataclass
class Trees:
    """Trees as parallel lists, one entry a node, the root of each tree first.

    A prediction is the sum of the leaves reached plus `base`, put through the inverse link: `identity`, `exp`, or `sigmoid`
    (1 / (1 + e^-x)). A node sends a row to `true_id` where `feature mode threshold` holds (`BRANCH_LEQ` or `BRANCH_LT`), or
    where the feature, a category's code, is one of `codes` (`BRANCH_MEMBER`); else to `false_id`. Leaves have the mode `LEAF`
    and their `value`. `missing_true` says where NaN goes. `float32_inputs`: the library casts. `float32_sums`: it also adds in
    float32, tree after tree and beginning with `base`, which matters where a link magnifies what is rounded.
    """

    mode: Mode
    float32_inputs: bool
    base: float = 0.0
    link: Link = "identity"
    float32_sums: bool = False
    tree: list[int] = field(default_factory=list)
    node: list[int] = field(default_factory=list)
    modes: list[str] = field(default_factory=list)
    feature: list[int] = field(default_factory=list)
    threshold: list[float] = field(default_factory=list)
    codes: list[tuple[int, ...]] = field(default_factory=list)
    true_id: list[int] = field(default_factory=list)
    false_id: list[int] = field(default_factory=list)
    missing_true: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)

    def split(self, at: Place, feature: int, threshold: float, to: Branches, *, missing_true: bool) -> None:
        """Add an inner node on a number."""
        self._add(*at, self.mode, feature, threshold, (), *to, int(missing_true), 0.0)

    def member(self, at: Place, feature: int, codes: Collection[int], to: Branches, *, missing_true: bool) -> None:
        """Add an inner node on a category."""
        self._add(*at, MEMBER, feature, 0.0, tuple(sorted(codes)), *to, int(missing_true), 0.0)

    def leaf(self, at: Place, value: float) -> None:
        """Add a leaf."""
        self._add(*at, LEAF, 0, 0.0, (), 0, 0, 0, value)

    def extend(self, **columns: Sequence[Any]) -> None:
        """Add nodes given column by column, `missing_true` as numbers: quicker than one by one."""
        for name in _ENTRY:
            getattr(self, name).extend(columns[name])

    def between(self, start: int, stop: int) -> "Trees":
        """Return the trees from number `start` to before `stop`, numbered from 0, without the base."""
        part = Trees(self.mode, self.float32_inputs, link=self.link, float32_sums=self.float32_sums)
        for tree, *rest in zip(*(getattr(self, name) for name in _ENTRY), strict=True):
            if start <= tree < stop:
                part._add(tree - start, *rest)
        return part

    def _add(self, *entry: Any) -> None:
        # One by one: a model has hundreds of thousands of nodes, and a loop over names takes three times as long.
        self.tree.append(entry[0])
        self.node.append(entry[1])
        self.modes.append(entry[2])
        self.feature.append(entry[3])
        self.threshold.append(entry[4])
        self.codes.append(entry[5])
        self.true_id.append(entry[6])
        self.false_id.append(entry[7])
        self.missing_true.append(entry[8])
        self.value.append(entry[9])


_ENTRY = ("tree", "node", "modes", "feature", "threshold", "codes", "true_id", "false_id", "missing_true", "value")
