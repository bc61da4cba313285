"""Scoring a plan of series: CPU of `tabtrail predict --input plan.parquet`, next to onnxruntime on features that are ready.

    python benchmarks/demand_batch.py --config CONFIG [--pairs 100000] [--repeats 3] [--output FILE]

Needs a project with a trained model of series. Its history is repeated under other names until there are so many series that all
(series, day) pairs of the plan differ, ten days each, with the series' last prices. One thread. `engine` is the graph alone, by
a process that has read the features; counted is the CPU of the work and of the whole process. The bar: work at most 1.5 × engine.
`odd` is the work for a plan of which most rows have prices that the training never had, so that something is said of them.
"""

import argparse
import json
import shutil
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measure import ONE_THREAD, report, spend

from tabtrail.bundle.demand.history import History, history_name, write_history
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.metadata import OWN_HASH, canonical, metadata_path
from tabtrail.bundle.predictor import Predictor
from tabtrail.config.load import load_config
from tabtrail.errors import report_errors
from tabtrail.system.hashes import sha256_json

DAYS = 10
ENGINE = """
import json, sys, time
import numpy as np, onnxruntime, pyarrow.parquet as pq

table = pq.read_table(sys.argv[2])
feed = {name: table.column(name).to_numpy(zero_copy_only=False)[:, None] for name in table.column_names}
feed = {name: values.astype(object if values.dtype.kind in "OUT" else np.float64) for name, values in feed.items()}
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(open(sys.argv[1], "rb").read(), options, providers=["CPUExecutionProvider"])
session.run(None, {name: values[:1000] for name, values in feed.items()})
start = time.process_time()
found = [
    session.run(None, {name: values[at : at + 65536] for name, values in feed.items()})[0]
    for at in range(0, table.num_rows, 65536)
]
print(json.dumps([time.process_time() - start, float(np.concatenate(found).sum())]))
"""
OURS = """
import json, sys, time
from pathlib import Path
from tabtrail.bundle.input_blocks import InputFile
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.outputs import output_at
from tabtrail.bundle.predictor import Predictor
from tabtrail.bundle.score_file import score_file
import pyarrow.parquet as pq

predictor = Predictor(load_bundle(Path(sys.argv[1]), sys.argv[2]))
start = time.process_time()
found = score_file(predictor, InputFile(Path(sys.argv[3])), output_at(Path(sys.argv[4]), None), intervals=False)
spent = time.process_time() - start
print(json.dumps([spent, sum(pq.read_table(sys.argv[4])["prediction"].to_pylist()), found.warned]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with report_errors(), tempfile.TemporaryDirectory() as temporary:
        config, folder = load_config(options.config).for_demand(), Path(temporary)
        name = config.model.name
        prepare(config.paths.models_dir, name, folder, options.pairs)
        models, out = folder / "models", folder / "out.parquet"
        programs = {
            "engine": ["-c", ENGINE, str(models / f"{name}.onnx"), str(folder / "features.parquet")],
            "ours": ["-c", OURS, str(models), name, str(folder / "plan.parquet"), str(out)],
            "odd": ["-c", OURS, str(models), name, str(folder / "odd.parquet"), str(out)],
        }
        runs = {key: [spend(words, ONE_THREAD) for _ in range(options.repeats)] for key, words in programs.items()}
    said = {key: [json.loads(each.stdout) for each in own] for key, own in runs.items()}
    if not np.isclose(said["ours"][0][1], said["engine"][0][1], rtol=1e-9):
        raise SystemExit("the predictions differ")
    work = {key: round(statistics.median(each[0] for each in own), 3) for key, own in said.items()}
    process = {key: round(statistics.median(each.cpu_seconds for each in own), 3) for key, own in runs.items()}
    result: dict[str, Any] = {
        "subject": f"a plan of {options.pairs:,} (series, day) pairs",
        "unit": "CPU-s",
        "work": work,
        "process": process,
        "ratios": {"work": round(work["ours"] / work["engine"], 3), "process": round(process["ours"] / process["engine"], 3)},
        "warned": {key: own[0][2] for key, own in said.items() if key != "engine"},
    }
    report({**result, "kept": result["ratios"]["work"] <= 1.5}, options.output)


def prepare(models: Path, name: str, folder: Path, pairs: int) -> None:
    """Write a copy of the bundle with a longer history, the plan with the features that it has, and the plan with odd prices."""
    shutil.copytree(models, folder / "models")
    bundle = load_bundle(models, name)
    assert bundle.history is not None
    copies = -(-pairs // (DAYS * bundle.history.series))
    history = enlarged(bundle.history, copies)
    (folder / "models" / history_name(name)).write_bytes(write_history(history))
    panel = {**bundle.metadata["panel"], "trained": ""}  # as if the training had had all of them
    body = {**bundle.metadata, "panel": panel}
    metadata_path(folder / "models", name).write_bytes(canonical({**body, OWN_HASH: sha256_json(body)}))
    predictor = Predictor(load_bundle(folder / "models", name))
    assert predictor.demand is not None
    rows = plan_rows(predictor, history, pairs)
    odd = [{**row, **dict.fromkeys(predictor.demand.panel.recipe.prices, 1.0 + index % 97)} for index, row in enumerate(rows)]
    pq.write_table(pa.Table.from_pylist(odd), folder / "odd.parquet")
    pq.write_table(pa.Table.from_pylist(rows), folder / "plan.parquet")
    made = predictor.demand.feed_rows(predictor.check(rows))
    pq.write_table(pa.table({key: pa.array(values.ravel()) for key, values in made.items()}), folder / "features.parquet")


def enlarged(history: History, copies: int) -> History:
    """Return a history with so many copies of each series; each copy has another text in the last column of the series."""
    keys = np.concatenate(
        [np.column_stack([history.keys[:, :-1], np.char.add(history.keys[:, -1], f"~{n}")]) for n in range(copies)]
    )
    return replace(
        history,
        keys=keys,
        target=np.tile(history.target, (copies, 1)),
        known={key: np.tile(values, (copies, 1)) for key, values in history.known.items()},
        static={key: np.tile(values, copies) for key, values in history.static.items()},
        shut=None if history.shut is None else np.tile(history.shut, (copies, 1)),
    )


def plan_rows(predictor: Predictor, history: History, pairs: int) -> list[dict[str, Any]]:
    """Return the rows of a plan: ten days of each series, flags by turns, prices as they were last."""
    demand = predictor.demand
    assert demand is not None
    panel, calendar = demand.panel, demand.panel.recipe.calendar
    last = {name: history.known[name][:, history.as_of - history.first] for name in panel.recipe.prices}
    rows = []
    for index in range(pairs):
        place, day = divmod(index, DAYS)
        known = dict.fromkeys(panel.recipe.flags, index % 2) | {name: float(values[place]) for name, values in last.items()}
        ahead = calendar.first_day(history.as_of + 1 + day % panel.recipe.horizon).isoformat()
        rows.append({panel.date: ahead, **dict(zip(panel.series, map(str, history.keys[place]), strict=True)), **known})
    return rows


if __name__ == "__main__":
    main()
