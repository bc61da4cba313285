"""MLflow servers on loopback, as a user starts them: `mlflow server`, in a process of its own, always ended."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from tests.support.projects import make_store

_START_SECONDS = 120
USER, PASSWORD = "ann", "mlflow-s3cret-9"
# Without the cache it computes a slow hash for every request, a hundred of which a training makes.
_AUTH = """[mlflow]
default_permission = READ
database_uri = sqlite:///{folder}/auth.db
admin_username = {user}
auth_cache_ttl_seconds = 600
"""


@dataclass
class TrackingServer:
    """A server that can be killed and started again on its port; `client` is what MLflow's client needs in its environment."""

    folder: Path
    port: int
    words: tuple[str, ...]
    variables: Mapping[str, str]
    client: Mapping[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *self.words],
                cwd=self.folder,
                env={**os.environ, **self.variables},
                stdout=log,
                stderr=log,
                start_new_session=True,  # it starts workers: all of them are ended together
            )
        for _ in range(_START_SECONDS * 10):
            assert self.process.poll() is None, self.log
            try:
                if httpx.get(f"{self.uri}/health", timeout=5).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError(self.log)

    def kill(self) -> None:
        """End it at once, with what it was answering."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(20)
            self.process = None


@contextmanager
def mlflow_server(folder: Path, *words: str, backend: str = "", auth: bool = False) -> Iterator[TrackingServer]:
    """Start a server whose files lie in `folder`, on SQLite or a `backend`; with `auth` it asks for USER and PASSWORD."""
    folder.mkdir(parents=True, exist_ok=True)
    variables = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    client = {}
    if not backend:
        make_store(folder / "server.db")
    if auth:
        (folder / "auth.ini").write_text(_AUTH.format(folder=folder, user=USER))
        variables |= {"MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"), "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD}
        variables["MLFLOW_FLASK_SERVER_SECRET_KEY"] = "only of these tests"
        client = {"MLFLOW_TRACKING_USERNAME": USER, "MLFLOW_TRACKING_PASSWORD": PASSWORD}
        words = ("--app-name", "basic-auth", *words)
    kept = () if "--no-serve-artifacts" in words else ("--artifacts-destination", str(folder / "artifacts"))
    words = ("--backend-store-uri", backend or f"sqlite:///{folder}/server.db", *kept, *words)
    server = TrackingServer(folder, _free_port(), words, variables, client)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@dataclass(frozen=True)
class Servers:
    """The servers of a session, each started when it is first asked for, all ended with `stack`."""

    folder: Path
    stack: ExitStack
    started: dict[str, TrackingServer] = field(default_factory=dict)

    @property
    def proxied(self) -> TrackingServer:
        """As `mlflow server` is by default: artifacts go through it."""
        return self._server("proxied")

    @property
    def unproxied(self) -> TrackingServer:
        """Clients write the artifacts themselves, to a folder that they and the server see."""
        shared = self.folder / "shared"
        shared.mkdir(exist_ok=True)
        return self._server("unproxied", "--no-serve-artifacts", "--default-artifact-root", str(shared))

    @property
    def with_password(self) -> TrackingServer:
        return self._server("with_password", auth=True)

    def on_database(self, address: str) -> TrackingServer:
        """A server whose runs are in a database."""
        return self._server(address.rpartition("/")[2], backend=address)

    def _server(self, name: str, *words: str, backend: str = "", auth: bool = False) -> TrackingServer:
        if name not in self.started:
            making = mlflow_server(self.folder / name, *words, backend=backend, auth=auth)
            self.started[name] = self.stack.enter_context(making)
        return self.started[name]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
