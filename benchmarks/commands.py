"""CPU seconds of the commands on the sales data, each with the processes that it starts, against those of an earlier checkout.

    python benchmarks/commands.py data/raw/sales_data_sample.csv [--repeats 3] [--before ../old/src] [--without run]
        [--output benchmarks/results/commands.json]

`run` is the whole job in an empty folder with `config_v2.yaml`, imports, workers and MLflow's store included. The others are
asked of what it left. With `--before`, every command is run in turn with the code of both, as often; the ratios say more than the
seconds where a machine is busy. The bytecode of both is made beforehand, as an installation does.
"""

import argparse
import compileall
import json
import shutil
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path

from measure import ROOT, Spent, report, spend

BARS = {"run": 50.0, "status": 0.4, "forecast": 3.0, "explain": 1.5, "doctor": 1.5}
WORDS = {
    "run": ("run", "--quiet"),
    "status": ("status",),
    "forecast": ("forecast", "--product-line", "Classic Cars", "--country", "USA"),
    "explain": ("explain", "--json", "{row}"),
    "doctor": ("doctor",),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--before", type=Path, help="the `src` of another checkout")
    parser.add_argument("--without", nargs="*", default=[], choices=WORDS, help="commands that are not measured")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    sides = {"ours": ROOT / "src"} | ({"before": options.before.resolve()} if options.before else {})
    for source in sides.values():
        compileall.compile_dir(source, quiet=2)
    found: dict[str, dict[str, list[Spent]]] = {name: {side: [] for side in sides} for name in WORDS}
    with tempfile.TemporaryDirectory() as scratch:
        for _ in range(options.repeats):
            for side, source in sides.items():
                folder = Path(scratch, side)
                if "run" not in options.without or not folder.exists():
                    found["run"][side].append(spend(command(new_project(folder, options.csv), "run"), code(source)))
            for name in [name for name in WORDS if name not in ("run", *options.without)]:
                for side, source in sides.items():
                    found[name][side].append(spend(command(Path(scratch, side, "config_v2.yaml"), name), code(source)))
    costs = {name: said(name, runs) for name, runs in found.items() if runs["ours"]}
    report({"data": options.csv.name, "repeats": options.repeats, "commands": costs}, options.output)


def new_project(folder: Path, csv: Path) -> Path:
    """Make an empty project and return its config."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "data" / "raw").mkdir(parents=True)
    shutil.copy(csv, folder / "data" / "raw" / "sales_data_sample.csv")
    return Path(shutil.copy(ROOT / "config_v2.yaml", folder))


def command(config: Path, name: str) -> list[str]:
    """Return the words of a command."""
    row = ""
    if name == "explain":
        schema = spend(["-m", "tabtrail", "predict", "--show-schema", "--format", "json", "--config", str(config)]).stdout
        row = json.dumps(json.loads(schema)["example"])
    return ["-m", "tabtrail", *(word.format(row=row) for word in WORDS[name]), "--config", str(config)]


def code(source: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(source), "MLFLOW_DISABLE_TELEMETRY": "true"}


def said(name: str, sides: Mapping[str, list[Spent]]) -> dict[str, float]:
    """Return the medians of both sides, the ratio, and the bar."""
    costs = {side: round(statistics.median(each.cpu_seconds for each in runs), 2) for side, runs in sides.items() if runs}
    ratio = {"ours / before": round(costs["ours"] / costs["before"], 3)} if "before" in costs else {}
    return {f"{side}_cpu_seconds": cost for side, cost in costs.items()} | ratio | {"bar": BARS[name]}


if __name__ == "__main__":
    main()
