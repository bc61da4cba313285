from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.data.ingest import ingest
from tabtrail.errors import ConfigError, DataError
from tabtrail.modeling.benchmark import run_benchmark
from tabtrail.modeling.notes import notes
from tabtrail.modeling.problem import problem_of
from tabtrail.modeling.results import Benchmark
from tabtrail.modeling.table import load_table

YAML = """
version: 2
paths: {raw_csv: x.csv}
model:
  target: price
  numeric_features: [year, pieces]
  derived_features: {AGE: 2026 - year, DOUBLE: 2 * pieces}
split: {kind: random, allow_leaky: true}
candidates: {LinearRegression: {}}
engine: {kind: serial}
"""


def config_with(folder: Path, *overrides: str) -> Config:
    (folder / "x.yaml").write_text(YAML)
    return load_config(folder / "x.yaml", overrides)


def cars(rows: int = 200) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    year, pieces = rng.integers(1990, 2026, rows).astype(float), rng.integers(1, 9, rows).astype(float)
    return pl.DataFrame({"year": year, "pieces": pieces, "price": 900 * (year - 1985) + rng.normal(0, 3000, rows)})


def benchmark_of(folder: Path, rows: pl.DataFrame, *overrides: str) -> Benchmark:
    problem = problem_of(config_with(folder, *overrides))
    return run_benchmark(problem, load_table(problem, rows))


def names_of(benchmark: Benchmark) -> set[str]:
    return {result.candidate.name for result in benchmark.results}


def test_no_formula_predicts_a_price_by_an_age(tmp_path: Path) -> None:
    assert names_of(benchmark_of(tmp_path, cars())) == {"MeanBaseline", "LinearRegression"}


def test_a_formula_in_the_unit_of_the_target_is_a_baseline(tmp_path: Path) -> None:
    rows = cars().with_columns(price=2 * pl.col("pieces") + pl.Series(np.random.default_rng(1).normal(0, 1, 200)))
    benchmark = benchmark_of(tmp_path, rows)
    assert names_of(benchmark) == {"MeanBaseline", "FormulaBaseline", "LinearRegression"}
    (formula,) = [result for result in benchmark.results if result.candidate.name == "FormulaBaseline"]
    assert formula.model.chosen_ == "DOUBLE"


@pytest.mark.parametrize("values", [(0.0, 1.0), (-1.0, 1.0), (250.0, 99.5)])
def test_a_target_of_two_values_is_refused_as_regression_only_unless_the_config_allows_it(
    tmp_path: Path, values: tuple[float, float]
) -> None:
    rows = cars().with_columns(price=pl.when(pl.col("year") > 2008).then(values[0]).otherwise(values[1]))
    low, high = sorted(values)
    said = rf"the target price has two values only, {low:g}, {high:g}, in 200 rows: .*regression only.*model.allow_binary_target"
    with pytest.raises(DataError, match=said):
        load_table(problem_of(config_with(tmp_path)), rows)
    benchmark = benchmark_of(tmp_path, rows, "model.allow_binary_target=true")
    assert any("2 different values only" in note for note in notes(benchmark, None))


def test_a_target_of_few_values_is_noted_with_the_values(tmp_path: Path) -> None:
    rows = cars().with_columns(price=(pl.col("pieces") % 4) + 1)
    said = notes(benchmark_of(tmp_path, rows), None)
    assert any(note.startswith("the target price has 4 different values only (1, 2, 3, 4): ") for note in said)


def test_a_target_of_many_values_is_not_noted(tmp_path: Path) -> None:
    assert not any("different values" in note for note in notes(benchmark_of(tmp_path, cars()), None))


@pytest.mark.parametrize(("dtype", "what"), [("string", "this target is text"), ("date", "this target is a date")])
def test_a_target_that_is_declared_as_text_or_date_is_refused_as_regression_only(tmp_path: Path, dtype: str, what: str) -> None:
    with pytest.raises(ConfigError, match=rf"{what}, and tabtrail does regression only"):
        config_with(tmp_path, f"contract.columns={{price: {{dtype: {dtype}}}}}")


def test_a_target_of_words_that_is_not_declared_is_refused_as_regression_only(tmp_path: Path) -> None:
    kinds = "".join(f"{1990 + row},{row % 7 + 1},{'cheap' if row % 3 else 'dear'}\n" for row in range(60))
    (tmp_path / "x.csv").write_text("year,pieces,price\n" + kinds)
    with pytest.raises(DataError, match=r"the target price is text \('dear', 'cheap'\) in 60 of 60 rows: .*regression only"):
        ingest(config_with(tmp_path))


def test_a_target_of_numbers_in_another_form_is_not_taken_for_words(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("year,pieces,price\n" + "".join(f"{1990 + row},2,{row}EUR\n" for row in range(60)))
    with pytest.raises(DataError) as caught:
        ingest(config_with(tmp_path))
    assert "regression only" not in str(caught.value)


def test_what_is_known_better_than_noise_allows_is_pointed_at(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = cars()
    pieces, year = rows["pieces"].to_numpy(), rows["year"].to_numpy()
    computed = rows.with_columns(price=pl.Series(3 * pieces + year))
    assert any("hardly anything is known so well beforehand" in each for each in notes(benchmark_of(tmp_path, computed), None))
    parts = rows.with_columns(price=pl.Series(np.floor(20 * pieces + rng.normal(0, 2, len(year)))))
    assert any("counts that come by chance (Poisson)" in each for each in notes(benchmark_of(tmp_path, parts), None))
    counts = rows.with_columns(price=pl.Series(rng.poisson(20 * pieces)).cast(pl.Float64))
    assert not [each for each in notes(benchmark_of(tmp_path, counts), None) if "known only after it" in each]
    assert not [each for each in notes(benchmark_of(tmp_path, rows), None) if "known only after it" in each]
