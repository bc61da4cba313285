"""What a prediction over HTTP costs, next to what it could cost; and what scoring a file, the command line and a worker cost.

Each server runs in a process of its own on loopback, the load generator in this one: `--connections` kept alive, each asking one
row at a time. Counted are CPU microseconds a request by the server's own accounting (its children's included), so that the
figures hold on a noisy machine; rounds go in turn, the median counts.

- `empty`: a FastAPI endpoint with the same request model that does nothing;
- `ours`: `tabtrail serve`, without and with its log of requests;
- `joblib`: FastAPI, the same request model, the bundle's joblib pipeline on a pandas frame of one row;
- `mlflow`: `mlflow models serve --env-manager local` of the registered champion.

All four answer the same row; their predictions must agree to 1e-6. `batch` is `predict_sales --input` on so many rows as a whole
process against `InferenceSession.run` on the same rows already in memory, both with one thread. Bars: ours ≤ 1.5 × empty,
mlflow ≥ 25 × ours, batch ≤ 1.3, --json ≤ 0.5 s, --help ≤ 0.3 s, a worker ≤ 150 MB. Needs what `tabtrail run` leaves:

    python benchmarks/serving.py [--config config_v2.yaml] [--requests 2000] [--rows 1000000] [--json] [--output FILE]
"""

import argparse
import asyncio
import json
import math
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from tabtrail.bundle import read_metadata
from tabtrail.config import Config, load_config
from tabtrail.errors import reported
from tabtrail.schema import ModelSchema

ROOT = Path(__file__).resolve().parent.parent
REQUEST_MODEL = """
import json, sys
from pathlib import Path
from pydantic import BaseModel, ConfigDict, create_model
from fastapi import FastAPI

example = json.loads(Path("example.json").read_text())
kinds = {name: str if isinstance(value, str) else float for name, value in example.items()}
Row = create_model("Row", __config__=ConfigDict(extra="forbid"), **{name: (kind, ...) for name, kind in kinds.items()})

class Answer(BaseModel):
    prediction: float

app = FastAPI()
"""
EMPTY = """
@app.post("/predict")
async def predict(row: Row) -> Answer:
    return Answer(prediction=0.0)
"""
JOBLIB = """
import joblib, pandas
pipeline = joblib.load("model.joblib")

@app.post("/predict")
async def predict(row: Row) -> Answer:
    return Answer(prediction=float(pipeline.predict(pandas.DataFrame([row.model_dump()]))[0]))
"""
IN_MEMORY = """
import resource, sys, time
from pathlib import Path
import numpy as np, pyarrow.parquet as pq
from tabtrail.bundle import load_bundle
import onnxruntime

bundle = load_bundle(Path(sys.argv[1]), sys.argv[2])
table = pq.read_table(sys.argv[3])
feed = {}
for feature in bundle.schema.features:
    column = table.column(feature.name)
    text = feature.kind == "categorical"
    feed[feature.name] = np.array(column.to_pylist(), dtype=object if text else np.float64)[:, None]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(bundle.onnx, options, providers=["CPUExecutionProvider"])
session.run(None, {name: values[:1000] for name, values in feed.items()})
wall, cpu = time.perf_counter(), time.process_time()
for start in range(0, table.num_rows, 65536):
    session.run(None, {name: values[start : start + 65536] for name, values in feed.items()})
print(time.perf_counter() - wall, time.process_time() - cpu)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=ROOT / "config_v2.yaml")
    parser.add_argument("--requests", type=int, default=2000, help="a round (MLflow gets a tenth)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the file")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the JSON there")
    options = parser.parse_args()
    with reported(), tempfile.TemporaryDirectory() as name:
        config = load_config(options.config)
        metadata = read_metadata(config.paths.models_dir, config.model.name)
        schema = ModelSchema.from_dict(metadata["schema"])
        folder = Path(name)
        report = {
            "model": metadata["model"],
            "http": measure_servers(config, options, schema, folder),
            "batch": measure_batch(config, options, schema, folder),
            "command_line": measure_commands(options, schema),
        }
    text = json.dumps(report, indent=2)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    print(text if options.json else as_table(report))


def measure_servers(config: Config, options: argparse.Namespace, schema: ModelSchema, folder: Path) -> dict[str, Any]:
    """Return CPU microseconds a request and resident megabytes by server."""
    (folder / "example.json").write_text(json.dumps(schema.example))
    (folder / "model.joblib").symlink_to(config.paths.models_dir / f"{config.model.name}.joblib")
    (folder / "empty.py").write_text(REQUEST_MODEL + EMPTY)
    (folder / "naive.py").write_text(REQUEST_MODEL + JOBLIB)
    row = json.dumps(schema.example).encode()
    frame = json.dumps({"dataframe_records": [schema.example]}).encode()
    uvicorn = ["-m", "uvicorn", "--log-level", "warning", "--no-access-log", "--app-dir", str(folder)]
    serve = ["-m", "tabtrail", "serve", "--config", str(options.config.resolve())]
    mlflow = ["-m", "mlflow", "models", "serve", "--env-manager", "local", "-m", f"models:/{config.model.name}@champion"]
    commands: dict[str, tuple[list[str], str, bytes, Path]] = {
        "empty": ([*uvicorn, "empty:app"], "/predict", row, folder),
        "ours": ([*serve, "--set", "serve.access_log=false"], "/predict", row, ROOT),
        "ours_with_log": (serve, "/predict", row, ROOT),
        "joblib": ([*uvicorn, "naive:app"], "/predict", row, folder),
        "mlflow": (mlflow, "/invocations", frame, ROOT),
    }
    environment = {
        "MLFLOW_TRACKING_URI": config.mlflow.tracking_uri,
        "PYTHONPATH": os.environ.get("PYTHONPATH", str(ROOT / "src")),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    found: dict[str, list[float]] = {name: [] for name in commands}
    memory: dict[str, float] = {}
    predictions: dict[str, float] = {}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(started(words, cwd, environment)) for name, (words, _, _, cwd) in commands.items()}
        for name, (_, port) in servers.items():
            answer = asyncio.run(load(port, commands[name][1], commands[name][2], 50, options.connections))
            predictions[name] = answer["prediction"] if "prediction" in answer else answer["predictions"][0]
        for _ in range(options.rounds):
            for name, (process, port) in servers.items():
                count = max(options.requests // (10 if name in ("mlflow", "joblib") else 1), 10 * options.connections)
                before = cpu_seconds(process)
                asyncio.run(load(port, commands[name][1], commands[name][2], count, options.connections))
                found[name].append((cpu_seconds(process) - before) / count * 1e6)
                memory[name] = process.memory_info().rss / 1e6
    if not all(math.isclose(predictions[name], predictions["ours"], rel_tol=1e-6) for name in predictions if name != "empty"):
        raise SystemExit(f"the predictions differ: {predictions}")
    micros = {name: round(median(values), 1) for name, values in found.items()}
    ratios = {"ours_over_empty": micros["ours"] / micros["empty"], "mlflow_over_ours": micros["mlflow"] / micros["ours"]}
    return {
        "cpu_microseconds": micros,
        "rounds": {name: [round(value, 1) for value in values] for name, values in found.items()},
        "resident_megabytes": {name: round(value, 1) for name, value in memory.items()},
        **{name: round(value, 3) for name, value in ratios.items()},
    }


@contextmanager
def started(words: list[str], cwd: Path, environment: dict[str, str]) -> Iterator[tuple[psutil.Process, int]]:
    """Run a server on a free port; yields its process and port when it listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, *words, "--port", str(port), "--host", "127.0.0.1"]
    log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the server
    child = subprocess.Popen(command, cwd=cwd, env={**os.environ, **environment}, stderr=log, stdout=log)
    process = psutil.Process(child.pid)
    try:
        for _ in range(1200):
            if child.poll() is not None:
                log.seek(0)
                raise SystemExit(f"{' '.join(command)} ended with code {child.returncode}:\n{log.read().decode()[-2000:]}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield process, port
    finally:
        if child.poll() is None:
            for each in [*process.children(recursive=True), process]:
                each.terminate()
            child.wait(30)


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU seconds of a process and its living children."""
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(each.user + each.system for each in times)


async def load(port: int, path: str, body: bytes, count: int, connections: int) -> Any:
    """Send `count` requests over so many connections; returns the last answer. Anything but 200 ends the benchmark."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    request, answer = head.encode() + body, b""

    async def client(times: int) -> None:
        nonlocal answer
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(times):
            writer.write(request)
            headers = (await reader.readuntil(b"\r\n\r\n")).lower()
            if not headers.startswith(b"http/1.1 200"):
                raise SystemExit(f"{path} answered {headers[:20]!r}")
            answer = await reader.readexactly(int(headers.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        writer.close()

    await asyncio.gather(*(client(count // connections) for _ in range(connections)))
    return json.loads(answer)


def measure_batch(config: Config, options: argparse.Namespace, schema: ModelSchema, folder: Path) -> dict[str, Any]:
    """Return CPU and wall seconds of scoring a file as a whole process, and of onnxruntime on the rows in memory."""
    import polars as pl

    rows = pl.read_parquet(config.paths.processed_dir / "**" / "*.parquet").select(schema.names)
    frame = pl.concat([rows] * (options.rows // rows.height + 1)).head(options.rows)
    frame.write_parquet(folder / "rows.parquet")
    frame.write_csv(folder / "rows.csv")
    models = [str(config.paths.models_dir), config.model.name]
    memory = subprocess.run(
        [sys.executable, "-c", IN_MEMORY, *models, str(folder / "rows.parquet")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    wall, cpu = map(float, memory.stdout.split())
    found: dict[str, Any] = {"rows": options.rows, "in_memory": {"wall": round(wall, 3), "cpu": round(cpu, 3)}}
    for kind in ("parquet", "csv"):
        words = ["--config", str(options.config.resolve()), "--input", str(folder / f"rows.{kind}")]
        took = timed(["-m", "src.predict_sales", *words, "--output", str(folder / "out.parquet")])
        found[kind] = {**took, "cpu_ratio": round(took["cpu"] / cpu, 3), "wall_ratio": round(took["wall"] / wall, 3)}
    return found


def measure_commands(options: argparse.Namespace, schema: ModelSchema) -> dict[str, Any]:
    """Return CPU seconds of the least of so many rounds, by command."""
    config = ["--config", str(options.config.resolve())]
    commands = {
        "predict_sales --json": ["-m", "src.predict_sales", *config, "--json", json.dumps(schema.example)],
        "predict_sales --help": ["-m", "src.predict_sales", "--help"],
        "tabtrail --help": ["-m", "tabtrail", "--help"],
        "tabtrail serve --help": ["-m", "tabtrail", "serve", "--help"],
    }
    return {name: median(timed(words)["cpu"] for _ in range(options.rounds)) for name, words in commands.items()}


def timed(words: list[str]) -> dict[str, float]:
    """Run a Python program to its end; wall and CPU seconds."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, check=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {"wall": round(wall, 3), "cpu": round(cpu, 3)}


def as_table(report: dict[str, Any]) -> str:
    http, batch = report["http"], report["batch"]
    lines = [f"{report['model']}", f"{'server':<16}{'CPU µs a request':>18}{'resident MB':>14}"]
    lines += [
        f"{name:<16}{value:>18,.0f}{http['resident_megabytes'][name]:>14,.0f}" for name, value in http["cpu_microseconds"].items()
    ]
    lines.append(f"ours / empty {http['ours_over_empty']:.2f}, mlflow / ours {http['mlflow_over_ours']:.1f}")
    lines.append(
        f"{batch['rows']:,} rows in memory: {batch['in_memory']['cpu']:.2f} s CPU, {batch['in_memory']['wall']:.2f} s wall"
    )
    for kind in ("parquet", "csv"):
        each = batch[kind]
        times = (f"{each[what]:.2f} s {what} ({each[what + '_ratio']:.2f} ×)" for what in ("cpu", "wall"))
        lines.append(f"file, {kind}: {', '.join(times)}")
    lines += [f"{name}: {value:.3f} s CPU" for name, value in report["command_line"].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
