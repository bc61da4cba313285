"""`tabtrail.fit`: from a frame to a deployed model, with the types that frames have; and `tabtrail.run` beside it."""

import gc
import json
import re
import shutil
import threading
from contextlib import redirect_stdout
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from tests.support.projects import REPO, SMALL_CANDIDATE, Project, place_store

import tabtrail as tt
from tabtrail.api.fitting import Scratch
from tabtrail.cli.predict import main as predict_main
from tabtrail.errors import ConfigError, DataError, UsageError

# As `SMALL_CANDIDATE` has it, so that the page on Python trains nothing again.
QUICK = {"candidates": {"GradientBoosting_40": {"n_estimators": 40}}, "engine.kind": "serial"}
PAGE = re.findall(r"^```python\n(.*?)^```", (REPO / "docs" / "python.md").read_text(encoding="utf-8"), re.M | re.S)
MAKES = ["Opel", "Audi", "Fiat"]


def sales(rows: int = 150) -> pl.DataFrame:
    """Used cars: a number with gaps, an enum, a flag, a whole number with gaps, an id with leading zeros, a day."""
    random = np.random.default_rng(3)
    miles, make = random.uniform(0, 100, rows).round(1), random.choice(MAKES, rows)
    found = pl.DataFrame(
        {
            "miles": miles,
            "make": pl.Series(make, dtype=pl.Enum(MAKES)),
            "new": random.uniform(size=rows) < 0.3,
            "doors": random.integers(2, 6, rows),
            "lot": [f"{each:04d}" for each in random.integers(0, 12, rows)],
            "sold": [date(2023, 1, 1) + timedelta(days=int(each)) for each in random.integers(0, 700, rows)],
            "price": (200 - miles + 30 * (make == "Audi") + random.normal(0, 3, rows)).round(2),
        }
    )
    gap = pl.int_range(pl.len())
    return found.with_columns(
        miles=pl.when(gap % 17 != 0).then("miles"),
        make=pl.when(gap % 19 != 0).then("make"),
        doors=pl.when(gap % 23 != 0).then("doors"),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    root = tmp_path_factory.mktemp("fits") / "cars"
    root.mkdir()
    place_store(empty_store, root / "mlruns" / "mlflow.db")
    return root


@pytest.fixture(scope="module")
def fitted(folder: Path) -> tt.Result:
    return tt.fit(sales(), target="price", folder=folder, overrides=QUICK, report=False)


def in_pandas() -> pd.DataFrame:
    """The same rows with the types of pandas: categories, nullable whole numbers and truth values, moments, an index."""
    found = sales().with_columns(pl.col("make").cast(pl.String)).to_pandas()
    types = {"make": "category", "doors": "Int64", "new": "boolean", "sold": "datetime64[ns]"}
    return found.astype(types)


def test_a_frame_becomes_a_project_with_a_deployed_model_and_its_evidence(fitted: tt.Result, folder: Path) -> None:
    assert fitted.config_file == folder / "cars.yaml"
    assert fitted.champion.name == "GradientBoosting_40"
    assert fitted.champion.deployed
    assert fitted.champion.error is not None
    assert fitted.champion.best_baseline is not None
    assert fitted.champion.error < fitted.champion.best_baseline
    assert fitted.leaderboard["candidate"].to_list()[0] == "GradientBoosting_40"
    assert fitted.leaderboard.filter("champion")["error"].item() == fitted.champion.error
    assert fitted.errors.filter(pl.col("candidate") == "GradientBoosting_40")["test_rmse"].item() == fitted.champion.test
    assert fitted.importance["column"][0] == "miles"
    assert set(fitted.findings["about"]) <= {"data", "leakage", "unit", "note"}
    assert fitted.series is None
    assert "<table>" in fitted._repr_html_()
    with pytest.raises(tt.TabtrailError, match="run with report=True"):
        fitted.report  # noqa: B018 - what it raises is asked for


def test_the_model_of_a_fit_answers_as_the_command_and_as_one_loaded_from_its_folder(
    fitted: tt.Result, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = sales().head(20).drop("price")
    wanted = fitted.model.predict(frame)
    rows = json.loads(frame.with_columns(pl.col("sold").cast(pl.String)).write_json())
    predict_main(["--config", str(fitted.config_file), "--json", json.dumps(rows), "--format", "json"])
    told = json.loads(capsys.readouterr().out)
    assert [each["prediction"] for each in told] == wanted["prediction"].to_list()
    assert ["; ".join(each["warnings"]) or None for each in told] == wanted["warnings"].to_list()
    assert [each.value for each in fitted.model.predict(frame.to_dicts())] == wanted["prediction"].to_list()
    assert fitted.model.predict(in_pandas().head(20))["prediction"].to_list() == wanted["prediction"].to_list()
    loaded = tt.load_model(fitted.config_file)
    assert loaded.run_id == fitted.model.run_id
    assert loaded.predict(frame).equals(wanted)


def test_the_same_rows_in_pandas_are_the_same_data_and_the_config_of_a_folder_stands(fitted: tt.Result) -> None:
    config = fitted.config_file.read_text()
    own = config.replace("model:\n", "model:\n  currency: EUR\n")
    fitted.config_file.write_text(own)
    try:
        again = tt.fit(in_pandas(), target="price", folder=fitted.folder, overrides=QUICK, report=False)
        assert again.trained.unit == "EUR", "an edit stands"
        assert again.champion.error == fitted.champion.error
        assert again.trained.leaderboard is not None
        assert fitted.trained.leaderboard is not None
        assert again.trained.leaderboard.data_sha256 == fitted.trained.leaderboard.data_sha256
        assert fitted.config_file.read_text() == own
    finally:
        fitted.config_file.write_text(config)


def test_every_block_of_the_page_on_python_runs_as_it_stands(
    fitted: tt.Result, small: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a copy of a trained project, with the earlier fit of the same rows beside it: nothing is trained again."""
    root = tmp_path / "project"
    shutil.copytree(small.root, root)
    shutil.copytree(fitted.folder, root / "cars")
    sales().write_csv(root / "cars.csv")
    monkeypatch.chdir(root)
    for each in SMALL_CANDIDATE:  # what the project was trained with
        key, _, value = each.partition("=")
        monkeypatch.setenv(f"TABTRAIL__{key.replace('.', '__').upper()}", value)
    monkeypatch.setenv("TABTRAIL__REPORT__LEARNING_CURVE_FOLDS", "0")  # what a page costs most
    names: dict[str, Any] = {}
    printed = StringIO()
    with redirect_stdout(printed):
        for block in PAGE:
            exec(compile(block, "docs/python.md", "exec"), names)
    assert len(PAGE) == 4
    assert "QUANTITYORDERED: must be at least" in printed.getvalue()
    assert names["prediction"].value > 0


def test_a_config_that_is_not_of_an_earlier_fit_of_the_target_is_left_alone(fitted: tt.Result, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is of a model that predicts price; name another folder for miles"):
        tt.fit(sales(), target="miles", folder=fitted.folder)
    with pytest.raises(UsageError, match="says what date and group are"):
        tt.fit(sales(), target="price", folder=fitted.folder, group="lot")
    place = tmp_path / "mine"
    place.mkdir()
    (place / "mine.yaml").write_text("version: 2\npaths: {raw_csv: mine.csv}\nmodel: {target: price}\n")
    with pytest.raises(UsageError, match="is not of an earlier fit, and is left alone"):
        tt.fit(sales(), target="price", folder=place)
    assert [each.name for each in place.iterdir()] == ["mine.yaml"]
    with pytest.raises(UsageError, match="is not a folder"):
        tt.fit(sales(), target="price", folder=place / "mine.yaml")


def test_a_frame_that_no_model_can_be_made_of_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    frame = sales(40)
    cases: list[tuple[type[Exception], str, Any]] = [
        (UsageError, "prise", frame.rename({"price": "prise"})),
        (DataError, r"the column 'miles' is .*list", frame.with_columns(pl.concat_list("miles"))),
        (UsageError, "collect", frame.lazy()),
        (DataError, "two columns 'price'", pd.DataFrame([[1, 2]] * 40, columns=["price", "price"])),
        (DataError, "period", pd.DataFrame({"price": range(40), "month": pd.period_range("2020-01", periods=40, freq="M")})),
        (UsageError, "a list is not a frame", [1, 2]),
    ]
    for kind, match, bad in cases:
        with pytest.raises(kind, match=match):
            tt.fit(bad, target="price", folder=tmp_path / "new")
    assert not (tmp_path / "new" / "new.yaml").exists()


def test_an_index_with_a_name_is_left_out_and_that_is_said(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"the index \(lot\) is left out"), pytest.raises(UsageError, match="nothing"):
        tt.fit(sales(40).to_pandas().set_index("lot"), target="nothing", folder=tmp_path / "new")


def test_a_temporary_project_lies_as_long_as_it_is_referred_to() -> None:
    scratch = Scratch()
    path, held = scratch.path, [scratch]
    del scratch
    gc.collect()
    assert path.is_dir()
    held.clear()
    gc.collect()
    assert not path.exists()


def test_a_run_from_another_folder_and_thread_finds_what_is_fresh(
    fitted: tt.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(fitted.folder)
    found: list[tt.Result] = []
    lines: list[str] = []
    run = lambda: found.append(tt.run("cars.yaml", overrides=QUICK, report=False, say=lines.append))  # noqa: E731
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    monkeypatch.chdir(tmp_path)
    assert found[0].leaderboard.equals(fitted.leaderboard)
    assert found[0].model.run_id == fitted.model.run_id
    assert capfd.readouterr() == ("", "")
    with pytest.raises(ConfigError, match=r"split\.fold: unknown key; did you mean 'folds'"):
        tt.run(fitted.config_file, overrides=["split.fold=3"])
