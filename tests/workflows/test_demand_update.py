"""New data for a deployed model of series: put in place as a whole or not at all, whatever the data or the file hold."""

import io
import json
import struct
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest
from tests.support.buckets import Buckets
from tests.support.demand import demand_project, demand_rows
from tests.support.projects import Project, Trained, serving

from tabtrail import pipeline
from tabtrail.bundle.demand.history import History, read_history, write_history
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Prediction, Predictor
from tabtrail.errors import BundleError, DataError, UsageError
from tabtrail.progress import Progress
from tabtrail.serving.models import Watched
from tabtrail.storage.address import Address
from tabtrail.workflows.demand_update import update_history
from tabtrail.workflows.promote import rollback
from tabtrail.workflows.push import push_bundle

NAME = "shop_demand"
ROW: dict[str, Any] = {"date": "2023-07-22", "store_id": "STORE_001", "product_id": "PROD_C", "price": 12.0, "promotion": 1}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return demand_project(tmp_path_factory)


@pytest.fixture
def project(trained: Trained, tmp_path: Path) -> Project:
    return trained.copy(tmp_path / "copy")


def history_file(project: Project) -> Path:
    return project.root / "models" / f"{NAME}_history.npz"


def stored(project: Project) -> History:
    return read_history(history_file(project).read_bytes(), NAME)


def bring(project: Project, rows: pl.DataFrame) -> None:
    """Update the history to these rows."""
    rows.write_csv(project.root / "demand.csv")
    pipeline.run_stage("ingest", project.config())
    update_history(project.config())


def answer(project: Project, **changed: Any) -> Prediction:
    return Predictor(load_bundle(project.root / "models", NAME)).predict([{**ROW, **changed}])[0]


def of(store: str, product: str) -> pl.Expr:
    return pl.col("store_id").eq(store) & pl.col("product_id").eq(product)


def test_series_that_are_new_or_gone_are_answered_from_what_is_known_of_them(project: Project) -> None:
    rows = demand_rows()
    own = rows.filter(of("STORE_001", "PROD_A")).with_columns(product_id=pl.lit("PROD_LONG"), units=pl.col("units") * 10)
    short = own.filter(pl.col("date") >= pl.date(2023, 7, 17)).with_columns(product_id=pl.lit("PROD_SHORT"))
    bring(project, pl.concat([rows.filter(~of("STORE_000", "PROD_B")), own, short]))
    new, usual = answer(project, product_id="PROD_LONG"), answer(project, product_id="PROD_A")
    assert new.value > 3 * usual.value
    assert any("has not learned from this series" in each for each in new.warnings)
    assert any("forecast like the known ones" in each for each in answer(project, product_id="PROD_SHORT").warnings)
    gone = answer(project, store_id="STORE_000", product_id="PROD_B")
    assert any("no longer in the history" in each for each in gone.warnings)
    assert usual.warnings == ()


def test_data_that_ends_before_the_history_is_refused_and_nothing_is_lost(project: Project) -> None:
    before = history_file(project).read_bytes()
    with pytest.raises(DataError, match="before the history does"):
        bring(project, demand_rows(190))
    assert history_file(project).read_bytes() == before


def test_a_demand_that_is_no_longer_what_the_model_reads_is_refused_by_its_keys(project: Project) -> None:
    before = history_file(project).read_bytes()
    keys = ["demand.known_ahead=[promotion]", "demand.price=null", "demand.series=[product_id]", "demand.hierarchy=[]"]
    changed = project.config(*keys)
    with pytest.raises(UsageError, match=r"demand\.series, demand\.known_ahead.* changed"):
        update_history(changed)
    weekly = project.config("demand.frequency=W", "demand.duplicates=sum")
    with pytest.raises(UsageError, match=r"demand\.frequency changed"):
        update_history(weekly)
    assert history_file(project).read_bytes() == before


def _with_size(data: bytes, size: int) -> bytes:
    """The file with another size in the directory for what its first member unpacks to."""
    at = data.index(b"PK\x01\x02") + 24
    return data[:at] + struct.pack("<I", size) + data[at + 4 :]


def _with_pickle(data: bytes) -> bytes:
    with np.load(io.BytesIO(data)) as found:
        arrays = {name: found[name] for name in found.files}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{**arrays, "keys": np.array([[print]], dtype=object)})
    return buffer.getvalue()


def _with_member_twice(data: bytes) -> bytes:
    buffer = io.BytesIO(data)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(buffer, "a") as packed:
        packed.writestr("target.npy", b"")
    return buffer.getvalue()


def _as_other(**changed: Any) -> Callable[[bytes], bytes]:
    return lambda data: write_history(replace(read_history(data, NAME), **changed))


HOSTILE: dict[str, Callable[[bytes], bytes]] = {
    "cut short": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "no archive": lambda data: b"x" * 1000,
    "a pickle": _with_pickle,
    "unpacks to 4 GB": lambda data: _with_size(data, 2**32 - 2),
    "a member twice": _with_member_twice,
    "of another model": _as_other(name="other"),
    "of the year 4707": _as_other(first=2_000_000, as_of=2_000_199),
    "of other columns": _as_other(known={}),
    "without the series": _as_other(keys=np.zeros((6, 1), dtype="U3")),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_history_that_is_damaged_or_crafted_is_refused_and_the_previous_one_stays(project: Project, kind: str) -> None:
    watched = Watched(project.root / "models", NAME, None)
    watched.refresh()
    served = watched.served
    assert served is not None
    file = history_file(project)
    file.write_bytes(HOSTILE[kind](file.read_bytes()))
    watched.refresh()
    assert watched.served is served
    assert watched.fault is not None
    assert watched.fault.status == "damaged"
    assert "demand update" in watched.fault.detail
    with pytest.raises(BundleError, match="demand update"):
        Predictor(load_bundle(project.root / "models", NAME))
    update_history(project.config())
    watched.refresh()
    assert watched.fault is None


def test_an_update_that_is_killed_leaves_the_history_as_it_was_and_the_next_one_clears_up(project: Project) -> None:
    before = history_file(project).read_bytes()
    script = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom tabtrail.config.load import load_config\n"
        "from tabtrail.workflows import demand_update\n"
        "write = Path.write_bytes\n"
        "def half(path, data):\n    whole = 'history' not in path.name\n    write(path, data if whole else data[:99])\n"
        "    whole or os.kill(os.getpid(), signal.SIGKILL)\n"
        "Path.write_bytes = half\ndemand_update.update_history(load_config(Path(sys.argv[1])))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(project.config_file)], check=False)
    assert done.returncode == -9
    assert history_file(project).read_bytes() == before
    assert answer(project).forecast is not None
    assert len(list((project.root / "models").glob(".*"))) == 1
    update_history(project.config())
    assert not list((project.root / "models").glob(".*"))


def test_a_past_that_changed_and_series_that_are_gone_are_counted_and_said(project: Project) -> None:
    revised = pl.col("date").is_between(date(2023, 7, 3), date(2023, 7, 4)) & of("STORE_001", "PROD_A")
    rows = demand_rows().filter(~of("STORE_000", "PROD_B"))
    rows.with_columns(units=pl.when(revised).then(99).otherwise("units")).write_csv(project.root / "demand.csv")
    pipeline.run_stage("ingest", project.config())
    said: list[str] = []
    update_history(project.config(), Progress(said.append))
    assert any("2 values are others than the history had, and 1 of its series are no longer" in each for each in said)


def test_a_dataset_of_the_new_rows_alone_is_refused_and_the_history_stays(project: Project) -> None:
    before = history_file(project).read_bytes()
    with pytest.raises(DataError, match=r"begins on 2023-07-15, after the history does, 2023-01-02.*Nothing was replaced"):
        bring(project, demand_rows(203).filter(pl.col("date") >= date(2023, 7, 15)))
    assert history_file(project).read_bytes() == before


def test_a_rollback_keeps_the_newest_history(project: Project) -> None:
    first = load_bundle(project.root / "models", NAME).sha256
    quick = ("demand.candidates={LinearRegression: {scale: level}}", "demand.max_rows=1000", "demand.choice.max_bias=null")
    anyway = ("demand.choice.deploy_unless_beaten=true", "promotion.automatic=always")
    pipeline.run_stage("demand", project.config(*quick, *anyway))
    assert load_bundle(project.root / "models", NAME).sha256 != first
    bring(project, demand_rows(203))
    newest = stored(project)
    assert rollback(project.config(), reason="a trial").promoted
    back = load_bundle(project.root / "models", NAME)
    assert back.sha256 == first
    assert back.history is not None
    assert (back.history.as_of, back.history.data_sha256) == (newest.as_of, newest.data_sha256)
    assert answer(project).forecast.as_of == "2023-07-21"  # type: ignore[union-attr]


def test_requests_during_updates_are_all_answered_by_the_old_or_the_new_history(project: Project) -> None:
    seen: set[tuple[str, float]] = set()
    wrong: list[str] = []
    stop = threading.Event()

    def ask(client: httpx.Client) -> None:
        while not stop.is_set():
            found = client.post("/predict", json=ROW)
            if found.status_code == 200:
                seen.add((found.json()["as_of"], found.json()["prediction"]))
            else:
                wrong.append(found.text)

    days = (200, 201, 202)
    wanted = set()
    with serving(project, door=False, TABTRAIL__SERVE__RELOAD_SECONDS="0.05") as client:
        threads = [threading.Thread(target=ask, args=(client,)) for _ in range(3)]
        for each in threads:
            each.start()
        for count in days:
            bring(project, demand_rows(count))
            value = answer(project)
            assert value.forecast is not None
            wanted.add((value.forecast.as_of, value.value))
            for _ in range(100):
                if wanted <= seen:
                    break
                stop.wait(0.1)
        stop.set()
        for each in threads:
            each.join()
    assert wrong == []
    assert seen == wanted
    assert len(wanted) == len(days)


def test_an_update_says_from_when_to_when(project: Project) -> None:
    demand_rows(202).write_csv(project.root / "demand.csv")
    pipeline.run_stage("ingest", project.config())
    found = update_history(project.config())
    assert json.loads(json.dumps(vars(found))) == {"before": "2023-07-20", "after": "2023-07-22", "series": 6}


def test_a_history_that_is_brought_up_to_date_in_a_bucket_is_what_the_service_reads_next(
    project: Project, buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = Address(buckets.new(), "models")
    push_bundle(project.root / "models", NAME, None, address)
    monkeypatch.setenv("TABTRAIL__PATHS__MODELS_DIR", str(address))
    served = project.config().paths.served
    assert served is not None
    watched = Watched(served, NAME, None)
    watched.refresh()
    before = watched.served
    assert before is not None
    assert not watched.changed()
    bring(project, demand_rows(207))
    assert watched.changed()
    watched.refresh()
    assert watched.served is not None
    assert watched.served.run_id == before.run_id
    assert watched.served.history is not None
    assert before.history is not None
    assert watched.served.history.as_of == before.history.as_of + 7
