"""PostgreSQL as Debian installs it, on loopback: started once a session by the fixture `postgres`, and always ended."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
_START_SECONDS = "60"


def _programs() -> Path | None:
    """The folder of initdb and pg_ctl: Debian's newest, which is not on the PATH, or the one that is."""
    found = shutil.which("initdb")
    return _DEBIAN[-1] if _DEBIAN else None if found is None else Path(found).resolve().parent


POSTGRES = _programs()
needs_postgres = pytest.mark.skipif(POSTGRES is None, reason="PostgreSQL is not installed (apt-get install postgresql)")


@dataclass(frozen=True)
class Postgres:
    """A server with one user, who may do everything and needs the password, and as many databases as are asked for."""

    folder: Path
    port: int
    user: str = "tabtrail"
    password: str = "pg-s3cret"

    def address(self, database: str = "postgres", driver: str = "", password: str | None = None) -> str:
        """`postgresql://…` as psycopg takes it, or `postgresql+DRIVER://…` as SQLAlchemy does."""
        scheme = f"postgresql+{driver}" if driver else "postgresql"
        return f"{scheme}://{self.user}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Create an empty database and return its name."""
        name = f"d{secrets.token_hex(4)}"
        self.run(f"CREATE DATABASE {name}")
        return name

    def run(self, sql: str, database: str = "postgres") -> str:
        """Run one statement; what it answers, as psql prints it bare: a line a row, columns parted by `|`."""
        command = [str(_bin("psql")), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.address(database), "-c", sql]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    def dump(self, database: str) -> str:
        """All that a database holds, as SQL."""
        command = [str(_bin("pg_dump")), "-d", self.address(database)]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    def stop(self) -> None:
        """Stop it at once, as a machine that goes down: connections are cut. `start` starts it again on its port."""
        _pg_ctl(self.folder, "stop", "-m", "immediate")

    def start(self) -> None:
        # Its files are thrown away afterwards: nothing is gained by waiting for the disk.
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -c fsync=off -c max_connections=50"
        _pg_ctl(self.folder, "start", "-l", str(self.folder / "log"), "-o", options)


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Start a server of its own in a temporary folder on a free port; stop it, and remove the folder."""
    # Not in pytest's folder, which the user postgres may not enter; short, as the path of a socket must be.
    folder = Path(tempfile.mkdtemp(prefix="tabtrail-pg-", dir="/tmp" if os.name == "posix" else None))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        made = Postgres(folder, _free_port())
        secret = folder / "password"
        secret.write_text(made.password)
        secret.chmod(0o644)
        words = ("-D", folder / "data", "-U", made.user, "--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync", "-E", "UTF8")
        _as_postgres(_bin("initdb"), *words, "--locale=C.UTF-8")
        made.start()
        yield made
    finally:
        _end(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _end(folder: Path) -> None:
    pid_file = folder / "data" / "postmaster.pid"
    if not pid_file.is_file():
        return
    pid = int(pid_file.read_text().split()[0])
    try:
        _pg_ctl(folder, "stop", "-m", "immediate")
    except subprocess.SubprocessError:
        os.kill(pid, signal.SIGKILL)


def _pg_ctl(folder: Path, *words: str) -> None:
    _as_postgres(_bin("pg_ctl"), "-D", folder / "data", "-w", "-t", _START_SECONDS, *words)


def _as_postgres(*command: Any) -> None:
    """Run one of its programs as the user postgres where the tests run as root, which they refuse."""
    who: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryFile() as said:  # not a pipe: the server would keep it open
        done = subprocess.run([str(each) for each in command], stdout=said, stderr=said, cwd="/", timeout=120, **who)
        said.seek(0)
        assert done.returncode == 0, said.read().decode(errors="replace")


def _bin(program: str) -> Path:
    assert POSTGRES is not None
    return POSTGRES / program


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
