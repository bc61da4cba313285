"""Every folder of small inputs that once went wrong comes to its right outcome, as its README states it."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from tests.support.projects import CASES, place_store
from tests.support.stages import run_ingest, run_train

from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.rejects import TooManyRejectsError
from tabtrail.errors import DataError, TabtrailError
from tabtrail.project.names import check_names
from tabtrail.workflows.forecast import forecast_segment

FOLDERS = sorted(path.name for path in CASES.iterdir() if path.is_dir()) if CASES.is_dir() else []
Load = Callable[..., Config]
pytestmark = pytest.mark.skipif(not FOLDERS, reason="the shared cases are missing")


@pytest.fixture
def load(request: pytest.FixtureRequest, tmp_path: Path, empty_store: Path) -> Load:
    """Return what reads the config of a copy of the folder, with overrides."""
    root = tmp_path / "case"
    shutil.copytree(CASES / request.node.callspec.params["folder"], root)
    place_store(empty_store, root / "mlruns" / "mlflow.db")
    return lambda *overrides, file="config.yaml": load_config(root / file, overrides)


def rows_of(config: Config) -> pl.DataFrame:
    run_ingest(config)
    return scan_dataset(config.dataset).collect()


def refused(config: Config, *words: str, kind: type[TabtrailError] = DataError) -> None:
    with pytest.raises(kind) as caught:
        run_ingest(config)
    for each in words:
        assert each in str(caught.value)


def base_model(load: Load) -> None:
    config = load("candidates={LinearRegression: {}}")
    manifest, _ = run_ingest(config)
    assert (manifest.rows_kept, manifest.rows_rejected) == (500, 0)
    assert (manifest.nulls["seg"], manifest.nulls["city"], manifest.nulls_after_filling["city"]) == (95, 124, 0)
    assert run_train(config)[0].champion == "LinearRegression"


def decimal_comma(load: Load) -> None:
    refused(load(), "'0,5' on line 2", "set source.decimal: ','", "source.thousands: '.'", kind=TooManyRejectsError)
    rows = rows_of(load("source.decimal=,", "source.thousands=."))
    assert rows["a"].to_list() == [*(index + 0.5 for index in range(30)), 7.0]
    assert rows["y"].to_list() == [*map(float, range(1100, 1130)), 1299.99]


def thousands_dot(load: Load) -> None:
    manifest, _ = run_ingest(load())
    assert "1.001 on line 3" in "".join(manifest.findings)
    rows = rows_of(load("source.decimal=,", "source.thousands=."))
    assert rows["y"].to_list() == [950 + index + 50 * (index % 2) for index in range(40)]


def names_differ_in_case(load: Load) -> None:
    refused(load(), "line 1", "'Price' and 'price'", "source.rename")
    rows = rows_of(
        load(
            "source.rename={price: price_2}",
            "contract.columns={}",
            "aggregations=[]",
            "model.numeric_features=[a, Price, price_2]",
        )
    )
    assert (rows["Price"].sum(), rows["price_2"].sum()) == (435, 4350)


def title_lines(load: Load) -> None:
    refused(load(), "line 4 has the columns", "source.skip_rows: 3")
    rows = rows_of(load("source.skip_rows=3", "source.skip_after_header=1"))
    assert rows["y"].head(30).to_list() == list(range(0, 60, 2))


def comment_lines(load: Load) -> None:
    refused(load(), "line 3 has the columns", "source.skip_rows: 2")
    assert rows_of(load("source.skip_rows=2"))["y"].to_list() == list(range(0, 60, 2))


def grand_total(load: Load) -> None:
    manifest, _ = run_ingest(load())
    (finding,) = manifest.findings
    (rule,) = re.findall(r"contract\.rows: (\[.*\])", finding)
    manifest, _ = run_ingest(load(f"contract.rows={rule}", "contract.max_reject_share=0.1"))
    assert (manifest.rows_kept, manifest.rejects) == (40, {"no_total": 1})


def excel_sep(load: Load) -> None:
    assert rows_of(load())["y"].to_list() == list(range(0, 60, 2))


def backslash_quotes(load: Load) -> None:
    refused(load(), "from line 32", "a quote within quotes is written twice")


def reject_share_one(load: Load) -> None:
    refused(load(), "every row was rejected: ragged: 4 fields, the header has 3 (30 rows)", kind=TooManyRejectsError)


def link_objectives(load: Load) -> None:
    for file in sorted((CASES / "link-objectives").glob("config_*.yaml")):
        config = load(file=file.name)
        (name,) = config.candidates
        if name in ("LightGBM_dart", "LightGBM_rf", "LightGBM_lintree", "XGBoost_dart", "XGBoost_linear"):
            with pytest.raises(TabtrailError, match=f"candidates.{name}"):
                check_names(config)
    config = load(file="config_LightGBM_tweedie.yaml")
    run_ingest(config)
    board, _ = run_train(config)
    assert board.champion == "LightGBM_tweedie"


def large_integers(load: Load) -> None:
    config = load("candidates={LightGBM: {n_estimators: 60, min_child_samples: 5}, LinearRegression: {}}", "explain.max_rows=10")
    run_ingest(config)
    board, _ = run_train(config)
    assert (config.paths.models_dir / "m.onnx").is_file()
    assert board.champion in config.candidates


def two_digit_year(load: Load) -> None:
    config = load()
    manifest, _ = run_ingest(config)
    assert manifest.rejects == {"d: not a date of the formats": 1, "d: year outside 1900 to 2100": 1}
    assert set(scan_dataset(config.dataset).collect()["d"].dt.year()) == {2020}


def century(load: Load) -> None:
    config = load()
    manifest, _ = run_ingest(config)
    years = scan_dataset(config.dataset).collect().sort("a")["d"].dt.year().to_list()
    assert years == [2024, 2025, 2026, 2027, 2049, 2050, 2068, 1969, 1970, 1999, 2000]
    assert manifest.warnings["d: in the future, by a year of two digits"] >= 3  # whatever the clock says, until 2049


def utc_offset(load: Load) -> None:
    with pytest.raises(TabtrailError, match=r"set cleaning\.time_zone"):
        run_ingest(load())
    config = load("cleaning.time_zone=America/New_York")
    manifest, _ = run_ingest(config)
    days = scan_dataset(config.dataset).collect().sort("a")["d"].dt.date().cast(pl.String).to_list()
    assert days == ["2024-04-01", "2024-03-31", "2024-04-01", "2024-04-01", "2024-12-31"]
    assert manifest.rows_rejected == 1, "a time without an offset"


def contradicting_formats(load: Load) -> None:
    config = load()
    manifest, _ = run_ingest(config)
    assert manifest.date_formats == {"d": ["%d/%m/%Y"]}
    assert "'13/1/2021'" in manifest.notes[0]
    months = scan_dataset(config.dataset).collect().sort("a")["d"].dt.month().to_list()
    assert months == [1 + index % 12 for index in range(30)]


def sentinel_date(load: Load) -> None:
    refused(load(), "'9999-12-31' on line 62", "cleaning.plausible_years", kind=TooManyRejectsError)
    config = load("contract.max_reject_share=0.1")
    run_ingest(config)
    with pytest.raises(DataError, match="no row is dated between 1900-01-01 and 2021-01-15"):
        forecast_segment(config, {})


OUTCOMES: dict[str, Callable[[Load], None]] = {
    name.replace("_", "-"): outcome
    for name, outcome in list(globals().items())
    if callable(outcome) and name.replace("_", "-") in FOLDERS
}


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_case_comes_to_its_right_outcome(folder: str, load: Load) -> None:
    assert folder in OUTCOMES, "a new folder: state its outcome here"
    OUTCOMES[folder](load)
