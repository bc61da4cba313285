"""Whatever stands in a YAML file or a request: it is taken, or refused by a typed error; nothing else comes out."""

import json
import math
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.projects import REPO, Project, serving

from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.errors import ConfigError, TabtrailError

YAML_TEXT = (REPO / "config_v2.yaml").read_text(encoding="utf-8")
TREE = yaml.safe_load(YAML_TEXT)
PATHS = ["/predict", "/predict/batch", "/invocations", "/v2/models/sales_regressor/infer"]

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["1e999", "SALES", "a == 1", "../x"]),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4), max_leaves=8
)


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value of a tree."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def changed(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return the tree with another value at a place."""
    tree = deepcopy(tree)
    inner = tree
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return tree


def spliced(text: bytes, at: int, length: int, new: bytes) -> bytes:
    at %= len(text)
    return text[:at] + new + text[at + length :]


def splices(text: bytes) -> "st.SearchStrategy[bytes]":
    return st.builds(spliced, st.just(text), st.integers(0, 10**6), st.integers(0, 40), st.binary(max_size=20))


ANY_YAML = st.one_of(
    st.builds(
        lambda path, value: yaml.safe_dump(changed(TREE, path, value), allow_unicode=True).encode(),
        st.sampled_from(list(places(TREE))),
        VALUES,
    ),
    splices(YAML_TEXT.encode()),
    st.binary(max_size=80),
    VALUES.map(lambda value: yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass")),
)
ROW = {
    "QUANTITYORDERED": 30,
    "PRICEEACH": 95.7,
    "ORDERLINENUMBER": 2,
    "MSRP": 95,
    "QTR_ID": 1,
    "MONTH_ID": 2,
    "YEAR_ID": 2003,
    "PRODUCTLINE": "Motorcycles",
    "COUNTRY": "USA",
    "DEALSIZE": "Small",
}
INFER = {"inputs": [{"name": name, "shape": [1], "datatype": "BYTES", "data": [value]} for name, value in ROW.items()]}
BODIES = [
    ROW,
    [ROW, ROW],
    {"dataframe_records": [ROW]},
    {"dataframe_split": {"columns": [*ROW], "data": [[*ROW.values()]]}},
    INFER,
]


def as_json(tree: Any) -> bytes:
    return json.dumps(tree).encode("utf-8", "surrogatepass")


ANY_JSON = st.one_of(
    *(
        st.builds(
            lambda tree, path, value: as_json(changed(tree, path, value)),
            st.just(tree),
            st.sampled_from(list(places(tree))),
            VALUES,
        )
        for tree in BODIES
    ),
    *(splices(as_json(tree)) for tree in BODIES),
    VALUES.map(as_json),
    st.binary(max_size=80),
)


def check_yaml(folder: Path, text: bytes) -> str:
    """Load a config; return `accepted` or the kind of refusal. Anything but a typed refusal passes through."""
    path = folder / "config_v2.yaml"
    path.write_bytes(text)
    try:
        config = load_config(path)
    except TabtrailError as error:
        assert str(error)
        return type(error).__name__
    assert isinstance(config, Config)
    return "accepted"


def repeated(body: bytes, answer: str) -> list[str]:
    """Return the values of a body that an answer repeats: texts and numbers of six characters or more, no names of columns."""
    try:
        found = list(leaves(json.loads(body)))
    except (ValueError, RecursionError):
        return []
    known = {*ROW, *map(str, ROW.values()), "true", "false"}
    texts = {value if isinstance(value, str) else repr(value) for value in found if not isinstance(value, bool | None)}
    return sorted(text for text in texts if len(text) >= 6 and text not in known and text in answer)


def leaves(tree: Any) -> Iterator[Any]:
    """Yield the values of a body, without those that name columns or types in the protocols."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key not in ("name", "columns", "datatype"):
                yield from leaves(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from leaves(value)
    else:
        yield tree


@cache
def own_words(client: httpx.Client, path: str) -> str:
    """What the service says to bodies that hold nothing: a text of a body may be one of its own words, such as `detail`."""
    bodies = ('"?"', "{}", "[]", "[{}]", '{"?": 1}', '[{"?": 1}]', "?")
    return "".join(client.post(path, content=each, headers={"Content-Type": "application/json"}).text for each in bodies)


def check_json(client: httpx.Client, path: str, body: bytes) -> str:
    """Post a body; return the status. It is 200 with finite predictions, or a refusal that repeats nothing of the row."""
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200 or 400 <= answer.status_code < 500, (answer.status_code, body)
    text = answer.text
    if answer.status_code == 200:
        assert "NaN" not in text
        assert "Infinity" not in text
        if path == "/predict":
            assert math.isfinite(answer.json()["prediction"])
    else:
        assert answer.json()["status"] == answer.status_code
        found = [each for each in repeated(body, text) if each not in own_words(client, path)]
        assert not found, (found, text)
    return str(answer.status_code)


@settings(max_examples=80, deadline=None)
@given(text=ANY_YAML)
@example(text=b"")
@example(text=b"a: &a [x, x]\nb: *a\n")
@example(text=b"? {a: 1}\n: 2\n")
@example(text=b"'[key]':")
@example(text=b"version: 2\npaths: {'[key]': x}\nmodel: {}\n")
@example(text=b"version: 2\npaths: {}\nmodel: {}\ncandidates: {'[key]': {}, '/': {}}\n")
@example(text=b"!!python/object/apply:os.system [true]\n")
def test_any_yaml_is_a_config_or_refused(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    check_yaml(tmp_path_factory.mktemp("any"), text)


def test_an_alias_bomb_is_refused_in_time(tmp_path: Path) -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 12))
    path = tmp_path / "config_v2.yaml"
    path.write_text(f"l0: &l0 [x]\n{levels}")
    with pytest.raises(ConfigError):
        load_config(path)


@pytest.fixture(scope="module")
def client(small: Project) -> Iterator[httpx.Client]:
    with serving(small, "--set", "serve.access_log=false", door=False) as client:
        yield client


@settings(max_examples=120, deadline=None)
@given(path=st.sampled_from(PATHS), body=ANY_JSON)
@example(path="/predict", body=as_json(ROW))
@example(path="/predict", body=as_json({**ROW, "COUNTRY": 123456.5, "QTR_ID": "ACCOUNT 4711", "MSRP": -98765.25}))
@example(path="/predict/batch", body=as_json([{**ROW, "PRODUCTLINE": ["ACCOUNT 4711"]}, "ACCOUNT 4711"]))
@example(path="/predict/batch", body=b"[" * 100_000)
@example(path="/invocations", body=as_json({"dataframe_split": {"columns": [], "data": []}}))
def test_any_body_is_answered_or_refused(client: httpx.Client, path: str, body: bytes) -> None:
    check_json(client, path, body)


def test_the_check_sees_a_value_that_an_answer_repeats() -> None:
    body = as_json([{**ROW, "COUNTRY": "ACCOUNT 4711", "MSRP": -98765.25}])
    assert repeated(body, "COUNTRY: 'ACCOUNT 4711' is new; MSRP: -98765.25") == ["-98765.25", "ACCOUNT 4711"]
    assert repeated(body, "COUNTRY must be text, as Motorcycles") == []
