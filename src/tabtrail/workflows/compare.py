"""Two bundles on the same test rows: their graphs' predictions, compared, and the coverage of the challenger's intervals."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tabtrail.bundle.intervals import Grouping, Intervals
from tabtrail.bundle.load import Bundle
from tabtrail.config.tree import Config
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.dates import MOMENT
from tabtrail.data.manifest import verify_files
from tabtrail.errors import DataError
from tabtrail.export.parity import run_onnx
from tabtrail.modeling.bootstrap import Comparison, CoverageCheck, Resampling, check_coverage, compare
from tabtrail.modeling.metrics import Array
from tabtrail.modeling.preprocess import feature_frame
from tabtrail.modeling.problem import problem_of
from tabtrail.modeling.table import hold_out_test, load_table, needed_columns


def measure(config: Config, challenger: Bundle, champion: Bundle) -> tuple[Comparison | None, CoverageCheck | None]:
    """Return how the bundles compare on the test part that `config` cuts from the dataset, and the challenger's coverage.

    Neither is known where the challenger cannot be asked about those rows, no comparison where the champion cannot, or where
    they predict different targets.
    """
    verify_files(config.dataset)
    dataset = scan_dataset(config.dataset)
    have, problem = set(dataset.collect_schema().names()), problem_of(config)
    needed, own, other = set(needed_columns(problem)), set(challenger.schema.names), set(champion.schema.names)
    if not needed | own <= have or config.model.target != challenger.schema.target:
        return None, None
    comparable = other <= have and challenger.schema.target == champion.schema.target
    data = dataset.select(sorted(needed | own | (other if comparable else set()))).collect()
    table = load_table(problem, data)
    test = table.take(hold_out_test(problem, table))
    rows = data[test.row]
    how = Resampling(test.groups, config.split.group_key, config.promotion.level, problem.seed)
    predicted = _predict(challenger, rows)
    coverage = None
    if (inside := _inside(challenger, rows, test.y, predicted)) is not None:
        nominal = float(challenger.metadata["intervals"]["level"])
        coverage = check_coverage(inside, nominal, how)
    if not comparable:
        return None, coverage
    try:
        reference = _predict(champion, rows)
    except DataError:
        return None, coverage
    return compare(test.y, reference, predicted, problem.metric, how), coverage


def _predict(bundle: Bundle, rows: pl.DataFrame) -> Array:
    numbers = [feature.name for feature in bundle.schema.features if feature.kind != "categorical"]
    texts = [feature.name for feature in bundle.schema.features if feature.kind == "categorical"]
    try:
        predicted = run_onnx(bundle.onnx, feature_frame(rows, tuple(numbers), tuple(texts)))
    except Exception as error:  # noqa: BLE001 - onnxruntime and Polars raise classes of their own that have no common base
        raise DataError(f"the model of run {bundle.metadata['run_id']} cannot read the dataset: {type(error).__name__}") from None
    if not np.isfinite(predicted).all():
        raise DataError(f"the model of run {bundle.metadata['run_id']} predicts values that are not finite on the test rows")
    return predicted


def _inside(bundle: Bundle, rows: pl.DataFrame, actual: Array, predicted: Array) -> NDArray[np.bool_] | None:
    if bundle.metadata["intervals"] is None:
        return None
    intervals = Intervals.from_dict(bundle.metadata["intervals"])
    grouping = Grouping.from_dict(bundle.metadata["intervals"]["by"])
    plain = rows.select(bundle.schema.names).with_columns(
        pl.col(pl.Date).cast(pl.String), pl.col(MOMENT).dt.to_string("%Y-%m-%dT%H:%M:%S")
    )
    bounds = [
        intervals.bounds(value, grouping.group(row))
        for value, row in zip(predicted.tolist(), plain.iter_rows(named=True), strict=True)
    ]
    low, high = np.array(bounds).T
    return np.asarray((low <= actual) & (actual <= high))
