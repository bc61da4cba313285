"""Connections to PostgreSQL: what is tried again, and what a failure says."""

import socket
import subprocess
import sys
import threading
import time

import pytest
from tests.support.database_tables import Tables
from tests.support.postgres import needs_postgres

from tabtrail.errors import ConfigError, DatabaseError
from tabtrail.storage import postgres
from tabtrail.storage.postgres import Server, connected, quoted, split_name

SERVER = Server("TABTRAIL_POSTGRES", "source.address_variable")


def test_names_are_quoted_so_that_no_name_is_sql() -> None:
    assert quoted(*split_name('a"b.Orders; DROP TABLE x')) == '"a""b"."Orders; DROP TABLE x"'


@needs_postgres
def test_the_form_of_an_address_that_mlflow_takes_is_taken_too(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TABTRAIL_POSTGRES", tables.server.address(tables.name, driver="psycopg"))
    with connected(SERVER) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == (tables.name,)


@needs_postgres
def test_a_server_that_is_back_within_seconds_is_waited_for(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_PAUSE", 0.3)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    monkeypatch.setenv("TABTRAIL_POSTGRES", tables.address.replace(str(tables.server.port), str(port)))
    threading.Thread(target=forward, args=(port, tables.server.port), daemon=True).start()
    with connected(SERVER) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def forward(port: int, to: int) -> None:
    """Answer on a port, after a moment, for one connection to another."""
    time.sleep(0.2)
    with socket.create_server(("127.0.0.1", port)) as server:
        client, _ = server.accept()
        with client, socket.create_connection(("127.0.0.1", to)) as behind:
            threading.Thread(target=pump, args=(behind, client), daemon=True).start()
            pump(client, behind)


def pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass


@needs_postgres
def test_a_wrong_password_is_not_tried_again(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_PAUSE", 60)
    monkeypatch.setenv("TABTRAIL_POSTGRES", tables.server.address(tables.name, password="wr0ng"))
    with pytest.raises(ConfigError, match="user or password is wrong"), connected(SERVER):
        pass


@needs_postgres
def test_a_failure_is_one_line_on_stderr_and_not_what_the_driver_warns_of(tables: Tables) -> None:
    """In a process of its own: what is cut is tidied up as it ends."""
    program = (
        "from tabtrail.errors import report_errors\n"
        "from tabtrail.storage.postgres import Server, connected\n"
        "with report_errors(), connected(Server('TABTRAIL_POSTGRES', 'k')) as c, c.transaction():\n"
        "    sql = b'COPY (SELECT pg_terminate_backend(pg_backend_pid()), generate_series(1, 9)) TO STDOUT'\n"
        "    with c.cursor().copy(sql) as copy:\n"
        "        list(copy)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: PostgreSQL (address in TABTRAIL_POSTGRES): ")


def test_a_host_that_takes_a_connection_and_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_PAUSE", 0.01)
    monkeypatch.setattr(postgres, "_TRIES", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("TABTRAIL_POSTGRES", f"postgresql://a:s3cret@127.0.0.1:{server.getsockname()[1]}/x?connect_timeout=2")
        with pytest.raises(DatabaseError, match="does not answer"), connected(SERVER):
            pass
