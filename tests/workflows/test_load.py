"""Tables of PostgreSQL that have the rows of the dataset: replaced as a whole, in one transaction."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
from tests.support.database_tables import Tables, count
from tests.support.postgres import needs_postgres
from tests.support.projects import REPO
from tests.support.stages import run_ingest

from tabtrail import pipeline
from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.config.warehouse import Warehouse
from tabtrail.data import table_export
from tabtrail.data.dataset import scan_dataset
from tabtrail.errors import ConfigError, DatabaseError, DataError
from tabtrail.project.doctor import examine
from tabtrail.project.status import status
from tabtrail.storage.postgres import quoted
from tabtrail.workflows.load import load_file

pytestmark = needs_postgres
CONFIG = """
version: 2
paths: {raw_csv: rows.csv}
contract:
  max_reject_share: 0.5
  columns: {id: {dtype: int, nullable: false}, at: {dtype: datetime}, city: {dtype: string}}
cleaning: {date_column: day, dates: {at: ["%Y-%m-%d %H:%M:%S"]}, fill_unknown_columns: [city]}
parquet: {partition_by: [YEAR]}
model: {name: small, target: y, numeric_features: [n], categorical_features: [city, note]}
split: {kind: random, folds: 2, allow_leaky: true}
aggregations: [{name: by_city, group_by: [city], measures: {total: sum(y), lines: count}}]
warehouse: {table: sales.lines, key: id, summaries: sales}
"""
NOTES = ("plain", "", '"quoted", and', "\\.", "two\nlines", "a\\b", " blank ", "Málaga €")
TYPES = {
    "id": "bigint", "day": "date", "at": "timestamp without time zone", "n": "double precision", "city": "text", "note": "text",
    "y": "double precision", "YEAR": "bigint", "MONTH": "integer",
}  # fmt: skip


def make(folder: Path, *overrides: str, rows: int = 60) -> Config:
    """A project whose dataset is made."""
    cells = [
        {
            "id": each,
            "day": f"200{3 + each % 2}-0{1 + each % 9}-1{each % 10}",
            "at": f"2004-01-02 03:04:0{each % 10}" if each % 3 else "",
            "n": each / 7 if each % 5 else "",
            "city": "Oslo" if each % 4 else "",
            "note": NOTES[each % len(NOTES)],
            "y": each * 1.1,
        }
        for each in range(rows)
    ]
    pl.DataFrame(cells, strict=False, schema=dict.fromkeys(cells[0], pl.String)).write_csv(folder / "rows.csv")
    (folder / "config.yaml").write_text(CONFIG)
    config = load_config(folder / "config.yaml", overrides)
    run_ingest(config)
    pipeline.run_stage("eda", config)
    return config


def load(config: Config, *, force: bool = False) -> bool:
    return pipeline.run_stage("load", config, force=force)


def in_table(tables: Tables, columns: list[str], table: str = "sales.lines") -> list[tuple[Any, ...]]:
    names = ", ".join(map(quoted, columns))
    return tables.run(f"SELECT {names} FROM {table} ORDER BY 1")


def test_the_table_has_the_rows_types_and_key_of_the_dataset(tmp_path: Path, tables: Tables) -> None:
    config = make(tmp_path)
    assert load(config)
    expected = scan_dataset(config.dataset).collect().sort("id")
    assert in_table(tables, expected.columns) == expected.rows()
    sql = "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute WHERE attnum > 0 AND attrelid = "
    sql += "'sales.lines'::regclass"
    found = {name: (kind, required) for name, kind, required in tables.run(sql)}
    assert {name: kind for name, (kind, _) in found.items()} == TYPES
    assert {name for name, (_, required) in found.items() if required} == {"id", "city", "y"}
    assert tables.run("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'lines_pkey'") == [
        ("PRIMARY KEY (id)",)
    ]
    summary = pl.read_parquet(config.paths.output_dir / "summary" / "by_city.parquet").sort("city")
    assert in_table(tables, summary.columns, "sales.by_city") == summary.rows()


def test_a_load_is_repeated_for_other_rows_or_a_table_that_is_gone_and_not_before(tmp_path: Path, tables: Tables) -> None:
    config = make(tmp_path)
    assert load(config)
    assert not load(config)
    tables.run("DROP TABLE sales.lines")
    of_load = next(each for each in status(config, pipeline.STAGES).stages if each.stage == "load")
    assert [reason.what for reason in of_load.reasons] == ["the table sales.lines is gone"]
    assert load(config)
    config = make(tmp_path, rows=70)
    assert load(config)
    assert count(tables, "sales.lines") == 70


def test_what_others_built_on_the_table_stays(tmp_path: Path, tables: Tables) -> None:
    config = make(tmp_path)
    load(config)
    tables.run("CREATE VIEW sales.oslo AS SELECT * FROM sales.lines WHERE city = 'Oslo'")
    tables.run("CREATE INDEX by_note ON sales.lines (note); GRANT SELECT ON sales.lines TO PUBLIC")
    tables.run("ALTER TABLE sales.lines ADD COLUMN loaded timestamptz DEFAULT now()")
    rights = tables.run("SELECT relacl::text FROM pg_class WHERE oid = 'sales.lines'::regclass")
    assert load(make(tmp_path, rows=80))
    assert count(tables, "sales.oslo") == 60
    assert tables.run("SELECT relacl::text FROM pg_class WHERE oid = 'sales.lines'::regclass") == rights
    assert tables.run("SELECT count(*) FROM pg_indexes WHERE indexname = 'by_note'") == [(1,)]
    assert count(tables, "sales.lines WHERE loaded IS NULL") == 0


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ"])
def test_a_reader_sees_all_old_rows_or_all_new_ones_and_does_not_wait(tmp_path: Path, tables: Tables, level: str) -> None:
    config = make(tmp_path)
    load(config)
    other = make(tmp_path, rows=90)
    seen, done = set[int](), threading.Event()

    def read() -> None:
        with psycopg.connect(tables.address, autocommit=True, options="-c lock_timeout=500") as connection:
            while not done.is_set():
                with connection.transaction():
                    connection.execute(f"SET TRANSACTION ISOLATION LEVEL {level}".encode())
                    connection.execute("SELECT 1")  # from here on a repeatable read sees one moment
                    seen.add(connection.execute("SELECT count(*) FROM sales.lines").fetchone()[0])  # type: ignore[index]

    with psycopg.connect(tables.address) as before:
        before.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        before.execute("SELECT 1")
        reader = threading.Thread(target=read)
        reader.start()
        try:
            for config in (other, make(tmp_path), make(tmp_path, rows=90)):
                load(config, force=True)
        finally:
            done.set()
            reader.join()
        assert before.execute("SELECT count(*) FROM sales.lines").fetchone() == (60,), "the rows of its own moment"
    assert seen <= {60, 90}
    assert 90 in seen


REFUSED = [
    ("ALTER TABLE sales.lines DROP COLUMN note", ConfigError, r"sales.lines lacks the column 'note'; add it \(ALTER TABLE"),
    ("ALTER TABLE sales.lines ALTER COLUMN n TYPE integer", ConfigError, "the column 'n' is integer, and the rows have double"),
    ("ALTER TABLE sales.lines ALTER COLUMN n TYPE numeric(9,2)", ConfigError, r"the column 'n' is numeric\(9,2\)"),
    ("ALTER TABLE sales.lines ALTER COLUMN note TYPE varchar(5) USING left(note, 5)", DataError, "value too long"),
    ("ALTER TABLE sales.lines DROP CONSTRAINT lines_pkey", ConfigError, "has another primary key than id"),
    ("ALTER TABLE sales.lines ADD COLUMN more int NOT NULL DEFAULT 1; ALTER TABLE sales.lines ALTER more DROP DEFAULT",
     DataError, 'null value in column "more"'),
    ("ALTER TABLE sales.lines ADD CHECK (y < 70)", DataError, "violates check constraint"),
    ("CREATE TABLE child (id bigint REFERENCES sales.lines); INSERT INTO child VALUES (1)", DataError, "foreign key constraint"),
    ("ALTER TABLE sales.lines RENAME TO kept; CREATE VIEW sales.lines AS SELECT * FROM sales.kept", ConfigError, "is no table"),
    ("ALTER DATABASE {} SET default_transaction_read_only = on", ConfigError, "read-only transaction; this server takes no"),
    ("ALTER DATABASE {} SET statement_timeout = '1ms'", DatabaseError, "statement timeout; raise statement_timeout"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "kind", "message"), REFUSED)
def test_a_table_that_cannot_take_the_rows_keeps_its_own(
    tmp_path: Path, tables: Tables, change: str, kind: type[Exception], message: str
) -> None:
    load(make(tmp_path))
    config = make(tmp_path, rows=70)
    tables.run(change.format(tables.name))
    with pytest.raises(kind, match=message) as caught:
        load(config)
    assert "\n" not in str(caught.value)
    tables.server.run(f"ALTER DATABASE {tables.name} RESET ALL")
    assert count(tables, "sales.lines") == 60
    assert [each.what for each in reasons_of_load(config)]


def reasons_of_load(config: Config) -> list[Any]:
    return list(next(each for each in status(config, pipeline.STAGES).stages if each.stage == "load").reasons)


def test_rows_that_share_their_key_are_named_and_nothing_is_loaded(tmp_path: Path, tables: Tables) -> None:
    config = make(tmp_path, "warehouse.key=[city]")
    with pytest.raises(DataError, match=r"duplicate key value violates unique constraint .* \(Key \(city\)=\(Unknown\)"):
        load(config)
    assert tables.run("SELECT to_regclass('sales.lines')") == [(None,)]


def test_a_user_who_may_not_write_is_told_so(tmp_path: Path, tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    load(make(tmp_path))
    name = f"guest_{tables.name}"
    tables.run(
        f"CREATE ROLE {name} LOGIN PASSWORD 'gu3st'; GRANT USAGE ON SCHEMA sales TO {name}; GRANT SELECT ON sales.lines TO {name}"
    )
    monkeypatch.setenv("TABTRAIL_POSTGRES", tables.address.replace("tabtrail:pg-s3cret", f"{name}:gu3st"))
    with pytest.raises(ConfigError, match="permission denied for table lines; grant the user what it lacks") as caught:
        load(make(tmp_path, rows=70))
    assert "gu3st" not in str(caught.value)
    assert count(tables, "sales.lines") == 60


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_connection_that_is_cut_in_mid_load_leaves_the_old_rows(
    tmp_path: Path, tables: Tables, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    load(make(tmp_path))
    config = make(tmp_path, rows=90)
    monkeypatch.setattr(table_export, "_BLOCK_ROWS", 20)
    blocks = table_export._blocks

    def cut(frame: pl.LazyFrame) -> Iterator[bytes]:
        for place, block in enumerate(blocks(frame)):
            if place == after:
                tables.server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%'")
            yield block

    with monkeypatch.context() as changed:
        changed.setattr(table_export, "_blocks", cut)
        with pytest.raises(DatabaseError, match=r"terminating connection|the connection was cut"):
            load(config)
    assert count(tables, "sales.lines") == 60
    assert load(config)
    assert count(tables, "sales.lines") == 90


KILLED = """
import sys
from pathlib import Path
from tabtrail.config.load import load_config
from tabtrail.data import table_export
from tabtrail.storage import tables
from tabtrail import pipeline

def stop(*_):
    print("here", flush=True)
    sys.stdin.read()

if sys.argv[2] == "copy":
    blocks = table_export._blocks
    table_export._blocks = lambda frame: (stop() or block for block in blocks(frame))
else:
    replace = tables._replace
    tables._replace = lambda *given: (replace(*given), stop())
pipeline.run_stage("load", load_config(Path(sys.argv[1])))
"""


@pytest.mark.parametrize("where", ["copy", "replaced"])
def test_a_load_that_is_killed_leaves_the_old_rows(tmp_path: Path, tables: Tables, where: str) -> None:
    load(make(tmp_path))
    config = make(tmp_path, rows=90)
    program = [sys.executable, "-c", KILLED, str(tmp_path / "config.yaml"), where]
    environment = {**os.environ, "PYTHONPATH": str(REPO / "src")}
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        process.send_signal(signal.SIGKILL)
    assert count(tables, "sales.lines") == 60
    assert load(config)
    assert count(tables, "sales.lines") == 90


def test_a_table_of_one_column_keeps_its_missing_values_and_every_text(tmp_path: Path, tables: Tables) -> None:
    texts = [None, "x", "", "\\.", None, "a\rb"]
    pl.DataFrame({"text": texts}).write_parquet(tmp_path / "one.parquet")
    load_file(tmp_path / "one.parquet", "one", Warehouse())
    assert [text for (text,) in tables.run("SELECT text FROM one ORDER BY ctid")] == texts
    pl.DataFrame({"text": texts, "id": range(6)}).write_parquet(tmp_path / "two.parquet")
    load_file(tmp_path / "two.parquet", "two", Warehouse())
    assert [text for (text,) in tables.run("SELECT text FROM two ORDER BY id")] == texts


def test_two_loads_at_once_leave_the_rows_of_one(tmp_path: Path, tables: Tables) -> None:
    path = tmp_path / "rows.parquet"
    pl.DataFrame({"id": range(5000), "x": ["é"] * 5000}).write_parquet(path)
    loads = [threading.Thread(target=load_file, args=(path, "fresh.rows", Warehouse())) for _ in range(4)]
    for each in loads:
        each.start()
    for each in loads:
        each.join()
    assert count(tables, "fresh.rows") == 5000


def test_the_predictions_of_a_file_are_loaded_into_a_table_by_its_own_command(tmp_path: Path, tables: Tables) -> None:
    make(tmp_path)
    rows = pl.DataFrame({"line": [1, 2], "prediction": [0.1, None], "warnings": ["", None], "when": [None, "x"]})
    rows.write_parquet(tmp_path / "out.parquet")
    done = command(tmp_path, "load", "out.parquet", "--table", "analytics.predictions", "--format=json")
    assert json.loads(done.stdout) == {"rows": {"analytics.predictions": 2}}
    assert in_table(tables, rows.columns, "analytics.predictions") == rows.rows()
    rows.write_csv(tmp_path / "out.csv")
    for words, code, message in (
        (["out.csv", "--table", "x.y"], 3, "out.csv cannot be read as Parquet"),
        (["out.parquet"], 2, "FILE and --table go together"),
        (["none.parquet", "--table", "x.y"], 3, "cannot be read as Parquet"),
        (["--set", "warehouse={}"], 2, "the config has no warehouse to load; set warehouse.table"),
    ):
        done = command(tmp_path, "load", *words)
        assert (done.returncode, done.stderr.count("\n")) == (code, 1)
        assert message in done.stderr


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "tabtrail", *words, "--config", "config.yaml"]
    environment = {**os.environ, "PYTHONPATH": str(REPO / "src")}
    return subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_doctor_and_status_say_that_the_warehouse_is_away(
    tmp_path: Path, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make(tmp_path)
    load(config)
    assert warehouse_check(config) == ("ok", "sales.lines, sales.by_city are there")
    monkeypatch.setattr("tabtrail.storage.postgres._PAUSE", 0.01)
    monkeypatch.setenv("TABTRAIL_POSTGRES", "postgresql://a:s3cret@127.0.0.1:1/x")
    assert warehouse_check(config) == (
        "broken",
        "PostgreSQL (address in TABTRAIL_POSTGRES) does not answer; is the server running there?",
    )
    assert reasons_of_load(config) == []


def warehouse_check(config: Config) -> tuple[str, str]:
    return next((each.state, each.found) for each in examine(config, pipeline.STAGES) if each.name == "warehouse")


WRONG = [
    ("warehouse={table: 'postgresql://a:s3cret@there/x'}", "warehouse.table: write schema.name"),
    ("warehouse={table: a.b.c}", "warehouse.table: write schema.name"),
    ("warehouse={table: lines, key: [idd]}", "warehouse.key: 'idd' is not a declared column; did you mean 'id'?"),
    ("warehouse={key: [id]}", "warehouse.key: there is no warehouse.table"),
    ("warehouse={summaries: a.b}", "warehouse.summaries: write the name of a schema"),
    ("warehouse={table: sales.by_city, summaries: sales}", "a summary of this name would be loaded into it as well"),
    ("warehouse={table: lines, adress_variable: X}", "warehouse.adress_variable: unknown key; did you mean 'address_variable'?"),
    ("warehouse={table: lines, address_variable: 'host=x password=s3cret'}", "name an environment variable"),
]


@pytest.mark.parametrize(("override", "message"), WRONG)
def test_a_warehouse_that_is_named_wrongly_is_refused_when_the_config_is_read(
    tmp_path: Path, override: str, message: str
) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "config.yaml", [override])
    assert message in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of 3 MB that PostgreSQL may write to."""
    folder = Path(tempfile.mkdtemp(prefix="tabtrail-disk-", dir="/tmp"))
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        folder.rmdir()
        pytest.skip("a small disk cannot be mounted here")
    try:
        shutil.chown(folder, "postgres", "postgres")
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def test_a_disk_that_fills_up_during_a_load_is_one_message_and_the_old_rows_stay(
    tmp_path: Path, tables: Tables, small_disk: Path
) -> None:
    config = make(tmp_path)
    load(config)
    tables.run(f"CREATE TABLESPACE small LOCATION '{small_disk}'")
    try:
        tables.run("ALTER TABLE sales.lines SET TABLESPACE small")
        before = tables.run("SELECT * FROM sales.lines ORDER BY id")
        config = make(tmp_path, rows=60_000)
        with pytest.raises(DatabaseError) as caught:
            load(config)
        assert re.fullmatch(
            r"PostgreSQL \(address in TABTRAIL_POSTGRES\): could not extend file .*: No space left on device;"
            " make room on the server, then run again; nothing was changed",
            str(caught.value),
        )
        assert tables.run("SELECT * FROM sales.lines ORDER BY id") == before
    finally:
        tables.run("DROP TABLE sales.lines")
        tables.run("DROP TABLESPACE small")
