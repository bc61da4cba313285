"""What a prediction over HTTP costs, next to what it could cost; and what the command line and a worker cost.

Each server runs in a process of its own on loopback, the load generator in this one: `--connections` kept alive, each asking one
row at a time. Counted are CPU microseconds a request by the server's own accounting (its children's included), so that the
figures hold on a noisy machine; rounds go in turn, the median counts.

- `empty`: a FastAPI endpoint with the same request model that does nothing;
- `ours`: `tabtrail serve`, without and with its log of requests;
- `joblib`: FastAPI, the same request model, the bundle's joblib pipeline on a pandas frame of one row;
- `mlflow`: `mlflow models serve --env-manager local` of the registered champion.

All that predict answer the same row, within 1e-6. Bars: ours with its log ≤ 1.5 × empty at 1, 8 and 32 connections,
mlflow ≥ 25 × ours, --json ≤ 0.5 s, --help ≤ 0.3 s, a worker ≤ 150 MB. Needs what `tabtrail run` leaves:

    python benchmarks/serving.py [--config config_v2.yaml] [--requests 2000] [--output benchmarks/results/serving.json]
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
from measure import comparison, report

from tabtrail.bundle.load import read_metadata
from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.contract.schema import ModelSchema
from tabtrail.errors import report_errors

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=ROOT / "config_v2.yaml")
    parser.add_argument("--requests", type=int, default=2000, help="a round (MLflow and joblib get a tenth)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the JSON there")
    options = parser.parse_args()
    with report_errors(), tempfile.TemporaryDirectory() as name:
        config = load_config(options.config)
        metadata = read_metadata(config.paths.models_dir, config.model.name)
        schema = ModelSchema.from_dict(metadata["schema"])
        folder = Path(name)
        http = measure_servers(config, options, schema, folder)
        commands = measure_commands(options, schema)
    sides = {"ours": "ours", "engine": "empty", "usual": "joblib"}
    costs = {role: http["cpu_microseconds"][name] for role, name in sides.items()}
    peaks = {role: round(http["peak_megabytes"][name]) for role, name in sides.items()}
    what = {"ours": "`tabtrail serve`", "engine": "an empty FastAPI endpoint", "usual": "FastAPI, pandas and joblib"}
    subject = f"one prediction over HTTP by {metadata['model']}, {options.connections} connections"
    report(comparison(subject, "CPU-µs", costs, peaks, what, http=http, command_line=commands), options.output)


def measure_servers(config: Config, options: argparse.Namespace, schema: ModelSchema, folder: Path) -> dict[str, Any]:
    """Return CPU microseconds a request and peak megabytes by server."""
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
            first = answer if "prediction" in answer else answer["predictions"][0]  # MLflow's answer is a table
            predictions[name] = first["prediction"]
        for _ in range(options.rounds):
            for name, (process, port) in servers.items():
                count = max(options.requests // (10 if name in ("mlflow", "joblib") else 1), 10 * options.connections)
                before = cpu_seconds(process)
                asyncio.run(load(port, commands[name][1], commands[name][2], count, options.connections))
                found[name].append((cpu_seconds(process) - before) / count * 1e6)
                memory[name] = peak_memory(process)
    if not all(math.isclose(predictions[name], predictions["ours"], rel_tol=1e-6) for name in predictions if name != "empty"):
        raise SystemExit(f"the predictions differ: {predictions}")
    micros = {name: round(median(values), 1) for name, values in found.items()}
    ratios = {
        "ours_over_empty": micros["ours"] / micros["empty"],
        "ours_with_log_over_empty": micros["ours_with_log"] / micros["empty"],
        "mlflow_over_ours": micros["mlflow"] / micros["ours"],
    }
    return {
        "cpu_microseconds": micros,
        "rounds": {name: [round(value, 1) for value in values] for name, values in found.items()},
        "peak_megabytes": {name: round(value, 1) for name, value in memory.items()},
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


def peak_memory(process: psutil.Process) -> float:
    """Return the largest resident memory that a process had so far, in MB: the largest of its own and its children's."""
    status = [Path(f"/proc/{each.pid}/status").read_text() for each in (process, *process.children(recursive=True))]
    return max(int(line.split()[1]) for text in status for line in text.splitlines() if line.startswith("VmHWM")) / 1000


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


def measure_commands(options: argparse.Namespace, schema: ModelSchema) -> dict[str, Any]:
    """Return CPU seconds, the median of so many rounds, by command."""
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


if __name__ == "__main__":
    main()
