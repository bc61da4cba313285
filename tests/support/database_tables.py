"""Tables of a PostgreSQL that tests read and load."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from tests.support.postgres import Postgres

VARIABLE = "TABTRAIL_POSTGRES"


@dataclass(frozen=True)
class Tables:
    """One database of a server, which the environment variable names."""

    server: Postgres
    name: str

    @property
    def address(self) -> str:
        return self.server.address(self.name)

    def run(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.address, autocommit=True) as connection:
            cursor = connection.execute(text.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def write(self, table: str, types: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> None:
        """Make a table of these columns; cells may be texts, of whatever type the column is."""
        columns = ", ".join(f'"{name}" {kind}' for name, kind in types.items())
        with psycopg.connect(self.address, autocommit=True) as connection:
            connection.execute(f"DROP TABLE IF EXISTS {table}; CREATE TABLE {table} ({columns})".encode())
            with connection.cursor().copy(f"COPY {table} FROM STDIN".encode()) as copy:
                for row in rows:
                    copy.write_row(row)


def count(tables: Tables, table: str) -> int:
    return int(tables.run(f"SELECT count(*) FROM {table}")[0][0])
