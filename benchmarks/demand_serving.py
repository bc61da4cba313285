"""What one forecast over HTTP costs, next to one prediction of the regression bundle: CPU microseconds a request of the servers.

    python benchmarks/demand_serving.py --config SALES_CONFIG --demand DEMAND_CONFIG [--rounds 5] [--output FILE]

Both are `tabtrail serve` in processes of their own, asked in turn over one connection and over eight. The regression answers its
example; the demand rows of all its series, days ahead and states of the flags by turns, each once before the count begins. Needs
both projects trained. The bar: demand at most 1.5 × the regression.
"""

import argparse
import asyncio
import json
import os
from contextlib import ExitStack
from itertools import cycle, islice, product
from pathlib import Path
from statistics import median
from typing import Any

from measure import report

from serving import ROOT, cpu_seconds, started
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.config.load import load_config
from tabtrail.errors import report_errors

CONNECTIONS = (1, 8)
MOST_ROWS = 2_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=ROOT / "config_v2.yaml")
    parser.add_argument("--demand", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=2000, help="a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with report_errors(), ExitStack() as stack:
        sides = {"regression": options.config.resolve(), "demand": options.demand.resolve()}
        bodies = {name: rows_of(path) for name, path in sides.items()}
        environment = {"PYTHONPATH": os.environ.get("PYTHONPATH", str(ROOT / "src")), "PATH": os.environ["PATH"]}
        servers = {
            name: stack.enter_context(started(["-m", "tabtrail", "serve", "--config", str(path)], ROOT, environment))
            for name, path in sides.items()
        }
        for name, (_, port) in servers.items():
            asyncio.run(ask(port, bodies[name], 4))
        found: dict[tuple[str, int], list[float]] = {(name, count): [] for name in sides for count in CONNECTIONS}
        for _ in range(options.rounds):
            for name, (process, port) in servers.items():
                for count in CONNECTIONS:
                    before = cpu_seconds(process)
                    asyncio.run(ask(port, list(islice(cycle(bodies[name]), options.requests)), count))
                    found[name, count].append((cpu_seconds(process) - before) / options.requests * 1e6)
    micros = {f"{name}, {count} connections": round(median(values), 1) for (name, count), values in found.items()}
    ratios = {str(count): round(median(found["demand", count]) / median(found["regression", count]), 3) for count in CONNECTIONS}
    result = {"subject": "one forecast over HTTP", "unit": "CPU-µs", "cpu_microseconds": micros, "demand_over_regression": ratios}
    report({**result, "kept": max(ratios.values()) <= 1.5}, options.output)


def rows_of(path: Path) -> list[bytes]:
    """Return bodies of requests that the model of a config answers."""
    config = load_config(path)
    predictor = Predictor(load_bundle(config.paths.models_dir, config.model.name))
    rows: list[dict[str, Any]] = [dict(predictor.schema.example)]
    if (demand := predictor.demand) is not None:
        panel, known = demand.panel, demand.panel.recipe.flags
        days = [panel.recipe.calendar.first_day(demand.history.as_of + ahead) for ahead in range(1, panel.recipe.horizon + 1)]
        asked = product(demand.history.keys, days, product((0, 1), repeat=len(known)))
        rows = [
            {
                **rows[0],
                panel.date: day.isoformat(),
                **dict(zip(panel.series, map(str, key), strict=True)),
                **dict(zip(known, flags, strict=True)),
            }
            for key, day, flags in islice(asked, MOST_ROWS)
        ]
    predictor.predict(rows)
    return [json.dumps(row).encode() for row in rows]


async def ask(port: int, bodies: list[bytes], connections: int) -> None:
    """Send the bodies over so many connections. Anything but 200 ends the benchmark."""
    waiting = iter(bodies)

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for body in waiting:
            head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            headers = (await reader.readuntil(b"\r\n\r\n")).lower()
            answer = await reader.readexactly(int(headers.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
            if not headers.startswith(b"http/1.1 200"):
                raise SystemExit(f"/predict answered {answer!r}")
        writer.close()

    await asyncio.gather(*(client() for _ in range(connections)))


if __name__ == "__main__":
    main()
