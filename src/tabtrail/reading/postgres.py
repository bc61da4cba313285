"""A table or query of PostgreSQL as a source: its columns, and its rows in a stated order, as CSV text of a bounded size."""

import hashlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tabtrail.config.data import Source
from tabtrail.errors import ConfigError, DataError, nearest
from tabtrail.storage.postgres import Server, connected, quoted, split_name
from tabtrail.system.hashes import sha256_json

if TYPE_CHECKING:
    from psycopg import Connection

_BLOCK_BYTES = 8 << 20
Cells = Literal["text", "int", "float", "decimal", "bool", "date", "datetime", "zoned"]
_CELLS: dict[str, Cells] = {
    "int2": "int", "int4": "int", "int8": "int",
    "float4": "float", "float8": "float",
    "numeric": "decimal",
    "bool": "bool",
    "date": "date", "timestamp": "datetime", "timestamptz": "zoned",
    "time": "text", "uuid": "text",
}  # fmt: skip
_TEXTS = ("S", "E")  # pg_type.typcategory of texts and of enumerations


@dataclass(frozen=True)
class Relation:
    """What rows are read from: a table, or a query, of a database, in the order of some columns (of none: as they come)."""

    server: Server
    table: str | None
    query: str | None
    order_by: tuple[str, ...]

    @property
    def name(self) -> str:
        """What it is called in messages and in the accounting."""
        return self.table or "source.query"

    @property
    def key(self) -> str:
        """The key of the config that names it."""
        return "source.table" if self.table else "source.query"

    @property
    def rows(self) -> str:
        """It as SQL, under the name `q`."""
        if self.table:
            return f"{quoted(*split_name(self.table))} AS q"
        return f"(\n{(self.query or '').strip().rstrip(';')}\n) AS q"

    def fingerprint(self) -> str:
        """Return what changes with its rows, whatever their order, and with its columns; none of its rows is sent for that."""
        with _reading(self) as connection:
            return _fingerprint(connection, self, _describe(connection, self))


@dataclass(frozen=True)
class _Column:
    name: str
    type: str
    cells: Cells | None


class PostgresTable:
    """The columns of a relation and its rows, all of them as one moment has them. Columns of `dropped` may hold what is no cell.

    `sha256` is its fingerprint, `content_sha256` that of the rows in their order, known when all are read.
    """

    encoding, replaced, notes = "postgres", 0, ()

    def __init__(self, connection: "Connection[tuple[Any, ...]]", relation: Relation, dropped: frozenset[str]) -> None:
        self._connection, self._relation, self.name = connection, relation, relation.name
        self._columns = _describe(connection, relation)
        self.columns = tuple(each.name for each in self._columns)
        self.cells = tuple(each.cells or "text" for each in self._columns)
        for each in self._columns:
            if each.cells is None and each.name not in dropped:
                raise DataError(
                    f"{self.name}: the column '{each.name}' is {each.type}, which is no number, text or date; cast it in"
                    " source.query, or drop it (cleaning.drop_columns)"
                )
        self.sha256 = _fingerprint(connection, relation, self._columns)
        self.done, self._content = 0, hashlib.sha256()

    @property
    def size(self) -> int:
        """Bytes of the rows that were read."""
        return self.done

    @property
    def content_sha256(self) -> str:
        return self._content.hexdigest()

    @property
    def order(self) -> tuple[str, ...]:
        """The columns by which the rows are in order, where all of them are sent."""
        sent = {each.name for each in self._columns if each.cells}
        return self._relation.order_by if sent.issuperset(self._relation.order_by) else ()

    def blocks(self) -> Generator[tuple[int, int, bytes]]:
        """Yield the number of a first row, from 1, how many follow with it, and their CSV text without a header.

        A column of zeros stands before the others, so that no row is an empty line, or begins like something else than a CSV. A
        missing value is an empty field, the empty text a quoted one.
        """
        chosen = ["0", *map(_chosen, self._columns)]
        order = f" ORDER BY {self._order()}" if self._relation.order_by else ""
        sql = f"COPY (SELECT {', '.join(chosen)} FROM {self._relation.rows}{order}) TO STDOUT (FORMAT csv)"
        first, rows, size = 1, list[bytes](), 0
        with self._connection.cursor().copy(sql.encode()) as copy:
            for row in copy:  # the server sends each row as a message of its own (protocol, "COPY Operations")
                rows.append(bytes(row))
                size += len(row)
                if size >= _BLOCK_BYTES:
                    yield first, len(rows), self._joined(rows, size)
                    first, rows, size = first + len(rows), [], 0
        if rows:
            yield first, len(rows), self._joined(rows, size)

    def _joined(self, rows: list[bytes], size: int) -> bytes:
        block = b"".join(rows)
        self._content.update(block)
        self.done += size
        return block

    def _order(self) -> str:
        """Return the order as SQL: of texts that of their characters, which no locale of a server changes."""
        types = {each.name: each for each in self._columns}
        texts = [name for name in self._relation.order_by if types[name].cells == "text" and types[name].type in _COLLATED]
        return ", ".join(
            f"q.{quoted(name)}{' COLLATE ' + quoted('C') if name in texts else ''}" for name in self._relation.order_by
        )


_COLLATED = ("text", "varchar", "bpchar", "name", "citext")


def _chosen(column: _Column) -> str:
    if column.cells is None:
        return "NULL"
    # The blanks at the end of a char(n) fill it up, and mean nothing; as text it is without them.
    return f"q.{quoted(column.name)}" + ("::text" if column.type == "bpchar" else "")


@contextmanager
def opened_table(relation: Relation, dropped: frozenset[str] = frozenset()) -> Iterator[PostgresTable]:
    """Yield a relation to read. Raises `ConfigError`, `DataError` or `DatabaseError` as `storage.postgres.connected` does."""
    with _reading(relation) as connection:
        yield PostgresTable(connection, relation, dropped)


def require_relation(relation: Relation) -> tuple[str, ...]:
    """Return the names of the columns. Raises `ConfigError` for what is not there, `DatabaseError` for a server that is away."""
    with _reading(relation) as connection:
        return tuple(each.name for each in _describe(connection, relation))


@contextmanager
def _reading(relation: Relation) -> Iterator["Connection[tuple[Any, ...]]"]:
    """Yield a connection in a transaction that sees one moment and changes nothing."""
    with connected(relation.server) as connection, connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield connection


def _describe(connection: "Connection[tuple[Any, ...]]", relation: Relation) -> list[_Column]:
    # Zero is a parameter since the server then refuses a text of several statements.
    sql = f"SELECT * FROM {relation.rows} LIMIT ".replace("%", "%%")
    cursor = connection.execute(f"{sql}%s".encode(), [0])
    found = [(each.name, each.type_code) for each in cursor.description or ()]
    oids = list({oid for _, oid in found})
    types = {
        oid: (str(name), str(category))
        for oid, name, category in connection.execute("SELECT oid, typname, typcategory FROM pg_type WHERE oid = ANY(%s)", [oids])
    }
    columns = [_Column(name, types[oid][0], _cells(*types[oid])) for name, oid in found]
    names = [each.name for each in columns]
    for name in relation.order_by:
        if name not in names:
            raise ConfigError(f"source.order_by: '{name}' is not a column of {relation.name}{nearest(name, names)}")
    return columns


def _cells(name: str, category: str) -> Cells | None:
    return "text" if category in _TEXTS else _CELLS.get(name)


def _fingerprint(connection: "Connection[tuple[Any, ...]]", relation: Relation, columns: list[_Column]) -> str:
    sql = f"SELECT count(*), sum(hashtextextended(q::text, 0)) FROM {relation.rows}"
    count, total = connection.execute(sql.encode()).fetchone() or (0, None)
    return sha256_json([[[each.name, each.type] for each in columns], int(count), str(total)])


def relation_of(source: Source) -> Relation | None:
    """Return the table or query that a config names in place of files; None where it names files."""
    if source.table is None and source.query is None:
        return None
    return Relation(Server(source.address_variable, "source.address_variable"), source.table, source.query, source.order_by)
