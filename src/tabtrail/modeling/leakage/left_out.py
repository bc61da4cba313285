"""What the columns that the config leaves out would give away about the target: said, so that nobody takes one in."""

from collections.abc import Mapping

import numpy as np

from tabtrail.modeling.leakage.columns import Column
from tabtrail.modeling.leakage.findings import Finding
from tabtrail.modeling.leakage.giveaways import find_target_leak
from tabtrail.modeling.leakage.together import find_together
from tabtrail.modeling.metrics import Array

# One look costs as much as that at an input; of a wide table the first columns are looked at.
MOST_COLUMNS = 50


def left_out_leaks(left_out: Mapping[str, Column], y: Array, seed: int) -> tuple[Finding, ...]:
    """Return which columns that are no inputs give the target away, alone or together, over the rows of `y`."""
    found = dict[str, Finding]()
    with np.errstate(all="ignore"):
        for name, column in left_out.items():
            if (evidence := find_target_leak(column, y, seed)) is not None:
                found[name] = Finding(name, *evidence, None, None)
        nearly = frozenset(name for name, each in found.items() if each.kind == "predicts_alone")
        others = {name: each for name, each in left_out.items() if name not in found or name in nearly}
        for joint in find_together(others, y, alone=nearly, seed=seed):
            for name in (each for each in joint.columns if each not in found):
                partners = tuple(each for each in joint.columns if each != name)
                found[name] = Finding(name, joint.kind, joint.evidence, None, None, partners)
    return tuple(found[name] for name in left_out if name in found)
