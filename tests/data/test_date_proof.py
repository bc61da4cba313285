"""Formats of dates that contradict each other: one of them is proven by the rows, or the ingest is refused."""

from pathlib import Path

import polars as pl
import pytest

from tabtrail import pipeline
from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.contract.dates import DateFormat
from tabtrail.data.date_proof import contradicting
from tabtrail.data.manifest import Manifest, read_manifest
from tabtrail.errors import DataError
from tabtrail.workflows.append import append_files
from tabtrail.workflows.forecast import forecast_segment

BOTH = "date_formats: ['%m/%d/%Y', '%d/%m/%Y']"


def project(root: Path, files: dict[str, list[str]], cleaning: str = BOTH, columns: str = "d") -> Config:
    """A project of these dates (further columns after a comma), numbered by a column a."""
    (root / "raw").mkdir(parents=True, exist_ok=True)
    for name, dates in files.items():
        rows = "".join(f"{index},{date},{index * 7 % 11}\n" for index, date in enumerate(dates))
        (root / "raw" / name).write_text(f"a,{columns},y\n{rows}")
    (root / "config.yaml").write_text(
        "version: 2\n"
        "paths: {raw_csv: 'raw/*.csv', processed_dir: data/m, duckdb_file: m.duckdb}\n"
        f"cleaning: {{date_column: d, {cleaning}}}\n"
        "contract: {max_reject_share: 0.5}\n"
        "model: {target: y, name: m, numeric_features: [a]}\n"
        "candidates: {LinearRegression: {}}\n"
        "split: {kind: random, folds: 2, allow_leaky: true}\n"
    )
    return load_config(root / "config.yaml")


def ingested(config: Config) -> tuple[Manifest, list[str]]:
    pipeline.run_stage("ingest", config)
    dates = pl.read_parquet(config.paths.processed_dir / "*.parquet").sort("a").get_column("d")
    return read_manifest(config.dataset), [day.isoformat() for day in dates]


OPEN = ["1/2/2021", "3/4/2021", "5/5/2021", "6/7/2021"]


def test_the_format_that_alone_reads_a_row_is_that_of_all_rows(tmp_path: Path) -> None:
    manifest, dates = ingested(project(tmp_path, {"1.csv": OPEN, "2.csv": ["13/1/2021"]}))
    assert dates[0] == "2021-02-01"
    assert manifest.rows_kept == 5
    assert manifest.date_formats == {"d": ["%d/%m/%Y"]}
    assert manifest.notes == ["the dates of d are %d/%m/%Y, not %m/%d/%Y: only %d/%m/%Y fits 2.csv, line 2: '13/1/2021' (1 rows)"]


def test_rows_that_prove_both_formats_are_refused_with_the_lines_that_do(tmp_path: Path) -> None:
    config = project(tmp_path, {"1.csv": [*OPEN, "13/1/2021", "1/13/2021", "14/1/2021"]})
    with pytest.raises(DataError, match=r"'1/13/2021' \(1 rows\), only %d/%m/%Y fits 1.csv, line 6: '13/1/2021' \(2 rows\)"):
        pipeline.run_stage("ingest", config)


def test_rows_that_decide_nothing_are_refused(tmp_path: Path) -> None:
    config = project(tmp_path, {"1.csv": OPEN})
    message = r"no row decides between them \(1.csv, line 2: '1/2/2021'\); leave the right one in cleaning.date_formats"
    with pytest.raises(DataError, match=message):
        pipeline.run_stage("ingest", config)


def test_a_column_that_states_the_month_decides(tmp_path: Path) -> None:
    rows = ["1/2/2021,2", "3/4/2021,4", "5/5/2021,5", "6/7/2021,7"]
    config = project(tmp_path, {"1.csv": rows}, f"{BOTH}, month_check_column: m", "d,m")
    manifest, dates = ingested(config)
    assert (dates[0], manifest.date_formats["d"]) == ("2021-02-01", ["%d/%m/%Y"])


def test_formats_that_do_not_contradict_stay_allowed_beside_each_other(tmp_path: Path) -> None:
    cleaning = "date_formats: ['%m/%d/%Y', '%Y-%m-%d', '%d/%m/%Y', '%d.%m.%Y']"
    manifest, dates = ingested(project(tmp_path, {"1.csv": [*OPEN, "2021-03-04", "05.06.2021", "13/1/2021"]}, cleaning))
    assert dates[4:] == ["2021-03-04", "2021-06-05", "2021-01-13"]
    assert manifest.date_formats["d"] == ["%Y-%m-%d", "%d/%m/%Y", "%d.%m.%Y"]


def test_contradicting_formats_that_no_row_has_are_given_up(tmp_path: Path) -> None:
    cleaning = "date_formats: ['%m/%d/%Y', '%d/%m/%Y', '%Y-%m-%d']"
    manifest, _ = ingested(project(tmp_path, {"1.csv": ["2021-03-04", "2021-03-05", "2021-03-06"]}, cleaning))
    assert manifest.date_formats["d"] == ["%Y-%m-%d"]


def test_each_column_of_dates_has_its_own_proof(tmp_path: Path) -> None:
    cleaning = f"{BOTH}, dates: {{e: ['%m/%d/%y', '%d/%m/%y', '%Y-%m-%d']}}"
    rows = ["13/1/2021,1/13/21", "1/2/2021,1/2/21", "3/3/2021,2021-02-03"]
    config = project(tmp_path, {"1.csv": rows}, cleaning, "d,e")
    manifest, dates = ingested(config)
    other = pl.read_parquet(config.paths.processed_dir / "*.parquet").sort("a").get_column("e")
    assert other.dtype == pl.Date
    assert dates[1] == "2021-02-01"
    assert [day.isoformat() for day in other] == ["2021-01-13", "2021-01-02", "2021-02-03"]
    assert manifest.date_formats == {"d": ["%d/%m/%Y"], "e": ["%m/%d/%y", "%Y-%m-%d"]}


def test_appended_rows_are_read_in_the_proven_format_and_may_not_contradict_it(tmp_path: Path) -> None:
    ingested(project(tmp_path, {"1.csv": [*OPEN, "13/1/2021"]}))
    config = project(tmp_path, {"2.csv": ["1/2/2022", "5/6/2022"]})
    append_files(config, next(stage for stage in pipeline.STAGES if stage.name == "ingest"))
    manifest = read_manifest(config.dataset)
    assert (manifest.statistics["d"].max, manifest.date_formats) == ("2022-06-05", {"d": ["%d/%m/%Y"]})
    config = project(tmp_path, {"3.csv": ["1/2/2022", "5/16/2022"]})
    with pytest.raises(DataError, match=r"the dataset has %d/%m/%Y, and only %m/%d/%Y fits 3.csv, line 3: '5/16/2022'"):
        append_files(config, next(stage for stage in pipeline.STAGES if stage.name == "ingest"))
    assert read_manifest(config.dataset) == manifest


def test_dates_in_the_future_by_a_year_of_two_digits_are_a_counted_warning(tmp_path: Path) -> None:
    config = project(tmp_path, {"1.csv": ["31/12/24", "31/12/69", "31/12/68", "31/12/67"]}, "date_formats: ['%d/%m/%y']")
    manifest, dates = ingested(config)
    assert dates[1:3] == ["1969-12-31", "2068-12-31"]
    assert manifest.warnings == {"d: in the future, by a year of two digits": 2}


def test_appended_dates_later_than_a_year_after_the_last_are_a_counted_warning(tmp_path: Path) -> None:
    ingested(project(tmp_path, {"1.csv": ["2021-03-04", "2021-03-05", "2021-03-06"]}, "date_formats: ['%Y-%m-%d']"))
    config = project(tmp_path, {"2.csv": ["2022-03-06", "2022-03-07"]}, "date_formats: ['%Y-%m-%d']")
    append_files(config, next(stage for stage in pipeline.STAGES if stage.name == "ingest"))
    assert read_manifest(config.dataset).warnings == {"d: more than a year after 2021-03-06": 1}


def far(config: Config) -> list[str]:
    return [finding.split(";")[0] for finding in ingested(config)[0].findings]


SPAN = "from all other dates, which span 30 (2021-01-01 to 2021-01-31)"


@pytest.mark.parametrize(
    ("lonely", "found"),
    [
        (["1901-01-01"], [f"d: 1 row is dated 1901-01-01, 43,830 days {SPAN}"]),
        (["2099-12-31"] * 9, [f"d: 9 rows are dated 2099-12-31, 28,823 days {SPAN}"]),
        (["2099-12-30", "2099-12-31"], [f"d: 2 rows are dated 2099-12-30 to 2099-12-31, 28,822 days {SPAN}"]),
        (["2022-02-02"], [f"d: 1 row is dated 2022-02-02, 367 days {SPAN}"]),
        (["2022-02-01"], []),  # a year's pause
    ],
)
def test_dates_far_from_all_others_are_a_counted_finding(tmp_path: Path, lonely: list[str], found: list[str]) -> None:
    config = project(
        tmp_path, {"1.csv": [*(f"2021-01-{day:02}" for day in range(1, 32)), *lonely]}, "plausible_years: [1900, 2100]"
    )
    assert far(config) == found


def test_far_dates_on_both_sides_are_found_and_lie_no_longer_there_when_the_years_say_so(tmp_path: Path) -> None:
    rows = {"1.csv": [*(f"2021-01-{day:02}" for day in range(1, 32)), "1901-01-01", "2099-12-31"]}
    assert len(far(project(tmp_path, rows, "plausible_years: [1900, 2100]"))) == 2
    assert far(project(tmp_path, rows, "plausible_years: [2021, 2021]")) == []


def test_further_dates_may_bring_a_far_one_near(tmp_path: Path) -> None:
    first = {"1.csv": [*(f"2021-01-{day:02}" for day in range(1, 32)), "2023-01-01"]}
    assert len(far(project(tmp_path, first, "plausible_years: [1900, 2100]"))) == 1
    config = project(tmp_path, {"2.csv": [f"2022-{month:02}-01" for month in range(1, 13)]}, "plausible_years: [1900, 2100]")
    append_files(config, next(stage for stage in pipeline.STAGES if stage.name == "ingest"))
    assert read_manifest(config.dataset).findings == []


def test_few_dates_of_every_other_year_are_not_far_from_one_another(tmp_path: Path) -> None:
    assert far(project(tmp_path, {"1.csv": ["2018-01-01", "2020-01-01", "2022-01-01"]}, "plausible_years: [1900, 2100]")) == []


@pytest.mark.parametrize("lonely", ["1900-01-01", "2099-12-31"])
def test_a_date_far_from_all_others_stretches_no_series(tmp_path: Path, lonely: str) -> None:
    dates = [f"2021-{1 + index % 12:02}-15" for index in range(24)]
    config = project(tmp_path, {"1.csv": [*dates, lonely]}, "date_formats: ['%Y-%m-%d']")
    ingested(config)
    with pytest.raises(DataError, match=rf"If {lonely} stands for an unknown date, set cleaning.plausible_years"):
        forecast_segment(config, {})


@pytest.mark.parametrize(
    ("formats", "pairs"),
    [
        (["%m/%d/%Y", "%d/%m/%Y"], 1),
        (["%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%Y-%m-%d"], 1),
        (["%y-%m-%d", "%d-%m-%y", "%m-%d-%y"], 3),
        (["%d %b %y", "%y %b %d"], 1),
        (["%m/%d/%Y", "%d/%m/%y"], 0),
        (["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y %H:%M", "%m/%d/%Y"], 0),
        (["excel", "excel-1904"], 1),
        (["excel", "%Y%m%d"], 0),
        (["%Y-%m-%dT%H:%M:%S%z", "%Y-%d-%mT%H:%M:%S%.f%z"], 1),
    ],
)
def test_formats_contradict_where_they_read_a_text_as_different_dates(formats: list[str], pairs: int) -> None:
    assert len(contradicting(DateFormat(tuple(formats)))) == pairs
