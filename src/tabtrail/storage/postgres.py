"""PostgreSQL at an address that an environment variable holds: connections, and its failures as one message without a secret.

What psycopg and libpq say of an address that cannot be used may repeat pieces of it, a password with a stray `@` as the host,
say. So nothing of theirs is shown before there is a connection; after that it is the server's own first line alone.
"""

import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tabtrail.errors import ConfigError, DatabaseError, DataError, TabtrailError
from tabtrail.system.optional import load_optional

if TYPE_CHECKING:
    from psycopg import Connection, Error

_EXAMPLE = "postgresql://user:password@host:5432/database"
_TRIES, _PAUSE = 3, 1.0  # a server that restarts is back within seconds; one that is away for longer is for a person to see to
_CONNECT_SECONDS = 10
_SETTINGS = "SET datestyle = 'ISO, YMD'; SET timezone = 'UTC'; SET extra_float_digits = 1"
# The words of libpq (fe-connect.c), psycopg and the server (in English), since a connection that fails has no SQLSTATE.
_BACK_SOON = ("refused", "starting up", "shutting down", "recovery mode", "too many clients", "reserved for", "closed the conn")
_AWAY = (*_BACK_SOON, "No such file", "timeout", "timed out", "Is the server running")
_UNUSABLE = (
    (("support SSL", "SSL error", "certificate"), "its certificate or use of TLS is not what sslmode asks for"),
    (("password authentication failed", "no password supplied"), "user or password is wrong"),
    (("does not exist",), "user or database does not exist"),
    (("no pg_hba.conf entry",), "the server does not let this user in from here (pg_hba.conf)"),
    (("resolve host", "translate host name", "Servname"), "the host cannot be found (in a password, @ is %40, : is %3A)"),
    (("permission denied for database",), "the user may not connect to the database"),
)  # fmt: skip
# By SQLSTATE (PostgreSQL, appendix A), a class of them or a single one: what kind of failure, and what to do.
_FAILURES: tuple[tuple[str, type[TabtrailError], str], ...] = (
    ("42P07", DatabaseError, "another process made it meanwhile; run again"),
    ("42501", ConfigError, "grant the user what it lacks"),
    ("42P01", ConfigError, "correct the name, or create it"),
    ("3F000", ConfigError, "create the schema (CREATE SCHEMA), or correct the name"),
    ("25006", ConfigError, "this server takes no changes (a standby?); name the one that does"),
    ("42", ConfigError, "correct the SQL or the names in the config"),
    ("22", DataError, "mend the value, or its type in the table or query"),
    ("23", DataError, "mend the rows, or the table's rules"),
    ("57014", DatabaseError, "raise statement_timeout for this user, or run again"),
    ("25P03", DatabaseError, "raise idle_in_transaction_session_timeout for this user"),
    ("57P", DatabaseError, "run again when the server is back"),
    ("08", DatabaseError, "run again when the server is back"),
    ("53", DatabaseError, "make room on the server, then run again"),
    ("40", DatabaseError, "another transaction was in the way; run again"),
    ("55", DatabaseError, "another session holds it; run again"),
)  # fmt: skip


@dataclass(frozen=True)
class Server:
    """The environment variable that holds the address of a database, and the config key that names it."""

    variable: str
    key: str

    def __str__(self) -> str:
        return f"PostgreSQL (address in {self.variable})"

    def read(self) -> str:
        """Return the address as libpq takes it. Raises `ConfigError` where the variable is not set."""
        value = os.environ.get(self.variable, "").strip()
        if not value:
            raise ConfigError(f"{self.key}: the environment variable {self.variable} is not set; set it to {_EXAMPLE}")
        return re.sub(r"^(postgres(?:ql)?)\+\w+://", r"\1://", value)  # SQLAlchemy's form, which MLflow takes


def quoted(*names: str) -> str:
    """Return a name, or names that are parted by points, as SQL identifiers."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def split_name(table: str) -> tuple[str, ...]:
    """Return schema and name of `schema.name`, or the name alone, which the server looks for in its search path."""
    schema, point, name = table.partition(".")
    return (schema, name) if point else (table,)


@contextmanager
def connected(server: Server) -> Iterator["Connection[tuple[Any, ...]]"]:
    """Yield a connection that commits each statement, unless it is within `connection.transaction()`.

    A server that is away is tried again for some seconds; nothing else is. Whatever it says in the block is raised as a
    `TabtrailError`: `ConfigError` for what the config or the address says, `DataError` for rows, `DatabaseError` for the server.
    """
    psycopg = load_optional("psycopg", "postgres")
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)  # it warns of each connection that it cannot tidy up, on stderr
    with closing(_connect(server, psycopg.connect, psycopg.Error)) as connection:
        try:
            connection.execute(_SETTINGS)
            yield connection
        except psycopg.Error as error:
            raise failure(server, error) from None


def _connect(server: Server, connect: Any, failed: type[Exception]) -> "Connection[tuple[Any, ...]]":
    where = server.read()
    timeout = {} if "connect_timeout" in where else {"connect_timeout": _CONNECT_SECONDS}
    for left in reversed(range(_TRIES)):
        try:
            made: Connection[tuple[Any, ...]] = connect(where, autocommit=True, client_encoding="UTF8", **timeout)
            return made
        except (failed, UnicodeError, ValueError) as error:
            said = str(error)
            if not left or not any(word in said for word in _BACK_SOON):
                raise _no_connection(server, said) from None
        time.sleep(_PAUSE)
    raise AssertionError


def _no_connection(server: Server, said: str) -> TabtrailError:
    for words, meaning in _UNUSABLE:
        if any(word in said for word in words):
            return ConfigError(f"{server}: {meaning}; correct {server.variable}")
    if any(word in said for word in _AWAY):
        return DatabaseError(f"{server} does not answer; is the server running there?")
    return ConfigError(f"{server} cannot be connected to; write {server.variable} as {_EXAMPLE} (psql shows what is wrong)")


def failure(server: Server, error: "Error") -> TabtrailError:
    """Return what to tell of a failure of a connection that was there: the server's first line, and what to do."""
    state, said = error.sqlstate, error.diag.message_primary
    if state is None or said is None:
        return DatabaseError(f"{server}: the connection was cut; nothing was changed; run again when the server is back")
    detail = f" ({error.diag.message_detail})" if state.startswith("23") and error.diag.message_detail else ""
    for prefix, kind, remedy in _FAILURES:
        if state.startswith(prefix):
            return kind(f"{server}: {said}{detail}; {remedy}; nothing was changed")
    return DatabaseError(f"{server}: {said}{detail}; nothing was changed")
