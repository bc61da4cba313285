"""The final fit on a cluster: real scheduler and workers, and a synthetic table."""

import json
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.support.dask_cluster import Cluster, cluster
from tests.support.jobs_for_engines import blocks, many
from tests.support.projects import Project
from tests.support.stages import run_train

from tabtrail.bundle.load import load_bundle
from tabtrail.config.operation import Engine
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.ingest import ingest
from tabtrail.data.manifest import read_manifest
from tabtrail.data.parts import parts_of
from tabtrail.data.rows_place import RowsPlace
from tabtrail.errors import CapacityError, ConfigError, DataError, EngineError
from tabtrail.jobs.job import TrainingError
from tabtrail.jobs.run import check_engine, fit_on_dask
from tabtrail.modeling.families.lightgbm import LIGHTGBM
from tabtrail.modeling.families.xgboost import XGBOOST
from tabtrail.modeling.final_fit import require_room
from tabtrail.modeling.problem import problem_of
from tabtrail.modeling.sampled import FinalRows, Sample, sampled
from tabtrail.modeling.table import load_table, needed_columns, split_table
from tabtrail.project.names import check_names
from tabtrail.tracking.store import open_store
from tabtrail.workflows.compare import measure
from tabtrail.workflows.prepare import beyond_sample
from tabtrail.workflows.reproduce import reproduce

FAST = ("split.folds=2", "split.repeats=1", "split.max_rows=800", "explain.max_rows=20")


def engine_of(cluster: Cluster) -> Engine:
    return Engine(kind="serial", final="dask", address=cluster.address)


# config


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["engine.final=dask", "split.max_rows=800"], r"engine\.address: engine\.final dask needs the address"),
        (["engine={final: dask, address: 'tcp://127.0.0.1:1'}"], r"engine\.final: .* needs split\.max_rows"),
        (["engine.final=spark"], r"engine\.final: .*'spark', where dask belongs"),
    ],
)
def test_a_final_fit_that_cannot_be_is_refused_with_the_config(project: Project, overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        project.config(*overrides)


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        (
            "{LightGBM: {}, LinearRegression: {}}",
            r"candidates\.LinearRegression: engine\.final dask fits XGBoost and LightGBM alone",
        ),
        ("{LightGBM: {}, Blend: {}}", r"candidates\.Blend: engine\.final dask fits XGBoost and LightGBM alone"),
        ("{XGBoost: {tree_method: exact}}", r"candidates\.XGBoost\.tree_method: exact is not for the distributed training"),
    ],
)
def test_a_candidate_without_a_distributed_training_is_refused_by_its_key(
    project: Project, candidates: str, message: str
) -> None:
    config = project.config(f"candidates={candidates}", *FAST, "engine={final: dask, address: 'tcp://127.0.0.1:1'}")
    with pytest.raises(ConfigError, match=message):
        check_names(config)


# which rows


@pytest.mark.parametrize("kind", ["group", "time", "group_time"])
def test_the_final_fit_takes_all_rows_but_those_that_the_test_part_of_the_sample_must_not_show_it(
    project: Project, kind: str
) -> None:
    own = ("split.refit=training", "engine={final: dask, address: 'tcp://127.0.0.1:1'}")
    config = project.config(*FAST, f"split.kind={kind}", *own)
    ingest(config)
    problem, dataset = problem_of(config), scan_dataset(config.dataset)
    sample = Sample.of(problem, read_manifest(config.dataset))
    assert sample is not None
    everything = dataset.select(needed_columns(problem)).collect()
    data = sampled(dataset, sample).select(needed_columns(problem)).collect()
    assert 0.7 < data.height / 1000 < 1.3
    table = load_table(problem, data)
    split = split_table(problem, table)
    whole = replace(problem, split=problem.split.model_copy(update={"refit": "all"}))
    assert FinalRows.of(whole, sample, data, table, split).keep(everything).height == everything.height
    kept = FinalRows.of(problem, sample, data, table, split).keep(everything)
    test = data[table.row[split.test]]
    orders = "ORDERNUMBER"
    if kind != "time":
        assert not set(kept[orders]) & set(test[orders])
    if kind != "group":
        assert kept["ORDERDATE"].max() <= data[table.row[split.train]]["ORDERDATE"].max()
    else:
        assert kept.height == everything.height - everything.filter(pl.col(orders).is_in(test[orders].implode())).height


def test_rows_whose_target_is_in_the_encoding_of_their_categories_are_not_learned_from_again(project: Project) -> None:
    encoded = ("model.target_encoded=[COUNTRY]", "model.categorical_features=[PRODUCTLINE]")
    config = project.config(*FAST, *encoded, "engine={final: dask, address: 'tcp://127.0.0.1:1'}")
    ingest(config)
    problem = problem_of(config)
    sample = Sample.of(problem, read_manifest(config.dataset))
    assert sample is not None
    data = sampled(scan_dataset(config.dataset), sample).select(needed_columns(problem)).collect()
    table = load_table(problem, data)
    rows = FinalRows.of(problem, sample, data, table, split_table(problem, table))
    kept = rows.keep(scan_dataset(config.dataset).collect())
    assert kept.height > data.height
    assert not set(kept["ORDERNUMBER"]) & set(data["ORDERNUMBER"])


def test_parts_hold_all_files_of_a_dataset_once(project: Project) -> None:
    config = project.config()
    ingest(config)
    parts = parts_of(config.dataset.folder, workers=1)
    assert len(parts) > 1
    read = pl.concat([part.scan(config.dataset.folder, config.dataset.keys).collect() for part in parts])
    assert read.equals(scan_dataset(config.dataset).collect())
    assert [part.rows for part in parts] == [
        part.scan(config.dataset.folder, config.dataset.keys).collect().height for part in parts
    ]


# the whole


def test_what_is_deployed_learned_from_all_rows_on_the_cluster_is_proven_on_them_and_told_apart_from_what_was_measured(
    project: Project, dask: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = "candidates={LightGBM: {n_estimators: 30, categories: native, target_transform: ratio(LINE_TOTAL_APPROX)}}"
    own = ("split.refit=training", f"engine={{kind: serial, final: dask, address: '{dask.address}'}}")
    config = project.config(candidate, *FAST, *own)
    manifest = ingest(config)
    with monkeypatch.context() as patch:
        patch.setattr("tabtrail.workflows.final.run", lambda *_, **__: pytest.fail("cut short before the proof"))
        with pytest.raises(pytest.fail.Exception, match="cut short"):
            run_train(config)
    monkeypatch.setattr("tabtrail.workflows.final.fit_finally", lambda *_, **__: pytest.fail("fitted again"))
    board, _ = run_train(config)
    metadata = json.loads((config.paths.models_dir / f"{config.model.name}_metadata.json").read_text(encoding="utf-8"))
    final, row = metadata["final_fit"], board.row("LightGBM")
    assert board.rows < 1300 < final["rows"] < final["of"] == manifest.rows_kept
    assert final["workers"] == 2
    assert metadata["metrics"]["test_rmse"] == row.test["rmse"] == final["test_of_sample"]["rmse"] != final["test"]["rmse"]
    assert final["test"]["rmse"] < 1.2 * row.test["rmse"]
    proof = json.loads((config.paths.models_dir / f"{config.model.name}_parity.json").read_text(encoding="utf-8"))
    assert proof["passed"]
    assert proof["classes"]["data"]["rows"] == manifest.rows_kept
    said = next(note for note in board.notes if "engine.final: dask" in note)
    assert f"LightGBM as it is deployed learned from {final['rows']:,} rows on 2 Dask workers" in said


def test_a_final_fit_is_reproduced_within_a_tolerance_and_judged_on_the_test_part_of_the_sample(
    project: Project, dask: Cluster
) -> None:
    candidate = "candidates={XGBoost: {n_estimators: 20, early_stopping_rounds: 5, categories: native}}"
    config = project.config(candidate, *FAST, f"engine={{kind: serial, final: dask, address: '{dask.address}'}}")
    manifest = ingest(config)
    board, _ = run_train(config)
    again = reproduce(config, board.parent_run_id)
    assert again.equal, again.difference
    assert again.compared[-2] == "ONNX file of the champion's twin"
    assert "predictions of the final fit of the champion (within 0.05 standard deviations" in again.compared[-1]
    assert board.refit is not None
    assert board.refit.rows == manifest.rows_kept > board.rows
    deployed = load_bundle(config.paths.models_dir, config.model.name)
    found = measure(config, open_store(config.mlflow), deployed, deployed)
    assert found.said.startswith(f"compared on all {board.test_rows:,} test rows, from which neither model has learned")


def test_workers_learn_together_from_more_rows_than_each_of_them_may_hold(tmp_path: Path) -> None:
    limit, columns, parts = 600 * 2**20, 80, range(8)
    with cluster(tmp_path, workers=0) as own:
        for _ in range(2):
            own.add_worker(memory_limit="600MiB")
        own.wait_for_workers()
        model = XGBOOST.build({"n_estimators": 1, "max_depth": 2, "max_bin": 16}, 1)
        found = fit_on_dask(partial(XGBOOST.fit_on_dask, model), many, columns, parts, engine_of(own), libraries=())  # type: ignore[arg-type]
    assert (found.rows, found.workers) == (1_000_000, 2)
    assert found.rows * columns * 8 > limit  # as doubles


# faults


def test_what_a_library_refuses_is_no_fault_of_the_cluster(dask: Cluster) -> None:
    def train(arrays: Any) -> Any:
        assert arrays.x.shape == (8000, 4)
        raise ValueError("no such parameter")

    with pytest.raises(TrainingError, match="no such parameter"):
        fit_on_dask(train, blocks, None, range(4), engine_of(dask), libraries=())


def test_a_part_that_cannot_be_learned_from_keeps_class_and_message_of_its_refusal(dask: Cluster) -> None:
    with pytest.raises(DataError, match=r"^too few rows of 9$"):
        fit_on_dask(lambda arrays: None, blocks, 2, range(4), engine_of(dask), libraries=())


def test_a_cluster_that_is_away_is_said_before_anything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tabtrail.jobs.dask._CONNECT_SECONDS", 1)
    with pytest.raises(EngineError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9 "):
        check_engine(Engine(kind="serial", final="dask", address="tcp://127.0.0.1:9"), ())
    with pytest.raises(EngineError, match=r"fitted in the end on a Dask cluster .*set engine\.address"):
        check_engine(Engine(kind="serial", final="dask"), ())


def test_workers_that_cannot_hold_the_rows_are_said_before_anything_is_fitted(project: Project, tmp_path: Path) -> None:
    problem = project.problem(*FAST)
    with cluster(tmp_path, workers=0) as small:
        small.add_worker(memory_limit="700MiB")
        small.wait_for_workers()
        problem = replace(problem, engine=engine_of(small))
        texts = dict.fromkeys(problem.model.text_features, 10)
        require_room(problem, 100_000, texts, ())
        with pytest.raises(
            CapacityError, match=r"on 5,000,000 rows .* GiB on each of 1 Dask worker, and tcp://.* may take 0\.7 GiB"
        ):
            require_room(problem, 5_000_000, texts, ())


def test_a_worker_that_does_not_see_the_dataset_is_named_before_anything_is_fitted(project: Project, dask: Cluster) -> None:
    config = project.config(*FAST, f"engine={{kind: serial, final: dask, address: '{dask.address}'}}")
    manifest = ingest(config)
    place = replace(RowsPlace.of(config.dataset, None), where=project.root / "elsewhere")
    with pytest.raises(EngineError, match=r"the Dask worker tcp://\S+ cannot read the dataset: .*elsewhere is not there"):
        beyond_sample(problem_of(config), manifest, place, config.dataset.folder)


def test_a_worker_that_ends_in_the_middle_of_the_final_fit_is_said(tmp_path: Path) -> None:
    with cluster(tmp_path, workers=2) as own:
        ended = threading.Timer(3, own.workers[0].kill)

        def train(arrays: Any) -> Any:
            ended.start()
            return LIGHTGBM.fit_on_dask(LIGHTGBM.build({"n_estimators": 100_000}, 1), arrays)  # type: ignore[misc]

        with pytest.raises(EngineError, match=r"the Dask worker tcp://\S+ ended in the middle of the final fit"):
            fit_on_dask(train, blocks, None, range(4), engine_of(own), libraries=())


def test_a_library_that_waits_for_a_lost_worker_forever_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tabtrail.jobs.dask_fit._PATIENCE_SECONDS", 1)
    with cluster(tmp_path, workers=1) as own:

        def train(arrays: Any) -> None:
            own.workers[0].kill()
            threading.Event().wait(60)

        with pytest.raises(EngineError, match="ended in the middle of the final fit"):
            fit_on_dask(train, blocks, None, range(2), engine_of(own), libraries=())
