"""The rows that a parity proof tries beside those of the dataset: where a converted model goes wrong."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from tabtrail.contract.expressions import Node, columns_of
from tabtrail.export.kept import kept
from tabtrail.modeling.estimators import pipelines_of
from tabtrail.modeling.families import read_trees
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.preprocess import COMPUTED, DerivedFeatures, RotatedCoordinates, derive, source_columns
from tabtrail.modeling.trees import LEAF, MEMBER

_BASE_ROWS = 20
_MOST_THRESHOLDS = 1_000
_ATTEMPTS = 8
_MOST_CHANGED = 4_000  # rows of a class that has a row for each column
_EXTREMES = (0.0, -0.0, 1e-300, -1e-30, 1.0, 1e9, -1e9, 2.0**53, -(2.0**53), 1e30, -1e30)


Change = tuple[Mapping[str, Any], str]  # column → value, and in words


@dataclass(frozen=True)
class Probes:
    """Rows of one class, and what was changed in each of them."""

    x: pd.DataFrame
    changed: list[str]


def missing_values(x: pd.DataFrame, texts: Sequence[str], seed: int) -> Probes:
    """Return some rows of `x` with each column missing in turn, and with all: NaN for numbers, "" for texts."""
    changes: list[Change] = [({name: _missing(name, texts)}, f"{name} missing") for name in x.columns]
    changes.append(({name: _missing(name, texts) for name in x.columns}, "all columns missing"))
    return _changed(_some_rows(x, seed, x.shape[1]), changes)


def strange_texts(x: pd.DataFrame, texts: Sequence[str], seed: int) -> Probes:
    """Return some rows of `x` with texts that training has not seen: other spellings, empty, very long, beyond ASCII."""
    base = _some_rows(x, seed, len(texts))
    changes: list[Change] = []
    for name in texts:
        known = str(base[name].iloc[0])
        strange = ("", " ", "never seen", known + " ", known.upper(), known.lower(), "x" * 10_000, "ß日🙂", "nan", "0")
        changes += [({name: each}, f"{name} unseen ({len(each)} characters)") for each in strange]
    return _changed(base, changes)


def extremes(x: pd.DataFrame, numbers: Sequence[str], seed: int) -> Probes:
    """Return some rows of `x` with each number in turn, and all of them, as small and as large as a number may be."""
    changes: list[Change] = [({name: value}, f"{name} = {value:g}") for name in numbers for value in _EXTREMES]
    changes += [(dict.fromkeys(numbers, value), f"all numbers = {value:g}") for value in _EXTREMES if numbers]
    return _changed(_some_rows(x, seed, len(numbers)).head(3), changes)


def threshold_neighbours(model: Any, x: pd.DataFrame, seed: int) -> tuple[Probes, int, int]:
    """Return rows beside the split thresholds of a model's trees, how many thresholds it has, and how many were tried.

    A row of `x` gets the float32 nearest to the threshold, and the float32 to either side of it. Where the feature is
    derived, one of its source columns is moved between its extremes until the feature is there (bisection down to
    neighbouring doubles). Thresholds on 0/1 and encoded columns are passed by every row. At most 1,000 are tried.
    """
    random = np.random.default_rng(seed)
    splits = _joined_splits(kept("splits", (pipeline,), partial(_splits, pipeline)) for pipeline in pipelines_of(model))
    formulas = {name: formula for pipeline in pipelines_of(model) for name, formula in _derived(pipeline).items()}
    picked = splits
    if len(splits) > _MOST_THRESHOLDS:
        picked = [splits[index] for index in sorted(random.choice(len(splits), _MOST_THRESHOLDS, replace=False))]
    parts, tried = [], 0
    for name in sorted({name for name, _ in picked}):
        thresholds = np.array([threshold for each, threshold in picked if each == name])
        rows, values = _beside(thresholds, len(x), random)
        if name in formulas:
            found, reached = _moved(formulas[name], x, rows, values)
            tried += min(len(thresholds), reached)
        else:
            found = x.iloc[rows].assign(**{name: values})
            tried += len(thresholds)
        parts.append((found, f"{name} beside a threshold"))
    return _joined(parts, x), len(splits), tried


def within_float32(model: Any, x: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which rows [rows] the Python model accepts: those whose features are float32 numbers, or NaN (an unseen text)."""
    fits = np.ones(len(x), dtype=bool)
    for pipeline in pipelines_of(model):
        with np.errstate(all="ignore"):
            matrix = np.asarray(pipeline.named_steps["preprocess"].transform(x), dtype=np.float64)
        fits &= ~(np.abs(matrix) > np.finfo(np.float32).max).any(axis=1)
    return fits


def _joined_splits(found: Iterable[Mapping[str, Array]]) -> list[tuple[str, float]]:
    """Return the distinct thresholds of all pipelines, each with its raw column or derived feature, sorted by both."""
    joined: dict[str, list[Array]] = {}
    for each in found:
        for name, thresholds in each.items():
            joined.setdefault(name, []).append(thresholds)
    return [(name, float(each)) for name in sorted(joined) for each in np.unique(np.concatenate(joined[name]))]


def _splits(pipeline: Pipeline) -> dict[str, Array]:
    """Return the distinct thresholds on numbers by raw column or derived feature."""
    regressor, preprocessor = pipeline.named_steps["model"], pipeline.named_steps["preprocess"]
    trees = read_trees(regressor)
    if trees is None:
        return {}
    numbers = {name for part, _, columns in preprocessor.transformers_ if part == "numeric" for name in columns}
    numbers |= set(_derived(pipeline))
    names, on_number = source_columns(preprocessor), ~np.isin(np.array(trees.modes), (LEAF, MEMBER))
    feature = np.array(trees.feature, dtype=np.int64)[on_number]
    threshold = np.array(trees.threshold, dtype=np.float64)[on_number]
    return {names[each]: np.unique(threshold[feature == each]) for each in np.unique(feature) if names[each] in numbers}


def _derived(pipeline: Pipeline) -> Mapping[str, Node]:
    preprocessor: ColumnTransformer = pipeline.named_steps["preprocess"]
    steps: list[DerivedFeatures | RotatedCoordinates]
    steps = [transformer[0] for part, transformer, _ in preprocessor.transformers_ if part in COMPUTED]
    return {name: formula for step in steps for name, formula in zip(step.names, step.formulas, strict=True)}


def _beside(thresholds: Array, rows: int, random: np.random.Generator) -> tuple[np.ndarray[Any, Any], Array]:
    """Return a random row for each threshold, three times, and the float32 before, at and after it."""
    largest = np.finfo(np.float32).max  # beyond it lie thresholds that only part missing numbers from all others
    near = np.clip(thresholds, -largest, largest).astype(np.float32)
    with np.errstate(over="ignore"):
        below, above = np.nextafter(near, np.float32(-np.inf)), np.nextafter(near, np.float32(np.inf))
    values = np.clip(np.concatenate([near, below, above]).astype(np.float64), -largest, largest)
    return np.tile(random.integers(0, rows, len(thresholds)), 3), values


def _moved(formula: Node, x: pd.DataFrame, rows: np.ndarray[Any, Any], values: Array) -> tuple[pd.DataFrame, int]:
    """Return rows whose derived feature is at `values` or beside, as far as moving one column reaches; and how many do."""
    sources = sorted(columns_of(formula))
    found, left = [], np.arange(len(rows))
    for attempt in range(_ATTEMPTS):
        source = sources[attempt % len(sources)]
        base = x.iloc[(rows[left] + attempt // len(sources)) % len(x)]
        columns = {name: base[name].to_numpy(dtype=np.float64) for name in sources}
        low = np.full(len(left), np.nanmin(x[source].to_numpy()))
        high = np.full(len(left), np.nanmax(x[source].to_numpy()))
        with np.errstate(all="ignore"):
            at_low, at_high = derive(formula, columns | {source: low}), derive(formula, columns | {source: high})
        falls = at_low > at_high
        low, high = np.where(falls, high, low), np.where(falls, low, high)
        reached = (np.minimum(at_low, at_high) <= values[left]) & (values[left] <= np.maximum(at_low, at_high))
        base, low, high, target = base[reached], low[reached], high[reached], values[left][reached]
        columns = {name: own[reached] for name, own in columns.items()}
        for _ in range(70 if len(base) else 0):
            middle = (low + high) / 2
            before = derive(formula, columns | {source: middle}) < target
            low, high = np.where(before, middle, low), np.where(before, high, middle)
        found += [base.assign(**{source: low}), base.assign(**{source: high})]
        left = left[~reached]
        if not len(left):
            break
    return pd.concat(found), (len(rows) - len(left)) // 3


def _some_rows(x: pd.DataFrame, seed: int, columns: int) -> pd.DataFrame:
    """Return the rows in which so many columns are changed in turn: 20, and fewer of a wide table, at least one."""
    rows = max(1, min(_BASE_ROWS, len(x), _MOST_CHANGED // max(columns, 1)))
    return x.sample(min(_BASE_ROWS, len(x)), random_state=seed).head(rows)


def _missing(name: str, texts: Sequence[str]) -> Any:
    return "" if name in texts else np.nan


def _changed(base: pd.DataFrame, changes: Sequence[Change]) -> Probes:
    """Return the base rows once for each change. Each column is made whole: a frame for every change falls into pieces."""
    count = len(base)
    columns = {name: np.tile(_plain(base[name]), len(changes)) for name in base.columns}
    for place, (values, _) in enumerate(changes):
        for name, value in values.items():
            columns[name][place * count : (place + 1) * count] = value
    index = np.tile(base.index.to_numpy(), len(changes))
    said = [f"data row {row} with {what}" for _, what in changes for row in base.index]
    texts = {name: object for name, values in columns.items() if values.dtype == object}
    return Probes(pd.DataFrame(columns, index=index).astype(texts) if changes else pd.DataFrame(), said)


def _plain(column: "pd.Series[Any]") -> Any:
    return column.to_numpy(dtype=np.float64 if column.dtype.kind in "fiu" else object)


def _joined(parts: Sequence[tuple[pd.DataFrame, str]], columns: pd.DataFrame | None = None) -> Probes:
    if not parts:
        return Probes(pd.DataFrame() if columns is None else columns.head(0), [])
    changed = [f"data row {index} with {what}" for rows, what in parts for index in rows.index]
    joined = pd.concat([rows for rows, _ in parts])
    return Probes(joined.astype({name: object for name in joined if joined[name].dtype.kind not in "fiu"}), changed)
