"""Whether the corrected t test, the intervals and the choice rule keep what they promise, on synthetic data with known truth.

- `false_positives`: two learners whose expected errors are equal by symmetry (the same learner on columns that are
  exchangeable) are compared over 5 folds × repeats; how often the 95 % interval of `corrected_difference` excludes zero.
  Bar: 3 to 7 % at 5 repeats, for learners that do not memorise (`regular`). `naive` is the uncorrected test.
- `coverage`: intervals at 90 % from out-of-fold predictions of 5 folds, around the model of all rows, on fresh rows, in all
  and within each group that has its own band. Bar: 88 to 92 %. A group without noise (`exact_half`) lies above it where a
  model could be exact: its errors are estimation alone, and the folds' models, of 80 % of the rows, estimate worse.
- `choice`: the cross-validated RMSE of the model that `choose` takes, less the RMSE of that model, fitted on all rows, on
  fresh rows. Bar: within two Monte Carlo standard errors of zero (`in_errors`) where candidates differ and rows are many
  (`fair`). That finds biases of a thousandth too: a mean of fold RMSEs is 1 / (4 · rows of a fold) too low (Jensen), models
  of 80 % of the rows are parameters / (8 · rows) too bad, and of candidates that tie the luckiest is taken. `within_two` is
  the same question by the standard error that the cross-validation states, in one data set.

All data is synthetic. Prints JSON with the figures, `--table` a table; `--small` takes fewer replications. About 30
minutes on one core; with `--small` one. Run from anywhere:

    python benchmarks/simulations.py [false_positives] [coverage] [choice] [--small] [--table] [--output FILE]
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from lightgbm import LGBMRegressor
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeRegressor

from tabtrail.modeling.calibration import calibrate, measure_coverage
from tabtrail.modeling.choice import Difference, Rule, choose, corrected_difference

FOLDS = 5
VALID_SHARE = 1 / (FOLDS - 1)
REPEATS = (1, 2, 3, 5, 10)
LEVEL = 0.9
FRESH_ROWS = 1000
Array = NDArray[np.float64]
Random = np.random.Generator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", help="one or more of " + ", ".join(SIMULATIONS))
    parser.add_argument("--small", action="store_true", help="a twentieth of the replications")
    parser.add_argument("--table", action="store_true", help="print tables instead of JSON")
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the JSON there")
    options = parser.parse_args()
    if unknown := set(options.what) - set(SIMULATIONS):
        parser.error(f"there is no simulation {', '.join(sorted(unknown))}")
    report: dict[str, Any] = {"data": "synthetic", "folds": FOLDS, "level": LEVEL, "small": options.small}
    for name in options.what or SIMULATIONS:
        start = time.perf_counter()
        report[name] = [asdict(row) for row in SIMULATIONS[name](0.05 if options.small else 1.0)]
        report[f"{name}_seconds"] = round(time.perf_counter() - start)
    text = json.dumps(report, indent=2)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    print(as_tables(report) if options.table else text)


def kfold(rows: int, random: Random) -> NDArray[np.int64]:
    """Return the rows of each fold, shape (folds, rows / folds)."""
    return random.permutation(rows).reshape(FOLDS, -1)


# Learners: rows of the folds in, out-of-fold predictions out.


def linear(x: Array, y: Array, folds: NDArray[np.int64], ridge: float = 1e-6) -> Array:
    """Least squares with an intercept, by the normal equations of all rows less those of the fold."""
    z = np.column_stack([np.ones(len(y)), x])
    parts = z[folds]
    left = np.swapaxes(parts, 1, 2) @ parts
    right = np.swapaxes(parts, 1, 2) @ y[folds][..., None]
    weights = np.linalg.solve(left.sum(0) - left + ridge * np.eye(z.shape[1]), right.sum(0) - right)
    predicted = np.empty(len(y))
    predicted[folds] = (parts @ weights)[..., 0]
    return predicted


def steps(x: Array, y: Array, folds: NDArray[np.int64], bins: int) -> Array:
    """The mean of each of `bins` equal parts of [0, 1), shrunk towards the mean of all by one row; x has one column."""
    cell = (x[:, 0] * bins).astype(np.int64)
    fold = np.empty(len(y), dtype=np.int64)
    fold[folds] = np.arange(FOLDS)[:, None]
    place = fold * bins + cell
    sums = np.bincount(place, y, FOLDS * bins).reshape(FOLDS, bins)
    counts = np.bincount(place, minlength=FOLDS * bins).reshape(FOLDS, bins)
    return np.asarray(((sums.sum(0) - sums + y.mean()) / (counts.sum(0) - counts + 1))[fold, cell])


def tree(x: Array, y: Array, folds: NDArray[np.int64], depth: int) -> Array:
    return refitted(lambda: DecisionTreeRegressor(max_depth=depth, random_state=0), x, y, folds)


def boosted(x: Array, y: Array, folds: NDArray[np.int64], rounds: int) -> Array:
    return refitted(lambda: boosting(rounds), x, y, folds)


def boosting(rounds: int) -> Any:
    return LGBMRegressor(n_estimators=rounds, num_leaves=8, min_child_samples=10, n_jobs=1, verbose=-1, random_state=0)


def refitted(build: Callable[[], Any], x: Array, y: Array, folds: NDArray[np.int64]) -> Array:
    predicted = np.empty(len(y))
    for fold in folds:
        rest = np.ones(len(y), dtype=bool)
        rest[fold] = False
        predicted[fold] = predict(build().fit(x[rest], y[rest]), x[fold])
    return predicted


def predict(model: Any, x: Array) -> Array:
    """LightGBM's scikit-learn wrapper warns of missing column names; its booster does not."""
    return np.asarray(model.booster_.predict(x) if isinstance(model, LGBMRegressor) else model.predict(x))


def fold_rmse(y: Array, predicted: Array, folds: NDArray[np.int64]) -> Array:
    return np.asarray(np.sqrt(np.mean((y - predicted)[folds] ** 2, axis=1)))


# 1. False positives


@dataclass(frozen=True)
class Pair:
    """Two columns' worth of signal, y = f(a) + f(b) + noise; one learner sees a and `noise` columns, the other b and as many.

    `regular` learners do not memorise: five training rows or more for each number that they estimate, or few boosting rounds.
    """

    learner: str
    rows: int
    size: int
    noise: int
    replications: int
    regular: bool = True

    def draw(self, random: Random) -> tuple[Array, Array, Array]:
        shape = (self.rows, 1 + self.noise)
        if self.learner == "linear":
            a, b = random.normal(size=shape), random.normal(size=shape)
            return a, b, a[:, 0] + b[:, 0] + random.normal(size=self.rows)
        a, b = random.uniform(size=shape), random.uniform(size=shape)
        return a, b, np.sin(6 * a[:, 0]) + np.sin(6 * b[:, 0]) + random.normal(0, 0.5, self.rows)

    def predict(self, x: Array, y: Array, folds: NDArray[np.int64]) -> Array:
        if self.learner == "linear":
            return linear(x, y, folds)
        return {"steps": steps, "tree": tree, "boosted": boosted}[self.learner](x, y, folds, self.size)


PAIRS = (
    Pair("linear", 100, 1, 0, 4000),
    Pair("linear", 100, 6, 5, 4000),
    Pair("linear", 300, 6, 5, 4000),
    Pair("linear", 300, 41, 40, 4000),
    Pair("linear", 1000, 6, 5, 4000),
    Pair("linear", 3000, 6, 5, 4000),
    Pair("steps", 200, 10, 0, 4000),
    Pair("steps", 1000, 30, 0, 4000),
    Pair("steps", 3000, 30, 0, 4000),
    Pair("tree", 500, 3, 3, 2000),
    Pair("boosted", 500, 20, 3, 2000),
    Pair("linear", 100, 41, 40, 4000, regular=False),
    Pair("steps", 200, 50, 0, 4000, regular=False),
)


@dataclass(frozen=True)
class FalsePositives:
    """Shares in percent by repeats; `variance_ratio` is the true variance of the mean difference over the mean s²."""

    pair: Pair
    corrected: dict[int, float]
    naive: dict[int, float]
    standard_error: float
    variance_ratio: dict[int, float]


def false_positives(share: float) -> Iterator[FalsePositives]:
    for pair in PAIRS:
        replications = max(10, round(pair.replications * share))
        differences = np.array([differ(pair, np.random.default_rng([1, seed])) for seed in range(replications)])
        found = {
            how: {repeats: 100 * share_excluding_zero(differences, repeats, valid_share) for repeats in REPEATS}
            for how, valid_share in (("corrected", VALID_SHARE), ("naive", 0.0))
        }
        ratios = {repeats: variance_ratio(differences[:, : FOLDS * repeats]) for repeats in REPEATS}
        error = 100 * (0.05 * 0.95 / replications) ** 0.5
        yield FalsePositives(pair, found["corrected"], found["naive"], round(error, 2), ratios)


def differ(pair: Pair, random: Random) -> Array:
    """Return the differences of the two learners' RMSE on every fold of every repeat."""
    a, b, y = pair.draw(random)
    splits = [kfold(pair.rows, random) for _ in range(max(REPEATS))]
    return np.concatenate(
        [fold_rmse(y, pair.predict(a, y, folds), folds) - fold_rmse(y, pair.predict(b, y, folds), folds) for folds in splits]
    )


def share_excluding_zero(differences: Array, repeats: int, valid_share: float) -> float:
    used = differences[:, : FOLDS * repeats]
    zeros = np.zeros(FOLDS * repeats).tolist()
    intervals: list[Difference] = [corrected_difference(each.tolist(), zeros, valid_share=valid_share) for each in used]
    return float(np.mean([not each.low <= 0 <= each.high for each in intervals]))


def variance_ratio(differences: Array) -> float:
    return round(float(np.mean(differences.mean(1) ** 2) / differences.var(1, ddof=1).mean()), 3)


# 2. Coverage


@dataclass(frozen=True)
class Coverages:
    """Means over replications, in percent; `spread` is the standard deviation between calibrations."""

    shape: str
    learner: str
    rows: int
    replications: int
    coverage: float
    standard_error: float
    spread: float
    groups: dict[str, float]


def signal(x: Array) -> Array:
    return np.asarray(20 + 4 * x[:, 0] + 2 * x[:, 1] + 2 * np.sin(3 * x[:, 2]))


def homoscedastic(x: Array, random: Random) -> tuple[Array, list[str] | None]:
    return signal(x) + random.normal(0, 2, len(x)), None


def heteroscedastic(x: Array, random: Random) -> tuple[Array, list[str] | None]:
    return signal(x) * (1 + random.normal(0, 0.2, len(x))), None


def skewed(x: Array, random: Random) -> tuple[Array, list[str] | None]:
    return signal(x) + random.lognormal(0.5, 1.0, len(x)), None


def two_groups(x: Array, random: Random) -> tuple[Array, list[str] | None]:
    """A group of 70 % with little noise, another with ten times as much."""
    wide = random.uniform(size=len(x)) < 0.3
    return signal(x) + random.normal(0, np.where(wide, 5.0, 0.5)), np.where(wide, "wide", "narrow").tolist()


def exact_half(x: Array, random: Random) -> tuple[Array, list[str] | None]:
    """A group whose target is a plain linear function of the columns, another with noise."""
    noisy = random.uniform(size=len(x)) < 0.5
    y = 20 + 4 * x[:, 0] + 2 * x[:, 1] + np.where(noisy, random.normal(0, 3, len(x)), 0)
    return y, np.where(noisy, "noisy", "exact").tolist()


SHAPES = {each.__name__: each for each in (homoscedastic, heteroscedastic, skewed, two_groups, exact_half)}
LEARNERS = {"mean": 400, "linear": 400, "boosted": 200}


def coverage(share: float) -> Iterator[Coverages]:
    for shape in SHAPES:
        for learner, full in LEARNERS.items():
            for rows in (300, 1000, 3000):
                replications = max(5, round(full * share))
                found = [covered(shape, learner, rows, np.random.default_rng([2, seed])) for seed in range(replications)]
                values = {name: np.array([each[name] for each in found if name in each]) for name in sorted(set().union(*found))}
                everyone = values.pop("")
                yield Coverages(
                    shape,
                    learner,
                    rows,
                    replications,
                    round(float(everyone.mean()), 2),
                    round(float(everyone.std(ddof=1) / replications**0.5), 2),
                    round(float(everyone.std(ddof=1)), 2),
                    {name: round(float(each.mean()), 2) for name, each in values.items()},
                )


def covered(shape: str, learner: str, rows: int, random: Random) -> dict[str, float]:
    """Return the coverage in percent on fresh rows, over all ("") and within each group."""
    x = random.normal(size=(rows + FRESH_ROWS, 3))
    y, groups = SHAPES[shape](x, random)
    out_of_fold, fresh = fit_twice(learner, x, y, kfold(rows, random))
    intervals = calibrate(y[:rows], out_of_fold, groups[:rows] if groups else None, level=LEVEL)
    assert intervals is not None
    new = np.array(groups[rows:]) if groups else np.full(FRESH_ROWS, "")
    return {
        name: 100 * measure_coverage(intervals, y[rows:][which], fresh[which], new[which].tolist()).coverage
        for name, which in {"": np.full(FRESH_ROWS, True), **{name: new == name for name in set(new.tolist()) - {""}}}.items()
    }


def fit_twice(learner: str, x: Array, y: Array, folds: NDArray[np.int64]) -> tuple[Array, Array]:
    """Return out-of-fold predictions of the first rows and, of a fit on all of these, predictions of the other rows."""
    rows = folds.size
    train_x, train_y, fresh_x = x[:rows], y[:rows], x[rows:]
    if learner == "boosted":
        return boosted(train_x, train_y, folds, 40), predict(boosting(40).fit(train_x, train_y), fresh_x)
    columns = 0 if learner == "mean" else x.shape[1]
    return linear(train_x[:, :columns], train_y, folds), fit_linear(train_x[:, :columns], train_y, fresh_x[:, :columns])


def fit_linear(x: Array, y: Array, fresh: Array) -> Array:
    weights = np.linalg.lstsq(np.column_stack([np.ones(len(x)), x]), y)[0]
    return np.asarray(np.column_stack([np.ones(len(fresh)), fresh]) @ weights)


# 3. The error of the chosen candidate


@dataclass(frozen=True)
class Design:
    """Linear candidates, each by the columns it sees; `signal` of the columns are worth 1, 1/2, 1/3, … standard deviations.

    In a `fair` design the candidates differ by more than noise and there are 200 rows or more for each column seen.
    """

    name: str
    rows: int
    signal: int
    columns: tuple[tuple[int, ...], ...]
    replications: int
    fair: bool = False


NESTED = tuple(tuple(range(size)) for size in (0, 1, 2, 4, 8, 12))
DESIGNS = (
    Design("nested", 100, 4, NESTED, 4000),
    Design("nested", 300, 4, NESTED, 4000),
    Design("nested", 1000, 4, NESTED, 4000),
    Design("nested", 3000, 4, NESTED, 4000, fair=True),
    Design("apart", 1000, 4, tuple(tuple(range(size)) for size in (0, 1, 2, 4)), 4000, fair=True),
    Design("apart", 3000, 4, tuple(tuple(range(size)) for size in (0, 1, 2, 4)), 4000, fair=True),
    Design("tied", 1000, 6, ((0, 1), (2, 3), (4, 5)), 4000),
    Design("tied", 3000, 6, ((0, 1), (2, 3), (4, 5)), 4000),
)


@dataclass(frozen=True)
class ChosenError:
    """Percent of the RMSE: mean over replications of cross-validated less fresh RMSE of the chosen candidate.

    `in_errors` is that mean over its Monte Carlo standard error, `in_stated` over the mean corrected standard error of the
    cross-validated RMSE. `first` is the same for a candidate that nobody chose (the
    one of the most columns): what remains of `bias` is the choice. `within_two` is the share of replications, in percent, in
    which fresh and cross-validated RMSE are at most two corrected standard errors apart. `columns` is the mean number seen.
    """

    design: str
    rows: int
    fair: bool
    rule: str
    repeats: int
    replications: int
    bias: float
    standard_error: float
    in_errors: float
    in_stated: float
    first: float
    within_two: float
    columns: float


def choice(share: float) -> Iterator[ChosenError]:
    rules: tuple[Rule, ...] = ("best", "one_standard_error")
    for design in DESIGNS:
        for repeats in (1, 3):
            replications = max(20, round(design.replications * share))
            found = [chosen(design, rules, repeats, np.random.default_rng([3, seed])) for seed in range(replications)]
            for index, rule in enumerate(rules):
                bias, stated, unchosen, within, columns = np.array([each[index] for each in found]).T
                error = bias.std(ddof=1) / replications**0.5
                yield ChosenError(
                    design=design.name,
                    rows=design.rows,
                    fair=design.fair,
                    rule=rule,
                    repeats=repeats,
                    replications=replications,
                    bias=round(100 * float(bias.mean()), 3),
                    standard_error=round(100 * float(error), 3),
                    in_errors=round(float(bias.mean() / error), 1),
                    in_stated=round(float(bias.mean() / stated.mean()), 2),
                    first=round(100 * float(unchosen.mean()), 3),
                    within_two=round(100 * float(within.mean()), 1),
                    columns=round(float(columns.mean()), 2),
                )


def chosen(design: Design, rules: tuple[Rule, ...], repeats: int, random: Random) -> list[tuple[float, float, float, bool, int]]:
    """Return for each rule: relative bias, stated error, bias of the one of the most columns, within two errors, columns seen."""
    weights = np.zeros(max(map(max, filter(None, design.columns))) + 1)
    weights[: design.signal] = 1.0 if design.name == "tied" else 1 / np.arange(1, design.signal + 1)
    x = random.normal(size=(design.rows, len(weights)))
    y = x @ weights + random.normal(size=design.rows)
    splits = [kfold(design.rows, random) for _ in range(repeats)]
    seen = {str(index): list(columns) for index, columns in enumerate(design.columns)}
    scores = {
        name: np.concatenate([fold_rmse(y, linear(x[:, columns], y, folds), folds) for folds in splits]).tolist()
        for name, columns in seen.items()
    }
    costs = {name: float(len(columns)) for name, columns in seen.items()}
    last = max(costs, key=lambda name: (costs[name], name))
    found = []
    for rule in rules:
        name = choose(scores, costs, rule=rule, valid_share=VALID_SHARE)
        fresh = {each: fresh_rmse(x[:, seen[each]], y, weights, seen[each]) for each in {name, last}}
        stated = corrected_difference(scores[name], np.zeros(len(scores[name])).tolist(), valid_share=VALID_SHARE)
        found.append(
            (
                stated.mean / fresh[name] - 1,
                stated.standard_error / fresh[name],
                float(np.mean(scores[last])) / fresh[last] - 1,
                abs(stated.mean - fresh[name]) <= 2 * stated.standard_error,
                len(seen[name]),
            )
        )
    return found


def fresh_rmse(x: Array, y: Array, weights: Array, columns: list[int]) -> float:
    """Return the RMSE on infinitely many fresh rows of least squares on `columns`, given the true weights (noise sd 1)."""
    fitted = np.linalg.lstsq(np.column_stack([np.ones(len(x)), x]), y)[0]
    missed = weights.copy()
    missed[columns] -= fitted[1:]
    return float(np.sqrt(1 + fitted[0] ** 2 + missed @ missed))


SIMULATIONS: dict[str, Callable[[float], Iterator[Any]]] = {
    "false_positives": false_positives,
    "coverage": coverage,
    "choice": choice,
}


def as_tables(report: dict[str, Any]) -> str:
    return "\n\n".join(table(name, report[name]) for name in SIMULATIONS if name in report)


def table(title: str, rows: list[dict[str, Any]]) -> str:
    cells = [[str(cell) for cell in flat(row).values()] for row in rows]
    grid = [list(flat(rows[0])), *cells]
    widths = [max(len(row[index]) for row in grid if index < len(row)) for index in range(max(map(len, grid)))]
    return "\n".join([title, *("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=False)) for row in grid)])


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """Spread nested figures into columns; the coverage within groups stays one cell."""
    found: dict[str, Any] = {}
    for key, value in row.items():
        if key == "pair":
            found |= value
        elif key == "groups":
            found[key] = " ".join(f"{name} {share}" for name, share in value.items())
        elif isinstance(value, dict):
            found |= {f"{key[:9]} ×{name}": f"{cell:.3g}" for name, cell in value.items()}
        else:
            found[key] = value
    return found


if __name__ == "__main__":
    main()
