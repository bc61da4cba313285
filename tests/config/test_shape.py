"""A value of the wrong shape is refused in words of the product, with the edit that mends it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tabtrail.config.load import read_config
from tabtrail.config.tree import Config

CONFIG: dict[str, Any] = {
    "version": 2,
    "paths": {"raw_csv": "a.csv"},
    "contract": {"columns": {"a": {"dtype": "float"}, "y": {"dtype": "float"}}},
    "model": {"name": "m", "target": "y", "numeric_features": ["a"]},
}
SHAPES = {
    "a list": ["LightGBM"],
    "a list of keys": [{"a": 1}],
    "keys": {"zz": 1},
    "a text": "five",
    "a number": 3,
    "nothing": None,
}
OF_PYDANTIC = ("input should", "valid ", "value error", "instance of", "tuple", "dictionary", "unable to parse")
KEYS = [(name,) for name in Config.model_fields] + [
    (name, key) for name, field in Config.model_fields.items() for key in getattr(field.annotation, "model_fields", {})
]


def problems(folder: Path, key: tuple[str, ...], value: Any) -> list[str]:
    """Return what is said of the config with a value at a key."""
    tree = {name: dict(part) if isinstance(part, dict) else part for name, part in CONFIG.items()}
    inside = tree.setdefault(key[0], {}) if len(key) > 1 else tree
    inside[key[-1]] = value
    (folder / "c.yaml").write_text(yaml.safe_dump(tree))
    return read_config(folder / "c.yaml")[1]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        (
            ("candidates",),
            ["LinearRegression", "LightGBM"],
            "is a list (LinearRegression, LightGBM), where keys belong: write candidates: {LinearRegression: {}, LightGBM: {}}",
        ),
        (("candidates",), "LightGBM", "is the text 'LightGBM', where keys belong: write candidates: {LightGBM: {}}"),
        (
            ("split",),
            [{"kind": "random"}],
            "take the dashes away, so that they are keys below split:; its keys are kind, group_key",
        ),
        (("leakage",), "warn", "where keys belong: write leakage: and its keys below it, indented; its keys are policy"),
        (("leakage",), None, "is empty: take the line out, or write keys below it, indented; its keys are policy"),
        (("model", "numeric_features"), {"a": 1}, "has keys of its own (a), where a list belongs"),
        (("parquet", "partition_by"), 7, "is 7, where a list belongs: write partition_by: [7]"),
        (("model", "target"), ["y"], "is a list (y), where a text belongs: write target: y"),
        (("model", "currency"), 3, "is 3, where a text belongs: put it in quotes, currency: '3'"),
        (("split", "kind"), "randon", "one of group, random, time, group_time belongs; did you mean 'random'?"),
        (("split", "folds"), 2.5, "is 2.5, where a whole number belongs"),
        (("split", "allow_leaky"), "maybe", "is the text 'maybe', where true or false belongs"),
        (("cleaning", "trim"), {"zz": 1}, "has keys of its own (zz), where a list belongs"),
    ],
)
def test_the_edit_that_mends_a_value_is_named(tmp_path: Path, key: tuple[str, ...], value: Any, said: str) -> None:
    (problem,) = [each for each in problems(tmp_path, key, value) if f"{'.'.join(key)}: " in each]
    assert said in problem


@pytest.mark.parametrize("shape", SHAPES)
def test_no_key_is_answered_in_words_of_pydantic(tmp_path: Path, shape: str) -> None:
    said = {key: problems(tmp_path, key, SHAPES[shape]) for key in KEYS}
    assert [
        (key, each) for key, found in said.items() for each in found if any(word in each.casefold() for word in OF_PYDANTIC)
    ] == []
