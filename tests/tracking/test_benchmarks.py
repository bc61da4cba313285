"""Which benchmark a run belongs to, and whether it can be used as one."""

import pytest

from tabtrail.config.operation import Mlflow
from tabtrail.errors import UsageError
from tabtrail.tracking.benchmarks import complete_benchmark, find_benchmark, wanted_candidate
from tabtrail.tracking.runs import set_tags, start_run
from tabtrail.tracking.store import Store, open_store

KIND, NAME = "tabtrail.kind", "tabtrail.candidate"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_store(Mlflow(tracking_uri=f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"))


@pytest.fixture
def benchmark(store: Store) -> str:
    return start_run(store, "benchmark", {KIND: "benchmark"})


def candidate(store: Store, benchmark: str, name: str) -> str:
    return start_run(store, name, {KIND: "candidate", NAME: name}, parent=benchmark)


def test_a_benchmark_and_its_candidates_are_of_one(store: Store, benchmark: str) -> None:
    run = candidate(store, benchmark, "LightGBM")
    own, found = find_benchmark(store, benchmark), find_benchmark(store, run)
    assert (own.benchmark.run_id, own.candidate) == (benchmark, None)
    assert found.benchmark.run_id == benchmark
    assert found.candidate is not None
    assert found.candidate.run_id == run


def test_a_run_of_something_else_is_refused_as_the_person_named_it(store: Store) -> None:
    other = start_run(store, "forecast", {KIND: "forecast"})
    with pytest.raises(UsageError, match=f"run {other} is not one of a benchmark of tabtrail"):
        find_benchmark(store, other)
    with pytest.raises(UsageError, match="there is no run 7 in the MLflow store"):
        find_benchmark(store, "0" * 32, asked="7")


def test_only_a_complete_benchmark_can_be_reproduced(store: Store, benchmark: str) -> None:
    with pytest.raises(UsageError, match="never became complete; `tabtrail train` continues it"):
        complete_benchmark(store, benchmark)
    set_tags(store, benchmark, {"tabtrail.complete": "true"})
    assert complete_benchmark(store, benchmark).benchmark.run_id == benchmark


def test_a_benchmark_stands_for_its_winner_and_a_run_for_its_candidate(store: Store, benchmark: str) -> None:
    winner, other = candidate(store, benchmark, "LightGBM"), candidate(store, benchmark, "CatBoost")
    with pytest.raises(UsageError, match="never became complete"):
        wanted_candidate(store, winner)
    set_tags(store, benchmark, {"tabtrail.champion": "LightGBM", "tabtrail.bundle_sha256": "1"})
    for run, named in ((benchmark, None), (winner, None), (benchmark, "LightGBM")):
        found = wanted_candidate(store, run, named)
        assert (found.benchmark.run_id, found.candidate, found.holder) == (benchmark, "LightGBM", benchmark)
    assert wanted_candidate(store, other).holder is None, "no bundle of it has been made"
    set_tags(store, other, {"tabtrail.bundle_sha256": "2", "tabtrail.complete": "true"})
    for run, named in ((other, None), (benchmark, "CatBoost")):
        found = wanted_candidate(store, run, named)
        assert (found.benchmark.run_id, found.candidate, found.holder) == (benchmark, "CatBoost", other)


def test_a_run_and_another_candidate_contradict(store: Store, benchmark: str) -> None:
    winner = candidate(store, benchmark, "LightGBM")
    set_tags(store, benchmark, {"tabtrail.champion": "LightGBM"})
    with pytest.raises(UsageError, match=f"run {winner} is of LightGBM, not of CatBoost"):
        wanted_candidate(store, winner, "CatBoost")
