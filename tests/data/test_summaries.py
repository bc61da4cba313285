from pathlib import Path

import duckdb
import polars as pl
import pytest
from tests.support.projects import Project

from tabtrail import pipeline
from tabtrail.config.summaries import Aggregation
from tabtrail.config.tree import Config
from tabtrail.data.ingest import ingest
from tabtrail.data.result_files import promotions_file
from tabtrail.data.summaries import aggregation_sql, summary_frames, write_summaries
from tabtrail.data.warehouse import build_database, query, refresh_result_tables
from tabtrail.errors import DataError, UsageError


def summaries(config: Config) -> dict[str, pl.DataFrame]:
    frames = summary_frames(config.aggregations, config.database)
    write_summaries(frames, config.paths.output_dir)
    return frames


def test_the_summaries_of_the_real_file_are_the_known_figures(real_project: Project) -> None:
    config = real_project.config()
    ingest(config)
    frames = summaries(config)
    assert frames["by_productline"].rows()[0][:2] == ("Classic Cars", 3919615.66)
    assert frames["by_productline"]["lines"].sum() == 2823
    assert frames["top_countries"].rows()[0][:2] == ("USA", 3627982.83)
    assert frames["top_countries"].height == 10
    assert frames["by_year"]["YEAR"].to_list() == [2003, 2004, 2005]
    assert frames["by_year"]["lines"].to_list() == [1000, 1345, 478]
    text = (config.paths.output_dir / "summary" / "by_productline.csv").read_text().splitlines()
    assert text[0] == "PRODUCTLINE,total_sales,average_sales,lines,orders"
    assert text[2].startswith("Vintage Cars,1903150.84,")


def test_csv_parquet_and_database_agree(project: Project) -> None:
    config = project.config()
    ingest(config)
    rows = build_database(config.database)
    frames = summaries(config)
    folder = config.paths.output_dir / "summary"
    for name, frame in frames.items():
        assert pl.read_parquet(folder / f"{name}.parquet").equals(frame)
        assert pl.read_csv(folder / f"{name}.csv", schema=frame.schema).equals(frame)
    with duckdb.connect(str(config.paths.duckdb_file), read_only=True) as connection:
        stored = connection.sql("SELECT count(*), count(DISTINCT YEAR) FROM sales").fetchall()
    assert stored == [(rows, 3)] == [(2823, 3)]


def test_the_database_has_the_storage_that_clients_of_duckdb_1_open(project: Project) -> None:
    config = project.config()
    ingest(config)
    build_database(config.database)
    assert storage_version(config.paths.duckdb_file) == "v1.0.0+"
    refresh_result_tables(config.database, lambda new: None)
    assert storage_version(config.paths.duckdb_file) == "v1.0.0+"


def storage_version(database: Path) -> str:
    with duckdb.connect(str(database), read_only=True) as connection:
        sql = "SELECT tags['storage_version'] FROM duckdb_databases() WHERE path IS NOT NULL"
        ((found,),) = connection.sql(sql).fetchall()
    return str(found)


def test_a_further_aggregation_needs_the_yaml_alone(project: Project) -> None:
    config = project.config(
        "aggregations=[{name: by_deal, group_by: [DEALSIZE, TERRITORY], measures: {median_sales: median(SALES), n: count},"
        " order_by: n desc, limit: 3, plot: bar}]"
    )
    pipeline.run_stage("ingest", config)
    pipeline.run_stage("eda", config)
    frame = pl.read_parquet(config.paths.output_dir / "summary" / "by_deal.parquet")
    assert frame.columns == ["DEALSIZE", "TERRITORY", "median_sales", "n"]
    assert frame.height == 3
    assert frame["n"].is_sorted(descending=True)
    assert (config.paths.output_dir / "plots" / "by_deal.png").read_bytes().startswith(b"\x89PNG")


def test_the_sql_is_the_golden_one() -> None:
    aggregation = Aggregation(
        name="a", group_by=('od"d',), measures={"total": "sum(SALES)", "n": "count"}, order_by="total desc", limit=5
    )
    assert aggregation_sql(aggregation, "sales") == (
        'SELECT "od""d", fsum("SALES") AS "total", count(*) AS "n" FROM "sales"'
        ' GROUP BY "od""d" ORDER BY "total" desc, "od""d" LIMIT 5'
    )


def test_a_damaged_or_locked_database_is_rebuilt(project: Project) -> None:
    config = project.config()
    ingest(config)
    config.paths.duckdb_file.parent.mkdir()
    config.paths.duckdb_file.write_bytes(b"this is no database")
    assert build_database(config.database) == 2823
    with duckdb.connect(str(config.paths.duckdb_file)):
        assert build_database(config.database) == 2823


def test_a_damaged_table_of_results_is_left_out_of_the_database(project: Project) -> None:
    config = project.config()
    pipeline.run_stage("ingest", config)
    table = promotions_file(config.paths.output_dir)
    table.parent.mkdir(parents=True)
    table.write_bytes(b"PAR1 and no more")
    assert build_database(config.database) == 2823
    refresh_result_tables(config.database, lambda new: None)
    with pytest.raises(UsageError, match="promotions"):
        query(config.paths.duckdb_file, "SELECT * FROM promotions")


def test_a_damaged_parquet_part_is_a_message_with_its_remedy(project: Project) -> None:
    config = project.config()
    ingest(config)
    next(config.paths.processed_dir.rglob("*.parquet")).write_bytes(b"PAR1 not really")
    with pytest.raises(DataError, match=r"DuckDB cannot read .*; run `tabtrail ingest --force`"):
        build_database(config.database)


def test_summaries_before_any_ingest_say_what_to_run(project: Project) -> None:
    with pytest.raises(DataError, match=r"there is no dataset in .*; run `tabtrail ingest` first"):
        pipeline.run_stage("eda", project.config())


@pytest.mark.parametrize(
    "sql",
    [
        "CALL enable_logging(storage='file')",
        "EXPLAIN ANALYZE CALL enable_logging(storage='file')",
        "SET enable_external_access=true",
        "PRAGMA enable_profiling='json'",
        "CHECKPOINT",
        "COPY sales TO 'elsewhere.csv'",
        "ATTACH 'elsewhere.duckdb'",
        "DROP TABLE sales",
        "SELECT 1; SELECT 2",
        "-- nothing",
    ],
)
def test_sql_that_is_not_one_question_is_refused_and_ends_nothing(tmp_path: Path, sql: str) -> None:
    database = tmp_path / "sales.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute("CREATE TABLE sales AS SELECT 1 AS a")
    with pytest.raises(UsageError):
        query(database, sql)
    assert [path.name for path in tmp_path.iterdir()] == ["sales.duckdb"]
    for question in ("FROM sales;", "SHOW TABLES", "EXPLAIN FROM sales", "PIVOT sales ON a USING sum(a)", "SUMMARIZE sales"):
        assert query(database, question)[1]
