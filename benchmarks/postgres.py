"""PostgreSQL as target and as source: CPU of `tabtrail load` beside a bare COPY of the same rows into the same table, and of
reading a table of texts beside a bare COPY of it, client and server together, in turn.

    python benchmarks/postgres.py [--rows 1000000] [--repeats 5] [--output benchmarks/results/postgres.json]

A server of its own is started in a temporary folder (Debian's `postgresql`). The bare COPY sends CSV text that was made before.
"""

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
from measure import ROOT, report

sys.path.insert(0, str(ROOT))

from tests.support.postgres import Postgres, running_postgres

from tabtrail.config.data import Source
from tabtrail.data.sample import write_sample
from tabtrail.data.table_export import file_rows, rows_for
from tabtrail.data.table_rows import parse_rows
from tabtrail.reading.postgres import opened_table, relation_of
from tabtrail.storage.postgres import Server
from tabtrail.storage.tables import NewRows, replace_tables

VARIABLE = "TABTRAIL_POSTGRES"
KEY = ("place",)
BLOCK = 50_000
_END = 1.5  # seconds in which the server takes note of a session's end


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with running_postgres() as server, tempfile.TemporaryDirectory() as folder:
        os.environ[VARIABLE] = server.address(server.new_database())
        result = measure(server, Path(folder), options.rows, options.repeats)
    report(result, options.output)


def measure(server: Postgres, folder: Path, rows: int, repeats: int) -> dict[str, Any]:
    """Return medians of CPU-seconds, client and server together, and of the ratios of the pairs, with a key and without."""
    make_rows(folder, rows)
    found: dict[str, Any] = {"rows": rows, "columns": len(pl.read_parquet_schema(folder / "rows.parquet"))}
    whole = pl.read_parquet(folder / "rows.parquet")
    text = [whole.slice(start, BLOCK).write_csv(include_header=False).encode() for start in range(0, rows, BLOCK)]
    for name, key in (("load", ()), ("load with a key", KEY)):
        load(folder, key)
        found[name] = paired(server, repeats, partial(load, folder, key), partial(bare_load, text))
        run("DROP TABLE target")
    found["read"] = paired(server, repeats, read, bare_read)
    return found


def make_rows(folder: Path, rows: int) -> None:
    """Write made-up order lines as Parquet, and as a table of texts."""
    block = min(rows, 100_000)
    write_sample(folder / "sample.csv", rows=block)
    typed = pl.read_csv(folder / "sample.csv", encoding="utf8-lossy", infer_schema_length=None)
    whole = pl.concat([typed] * -(-rows // block)).head(rows).with_row_index("place")
    whole.write_parquet(folder / "rows.parquet")
    replace_tables(Server(VARIABLE, VARIABLE), [rows_for("texts", whole.cast(dict.fromkeys(typed.columns, pl.String)).lazy())])


def rows_of(folder: Path, key: tuple[str, ...]) -> NewRows:
    found = file_rows("target", folder / "rows.parquet")
    return NewRows(found.table, found.columns, found.count, found.blocks, key)


def load(folder: Path, key: tuple[str, ...]) -> None:
    replace_tables(Server(VARIABLE, VARIABLE), [rows_of(folder, key)])


def bare_load(blocks: list[bytes]) -> None:
    """Empty the table and COPY the text into it, as a script does."""
    with psycopg.connect(os.environ[VARIABLE]) as connection:
        connection.execute("TRUNCATE target")
        with connection.cursor().copy(b"COPY target FROM STDIN (FORMAT csv)") as copy:
            for block in blocks:
                copy.write(block)


def read() -> None:
    relation = relation_of(Source(table="texts", order_by=KEY))
    assert relation is not None
    with opened_table(relation) as table:
        for _, rows, block in table.blocks():
            parse_rows(table, block, table.columns, rows=rows, doubles=())


def bare_read() -> None:
    with (
        psycopg.connect(os.environ[VARIABLE]) as connection,
        connection.cursor().copy(b"COPY (SELECT * FROM texts ORDER BY place) TO STDOUT (FORMAT csv)") as copy,
    ):
        for _ in copy:
            pass


def run(sql: str) -> None:
    with psycopg.connect(os.environ[VARIABLE], autocommit=True) as connection:
        connection.execute(sql.encode())


def paired(server: Postgres, repeats: int, ours: Callable[[], object], bare: Callable[[], object]) -> dict[str, Any]:
    costs: dict[str, list[float]] = {"ours": [], "bare COPY": []}
    for _ in range(repeats):
        for name, work in (("bare COPY", bare), ("ours", ours)):
            with cpu(server, costs[name]):
                work()
            run("VACUUM")
        print({name: each[-1] for name, each in costs.items()}, file=sys.stderr, flush=True)
    pairs = [ours / bare for ours, bare in zip(costs["ours"], costs["bare COPY"], strict=True)]
    return {
        "cpu_seconds": {name: round(statistics.median(each), 2) for name, each in costs.items()},
        "ratio": round(statistics.median(pairs), 2),
        "ratios": [round(each, 2) for each in pairs],
    }


@contextmanager
def cpu(server: Postgres, costs: list[float]) -> Iterator[None]:
    """Add the CPU-seconds of this process and of the server's sessions that ended meanwhile."""
    time.sleep(_END)
    before = _client(), _sessions(server)
    yield
    time.sleep(_END)
    costs.append(round(_client() - before[0] + _sessions(server) - before[1], 2))


def _client() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _sessions(server: Postgres) -> float:
    """CPU-seconds of the children that the server waited for (proc(5): cutime and cstime)."""
    pid = (server.folder / "data" / "postmaster.pid").read_text().split()[0]
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
