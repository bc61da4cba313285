"""The benchmark's fits, candidates × folds and the final ones: CPU and peak memory of ours, of the libraries alone, and of the
code that is usually written; each in a process of its own, in turn, one after the other on one thread.

    python benchmarks/fits.py data/raw/sales_data_sample.csv [--repeats 3] [--output benchmarks/results/fits.json]

- `ours`: reads the dataset, fits and scores every candidate, derived features, encoders and target transforms within each fold;
- `engine`: the same regressors fitted to the same matrices, made beforehand and not counted, and their predictions;
- `usual`: pandas reads the CSV, a ColumnTransformer of scaler and one-hot encoder, `cross_validate` of the same regressors with
  the same number of folds, one more fit of each, scored on a test part. It has no groups, derived features or target transforms.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measure import ONE_THREAD, ROOT, comparison, report, spend


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        config = load(options.csv, Path(options.one[1]))
        print(CONTENDERS[options.one[0]](config))
        return
    with tempfile.TemporaryDirectory() as scratch:
        words = [__file__, str(options.csv.resolve()), "--one"]
        rows = spend([*words, "prepare", scratch]).stdout.strip()
        names = [name for name in CONTENDERS if name != "prepare"]
        runs = {name: [spend([*words, name, scratch], ONE_THREAD) for _ in range(options.repeats)] for name in names}
    costs = {name: round(statistics.median(float(run.stdout) for run in done), 2) for name, done in runs.items()}
    peaks = {name: max(run.peak_mb for run in done) for name, done in runs.items()}
    what = {"ours": "`run_benchmark`", "engine": "the libraries' `fit` and `predict`", "usual": "pandas, `cross_validate`"}
    report(comparison(f"benchmark of {rows} rows", "CPU-s", costs, peaks, what, repeats=options.repeats), options.output)


def load(csv: Path, folder: Path) -> Any:
    from tabtrail.config.load import load_config

    places = [f"paths.processed_dir={folder}/sales_parquet", f"paths.output_dir={folder}/output"]
    return load_config(ROOT / "config_v2.yaml", [f"paths.raw_csv={csv}", "engine.kind=serial", *places])


def prepare(config: Any) -> str:
    from tabtrail.data.ingest import ingest

    return f"{ingest(config).rows_kept:,}"


def ours(config: Any) -> float:
    from tabtrail.data.dataset import scan_dataset
    from tabtrail.modeling.benchmark import run_benchmark
    from tabtrail.modeling.problem import problem_of
    from tabtrail.modeling.table import load_table, needed_columns

    start, problem = time.process_time(), problem_of(config)
    run_benchmark(problem, load_table(problem, scan_dataset(config.dataset).select(needed_columns(problem)).collect()))
    return time.process_time() - start


def engine(config: Any) -> float:
    from tabtrail.data.dataset import scan_dataset
    from tabtrail.modeling.fit import build_model, rows_of
    from tabtrail.modeling.preprocess import Recipe
    from tabtrail.modeling.problem import problem_of
    from tabtrail.modeling.results import FULL
    from tabtrail.modeling.table import load_table, split_table

    problem = problem_of(config)
    table = load_table(problem, scan_dataset(config.dataset).collect())
    split, recipe, spent = split_table(problem, table), Recipe.of(problem.model), 0.0
    for candidate in regressors(config):
        for fold in range(FULL, len(split.folds)):
            rows = rows_of(problem, table, split, fold, early=False)
            train, valid = table.take(rows.train), table.take(rows.valid)
            x, y, model, weights = train.x, train.y, build_model(candidate, recipe), None
            if hasattr(model, "learn_reference"):
                model.learn_reference(x)
                weights, y, model = model.weights(x), model.transform(x, y), model.pipeline
            before, last = model.named_steps["preprocess"], model.named_steps["model"]
            learned, scored = before.fit_transform(x, y), before.transform(valid.x)
            start = time.process_time()
            last.fit(learned, y, **({} if weights is None else {"sample_weight": weights}))
            last.predict(scored)
            spent += time.process_time() - start
    return spent


def usual(config: Any) -> float:
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.model_selection import RepeatedKFold, cross_validate, train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    candidates, model = regressors(config), config.model
    start = time.process_time()
    rows = pd.read_csv(config.paths.raw_csv, encoding="cp850", keep_default_na=False)
    numbers, texts = list(model.numeric_features), list(model.text_features)
    x, y = rows[[*numbers, *texts]], rows[model.target]
    x, tested, y, wanted = train_test_split(x, y, test_size=config.split.test_size, random_state=0)
    folds = RepeatedKFold(n_splits=config.split.folds, n_repeats=config.split.repeats, random_state=0)
    for candidate in candidates:
        columns = [("numbers", StandardScaler(), numbers), ("texts", OneHotEncoder(handle_unknown="ignore"), texts)]
        pipeline = make_pipeline(ColumnTransformer(columns, sparse_threshold=0), candidate.build(model.random_state))
        scoring = ("neg_root_mean_squared_error", "neg_mean_absolute_error", "r2")
        cross_validate(pipeline, x, y, cv=folds, scoring=scoring)
        pipeline.fit(x, y).score(tested, wanted)
    return time.process_time() - start


def regressors(config: Any) -> list[Any]:
    """Return the candidates that are a regressor of a library."""
    from tabtrail.modeling.baselines import BASELINE, BLEND, FORMULA
    from tabtrail.modeling.candidates import list_candidates

    found = list_candidates(config.candidates, with_formulas=bool(config.model.formulas))
    return [each for each in found if each.family not in (BASELINE, BLEND, FORMULA)]


CONTENDERS: dict[str, Callable[[Any], Any]] = {"prepare": prepare, "engine": engine, "ours": ours, "usual": usual}


if __name__ == "__main__":
    main()
