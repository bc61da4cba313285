"""Where summaries, profile and tables of results lie below the output folder. Paths alone: knowing them imports nothing heavy."""

from collections.abc import Sequence
from pathlib import Path

from tabtrail.config.summaries import BENCHMARK_TABLES, DEMAND_TABLES, DRIFT_TABLE, PROMOTIONS_TABLE, RISK_TABLE, Aggregation

PROFILE_TABLES = ("numeric_descriptive_stats", "outliers", "grouped_stats")


def summary_files(aggregations: Sequence[Aggregation], output_dir: Path) -> list[Path]:
    """Return the tables and bar charts of the summaries."""
    tables = [path for each in aggregations for path in summary_tables(each.name, output_dir)]
    return tables + [plot_path(each.name, output_dir) for each in aggregations if each.plot]


def summary_tables(name: str, output_dir: Path) -> tuple[Path, Path]:
    """CSV and Parquet file of a summary."""
    return output_dir / "summary" / f"{name}.csv", output_dir / "summary" / f"{name}.parquet"


def plot_path(name: str, output_dir: Path) -> Path:
    """Bar chart of a summary."""
    return output_dir / "plots" / f"{name}.png"


def profile_files(output_dir: Path) -> list[Path]:
    """Return the files of the profile, the JSON file first."""
    folder = output_dir / "summary"
    return [folder / "profile.json", *(folder / f"{name}.{kind}" for name in PROFILE_TABLES for kind in ("csv", "parquet"))]


def benchmark_table_files(output_dir: Path) -> dict[str, Path]:
    """Return the Parquet file of each table of the benchmark."""
    return {name: output_dir / "metrics" / f"{name}.parquet" for name in BENCHMARK_TABLES}


def demand_table_files(output_dir: Path) -> dict[str, Path]:
    """Return the Parquet file of each table of a training on many series."""
    return {name: output_dir / "metrics" / f"{name}.parquet" for name in DEMAND_TABLES}


def promotions_file(output_dir: Path) -> Path:
    """Parquet file of the table `promotions`."""
    return output_dir / "metrics" / f"{PROMOTIONS_TABLE}.parquet"


def drift_table_file(output_dir: Path) -> Path:
    """Parquet file of the table `drift`."""
    return output_dir / "metrics" / f"{DRIFT_TABLE}.parquet"


def risk_table_files(output_dir: Path) -> dict[str, Path]:
    """Return the Parquet file of the ranked table of the last sweep, where there was one, as a table."""
    found = sorted((output_dir / "timeseries").glob("*_ts_risk_ranking.parquet"))
    return {RISK_TABLE: found[0]} if found else {}


def result_tables(output_dir: Path) -> dict[str, Path]:
    """Return the Parquet file of every table of results that the database takes in."""
    own = {**benchmark_table_files(output_dir), **demand_table_files(output_dir)}
    single = {PROMOTIONS_TABLE: promotions_file(output_dir), DRIFT_TABLE: drift_table_file(output_dir)}
    return {**own, **single, **risk_table_files(output_dir)}
