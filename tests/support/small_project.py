"""A project of a few hundred plain rows, trained in seconds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from tests.support.projects import Project, place_store

LINEAR, WEAK = "LinearRegression", "RandomForest_weak"
CANDIDATES: dict[str, Any] = {LINEAR: {}, WEAK: {"n_estimators": 2, "max_depth": 1}}


def small(root: Path, store: Path, *, y: Any = None, **sections: Any) -> Project:
    """200 rows of `a` (number), `b` (three texts) and the target `y`, by default about 3 a; `sections` replace those of ours."""
    random = np.random.default_rng(7)
    a, b = random.uniform(0, 100, 200).round(2), random.choice(list("pqr"), 200)
    y = 3 * a + random.normal(0, 5, 200) if y is None else y(a, random)
    lines = [f"{x},{text},{value:.4f}" for x, text, value in zip(a, b, y, strict=True)]
    (root / "rows.csv").write_text("a,b,y\n" + "\n".join(lines) + "\n")
    config = {
        "version": 2,
        "paths": {"raw_csv": "rows.csv"},
        "model": {"name": "m", "target": "y", "numeric_features": ["a"], "categorical_features": ["b"]},
        "split": {"kind": "random", "folds": 2, "allow_leaky": True},
        "candidates": CANDIDATES,
        "explain": {"max_rows": 20},
        "report": {"learning_curve_folds": 0, "top_features": 1},
        "engine": {"kind": "serial"},
        **sections,
    }
    (root / "config_v2.yaml").write_text(json.dumps(config))
    place_store(store, root / "mlruns" / "mlflow.db")
    return Project(root)
