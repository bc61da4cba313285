"""Actual values that came late, joined to the rows of the prediction log that they are of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tabtrail.bundle.arrow_columns import ColumnReader
from tabtrail.bundle.cell_columns import CellReader
from tabtrail.bundle.columnar import Array
from tabtrail.bundle.input_blocks import Blocks, InputFile
from tabtrail.bundle.load import read_metadata
from tabtrail.bundle.logged import (
    REQUEST,
    ROW,
    Labels,
    input_values,
    label_files,
    log_files,
    read_keys,
    read_labels,
    write_labels,
)
from tabtrail.bundle.metadata import layout_of
from tabtrail.contract.schema import ColumnRule, Feature, ModelSchema
from tabtrail.errors import DataError, UsageError, nearest
from tabtrail.project.lock import project_lock
from tabtrail.workflows.drift_job import Job, log_folder

Key = tuple[object, ...]
_OWN = (Feature(REQUEST, "categorical", ColumnRule("string")), Feature(ROW, "numeric", ColumnRule("int")))


@dataclass(frozen=True)
class Joined:
    """What became of a file of actual values: its rows, those without a value, and those whose key no logged row has; and of the
    log: rows that have a label now, and rows that had the same one before.
    """

    rows: int
    without_value: int
    unknown: int
    labelled: int
    known_before: int
    file: str | None


def join_labels(job: Job, path: Path, key: Sequence[str]) -> Joined:
    """Join the actual values of a file to the log, all of them or none. Given again, they change nothing.

    Raises `UsageError` for a file or key that cannot be used, `DataError` for two values of one key, in the file or with what the
    log has already.
    """
    if not path.is_file():
        raise UsageError(f"--input {path} {'is not a file' if path.exists() else 'is not there'}")
    config, folder = job.config, log_folder(job)
    metadata = read_metadata(config.paths.models_dir, config.model.name, config.bundle.public_key)
    features = _key_features(ModelSchema.from_dict(metadata["schema"]), key)
    rules, target = config.table_rules, config.model.target
    actual = Feature(target, "numeric", rules.columns.rule(target), reading=rules.reading(target))
    with project_lock(config, "labels", job.progress):
        file = InputFile(path, layout_of(metadata))
        given = _given(_blocks(file, features, actual), [each.name for each in features])
        found, hits = _matches(folder, features, given.values)
        new, before = _unknown_yet(folder, found)
        written = write_labels(folder, new) if len(new.actual) else None
    return Joined(
        rows=given.rows,
        without_value=given.without_value,
        unknown=len(given.values) - hits,
        labelled=len(new.actual),
        known_before=before,
        file=None if written is None else written.name,
    )


@dataclass
class _Given:
    values: dict[Key, float]
    rows: int = 0
    without_value: int = 0


def _key_features(schema: ModelSchema, key: Sequence[str]) -> list[Feature]:
    """Return the columns of the key. Raises `UsageError` for one that the log does not have."""
    known = {each.name: each for each in (*schema.features, *_OWN)}
    for name in key:
        if name not in known:
            raise UsageError(f"--key {name}: the log has no such column (it has {', '.join(known)}){nearest(name, list(known))}")
    if not key:
        raise UsageError("--key: name the columns that find a row in the log, such as request_id and row")
    return [known[name] for name in dict.fromkeys(key)]


def _blocks(file: InputFile, key: Sequence[Feature], actual: Feature) -> Iterator[tuple[Array, dict[str, Array], Array]]:
    """Yield line numbers, key columns and actual values. Raises `DataError` for an actual value that cannot be read."""
    own = [*key, actual]
    for block in Blocks(file, own):
        columns, unread = ColumnReader(own)(block.batch) if block.cells is None else CellReader(own)(block.cells)
        for index, wrong in unread.items():
            name, what = next(iter(wrong.items()))
            raise DataError(f"{file.path.name}, row {int(block.numbers[index])}: {name}: {what.message}")
        if block.broken:
            raise DataError(f"{file.path.name}, row {block.broken[0][0]}: {block.broken[0][1]}")
        yield block.numbers, {each.name: input_values(each, columns[each.name]) for each in key}, np.asarray(columns[actual.name])


def _given(blocks: Iterator[tuple[Array, dict[str, Array], Array]], names: Sequence[str]) -> _Given:
    """Collect the actual values by key. Raises `DataError` for two values of one key."""
    found = _Given({})
    lines: dict[Key, int] = {}
    for numbers, keys, actual in blocks:
        for line, key, value in zip(numbers.tolist(), _keys(keys, names), actual.tolist(), strict=True):
            found.rows += 1
            if np.isnan(value):
                found.without_value += 1
                continue
            if found.values.setdefault(key, value) != value:
                raise DataError(
                    f"rows {lines[key]} and {line} have one key ({_shown(names, key)}) and two values; keep one of them"
                )
            lines.setdefault(key, line)
    return found


def _matches(folder: Path, features: Sequence[Feature], given: Mapping[Key, float]) -> tuple[Labels, int]:
    """Return the labels of all logged rows whose key is given, and how many keys were found.

    Raises `DataError` where a request is named whose rows only `row` tells apart.
    """
    names = [each.name for each in features]
    parts: list[tuple[str, int, str, float, float]] = []
    seen = set[Key]()
    for path in log_files(folder):
        logged = read_keys(path, features, names)
        if logged is None:
            continue
        for place, key in enumerate(_keys(logged.keys, names)):
            if (value := given.get(key)) is None:
                continue
            if REQUEST in names and key in seen:
                raise DataError(f"the request {_shown(names, key)} has several rows; add `{ROW}` to the key (rows count from 1)")
            seen.add(key)
            parts.append((logged.file, place, logged.run_id, float(logged.predicted[place]), value))
    return _labels(parts), len(seen)


def _unknown_yet(folder: Path, found: Labels) -> tuple[Labels, int]:
    """Return the labels that the log does not have, and how many it has. Raises `DataError` where it has another value."""
    known: dict[tuple[str, int], float] = {}
    for path in label_files(folder):
        labels = read_labels(path)
        places = zip(labels.files.tolist(), labels.places.tolist(), strict=True)
        known |= dict(zip(places, labels.actual.tolist(), strict=True))
    new = []
    for index, row in enumerate(zip(found.files.tolist(), found.places.tolist(), strict=True)):
        before, value = known.get(row), float(found.actual[index])
        if before is not None and before != value:
            raise DataError(
                f"a logged row (row {row[1] + 1} of {row[0]}) has the label {before:g} already, and now gets {value:g}; nothing"
                " was joined: correct the file, or move the wrong labels-*.parquet out of the log"
            )
        new.append(before is None)
    mask = np.array(new, dtype=bool)
    parts = [found.files[mask], found.places[mask], found.runs[mask], found.predicted[mask], found.actual[mask]]
    return Labels(*parts), int((~mask).sum())


def _labels(parts: Sequence[tuple[str, int, str, float, float]]) -> Labels:
    files, places, runs, predicted, actual = zip(*parts, strict=True) if parts else ((), (), (), (), ())
    texts = (np.array(each, dtype=object) for each in (files, runs))
    file_names, run_ids = texts
    return Labels(file_names, np.array(places, np.int64), run_ids, np.array(predicted, np.float64), np.array(actual, np.float64))


def _keys(columns: Mapping[str, Array], names: Sequence[str]) -> Iterator[Key]:
    return zip(*(columns[name].tolist() for name in names), strict=True)


def _shown(names: Sequence[str], key: Key) -> str:
    return ", ".join(f"{name} {value}" for name, value in zip(names, key, strict=True))
