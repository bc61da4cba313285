"""A source may be a CSV, a workbook, a Parquet file or JSON lines: dataset, model and every way in to it are the same."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.support.nasty_rows import CONFIG, FAULTS, GOOD, good_rows, target, typed
from tests.support.stages import run_ingest
from tests.support.table_files import FORMATS
from tests.support.ways_in import WAYS, Nasty, Refused, by_python, nasty_model

from tabtrail.config.load import load_config
from tabtrail.data.manifest import read_manifest

OTHERS = ("xlsx", "parquet", "jsonl")


@pytest.fixture(scope="module")
def csv(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[Nasty]:
    with nasty_model(tmp_path_factory, empty_store, "csv") as model:
        yield model


@pytest.fixture(scope="module", params=OTHERS)
def other(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[Nasty]:
    with nasty_model(tmp_path_factory, empty_store, request.param) as model:
        yield model


@pytest.fixture(scope="module")
def fitted(other: Nasty) -> dict[int, float]:
    return other.fitted()


def test_rows_are_kept_and_set_aside_by_the_same_rules_and_learned_to_the_same_model(csv: Nasty, other: Nasty) -> None:
    expected, found = read_manifest(csv.config.dataset), read_manifest(other.config.dataset)
    assert found.data_sha256 == expected.data_sha256
    assert (found.rejects, found.nulls, found.warnings) == (expected.rejects, expected.nulls, expected.warnings)
    reasons = [pl.read_parquet(model.config.paths.rejects)["_rules"].to_list() for model in (csv, other)]
    assert reasons[0] == reasons[1]
    assert found.rows_rejected == len(FAULTS)
    assert other.predictor.schema == csv.predictor.schema
    for kind in ("onnx", "joblib"):
        assert other.predictor.metadata["files"][kind]["sha256"] == csv.predictor.metadata["files"][kind]["sha256"]


@pytest.mark.parametrize("way", WAYS)
def test_a_row_is_predicted_as_in_training_whatever_the_source_was(other: Nasty, fitted: dict[int, float], way: str) -> None:
    rows = good_rows()[:30]
    found = WAYS[way](other, rows)
    np.testing.assert_allclose(found, [fitted[int(row["id"])] for row in rows], rtol=1e-6)
    if way != "MLflow's pyfunc":
        assert found == by_python(other, rows)


@pytest.mark.parametrize("way", WAYS)
def test_a_fault_is_refused_in_the_same_words_whatever_the_source_was(other: Nasty, way: str) -> None:
    for change, _, words in FAULTS.values():
        with pytest.raises(Refused) as caught:
            WAYS[way](other, [{"id": "1", **GOOD, **change}])
        assert words in str(caught.value)


@pytest.mark.parametrize("ending", FORMATS)
def test_typed_cells_are_ingested_as_the_texts_that_mean_the_same(csv: Nasty, ending: str, tmp_path: Path) -> None:
    dates = () if ending in (".xlsx", ".parquet") else ("d", "at")  # the others have no cells of dates
    rows = [
        {"id": index, **typed(row), **{name: row[name] for name in dates}, "y": int(target(row, index))}
        for index, row in enumerate(good_rows())
    ]
    FORMATS[ending](tmp_path / f"nasty{ending}", list(rows[0]), [list(row.values()) for row in rows])
    (tmp_path / "config_v2.yaml").write_text(CONFIG.replace("nasty.csv", f"nasty{ending}"))
    manifest, _ = run_ingest(load_config(tmp_path / "config_v2.yaml"))
    assert manifest.rows_rejected == 0
    assert manifest.data_sha256 == read_manifest(csv.config.dataset).data_sha256
