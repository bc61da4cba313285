"""The ids of a series are read by the tables of other spellings, whose context may be another id."""

from dataclasses import asdict, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.demand import demand_project

from tabtrail.bundle.input_blocks import InputFile
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.outputs import output_at
from tabtrail.bundle.predictor import Predictor
from tabtrail.bundle.score_file import score_file
from tabtrail.contract.aliases import ContextAliases

ROW = {"date": "2023-07-22", "store_id": "STORE_001", "product_id": "Carrots", "price": 12.0, "promotion": 1}


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """The model of the synthetic panel, with a product that one of two shops calls by another name."""
    paths = demand_project(tmp_path_factory).project.config().paths
    bundle = load_bundle(paths.models_dir, "shop_demand")
    table = ContextAliases("product_id", ("store_id",), (("STORE_001", "Carrots", "PROD_C"),))
    schema = {**bundle.metadata["schema"], "aliases": [asdict(table)]}
    return Predictor(replace(bundle, metadata={**bundle.metadata, "schema": schema}))


def test_an_id_of_a_series_is_respelled_beside_its_context_alone_in_rows_and_files(predictor: Predictor, tmp_path: Path) -> None:
    (wanted,) = predictor.predict([{**ROW, "product_id": "PROD_C"}])
    (found,) = predictor.predict([ROW])
    assert (found.value, found.warnings) == (wanted.value, wanted.warnings)
    (elsewhere,) = predictor.predict([{**ROW, "store_id": "STORE_000"}])
    assert any("the series is new" in each for each in elsewhere.warnings)
    assert not any("the series is new" in each for each in found.warnings)
    plan, out = tmp_path / "plan.parquet", tmp_path / "out.parquet"
    pq.write_table(pa.Table.from_pylist([ROW, {**ROW, "product_id": "PROD_C"}]), plan)
    score_file(predictor, InputFile(plan), output_at(out, None), intervals=False)
    assert pq.read_table(out)["prediction"].to_pylist() == [wanted.value] * 2
