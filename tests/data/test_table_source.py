"""A table or query of PostgreSQL as a source: the rows of a CSV, read by the same rules, to the same dataset."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.support.database_tables import Tables
from tests.support.nasty_rows import CONFIG, FAULTS, bad_rows, good_rows, target, typed, write_csv
from tests.support.postgres import needs_postgres
from tests.support.stages import append, run_ingest

from tabtrail import pipeline
from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.manifest import read_manifest
from tabtrail.errors import ConfigError, DatabaseError, DataError
from tabtrail.project.status import status
from tabtrail.reading.postgres import opened_table, relation_of

pytestmark = needs_postgres
SMALL = """
version: 2
source: {SOURCE}
model: {name: small, target: y, numeric_features: [n]}
split: {kind: random, folds: 2, allow_leaky: true}
contract: {max_reject_share: 0.9, columns: COLUMNS}
"""


def nasty_config(folder: Path, source: str) -> Config:
    text = CONFIG.replace("raw_csv: nasty.csv, ", "") if source else CONFIG
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(text.replace("source:\n", f"source:\n  {source}\n" if source else "source:\n"))
    return load_config(folder / "config.yaml")


def small_config(folder: Path, *more: str, source: str = "table: rows, order_by: id", columns: str = "{}") -> Config:
    (folder / "config.yaml").write_text(SMALL.replace("SOURCE", source).replace("COLUMNS", columns))
    return load_config(folder / "config.yaml", more)


def small_rows(tables: Tables, rows: int = 40, **more: str) -> None:
    types = {"id": "int PRIMARY KEY", "n": "double precision", "y": "double precision", **more}
    tables.write("rows", types, [(each, each % 7, each * 2 + 1, *("" for _ in more)) for each in range(rows)])


def nasty(*, as_types: bool = False) -> list[dict[str, Any]]:
    """The rows with their target, as texts of a CSV or as what they mean."""
    if as_types:
        return [{"id": index, **typed(row), "y": int(target(row, index))} for index, row in enumerate(good_rows())]
    return [{**row, "y": target(row, index)} for index, row in enumerate([*good_rows(), *bad_rows()])]


@pytest.fixture
def of_csv(tmp_path: Path) -> Config:
    config = nasty_config(tmp_path / "csv", "")
    write_csv(tmp_path / "csv" / "nasty.csv", nasty())
    run_ingest(config)
    return config


def test_a_table_of_texts_gives_what_the_same_csv_does(tmp_path: Path, tables: Tables, of_csv: Config) -> None:
    rows = nasty()
    names = dict.fromkeys(rows[0], "text")
    tables.write("nasty", {"place": "serial", **names}, [(index, *row.values()) for index, row in enumerate(reversed(rows))])
    # Out of order on the disk, and with a column that only the order needs.
    tables.run("CREATE TABLE shuffled AS SELECT * FROM nasty ORDER BY md5(id)")
    config = nasty_config(tmp_path / "pg", "table: public.shuffled\n  order_by: [place]")
    config = config.changed(
        source=config.source.model_copy(
            update={"query": 'SELECT "' + '", "'.join(names) + '", -place AS place FROM shuffled', "table": None}
        ),
        cleaning=config.cleaning.model_copy(update={"drop_columns": ("place",)}),
    )
    found, expected = run_ingest(config)[0], read_manifest(of_csv.dataset)
    assert found.data_sha256 == expected.data_sha256
    assert (found.rejects, found.warnings) == (expected.rejects, expected.warnings)
    assert found.rows_rejected == len(FAULTS)
    rejects, of_file = pl.read_parquet(config.paths.rejects), pl.read_parquet(of_csv.paths.rejects)
    assert rejects["_rules"].to_list() == of_file["_rules"].to_list()
    assert rejects["_line"].to_list() == [line - 1 for line in of_file["_line"]], "rows are counted from 1, without a header"
    assert (found.source, found.encoding) == ("source.query", "postgres")


@pytest.mark.parametrize(("order", "stays"), [("id", [1, 3, 5]), ("-id AS back, id", [9, 8, 7])])
def test_of_rows_with_one_key_the_first_of_the_order_stays(tmp_path: Path, tables: Tables, order: str, stays: list[int]) -> None:
    keys = {1: "a", 2: "a", 3: "b", 4: "a", 5: "c", 7: "b", 8: "c", 9: "a"}
    types = {"id": "int", "k": "text", "n": "double precision", "y": "double precision"}
    tables.write("keyed", types, [(each, key, each, each * 2) for each, key in keys.items()])
    column = order.partition(" AS ")[2].partition(",")[0] or "id"
    source = f"query: 'SELECT {order}, k, n, y FROM keyed', order_by: {column}"
    more = "cleaning.deduplicate={key: k, keep: first}"
    config = small_config(tmp_path, more, source=source, columns="{k: {dtype: string}}")
    found, _ = run_ingest(config)
    assert found.rejects == {"duplicate of the key k (the first is kept)": 5}
    assert sorted(scan_dataset(config.dataset).collect()["n"]) == sorted(stays)
    assert pl.read_parquet(config.paths.rejects)["_rules"].n_unique() == 1


def test_a_missing_value_and_the_empty_text_mean_the_same_as_in_a_csv(tmp_path: Path, tables: Tables, of_csv: Config) -> None:
    rows = nasty()
    cells = [(index, *(None if cell == "" and index % 2 else cell for cell in row.values())) for index, row in enumerate(rows)]
    tables.write("nasty", {"place": "int", **dict.fromkeys(rows[0], "text")}, cells)
    config = nasty_config(tmp_path / "pg", "table: nasty\n  order_by: place")
    config = config.changed(cleaning=config.cleaning.model_copy(update={"drop_columns": ("place",)}))
    assert run_ingest(config)[0].data_sha256 == read_manifest(of_csv.dataset).data_sha256


def test_typed_columns_are_read_as_the_texts_that_mean_the_same(tmp_path: Path, tables: Tables, of_csv: Config) -> None:
    write_csv(tmp_path / "csv" / "nasty.csv", nasty()[: len(good_rows())])
    expected, _ = run_ingest(of_csv)
    types = {"id": "bigint", "a": "smallint", "q": "numeric", "seg": "varchar(60)", "city": "text", "code": "text"}
    types |= {"d": "date", "land": "text", "at": "timestamp", "y": "real"}
    rows = nasty(as_types=True)
    tables.write("nasty", {name: types[name] for name in rows[0]}, [list(row.values()) for row in rows])
    found, _ = run_ingest(nasty_config(tmp_path / "pg", "table: nasty\n  order_by: id"))
    assert found.rows_rejected == 0
    assert found.data_sha256 == expected.data_sha256


RIGHT = [
    ("real", "0.1", "float", 0.1),
    ("double precision", "0.30000000000000004", "float", 0.30000000000000004),
    ("numeric(12,4)", "1234.5600", "float", 1234.56),
    ("numeric(9,2)", "7.00", "int", 7),
    ("numeric", "9007199254740993", "int", 9007199254740993),
    ("numeric(9,2)", "7.50", "string", "7.5"),
    ("boolean", "t", "string", "true"),
    ("boolean", "t", "flag", 1),
    ("uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "string", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("char(5)", "ab", "string", "ab"),
    ("mood", "happy", "string", "happy"),
    ("date", "2004-02-29", "date", "2004-02-29"),
    ("timestamp", "2004-02-29 13:14:15.5", "datetime", "2004-02-29 13:14:15.500000"),
    ("timestamptz", "2004-02-29 23:30:00+00", "datetime", "2004-03-01 00:30:00"),
    ("date", "2004-02-29", "string", "2004-02-29"),
]
ODD = [
    ("numeric", "9007199254740993", "float", "not float"),
    ("bigint", "9007199254740993", "float", "not float"),
    ("numeric", "NaN", "float", "not finite"),
    ("double precision", "Infinity", "float", "not finite"),
    ("numeric(9,2)", "7.50", "int", "not int"),
    ("numeric", "1234567890" * 5, "int", "not int"),
    ("date", "infinity", "date", "not a date of the formats"),
    ("date", "0044-03-15 BC", "date", "not a date of the formats"),
    ("timestamp", "-infinity", "datetime", "not a date of the formats"),
]


def test_a_value_of_a_typed_column_is_read_right_or_its_row_set_aside_with_its_reason(tmp_path: Path, tables: Tables) -> None:
    tables.run("CREATE TYPE mood AS ENUM ('sad', 'happy')")
    cases = {f"v{place}": case for place, case in enumerate([*RIGHT, *ODD])}
    odd = [name for name, case in cases.items() if case in ODD]
    cells = [
        (row, row, row, *(None if row < 6 and name in odd else text for name, (_, text, _, _) in cases.items()))
        for row in range(9)
    ]
    tables.write("rows", {"id": "int", "n": "int", "y": "int"} | {name: case[0] for name, case in cases.items()}, cells)
    rules = [f"{name}: {{dtype: {'int, min: 0, max: 1' if case[2] == 'flag' else case[2]}}}" for name, case in cases.items()]
    formats = ('cleaning.date_formats=["%d.%m.%Y %H:%M"]', "cleaning.time_zone=Europe/Berlin")
    config = small_config(tmp_path, *formats, columns=f"{{{', '.join(rules)}}}")
    manifest, _ = run_ingest(config)
    assert manifest.rejects == {f"{name}: {cases[name][3]}": 3 for name in sorted(odd)}
    rejects = pl.read_parquet(config.paths.rejects)
    assert rejects["_line"].to_list() == [7, 8, 9]
    assert rejects.select(odd[-3:]).row(0) == ("infinity", "0044-03-15 BC", "-infinity")
    kept = scan_dataset(config.dataset).collect().row(0, named=True)
    found = [kept[name] for name, case in cases.items() if case in RIGHT]
    assert [str(each) if hasattr(each, "year") else each for each in found] == [case[3] for case in RIGHT]


def test_columns_that_are_no_cells_are_refused_by_name_unless_they_are_dropped(tmp_path: Path, tables: Tables) -> None:
    kinds = ("jsonb", "json", "int[]", "bytea", "interval", "money", "point", "int4range", "xml")
    names = {f"odd{place}": kind for place, kind in enumerate(kinds)}
    small_rows(tables)
    tables.run("ALTER TABLE rows " + ", ".join(f"ADD COLUMN {name} {kind}" for name, kind in names.items()))
    config = small_config(tmp_path)
    relation = relation_of(config.source)
    assert relation is not None
    for name in names:
        with (
            pytest.raises(DataError, match=rf"rows: the column '{name}' is \S+, which is no number, text or date; cast it"),
            opened_table(relation, frozenset(names) - {name}),
        ):
            pass
    with pytest.raises(DataError, match="the column 'odd0' is jsonb"):
        run_ingest(config)
    manifest, _ = run_ingest(small_config(tmp_path, f"cleaning.drop_columns=[{', '.join(names)}]"))
    assert manifest.rows_kept == 40
    assert list(manifest.schema) == ["id", "n", "y"]


def test_texts_may_hold_line_ends_quotes_and_marks(tmp_path: Path, tables: Tables) -> None:
    texts = ["a\nb", 'he said "no"', "\ufeffmark", "c\r\nd", "\\.", "", None, " x, y ", "'"]
    rows = [(each, each, each, text) for each, text in enumerate(texts)]
    tables.write("rows", {"id": "int", "n": "int", "y": "int", "v": "text"}, rows)
    config = small_config(tmp_path)
    run_ingest(config)
    assert scan_dataset(config.dataset).collect()["v"].to_list() == [text or None for text in texts]


def test_a_single_column_of_missing_values_loses_no_row(tmp_path: Path, tables: Tables) -> None:
    small_rows(tables, rows=30)
    query = "select id, n, case when id > 9 then y end as y from rows"
    config = small_config(tmp_path, source=f"query: '{query}', order_by: id")
    assert run_ingest(config)[0].rejects == {"y: missing": 10}


def test_texts_are_in_the_order_of_their_characters_whatever_the_locale(tmp_path: Path, tables: Tables) -> None:
    words = ["b", "B", "a", "Ä", "Z", "_", "10", "9", "é"]
    tables.write("rows", {"id": "text", "n": "int", "y": "int"}, [(word, index, index) for index, word in enumerate(words)])
    config = small_config(tmp_path)
    run_ingest(config)
    assert scan_dataset(config.dataset).collect()["id"].to_list() == sorted(words)


def test_rows_that_the_order_does_not_tell_apart_are_a_finding(tmp_path: Path, tables: Tables) -> None:
    small_rows(tables)
    found, _ = run_ingest(small_config(tmp_path, source="table: rows, order_by: n"))
    assert [each for each in found.findings if "33 rows have the same n as the row before" in each]
    assert not [each for each in run_ingest(small_config(tmp_path))[0].findings if "as the row before" in each]


def test_the_ingest_of_a_table_is_repeated_when_a_row_changed_and_not_before(tmp_path: Path, tables: Tables) -> None:
    small_rows(tables)
    config = small_config(tmp_path)
    first, worked = run_ingest(config)
    assert worked
    assert not run_ingest(config)[1]
    tables.run("UPDATE rows SET n = n WHERE id = 3")  # the same rows in another place
    assert not run_ingest(config)[1]
    tables.run("UPDATE rows SET n = 77 WHERE id = 3")
    assert reasons(config) == ["the rows of rows changed"]
    second, worked = run_ingest(config)
    assert worked
    assert second.data_sha256 != first.data_sha256


def reasons(config: Config) -> list[str]:
    return [reason.what for reason in status(config, pipeline.STAGES).stages[0].reasons]


def test_rows_that_are_refused_leave_the_dataset_of_before(tmp_path: Path, tables: Tables) -> None:
    small_rows(tables)
    config = small_config(tmp_path)
    before = run_ingest(config)[0].data_sha256
    tables.run("UPDATE rows SET y = NULL WHERE id > 1")
    with pytest.raises(DataError, match=r"rows: 38 of 40 rows"):
        run_ingest(config)
    assert read_manifest(config.dataset).data_sha256 == before


CONFIGS = [
    ("table: rows", "source.order_by: a table has no order of its own; name columns"),
    ("table: rows, query: select 1, order_by: id", "source.query: source.table names the data as well; remove one"),
    ("order_by: id", "paths.raw_csv: this key is required"),
    ("table: 'postgresql://me:s3cret@there/db', order_by: id", "source.table: write schema.name, or the name alone"),
    ("table: rows, order_by: id, address_variable: 'postgresql://me:s3cret@there/db'", "name an environment variable"),
    ("table: rows, order_by: id, address: 'postgresql://me:s3cret@there/db'", "source.address: unknown key"),
    ("table: rows, order_by: id, skip_rows: 2", "source.skip_rows: this goes for files alone"),
    ("table: rows, order_bye: id", "source.order_bye: unknown key; did you mean 'order_by'"),
]


@pytest.mark.parametrize(("source", "message"), CONFIGS)
def test_a_config_that_names_a_table_wrongly_is_refused_and_no_address_is_repeated(
    tmp_path: Path, source: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        small_config(tmp_path, source=source)
    assert message in str(caught.value)
    assert "s3cret" not in str(caught.value)


FAULTS_OF_SOURCE = [
    ("table: nowhere, order_by: id", ConfigError, 'relation "nowhere" does not exist; correct the name'),
    ("table: other.rows, order_by: id", ConfigError, 'relation "other.rows" does not exist'),
    ("table: rows, order_by: idd", ConfigError, "source.order_by: 'idd' is not a column of rows; did you mean 'id'?"),
    ("query: select 1 fro m, order_by: id", ConfigError, 'syntax error at or near "m"'),
    ("query: 'select 1 as id) q; drop table rows; select (1', order_by: id", ConfigError, "cannot insert multiple commands"),
    ("query: 'delete from rows returning *', order_by: id", ConfigError, "syntax error"),
    ("query: 'select id, n from rows', order_by: id", DataError, "source.query: missing column 'y'"),
    ("query: 'select id, n, y / 0 as y from rows', order_by: id", DataError, "division by zero"),
    ("query: 'select id, n, y, pg_sleep(9)::text from rows', order_by: id", DatabaseError, "statement timeout"),
    ("table: secret, order_by: id", ConfigError, "permission denied for table secret"),
]


@pytest.mark.parametrize(("source", "kind", "message"), FAULTS_OF_SOURCE)
def test_what_is_wrong_with_a_table_is_one_message_and_changes_nothing(
    tmp_path: Path, tables: Tables, monkeypatch: pytest.MonkeyPatch, source: str, kind: type[Exception], message: str
) -> None:
    small_rows(tables)
    tables.run("CREATE TABLE secret AS SELECT * FROM rows")
    as_reader(tables, monkeypatch, "GRANT SELECT ON rows TO {}")
    config = small_config(tmp_path)
    before = run_ingest(config)[0]
    with pytest.raises(kind) as caught:
        run_ingest(small_config(tmp_path, source=source))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert read_manifest(config.dataset) == before
    assert tables.run("SELECT count(*) FROM rows") == [(40,)]


def as_reader(tables: Tables, monkeypatch: pytest.MonkeyPatch, grant: str) -> None:
    """Come in as a user of this test alone, who may do what is granted, for two seconds each time."""
    name = f"reader_{tables.name}"
    tables.run(
        f"CREATE ROLE {name} LOGIN PASSWORD 'r3ader'; ALTER ROLE {name} SET statement_timeout = '2s'; {grant.format(name)}"
    )
    address = tables.address.replace(f"{tables.server.user}:{tables.server.password}", f"{name}:r3ader")
    monkeypatch.setenv("TABTRAIL_POSTGRES", address)


ADDRESSES = [
    ("", ConfigError, "the environment variable TABTRAIL_POSTGRES is not set"),
    ("postgresql://tabtrail:wr0ng@127.0.0.1:PORT/DB", ConfigError, "user or password is wrong"),
    ("postgresql://tabtrail:s3c@ret@127.0.0.1:PORT/DB", ConfigError, "the host cannot be found"),
    ("postgresql://tabtrail:s3c/ret@127.0.0.1:PORT/DB", ConfigError, "the host cannot be found"),
    ("postgresql://tabtrail:pg-s3cret@127.0.0.1:PORT/nowhere", ConfigError, "user or database does not exist"),
    ("tabtrail:pg-s3cret@127.0.0.1", ConfigError, "cannot be connected to; write TABTRAIL_POSTGRES as postgresql://"),
    ("postgresql://tabtrail:pg-s3cret@127.0.0.1:PORT/DB?sslmode=require", ConfigError, "sslmode"),
    ("postgresql://tabtrail:pg-s3cret@127.0.0.1:1/DB", DatabaseError, "does not answer"),
]


@pytest.mark.parametrize(("address", "kind", "message"), ADDRESSES)
def test_an_address_that_does_not_lead_there_is_one_message_without_its_password(
    tmp_path: Path, tables: Tables, monkeypatch: pytest.MonkeyPatch, address: str, kind: type[Exception], message: str
) -> None:
    monkeypatch.setattr("tabtrail.storage.postgres._PAUSE", 0.01)
    monkeypatch.setenv("TABTRAIL_POSTGRES", address.replace("PORT", str(tables.server.port)).replace("DB", tables.name))
    with pytest.raises(kind) as caught:
        run_ingest(small_config(tmp_path))
    assert message in str(caught.value)
    assert not [piece for piece in ("wr0ng", "s3c", "ret@", "pg-s3cret") if piece in str(caught.value)]
    assert caught.value.__suppress_context__ or caught.value.__context__ is None, "a traceback would show what the driver said"


def test_a_server_that_goes_away_while_it_is_read_leaves_the_dataset_of_before(
    tmp_path: Path, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_rows(tables)
    config = small_config(tmp_path)
    before = run_ingest(config)[0]
    query = "select id, n, y, case when id = 30 then pg_terminate_backend(pg_backend_pid()) end from rows"
    with pytest.raises(DatabaseError, match=r"terminating connection|the connection was cut"):
        run_ingest(small_config(tmp_path, source=f"query: '{query}', order_by: id"))
    assert read_manifest(config.dataset) == before
    assert not run_ingest(config)[1]


def test_status_says_that_the_server_is_away(tmp_path: Path, tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    small_rows(tables)
    config = small_config(tmp_path)
    run_ingest(config)
    assert reasons(config) == []
    monkeypatch.setattr("tabtrail.storage.postgres._PAUSE", 0.01)
    monkeypatch.setenv("TABTRAIL_POSTGRES", "postgresql://a:s3cret@127.0.0.1:1/x")
    assert reasons(config) == ["PostgreSQL (address in TABTRAIL_POSTGRES) does not answer; is the server running there?"]


def test_nothing_is_appended_from_a_table(tmp_path: Path, tables: Tables) -> None:
    small_rows(tables)
    config = small_config(tmp_path)
    run_ingest(config)
    with pytest.raises(ConfigError, match="--append: a table is read as a whole"):
        append(config)


def test_a_table_is_read_in_bounded_memory_block_by_block(
    tmp_path: Path, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tabtrail.reading.postgres._BLOCK_BYTES", 1000)
    small_rows(tables, rows=1000)
    config = small_config(tmp_path)
    small, _ = run_ingest(config)
    monkeypatch.undo()
    monkeypatch.setenv("TABTRAIL_POSTGRES", tables.address)
    assert run_ingest(config, force=True)[0].data_sha256 == small.data_sha256
    assert scan_dataset(config.dataset).collect()["id"].cast(int).to_list() == list(range(1000))
