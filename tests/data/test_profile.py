import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.support.odd_project import odd
from tests.support.projects import Project

from tabtrail import pipeline
from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.data.ingest import ingest
from tabtrail.data.manifest import read_manifest
from tabtrail.data.outliers import sequential_fences
from tabtrail.data.profile import Profile, read_profile, write_profile
from tabtrail.data.profiling import profile_data
from tabtrail.data.result_files import profile_files
from tabtrail.errors import DataError
from tabtrail.project.training import BENCHMARK_SECTIONS

DROP = "profile.outliers={factor: 1.5, columns: [QUANTITYORDERED, PRICEEACH, SALES, MSRP], action: drop}"


def described(config: Config) -> Profile:
    return profile_data(config.database, config.profile, model=config.model, outlier_columns=config.outlier_columns)


def test_missing_values_are_those_of_the_source_before_they_are_filled(real_project: Project) -> None:
    config = real_project.config()
    pipeline.run_stage("ingest", config)
    pipeline.run_stage("profile", config)
    profile = read_profile(config.paths.output_dir)
    shown = {each.column: (each.missing, each.filled, each.rows) for each in profile.columns}
    assert (shown["STATE"], shown["POSTALCODE"], shown["CITY"]) == ((1486, 1486, 2823), (76, 76, 2823), (0, 0, 2823))
    assert profile.dropped["ADDRESSLINE2"] == 2521


def test_the_statistics_are_those_of_polars(project: Project) -> None:
    config = project.config()
    ingest(config)
    data = pl.read_parquet(config.paths.processed_dir / "**/*.parquet")
    columns = {each.column: each for each in described(config).columns}
    for name in ("SALES", "QUANTITYORDERED", "MSRP"):
        found, known = columns[name].numbers, data.get_column(name)
        assert found is not None
        assert found.mean == pytest.approx(known.mean(), rel=1e-11)
        assert found.std == pytest.approx(known.std(), rel=1e-11)
        for share, value in ((0.05, found.p05), (0.25, found.q1), (0.5, found.median), (0.75, found.q3), (0.95, found.p95)):
            assert value == pytest.approx(known.quantile(share, "linear"), rel=1e-11)
        assert (found.min, found.max) == (known.min(), known.max())
        assert columns[name].distinct == known.n_unique()
        histogram = columns[name].histogram
        assert histogram is not None
        assert sum(histogram.counts) == data.height
    assert dict(columns["DEALSIZE"].top) == dict(data.get_column("DEALSIZE").value_counts().iter_rows())


def test_outliers_of_the_real_file_are_counted_alone_and_one_column_after_the_other(real_project: Project) -> None:
    config = real_project.config()
    ingest(config)
    profile = described(config)
    assert {each.column: each.sequential for each in profile.outliers} == {
        "QUANTITYORDERED": 8,
        "PRICEEACH": 0,
        "SALES": 79,
        "MSRP": 35,
    }
    assert {each.column: each.below + each.above for each in profile.outliers}["SALES"] == 81


def test_dropped_outliers_of_the_real_file_are_rejects_and_leave_2701_rows(real_project: Project) -> None:
    config = real_project.config(DROP)
    manifest = ingest(config)
    assert (manifest.rows_in, manifest.rows_kept, manifest.rows_rejected) == (2823, 2701, 122)
    assert manifest.rejects == {
        "SALES: outlier beyond 1.5 IQR": 79,
        "MSRP: outlier beyond 1.5 IQR": 35,
        "QUANTITYORDERED: outlier beyond 1.5 IQR": 8,
    }
    assert pl.read_parquet(config.paths.rejects).height == 122


def test_dropping_outliers_is_said_before_the_figures(project: Project) -> None:
    config = project.config(DROP, "candidates={LinearRegression: {}}", "engine.kind=serial")
    report = pipeline.run(config, report=False)
    assert any("by the target, which no prediction knows" in note for note in report.leaderboard.notes)


def test_turning_the_drop_on_ingests_anew_and_another_picture_setting_does_not(project: Project) -> None:
    before = project.config().ingest_digest()
    assert project.config("profile.points=3", "profile.outliers.factor=3").ingest_digest() == before
    assert project.config("profile.points=3").digest(*BENCHMARK_SECTIONS) == project.config().digest(*BENCHMARK_SECTIONS)
    assert project.config(DROP).ingest_digest() != before


def test_tables_and_json_hold_the_same(project: Project) -> None:
    config = project.config()
    ingest(config)
    profile = described(config)
    write_profile(profile, config.paths.output_dir)
    folder = config.paths.output_dir / "summary"
    assert all(path.is_file() for path in profile_files(config.paths.output_dir))
    assert Profile.from_dict(json.loads((folder / "profile.json").read_text())) == profile
    table = pl.read_parquet(folder / "numeric_descriptive_stats.parquet")
    assert table.columns[:4] == ["column", "count", "missing", "distinct"]
    assert pl.read_csv(folder / "numeric_descriptive_stats.csv", schema=table.schema).equals(table)
    groups = pl.read_parquet(folder / "grouped_stats.parquet")
    rows = groups.filter(measure="SALES", by="YEAR")["rows"].sum()
    assert rows == profile.rows == read_manifest(config.dataset).rows_kept


def test_the_same_rows_are_drawn_however_they_are_ordered(project: Project) -> None:
    config = project.config("profile.points=50")
    ingest(config)
    first = described(config).sample
    lines = project.csv.read_bytes().splitlines(keepends=True)
    project.csv.write_bytes(lines[0] + b"".join(reversed([line.rstrip(b"\r\n") + b"\n" for line in lines[1:]])))
    ingest(config)
    assert len(first["SALES"]) == 50
    assert described(config).sample == first


def test_odd_columns_are_described(tmp_path: Path) -> None:
    config = odd(tmp_path).config()
    ingest(config)
    columns = {each.column: each for each in described(config).columns}
    assert (columns["empty"].missing, columns["empty"].numbers) == (10_000, None)
    assert columns["constant"].histogram is not None
    assert columns["constant"].histogram.counts == (10_000,)
    assert columns["many"].distinct == 10_000
    assert len(columns["many"].top) == 10
    json.dumps(
        asdict(described(config)),
        allow_nan=False,
    )


def test_a_damaged_parquet_part_is_a_message(project: Project) -> None:
    config = project.config()
    ingest(config)
    next(config.paths.processed_dir.rglob("*.parquet")).write_bytes(b"PAR1 not really")
    with pytest.raises(DataError, match=r"DuckDB cannot read .*; run `tabtrail ingest --force`"):
        described(config)


def test_the_least_config_has_a_profile(tmp_path: Path) -> None:
    odd(tmp_path)
    config = load_config(tmp_path / "config_v2.yaml")
    ingest(config)
    profile = described(config)
    assert profile.scatter[0] == ("x", "y")
    assert profile.boxes == (("y", "many"),)


def test_fences_of_a_later_column_are_those_of_the_rows_that_the_earlier_leave() -> None:
    """By two ways that must not differ: what ingest drops, and a filter for each column in its turn."""
    random = np.random.default_rng(4)
    rows = pl.DataFrame({name: random.standard_t(2, 300) for name in "abcd"}).with_columns(
        pl.when(pl.col("c") > 0).then("c"), e=pl.lit(None, pl.Float64)
    )
    found, left = sequential_fences(rows.lazy(), [*"abcde"], 1.5), rows
    for name in "abcd":
        q1, q3 = (left[name].quantile(share, "linear") for share in (0.25, 0.75))
        assert found.by_column[name] == pytest.approx((2.5 * q1 - 1.5 * q3, 2.5 * q3 - 1.5 * q1))
        low, high = found.by_column[name]
        left = left.filter((pl.col(name) >= low) & (pl.col(name) <= high) | pl.col(name).is_null())
    assert "e" not in found.by_column
    assert left.height < 300
