"""A project with odd names."""

import json
from pathlib import Path

from tests.support.projects import Project


def odd(root: Path) -> Project:
    """A column of one value, one all null, 10,000 categories, names with markup, and no date."""
    hostile = '<script>alert("x")</script>'
    long = "n" * 300
    header = ["y", "x", "constant", "empty", "many", hostile, long, "🙂 'quoted'"]
    rows = [
        [str(3 * i % 97 + 20 * (i % 13) + 1), str(i % 13), "7", "", f"c{i}", f"<b>{i % 3}</b>", str(i % 5), "&amp;"]
        for i in range(10_000)
    ]
    quoted = [['"' + text.replace('"', '""') + '"' for text in row] for row in [header, *rows]]
    root.joinpath("odd.csv").write_text("\n".join(map(",".join, quoted)), encoding="utf-8")
    config = {
        "version": 2,
        "paths": {"raw_csv": "odd.csv"},
        "model": {
            "target": "y",
            "numeric_features": ["x", "constant", long],
            "categorical_features": ["many", hostile, "🙂 'quoted'"],
            "max_categories": 20,
        },
        "contract": {"columns": {"empty": {"dtype": "float"}}},
        "split": {"kind": "random"},
        "candidates": {"LinearRegression": {}},
        "engine": {"kind": "serial"},
    }
    (root / "config_v2.yaml").write_text(json.dumps(config, ensure_ascii=False), encoding="utf-8")
    return Project(root)
