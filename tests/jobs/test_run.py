import gc
import json
import logging
import os
import pickle
import socket
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.support import jobs_for_engines as jobs
from tests.support.commands import run_in
from tests.support.dask_cluster import Cluster, cluster
from tests.support.projects import Project
from tests.support.stages import run_train

from tabtrail.config.operation import Engine
from tabtrail.config.tree import Config
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.ingest import ingest
from tabtrail.errors import ConfigError, DataError, EngineError
from tabtrail.jobs.job import Shared
from tabtrail.jobs.run import run, worker_count
from tabtrail.modeling.benchmark import run_benchmark
from tabtrail.modeling.problem import problem_of
from tabtrail.modeling.table import Table, load_table, needed_columns
from tabtrail.progress import SILENT
from tabtrail.project.paths import Artifacts
from tabtrail.workflows import tune as tuning

SERIAL = Engine(kind="serial")
PROCESSES = Engine(kind="processes", workers=2)
CANDIDATES = (
    "candidates={LinearRegression: {}, RandomForest_5: {n_estimators: 5}, GradientBoosting: {n_estimators: 10},"
    " XGBoost: {n_estimators: 20}, CatBoost: {iterations: 20, early_stopping_rounds: 5},"
    " LightGBM: {n_estimators: 30, early_stopping_rounds: 5, target_transform: log_ratio(LINE_TOTAL_APPROX)}, Blend: {}}"
)


@pytest.fixture(params=["serial", "processes", "dask"])
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "dask":
        return Engine(kind="dask", address=request.getfixturevalue("dask").address)
    return {"serial": SERIAL, "processes": PROCESSES}[request.param]


def table_of(config: Config) -> Table:
    ingest(config)
    return load_table(problem_of(config), scan_dataset(config.dataset).select(needed_columns(problem_of(config))).collect())


def test_every_engine_gives_the_results_of_a_plain_loop(engine: Engine) -> None:
    rows = Shared(np.random.default_rng(0).normal(size=200_000))
    found = list(run(jobs.total, [(rows, power) for power in range(1, 6)], engine, in_order=True))
    assert found == [jobs.total(rows.value, power) for power in range(1, 6)]


def test_results_come_in_the_order_of_the_jobs_where_that_is_asked_for(engine: Engine) -> None:
    tasks = [(seconds, number) for number, seconds in enumerate([0.4, 0.0, 0.2, 0.0])]
    assert list(run(jobs.slow, tasks, engine, in_order=True)) == [0, 1, 2, 3]
    assert sorted(run(jobs.slow, tasks, engine)) == [0, 1, 2, 3]


def test_a_refusal_keeps_its_class_and_message_and_no_worker_logs_what_it_was_given(engine: Engine, dask: Cluster) -> None:
    with pytest.raises(DataError, match=r"^too few rows of 9$"):
        list(run(jobs.refuse, [("Atelier g",)], engine))
    assert "Atelier" not in dask.log()


def test_every_job_has_one_thread(engine: Engine) -> None:
    found = [count for counts in run(jobs.threads, [(0,), (1,)], engine) for count in counts]
    assert found
    assert set(found) == {1}


def test_there_are_never_more_processes_than_cores() -> None:
    many = Engine(kind="processes", workers=1000)
    assert worker_count(many) <= len(os.sched_getaffinity(0))
    assert len(set(run(jobs.process_id, [(0.05, number) for number in range(20)], many))) <= len(os.sched_getaffinity(0))


def test_closed_early_the_other_jobs_are_dropped(engine: Engine, tmp_path: Path) -> None:
    found = run(jobs.leave_a_trace, [(tmp_path, number) for number in range(200)], engine, in_order=True)
    with pytest.warns(UserWarning, match="cancelled") if engine.kind == "processes" else nullcontext():
        assert next(found) == 0
        found.close()
    assert 1 <= len(list(tmp_path.iterdir())) < 100


def test_a_job_in_a_worker_process_searches_for_garbage_though_its_imports_do_not() -> None:
    assert list(run(gc.isenabled, [(), ()], Engine(kind="processes", workers=2))) == [True, True]


def test_a_worker_process_does_not_search_its_imports_for_garbage_later() -> None:
    assert min(run(gc.get_freeze_count, [(), ()], Engine(kind="processes", workers=2))) > 10_000


def test_a_job_whose_worker_process_was_killed_runs_again(tmp_path: Path) -> None:
    assert sorted(run(jobs.die_once, [(tmp_path / "flag", number) for number in range(8)], PROCESSES)) == list(range(8))
    assert (tmp_path / "flag").is_file()


def test_a_job_that_kills_every_worker_process_is_given_up() -> None:
    with pytest.raises(EngineError, match=r"killed 3 times in a row, most likely for want of memory; lower engine\.workers"):
        list(run(jobs.die, [(1,)], PROCESSES))


def test_a_job_whose_dask_worker_was_killed_runs_again(tmp_path: Path) -> None:
    with cluster(tmp_path, workers=2) as own:
        engine = Engine(kind="dask", address=own.address)
        rows = Shared(np.ones(1000))
        assert len(list(run(jobs.total, [(rows, number) for number in range(8)], engine))) == 8
        tasks = [(tmp_path / "flag", number) for number in range(8)]
        assert sorted(run(jobs.die_once, tasks, engine)) == list(range(8))
        assert sorted(worker.poll() is None for worker in own.workers) == [False, True]


def test_what_jobs_share_is_sent_again_when_every_worker_that_had_it_is_gone(tmp_path: Path) -> None:
    with cluster(tmp_path, workers=1) as own:
        rows = Shared(np.ones(1000))
        found = run(jobs.slow_total, [(rows, number) for number in range(1, 7)], Engine(kind="dask", address=own.address))
        assert next(found) == 1000.0
        own.workers[0].kill()
        own.add_worker()
        assert list(found) == [1000.0] * 5


def test_a_scheduler_that_ends_in_between_is_said(tmp_path: Path) -> None:
    with cluster(tmp_path, workers=1) as own:
        found = run(jobs.slow, [(0.5, number) for number in range(20)], Engine(kind="dask", address=own.address))
        next(found)
        own.scheduler.kill()
        with pytest.raises(EngineError, match=r"no longer answers .* type the command again"):
            list(found)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """One second instead of five for what will not answer."""
    monkeypatch.setattr("tabtrail.jobs.dask._CONNECT_SECONDS", 1)


def test_a_scheduler_that_does_not_answer_is_said(impatient: None) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(EngineError, match=f"no Dask scheduler answers at {address} .*correct engine.address"):
        list(run(jobs.slow, [(0.0, 1)], Engine(kind="dask", address=address)))


def test_a_scheduler_without_workers_is_said(tmp_path: Path, impatient: None) -> None:
    with cluster(tmp_path, workers=0) as own, pytest.raises(EngineError, match=f"has no workers; .*dask worker {own.address}"):
        list(run(jobs.slow, [(0.0, 1)], Engine(kind="dask", address=own.address)))


def test_the_log_of_dask_is_as_loud_as_before_when_the_jobs_are_done(dask: Cluster) -> None:
    loud = logging.getLogger("distributed.client")
    before = loud.level
    loud.setLevel(logging.INFO)
    try:
        assert list(run(jobs.slow, [(0.0, 1)], Engine(kind="dask", address=dask.address))) == [1]
        assert loud.level == logging.INFO
    finally:
        loud.setLevel(before)


def test_a_worker_with_other_versions_is_refused(dask: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    from tabtrail.jobs import dask as dask_jobs

    dask_jobs.versions.cache_clear()
    monkeypatch.setattr(dask_jobs, "code_version", lambda: "other sources")
    with pytest.raises(EngineError, match=r"other versions than the driver.*tabtrail is [0-9a-f]{64} there, other sources here"):
        list(run(jobs.slow, [(0.0, 1)], Engine(kind="dask", address=dask.address)))
    dask_jobs.versions.cache_clear()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["engine.kind=dask"], r"engine\.address: engine\.kind dask needs the address of its scheduler, as tcp://"),
        (
            ["engine.kind=dask", "engine.address=nonsense"],
            r"engine\.address: 'nonsense' is not an address; write tcp://HOST:PORT",
        ),
        (["engine.kind=threads"], r"engine\.kind: .*'threads', where one of serial, processes, dask belongs"),
    ],
)
def test_an_engine_that_cannot_be_is_refused_with_the_config(project: Project, overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        project.config(*overrides)
    assert caught.value.exit_code == 2


def test_a_benchmark_gives_the_same_bits_from_every_engine(project: Project, dask: Cluster) -> None:
    config = project.config(CANDIDATES, "split.folds=2")
    table = table_of(config)
    found = [
        run_benchmark(replace(problem_of(config), engine=engine), table)
        for engine in (SERIAL, PROCESSES, Engine(kind="dask", address=dask.address))
    ]
    hashes = [{each.candidate.name: each.predictions_sha256 for each in benchmark.results} for benchmark in found]
    models = [{each.candidate.name: pickle.dumps(each.model) for each in benchmark.results} for benchmark in found]
    assert len(hashes[0]) == 9
    assert hashes[0] == hashes[1] == hashes[2]
    assert models[0] == models[1] == models[2]


def test_proofs_and_explanations_of_a_cluster_are_made_by_its_workers_and_equal_those_of_one_machine(
    project: Project, dask: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ("candidates={LinearRegression: {}, LightGBM: {n_estimators: 20}, Blend: {}}", "split.folds=2", "explain.max_rows=40")
    ingest(project.config())
    made = []
    for name, engine in (("one", "{kind: serial}"), ("many", f"{{kind: dask, address: '{dask.address}'}}")):
        if name == "many":  # the workers have functions of their own, which are not changed
            for place in ("tabtrail.export.prove.export_onnx", "tabtrail.workflows.champion.explain"):
                monkeypatch.setattr(place, lambda *_, **__: pytest.fail("the driver proved or explained"))
        config = project.config(*few, f"engine={engine}", f"mlflow.experiment={name}", f"paths.output_dir={name}")
        board, _ = run_train(config, force=True)
        importance = json.loads(Artifacts.of(config).importance.read_text(encoding="utf-8"))
        differences = {row.candidate: (row.model_bytes, row.parity_max_difference) for row in board.candidates}
        made.append((board.champion, differences, {**importance, "run_id": ""}, board.refit))
    assert made[0] == made[1]
    assert made[0][3] is not None, "the one that is deployed learned from all rows, on a worker too"
    assert made[0][2]["mean_absolute_shap"]


def test_a_search_for_parameters_runs_on_dask(project: Project, dask: Cluster) -> None:
    config = project.config("candidates={LightGBM: {n_estimators: 20}}", f"engine={{kind: dask, address: '{dask.address}'}}")
    ingest(config)
    best = tuning.tune(config, ["LightGBM"], trials=1, seconds=None, progress=SILENT)
    serial = project.config("candidates={LightGBM: {n_estimators: 20}}", "engine.kind=serial", "mlflow.experiment=again")
    (project.root / "output" / "tuning" / "optuna.db").unlink()
    assert tuning.tune(serial, ["LightGBM"], trials=1, seconds=None, progress=SILENT) == best


def test_an_unreachable_scheduler_ends_the_command_with_one_message_and_code_1(project: Project, impatient: None) -> None:
    ingest(project.config())
    done = run_in(project, "train", "--set", "engine={kind: dask, address: 'tcp://127.0.0.1:9'}")
    assert done.returncode == 1
    assert done.stderr.count("error: ") == 1
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr
