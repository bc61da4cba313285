"""The sections on operation: the MLflow store, keys of the bundle, promotion, the service and where jobs run."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field

from tabtrail.config.section import Positive, Problems, Section, Share
from tabtrail.errors import nearest
from tabtrail.system.addresses import raw_password_character

Seconds = Annotated[float, Field(gt=0, le=3600)]
SQLITE = "sqlite:///"
_DATABASE = re.compile(r"(postgresql|mysql|mssql)(\+\w+)?://")
_HEADER = re.compile(r"^[A-Za-z0-9]+(-[A-Za-z0-9]+)+$")
_ADDRESS = re.compile(r"^(tcp|tls)://[^\s/]+:[0-9]{1,5}$")


class Mlflow(Section):
    tracking_uri: str = Field(
        "sqlite:///mlruns/mlflow.db",
        description="The MLflow store: a SQLite file, http://… of a server, or a database (postgresql+psycopg://…).",
    )
    registry_uri: str | None = Field(None, description="Where models are registered, if that is another store than the runs'.")
    artifact_location: str | None = Field(
        None,
        description="Folder or bucket (s3://…) for the files of a new experiment; by default the server's own, or mlruns.",
    )
    experiment: str = "tabtrail"

    @property
    def sqlite_file(self) -> Path | None:
        """The file of the store, None where it is a server or another database."""
        uri = self.tracking_uri
        return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None

    @property
    def is_database(self) -> bool:
        """Whether the store is a database other than SQLite, written without a server."""
        return _DATABASE.match(self.tracking_uri) is not None

    def of(self, experiment: str) -> Self:
        """Return the same store with another experiment."""
        return self.model_copy(update={"experiment": experiment})


def check_mlflow(mlflow: Mlflow) -> Problems:
    """Yield what is wrong with the addresses of the store; no message holds one, as that may hold a password."""
    for name in ("tracking_uri", "registry_uri", "artifact_location"):
        if character := raw_password_character(getattr(mlflow, name) or ""):
            code = f"%{ord(character):02X}"
            yield ("mlflow", name), f"its user or password has a '{character}', which must be written as {code}"


class BundleKeys(Section):
    signing_key: Path | None = Field(None, description="An Ed25519 private key (PEM): bundles are signed with it.")
    public_key: Path | None = Field(None, description="Its public key (PEM): a bundle that is not signed with it is refused.")


class Promotion(Section):
    automatic: Literal["gate", "always", "never"] = Field(
        "gate", description="Whether a training replaces the deployed model: if the gate lets it, always, or never."
    )
    require: Literal["not_worse", "better"] = Field(
        "not_worse",
        description="What the interval of the difference to the champion (by choice.metric) must allow, or show.",
    )
    level: Annotated[float, Field(gt=0, lt=1)] = Field(0.95, description="The level of the gate's intervals.")
    max_worse: Annotated[float, Field(ge=0)] = Field(
        0.05,
        description="Share of the champion's value of choice.metric by which worse is refused, however wide the interval is.",
    )
    coverage_slack: Share = Field(
        0.02, description="How far the coverage of the intervals may fall below its level; what is surely further is refused."
    )


class Serve(Section):
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    workers: Positive = Field(1, description="Processes that share the port.")
    api_key_file: Path | None = Field(
        None,
        description="A file with the key that requests must carry; the environment variable TABTRAIL_API_KEY takes precedence.",
    )
    max_body_bytes: Positive = Field(1_000_000, description="Largest body with one row.")
    max_batch_bytes: Positive = Field(16_000_000, description="Largest body with many rows.")
    max_batch_rows: Positive = 10_000
    max_in_flight: Positive = Field(1000, description="Requests that a worker handles at once; a further one is answered 503.")
    max_connections: Positive = Field(10_000, description="Connections that a worker of `tabtrail serve` keeps open.")
    body_timeout_seconds: Seconds = Field(10, description="How long a client may take to send headers, and as long for the body.")
    drain_seconds: Seconds = Field(10, description="How long requests under way may still take once the service is stopping.")
    worker_timeout_seconds: Seconds = Field(
        120, description="After so long without a sign of life a worker is replaced; starting counts too."
    )
    pages_per_second: Positive = Field(
        50, description="Answers of a worker to each of the paths beside predictions and health, such as /metrics; more wait."
    )
    reload_seconds: Seconds = Field(0.2, description="How often the service looks for another bundle in the folder.")
    access_log: bool = Field(True, description="Whether `tabtrail serve` writes a line of JSON for each request.")
    jobs: bool = Field(False, description="Whether who has the API key may train by HTTP (/jobs); without a key it cannot be on.")
    jobs_kept: Positive = Field(50, description="Trainings by HTTP whose records are kept; the oldest are deleted first.")
    shadow_dir: Path | None = Field(None, description="A folder with another bundle that is scored beside the champion.")
    challenger_share: Share = Field(
        0, description="Share of the keys whose rows the bundle in shadow_dir answers; the rest is for the champion."
    )
    challenger_key: str | None = Field(
        None, description="Whose rows stay together: an input of the model, or a header of the request, as X-Customer-Id."
    )
    prediction_log_dir: Path | None = Field(None, description="Where predictions and their inputs are kept as Parquet.")
    prediction_log_rows: Positive = Field(10_000, description="Most rows of a file of the prediction log.")
    prediction_log_seconds: Seconds = Field(60, description="A file is written after this time, however few rows it has.")
    prediction_log_files: Positive = Field(1000, description="Files that are kept; the oldest are deleted first.")
    drift_minutes: Annotated[float, Field(ge=0)] = Field(
        0, description="How often the service compares the prediction log with what the model learned from; 0: never."
    )


def check_serve(serve: Serve, inputs: Sequence[str]) -> Problems:
    """Yield a watch over a log that is not kept, and what keeps a challenger from its share of the traffic."""
    if serve.drift_minutes and serve.prediction_log_dir is None:
        yield ("serve", "drift_minutes"), "there is no log to check; set serve.prediction_log_dir too"
    key = serve.challenger_key
    if key is not None and key not in inputs and not _HEADER.match(key):
        known = nearest(key, list(inputs)) or "; name an input, or a header with a dash, as X-Customer-Id"
        yield ("serve", "challenger_key"), f"'{key}' is neither an input of the model nor a header{known}"
    if not serve.challenger_share:
        return
    if serve.shadow_dir is None:
        yield ("serve", "challenger_share"), "a challenger needs its bundle: set serve.shadow_dir to its folder"
    if key is None:
        yield ("serve", "challenger_share"), "set serve.challenger_key, so that one key always gets one model"


class Engine(Section):
    kind: Literal["serial", "processes", "dask"] = Field(
        "processes", description="Where fits run: in this process, in processes of this machine, or on a Dask cluster."
    )
    workers: Positive = Field(2, description="Processes of this machine; no more are started than it has cores.")
    address: str | None = Field(
        None, description="Address of the Dask scheduler, as tcp://127.0.0.1:8786; tls:// takes Dask's own settings."
    )
    memory_limit_gib: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Memory that training may take on this machine; by default what is free when it starts."
    )
    final: Literal["dask"] | None = Field(
        None,
        description="How the chosen candidate is fitted in the end: as the others are (null), or by the distributed training of"
        " LightGBM or XGBoost, on rows that no machine has to hold (dask).",
    )
    lock_seconds: Annotated[float, Field(ge=0)] = Field(
        600, description="How long to wait for another process at work in the project; 0: do not wait."
    )


def check_engine(engine: Engine, sampled: int | None) -> Problems:
    """Yield what is wrong with the address of a cluster, or with a final fit without a sample to choose on (`sampled` rows)."""
    if engine.final == "dask" and sampled is None:
        yield (
            ("engine", "final"),
            "engine.final dask needs split.max_rows: the candidates are chosen on so many training rows; write, say, 200000",
        )
    if engine.address is None and "dask" in (engine.kind, engine.final):
        key = "kind" if engine.kind == "dask" else "final"
        yield ("engine", "address"), f"engine.{key} dask needs the address of its scheduler, as tcp://127.0.0.1:8786"
    if engine.address is not None and not _ADDRESS.match(engine.address):
        yield ("engine", "address"), f"'{engine.address}' is not an address; write tcp://HOST:PORT or tls://HOST:PORT"
