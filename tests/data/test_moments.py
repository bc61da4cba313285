"""Columns of `dtype: datetime`: dates whose time of day is kept."""

import csv
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path

import polars as pl
import pytest
from tests.support.projects import REAL_CSV
from tests.support.table_files import write_excel

from tabtrail import pipeline
from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.contract.expressions import parse_expression
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.manifest import read_manifest
from tabtrail.data.polars_expressions import to_polars
from tabtrail.errors import ConfigError, DataError

BIKES = REAL_CSV.parent / "bike_sharing_hourly.csv"
FORMAT = "'%m/%d/%Y %H:%M'"


def project(root: Path, raw: str, cleaning: str = f"date_formats: [{FORMAT}]", more: str = "", day: str = "datetime") -> Config:
    part = "hour" if day == "datetime" else "month"
    (root / "config.yaml").write_text(
        f"version: 2\npaths: {{raw_csv: {raw}, processed_dir: data/m, duckdb_file: m.duckdb}}\n"
        f"cleaning: {{date_column: when, {cleaning}}}\n"
        f"contract: {{max_reject_share: 0.5, columns: {{when: {{dtype: {day}}}, hr: {{dtype: int}}}}}}\n"
        f"model: {{target: y, name: m, numeric_features: [hr], derived_features: {{PART: {part}(when)}}}}\n"
        f"candidates: {{LinearRegression: {{}}}}\nsplit: {{kind: time, folds: 2}}\n{more}"
    )
    return load_config(root / "config.yaml")


def ingested(config: Config) -> pl.DataFrame:
    pipeline.run_stage("ingest", config)
    return scan_dataset(config.dataset).collect().sort("when")


@pytest.mark.skipif(not BIKES.is_file(), reason="the bike sharing data is not here")
def test_the_hours_of_real_rentals_are_those_that_the_data_states(tmp_path: Path) -> None:
    with BIKES.open(newline="") as file:
        rows = [[f"{row['dteday']} {row['hr']}:00", row["hr"], row["cnt"]] for row in islice(csv.DictReader(file), 2000)]
    (tmp_path / "bikes.csv").write_text("\n".join(map(",".join, [["when", "hr", "y"], *rows])) + "\n")
    config = project(tmp_path, "bikes.csv", more="parquet: {partition_by: [YEAR, MONTH]}\n")
    found = ingested(config)
    assert found.height == 2000
    assert found.select(to_polars(parse_expression("hour(when)")).alias("hour")).to_series().equals(found["hr"], null_equal=False)
    assert found["hr"].n_unique() == 24
    statistics = read_manifest(config.dataset).statistics["when"]
    assert (statistics.min, statistics.max) == ("2011-01-01T00:00:00", found["when"][-1].isoformat())


def test_a_moment_is_the_same_as_text_and_as_a_typed_cell_with_a_zone_or_without(tmp_path: Path) -> None:
    moments = [datetime(2024, 3, 31, 0, 59, 59, tzinfo=UTC), datetime(2024, 3, 31, 1, 0, tzinfo=UTC), None]
    pl.DataFrame({"when": moments, "hr": [1, 3, 0], "y": [1.0, 2.0, 3.0]}).write_parquet(tmp_path / "zoned.parquet")
    (tmp_path / "texts.csv").write_text("when,hr,y\n2024-03-31T00:59:59Z,1,1\n2024-03-31T03:00:00+02:00,3,2\n,0,3\n")
    zone = "time_zone: Europe/Berlin, date_formats: ['%Y-%m-%dT%H:%M:%S%z']"
    found = [ingested(project(tmp_path, name, zone)) for name in ("zoned.parquet", "texts.csv")]
    assert found[0].equals(found[1])
    assert found[0]["when"].to_list() == [None, datetime(2024, 3, 31, 1, 59, 59), datetime(2024, 3, 31, 3)]


@pytest.mark.parametrize("ending", ["csv", "parquet", "xlsx"])
def test_times_of_day_that_a_column_of_days_leaves_out_are_a_counted_warning(tmp_path: Path, ending: str) -> None:
    moments = [datetime(2024, 3, 1, 0, 0), datetime(2024, 3, 1, 13, 30), datetime(2024, 3, 2, 0, 1), None]
    names, texts = ["when", "hr", "y"], [each and f"{each:%m/%d/%Y %H:%M}" for each in moments]
    if ending == "parquet":
        pl.DataFrame({"when": moments, "hr": [1, 2, 3, 4], "y": [1.0, 2, 3, 4]}).write_parquet(tmp_path / "rows.parquet")
    elif ending == "xlsx":
        cells = [moments[0], moments[1], texts[2], None]
        write_excel(tmp_path / "rows.xlsx", names, [[cell, n, n] for n, cell in enumerate(cells)])
    else:
        (tmp_path / "rows.csv").write_text("when,hr,y\n" + "".join(f"{text or ''},{n},{n}\n" for n, text in enumerate(texts)))
    config = project(tmp_path, f"rows.{ending}", day="date")
    assert ingested(config)["when"].to_list() == [None, *(date(2024, 3, day) for day in (1, 1, 2))]
    assert read_manifest(config.dataset).warnings == {"when: with a time of day, which dtype: datetime would keep": 2}


def test_a_typed_day_is_no_moment_unless_a_format_takes_it_for_its_midnight(tmp_path: Path) -> None:
    days = pl.Series("when", ["2024-03-31", "2024-04-01", "2024-04-02"] * 2).str.to_date()
    pl.DataFrame([days, pl.Series("hr", [0] * 6), pl.Series("y", [1.0, 2, 3, 4, 5, 6])]).write_parquet(tmp_path / "days.parquet")
    both = project(tmp_path, "days.parquet", f"date_formats: [{FORMAT}, '%Y-%m-%d']")
    assert ingested(both)["when"][0] == datetime(2024, 3, 31)
    with pytest.raises(DataError, match="when: not a date of the formats"):
        ingested(project(tmp_path, "days.parquet"))


@pytest.mark.parametrize(
    ("cleaning", "more", "message"),
    [
        ("date_formats: ['%m/%d/%Y']", "", r"contract.columns.when.*no format of cleaning.date_formats has one"),
        ("dates: {when: ['%Y%m%d']}", "", r"no format of cleaning.dates.when has one; write one as %Y-%m-%d %H:%M:%S"),
        (f"date_formats: [{FORMAT}]", "parquet: {partition_by: [when]}\n", "a folder of nearly every row; name YEAR or MONTH"),
    ],
)
def test_a_column_that_could_not_keep_its_times_is_refused_with_the_key(
    tmp_path: Path, cleaning: str, more: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        project(tmp_path, "rows.csv", cleaning, more)
