"""Tables of PostgreSQL, replaced as a whole in one transaction: the old rows are deleted, and the new ones sent by COPY.

Until the commit nobody else sees the new rows, which is what a staging table would be for, at the cost of writing each row twice
(2.4 times the CPU of a bare COPY). A reader of any isolation level sees all old rows or all new ones and is not kept waiting,
and grants, views, indexes and comments stay, which an exchange of tables would drop.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tabtrail.errors import ConfigError, DatabaseError, DataError
from tabtrail.storage.postgres import Server, connected, quoted, split_name

if TYPE_CHECKING:
    from psycopg import Connection

_LONGEST_NAME = 63  # bytes: PostgreSQL cuts longer ones (NAMEDATALEN), so that two columns may become one
_LOCK_SECONDS = 60  # for which another writer of the table is waited for
# Types of existing columns that hold every value of a type of ours (by `format_type`).
_HOLDS = {
    "bigint": ("bigint", "numeric"),
    "integer": ("integer", "bigint", "numeric"),
    "text": ("text",),
    "timestamp without time zone": ("timestamp without time zone", "timestamp(6) without time zone"),
}
_VARYING = "character varying"  # with a bound or without: a longer text is an error of the server


@dataclass(frozen=True)
class TableColumn:
    """A column of a table: its SQL type, and whether it must have a value in every row."""

    name: str
    type: str
    required: bool = False


@dataclass(frozen=True)
class NewRows:
    """The rows that a table (`name` or `schema.name`) is to have: CSV text in blocks."""

    table: str
    columns: tuple[TableColumn, ...]
    count: int
    blocks: Iterable[bytes] = field(repr=False)
    key: tuple[str, ...] = ()


def replace_tables(server: Server, tables: Sequence[NewRows]) -> None:
    """Give tables their new rows, all of them in one transaction; those that are not there are made, with their schema.

    Raises `ConfigError` for a table that cannot take the rows, `DataError` for rows that break its rules, `DatabaseError` for a
    server that cannot be reached or ends the work; the tables are then as they were.
    """
    for each in tables:
        _require_names(each)
    with connected(server) as connection:
        ended = False
        try:
            with connection.transaction():
                # So that each statement sees what another load left meanwhile, whatever the server's default is.
                connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
                connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'".encode())
                for each in tables:
                    _replace(connection, each)
                ended = True
        except Exception as error:  # whatever it is, it is raised again, unless it is the loss of a COMMIT
            if ended and getattr(error, "sqlstate", None) is None:
                raise DatabaseError(
                    f"{server}: the connection was cut at the end of the load, so that either all new rows count or all old ones;"
                    " load again, which replaces them as a whole"
                ) from None
            raise


def missing_tables(server: Server, tables: Sequence[str]) -> list[str]:
    """Return those of the tables that are not there. Raises as `storage.postgres.connected` does."""
    with connected(server) as connection:
        return [each for each in tables if _oid(connection, each) is None]


def _require_names(rows: NewRows) -> None:
    names = [each.name for each in rows.columns]
    if long := next((name for name in names if len(name.encode()) > _LONGEST_NAME), None):
        raise ConfigError(f"{rows.table}: the name '{long}' is longer than PostgreSQL's {_LONGEST_NAME} bytes; see source.rename")
    if gone := next((name for name in rows.key if name not in names), None):
        raise ConfigError(f"{rows.table}: there is no column '{gone}' for its key")


def _replace(connection: "Connection[tuple[Any, ...]]", rows: NewRows) -> None:
    # Two loads of one table come one after the other, also where both would make it.
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"tabtrail load {rows.table}"])
    table = quoted(*split_name(rows.table))
    if (oid := _oid(connection, rows.table)) is None:
        _create(connection, rows)
    else:
        _require_fitting(connection, rows, oid)
        connection.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE".encode())  # no other writer; readers go on
        connection.execute(f"DELETE FROM {table}".encode())
    names = ", ".join(quoted(each.name) for each in rows.columns)
    cursor = connection.cursor()
    with cursor.copy(f"COPY {table} ({names}) FROM STDIN (FORMAT csv)".encode()) as copy:
        for block in rows.blocks:
            copy.write(block)
    if cursor.rowcount != rows.count:
        raise DataError(f"{rows.table}: {rows.count:,} rows were sent and {cursor.rowcount:,} arrived; nothing was changed")


def _oid(connection: "Connection[tuple[Any, ...]]", table: str) -> int | None:
    found = connection.execute("SELECT to_regclass(%s)::oid", [quoted(*split_name(table))]).fetchone()
    return None if found is None or found[0] is None else int(found[0])


def _create(connection: "Connection[tuple[Any, ...]]", rows: NewRows) -> None:
    schema = split_name(rows.table)[:-1]
    if schema and connection.execute("SELECT to_regnamespace(%s)", [quoted(*schema)]).fetchone() == (None,):
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(*schema)}".encode())
    connection.execute(f"CREATE TABLE {quoted(*split_name(rows.table))} ({', '.join(_definitions(rows))})".encode())


def _definitions(rows: NewRows) -> Iterator[str]:
    for each in rows.columns:
        yield _definition(each)
    if rows.key:
        yield f"PRIMARY KEY ({', '.join(map(quoted, rows.key))})"


def _definition(column: TableColumn) -> str:
    return f"{quoted(column.name)} {column.type}" + (" NOT NULL" if column.required else "")


def _require_fitting(connection: "Connection[tuple[Any, ...]]", rows: NewRows, oid: int) -> None:
    """Raise `ConfigError` for what is no table, or lacks a column, or has one that does not hold every value."""
    kind = connection.execute("SELECT relkind::text FROM pg_class WHERE oid = %s", [oid]).fetchone()
    if kind not in (("r",), ("p",)):
        raise ConfigError(f"{rows.table} is no table (a view?), so that it cannot be loaded; name another one")
    sql = (
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped"
    )
    types = {str(name): str(kind) for name, kind in connection.execute(sql, [oid])}
    table = quoted(*split_name(rows.table))
    for each in rows.columns:
        found, alter = types.get(each.name), f"ALTER TABLE {table}"
        if found is None:
            raise ConfigError(
                f"{rows.table} lacks the column '{each.name}'; add it ({alter} ADD COLUMN {_definition(each)}), or drop the"
                " table; nothing was changed"
            )
        if not _holds(found, each.type):
            raise ConfigError(
                f"{rows.table}: the column '{each.name}' is {found}, and the rows have {each.type}; change it"
                f" ({alter} ALTER COLUMN {quoted(each.name)} TYPE {each.type}), or drop the table; nothing was changed"
            )
    if rows.key and not _has_key(connection, rows, oid):
        raise ConfigError(
            f"{rows.table} has another primary key than {', '.join(rows.key)}; change the table"
            f" (ALTER TABLE {table} ADD PRIMARY KEY ({', '.join(map(quoted, rows.key))})), or warehouse.key; nothing was changed"
        )


def _holds(found: str, wanted: str) -> bool:
    return found in _HOLDS.get(wanted, (wanted,)) or (wanted == "text" and found.startswith(_VARYING))


def _has_key(connection: "Connection[tuple[Any, ...]]", rows: NewRows, oid: int) -> bool:
    """Tell whether a table has the key, or another rule by which its columns tell the rows apart."""
    sql = (
        "SELECT array_agg(attname::text) FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey)"
        " WHERE indrelid = %s AND indisunique AND indpred IS NULL GROUP BY indexrelid"
    )
    return any(set(names) == set(rows.key) for (names,) in connection.execute(sql, [oid]))
