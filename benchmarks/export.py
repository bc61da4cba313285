"""The export of a model to ONNX: CPU and peak memory of ours with its proof, of the converter alone, and of the code that is
usually written; each in a process of its own, in turn.

    python benchmarks/export.py data/raw/sales_data_sample.csv [--repeats 5] [--output benchmarks/results/export.json]

The model is a GradientBoostingRegressor of 150 trees behind a ColumnTransformer, fitted beforehand.

- `ours`: the graph, and the proof that it equals the model on every row, at the thresholds of the trees and beside them, with
  missing values, unseen categories and extremes;
- `engine`: skl2onnx converts the same pipeline, and nothing is checked;
- `usual`: the same conversion, and `allclose` of both models' predictions of the file's rows to a thousandth.

Beside them `catboost`: a CatBoost of 400 symmetric trees of depth 6, the bytes of its proven graph, and the CPU time of a row by
itself and of one of 16,384 in the graph and in the pipeline (microseconds).
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fits import load, prepare
from measure import comparison, report, spend


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        config = load(options.csv, Path(options.one[1]))
        print(json.dumps(CONTENDERS[options.one[0]](config)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        words = [__file__, str(options.csv.resolve()), "--one"]
        spend([*words, "prepare", scratch])
        names = [name for name in CONTENDERS if name != "prepare"]
        runs = {name: [spend([*words, name, scratch]) for _ in range(options.repeats)] for name in names}
    said = {name: [json.loads(run.stdout) for run in done] for name, done in runs.items()}
    costs = {name: round(statistics.median(each["seconds"] for each in done), 3) for name, done in said.items()}
    peaks = {name: max(run.peak_mb for run in done) for name, done in runs.items()}
    checked = {name: done[0]["checked"] for name, done in said.items()}
    what = {
        "ours": f"graph and proof on {checked['ours']:,} rows",
        "engine": "skl2onnx",
        "usual": f"skl2onnx and `allclose` on {checked['usual']:,} rows",
    }
    subject = "export of 150 boosted trees to ONNX"
    details = {"checked_rows": checked, "repeats": options.repeats, "catboost": said["catboost"][0]["symmetric"]}
    report(comparison(subject, "CPU-s", costs, peaks, what, **details), options.output)


MODEL = {"GradientBoosting": {"n_estimators": 150, "max_depth": 4}}
SYMMETRIC = {"CatBoost": {"iterations": 400, "depth": 6}}
MANY = 16_384


def fitted(config: Any, model: Any = MODEL) -> tuple[Any, Any, Any]:
    """Return the fitted model, the table and its split."""
    from tabtrail.data.dataset import scan_dataset
    from tabtrail.modeling.candidates import list_candidates
    from tabtrail.modeling.fit import build_model
    from tabtrail.modeling.preprocess import Recipe
    from tabtrail.modeling.problem import problem_of
    from tabtrail.modeling.table import load_table, split_table

    candidate = next(each for each in list_candidates(model) if each.params)
    problem = problem_of(config)
    table = load_table(problem, scan_dataset(config.dataset).collect())
    return build_model(candidate, Recipe.of(problem.model)).fit(table.x, table.y), table, split_table(problem, table)


def ours(config: Any) -> dict[str, Any]:
    import skl2onnx  # noqa: F401 - imported before the clock starts, as below

    from tabtrail.workflows.champion import Proofs

    model, table, split = fitted(plain(config))
    start = time.process_time()
    with Proofs(plain(config), table, split) as proofs:
        _, parity = proofs.prove(model)
    if not parity.passed:
        raise SystemExit(parity.complaint)
    return {"seconds": time.process_time() - start, "checked": parity.rows}


def engine(config: Any) -> dict[str, Any]:
    import skl2onnx  # noqa: F401

    model, table, _ = fitted(plain(config))
    start = time.process_time()
    convert(model, table.x)
    return {"seconds": time.process_time() - start, "checked": 0}


def usual(config: Any) -> dict[str, Any]:
    import numpy as np
    import onnxruntime
    import skl2onnx  # noqa: F401
    from pandas.api.types import is_numeric_dtype

    model, table, _ = fitted(plain(config))
    x = table.x
    start = time.process_time()
    session = onnxruntime.InferenceSession(convert(model, x).SerializeToString())
    feed = {name: x[[name]].to_numpy(np.float32 if is_numeric_dtype(x[name]) else object) for name in x.columns}
    found = session.run(None, feed)[0].ravel()
    close = np.allclose(found, model.predict(x), rtol=1e-3)
    seconds = time.process_time() - start
    if not close:
        raise SystemExit("the converted model differs")
    return {"seconds": seconds, "checked": len(x)}


def catboost(config: Any) -> dict[str, Any]:
    import numpy as np

    from tabtrail.export.outputs import open_graph
    from tabtrail.export.prove import prove

    start = time.process_time()
    model, table, _ = fitted(plain(config), SYMMETRIC)
    graph, parity = prove(plain(config).model, model, table.x, scale=float(np.std(table.y)), tolerance=1e-5)
    if graph is None or not parity.passed:
        raise SystemExit(parity.complaint)
    seconds, predict, one = time.process_time() - start, open_graph(graph), table.x.head(1)
    many = table.x.iloc[np.arange(MANY) % len(table.y)].reset_index(drop=True)
    alone, together = ({str(name): rows[name].to_numpy() for name in rows} for rows in (one, many))
    found = {
        "graph_bytes": len(graph),
        "row_us": least(lambda: predict(alone), 200),
        f"row_of_{MANY}_us": least(lambda: predict(together), 1) / MANY,
        f"row_of_{MANY}_us_in_python": least(lambda: model.predict(many), 1) / MANY,
    }
    return {"seconds": seconds, "checked": parity.rows, "symmetric": {name: round(value, 2) for name, value in found.items()}}


def least(call: Callable[[], object], calls: int) -> float:
    """Return the least CPU time of a call over seven tries, in microseconds."""
    found = []
    for _ in range(7):
        start = time.process_time_ns()
        for _ in range(calls):
            call()
        found.append((time.process_time_ns() - start) / calls / 1_000)
    return min(found)


def plain(config: Any) -> Any:
    """Return the config without derived features, which skl2onnx cannot convert by itself."""
    model = config.model.model_copy(update={"derived_features": {}})
    return config.model_copy(update={"model": model})


def convert(model: Any, x: Any) -> Any:
    from pandas.api.types import is_numeric_dtype
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    kinds = {name: FloatTensorType if is_numeric_dtype(x[name]) else StringTensorType for name in x.columns}
    return convert_sklearn(model, initial_types=[(name, kind([None, 1])) for name, kind in kinds.items()])


CONTENDERS: dict[str, Callable[[Any], Any]] = {
    "prepare": prepare,
    "engine": engine,
    "ours": ours,
    "usual": usual,
    "catboost": catboost,
}


if __name__ == "__main__":
    main()
