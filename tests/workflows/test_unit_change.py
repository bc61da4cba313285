from pathlib import Path

import numpy as np
import pytest

from tabtrail.config.load import load_config
from tabtrail.data.ingest import ingest
from tabtrail.data.manifest import read_manifest
from tabtrail.errors import LeakageError
from tabtrail.modeling.leakage.findings import Finding
from tabtrail.progress import SILENT
from tabtrail.workflows.prepare import prepare

YAML = """
version: 2
paths: {raw_csv: "part*.csv"}
contract: {columns: {spare: {dtype: float}}}
model: {target: y, numeric_features: [a, b]}
split: {kind: random}
candidates: {LinearRegression: {}}
engine: {kind: serial}
"""


def write(folder: Path, name: str, *, rows: int = 300, units: dict[str, tuple[int, float]] | None = None, seed: int = 0) -> None:
    """A file whose columns are multiplied from a row on (from 1)."""
    rng = np.random.default_rng(seed)
    columns = {column: rng.lognormal(4, 0.5, rows) for column in ("a", "b", "spare")}
    columns["y"] = columns["a"] + columns["b"] * rng.lognormal(0, 0.3, rows)
    for column, (row, factor) in (units or {}).items():
        columns[column][row - 1 :] *= factor
    lines = [",".join(columns), *(",".join(f"{value:.6g}" for value in row) for row in zip(*columns.values(), strict=True))]
    (folder / name).write_text("\n".join(lines) + "\n")


def findings(folder: Path, *overrides: str) -> tuple[Finding, ...]:
    (folder / "x.yaml").write_text(YAML)
    config = load_config(folder / "x.yaml", overrides)
    ingest(config)
    prepared = prepare(config, SILENT)
    assert prepared.config.model.inputs == ("a", "b")
    return prepared.findings


def test_a_target_and_a_feature_whose_unit_changes_are_findings_and_other_columns_are_not(tmp_path: Path) -> None:
    write(tmp_path, "part1.csv", units={"y": (201, 100), "b": (121, 0.001), "spare": (90, 1000)})
    found = findings(tmp_path)
    assert [(each.column, each.kind, each.label) for each in found] == [(name, "unit_change", "UNIT") for name in ("y", "b")]
    assert found[0].evidence.startswith("from row 201 of part1.csv on its values are about 100 times those before")


def test_the_rows_that_a_training_reads_are_kept_once_as_models_take_them(tmp_path: Path) -> None:
    write(tmp_path, "part1.csv")
    (tmp_path / "x.yaml").write_text(YAML)
    config = load_config(tmp_path / "x.yaml", ())
    ingest(config)
    prepared = prepare(config, SILENT)
    assert (prepared.height, len(prepared.table.y), prepared.data.height) == (300, 300, 0)
    assert prepared.data.columns == ["a", "b", "y"], "their names and types go with the runs"


def test_a_file_in_another_unit_than_the_one_before_is_a_finding(tmp_path: Path) -> None:
    write(tmp_path, "part1.csv", seed=1)
    write(tmp_path, "part2.csv", rows=100, units={"y": (1, 100)}, seed=2)
    (found,) = findings(tmp_path)
    assert found.evidence.startswith("from row 1 of part2.csv on its values are about 100 times")


def test_an_appended_file_in_another_unit_is_seen_when_it_is_appended(tmp_path: Path) -> None:
    write(tmp_path, "part1.csv", seed=1)
    assert findings(tmp_path) == ()
    write(tmp_path, "part2.csv", rows=100, units={"y": (1, 100)}, seed=2)
    config = load_config(tmp_path / "x.yaml")
    ingest(config, append=True)
    (shift,) = read_manifest(config.dataset).shifts
    assert (shift.column, shift.file, shift.row, shift.factor) == ("y", "part2.csv", 1, 100)


def test_dropping_what_leaks_drops_no_column_whose_unit_changes(tmp_path: Path) -> None:
    write(tmp_path, "part1.csv", units={"b": (121, 0.001)})
    (found,) = findings(tmp_path, "leakage.policy=drop")
    assert found.kind == "unit_change"


def test_policy_error_stops_where_a_unit_changes(tmp_path: Path) -> None:
    write(tmp_path, "part1.csv", units={"y": (201, 100)})
    with pytest.raises(LeakageError, match=r"y: unit change: from row 201 of part1.csv on .* about 100 times"):
        findings(tmp_path, "leakage.policy=error")


def test_rejected_rows_are_counted_in_the_row_of_a_change_to_within_their_number(tmp_path: Path) -> None:
    write(tmp_path, "part1.csv", units={"y": (201, 100)})
    lines = (tmp_path / "part1.csv").read_text().splitlines()
    lines[5] = "x," * 3 + "x"
    (tmp_path / "part1.csv").write_text("\n".join(lines) + "\n")
    (found,) = findings(tmp_path)
    assert found.evidence.startswith(("from row 200 of part1.csv on ", "from row 201 of part1.csv on "))
