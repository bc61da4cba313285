"""`tabtrail.load_model` and what a model answers: rows and frames of every kind as the command line and the service have them."""

import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from tests.support.projects import Project

import tabtrail as tt
from tabtrail.cli.predict import main as predict_main
from tabtrail.errors import ConfigError, DataError, NotTrainedError, UsageError


@pytest.fixture(scope="module")
def model(small: Project) -> tt.Model:
    return tt.load_model(small.root / "models")


@pytest.fixture(scope="module")
def rows(model: tt.Model) -> list[dict[str, Any]]:
    """Rows that are usual, new to the model, and incomplete where that is allowed."""
    usual = model.schema.example
    return [usual, {**usual, "QUANTITYORDERED": 49}, {**usual, "PRODUCTLINE": "Sleighs"}, {**usual, "QUANTITYORDERED": "31"}]


def as_frames(rows: list[dict[str, Any]]) -> dict[str, Any]:
    polars = pl.DataFrame(rows, strict=False)
    texts = [name for name, kind in polars.schema.items() if kind == pl.String]
    pandas = polars.to_pandas()
    return {
        "polars": polars,
        "polars categories": polars.with_columns(pl.col(texts).cast(pl.Categorical)),
        "polars enums": polars.with_columns(pl.col(name).cast(pl.Enum(polars[name].drop_nulls().unique())) for name in texts),
        "pandas": pandas,
        "pandas objects": pd.DataFrame(rows, dtype=object),
        "pandas categories": pandas.astype(dict.fromkeys(texts, "category")),
        "arrow": polars.to_arrow(),
        "arrow views": polars.to_arrow(compat_level=pl.CompatLevel.newest()),
        "arrow, in pieces": pa.concat_tables([polars.head(1).to_arrow(), polars.tail(-1).to_arrow()]),
    }


def columns_of(answer: Any) -> dict[str, list[Any]]:
    """The columns of an answer of whichever kind, None for a missing value."""
    if isinstance(answer, pd.DataFrame):
        answer = pa.Table.from_pandas(answer, preserve_index=False)
    found: dict[str, list[Any]] = answer.to_dict(as_series=False) if isinstance(answer, pl.DataFrame) else answer.to_pydict()
    return found


def test_a_frame_of_any_kind_a_list_of_rows_and_the_command_answer_alike(
    model: tt.Model, rows: list[dict[str, Any]], small: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    predict_main(["--config", str(small.config_file), "--json", json.dumps(rows), "--format", "json"])
    told = json.loads(capsys.readouterr().out)
    wanted = {
        "prediction": [each["prediction"] for each in told],
        "low": [each["interval"]["low"] for each in told],
        "high": [each["interval"]["high"] for each in told],
        "warnings": ["; ".join(each["warnings"]) or None for each in told],
    }
    for name, frame in as_frames(rows).items():
        assert columns_of(model.predict(frame)) == wanted, name
    answers = model.predict(rows)
    assert [(each.value, each.low, each.high) for each in answers] == list(
        zip(wanted["prediction"], wanted["low"], wanted["high"], strict=True)
    )
    assert model.predict(rows[2]) == answers[2]
    assert answers[2].warnings == tuple(told[2]["warnings"]) != ()


def test_the_answer_is_of_the_kind_that_was_asked_with_and_has_its_index(model: tt.Model, rows: list[dict[str, Any]]) -> None:
    frames = as_frames(rows)
    assert isinstance(model.predict(frames["polars"]), pl.DataFrame)
    assert isinstance(model.predict(frames["arrow"]), pa.Table)
    index = pd.Index(["w", "x", "y", "z"], name="order")
    answer = model.predict(frames["pandas"].set_index(index).assign(more=1))
    assert answer.index.equals(index)
    assert answer.index.name == "order"
    empty = model.predict(frames["polars"].head(0))
    assert empty.height == 0
    assert empty.columns == ["prediction", "low", "high", "warnings"]


def test_rows_that_break_the_contract_are_named_or_kept_with_their_reasons(model: tt.Model, rows: list[dict[str, Any]]) -> None:
    bad = pl.DataFrame([rows[0], {**rows[0], "QUANTITYORDERED": -30}, rows[1]], strict=False)
    with pytest.raises(DataError, match=r"1 of 3 rows .* row 1 \(from 0\): QUANTITYORDERED: must be at least"):
        model.predict(bad)
    kept = model.predict(bad, refused="keep")
    assert kept["prediction"].is_null().to_list() == [False, True, False]
    assert kept["refused"][1].startswith("QUANTITYORDERED: must be at least")
    assert kept["prediction"][0] == model.predict(rows[0]).value
    with pytest.raises(UsageError, match="refused: write raise or keep"):
        model.predict(bad, refused="drop")


def test_a_frame_that_cannot_be_read_is_refused_with_the_column(model: tt.Model, rows: list[dict[str, Any]]) -> None:
    frame = pl.DataFrame(rows[:2], strict=False)
    with pytest.raises(DataError, match="lacks the column 'QUANTITYORDERED'; did you mean 'QUANTITYORDER'"):
        model.predict(frame.rename({"QUANTITYORDERED": "QUANTITYORDER"}))
    with pytest.raises(DataError, match=r"the column 'QUANTITYORDERED' is .*list"):
        model.predict(frame.with_columns(QUANTITYORDERED=pl.Series([[1], [2]])))
    with pytest.raises(DataError, match="two columns 'QUANTITYORDERED'"):
        pandas = frame.to_pandas()
        model.predict(pd.concat([pandas, pandas[["QUANTITYORDERED"]]], axis=1))
    with pytest.raises(UsageError, match="collect"):
        model.predict(frame.lazy())  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="a int is not a frame"):
        model.predict(3)  # type: ignore[call-overload]


def test_a_row_of_pandas_or_numpy_is_a_row(model: tt.Model, rows: list[dict[str, Any]]) -> None:
    frame = pd.DataFrame(rows[:2])
    assert model.predict(frame.iloc[1]) == model.predict(rows[1])  # type: ignore[call-overload]
    assert model.predict({name: frame[name].to_numpy()[1] for name in frame}) == model.predict(rows[1])


def test_contributions_add_up_to_the_prediction_wherever_the_model_was_loaded_from(
    model: tt.Model, rows: list[dict[str, Any]], small: Project
) -> None:
    found = model.explain(rows[1])
    assert found.base_value + sum(found.contributions.values()) == pytest.approx(model.predict(rows[1]).value, rel=1e-5)
    registered = tt.load_model(f"models:/{model.name}@champion", config=small.config_file)
    assert registered.run_id == model.run_id
    assert registered.predict(rows) == model.predict(rows)
    assert registered.explain(rows[1]) == found
    uri = small.config().mlflow.tracking_uri
    assert tt.load_model(f"models:/{model.name}/1", tracking_uri=uri).explain(rows[1]) == found
    assert tt.load_model(small.config_file).explain(rows[1]) == found


def test_a_model_that_is_not_there_is_said_with_what_there_is(small: Project, tmp_path: Path) -> None:
    name = small.config().model.name
    for place, match in {
        f"models:/{name}@winner": "has the aliases champion",
        f"models:/{name}/99": "is not in the MLflow store",
        "models:/sales_regresor@champion": f"did you mean '{name}'",
    }.items():
        with pytest.raises(NotTrainedError, match=match):
            tt.load_model(place, config=small.config_file)
    with pytest.raises(UsageError, match="write models:/NAME@champion"):
        tt.load_model("models:/m", config=small.config_file)
    with pytest.raises(NotTrainedError, match="there is no MLflow store"):
        tt.load_model("models:/m@champion", tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NotTrainedError, match="there is no folder"):
        tt.load_model(tmp_path / "models")
    with pytest.raises(NotTrainedError, match=f"it has {name}"):
        tt.load_model(small.root / "models", name="other")
    with pytest.raises(ConfigError, match="there is no config file"):
        tt.load_model(tmp_path / "config.yaml")


def test_many_threads_may_ask_one_model(model: tt.Model, rows: list[dict[str, Any]]) -> None:
    wanted, frame, found = model.predict(rows), pl.DataFrame(rows, strict=False), list[bool]()

    def ask() -> None:
        for _ in range(20):
            found.append(model.predict(rows) == wanted)
            found.append(model.predict(frame)["prediction"].to_list() == [each.value for each in wanted])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == [True] * 160


def test_a_notebook_shows_a_model_its_schema_an_answer_and_an_explanation(model: tt.Model, rows: list[dict[str, Any]]) -> None:
    for shown in (model, model.schema, model.predict(rows[2]), model.explain(rows[0])):
        assert "<table>" in shown._repr_html_()
    assert "seen in training" in model.schema._repr_html_()
    assert model.schema.to_dict()["target"] == model.schema.target == "SALES"


def test_what_mlflow_logs_and_reads_is_afterwards_as_it_was(small: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "7")
    level = logging.getLogger("alembic").level
    tt.load_model(f"models:/{small.config().model.name}@champion", config=small.config_file)
    assert "MLFLOW_DISABLE_TELEMETRY" not in os.environ
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "7"
    assert logging.getLogger("alembic").level == level


def test_importing_tabtrail_costs_next_to_nothing_and_what_serves_needs_no_extra(small: Project) -> None:
    """CPU seconds of a fresh process: 0.15 are allowed."""
    code = """
import sys, time
import importlib.util as util
blocked, usual = sys.argv[2].split(), util.find_spec
class NotInstalled:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, NotInstalled)
util.find_spec = lambda name, *rest: None if name in blocked else usual(name, *rest)
start = time.process_time()
import tabtrail as tt
print(time.process_time() - start)
model = tt.load_model(sys.argv[1])
print(model.predict(model.schema.example).value)
for ask in (lambda: model.explain(model.schema.example), lambda: tt.fit, lambda: tt.Regressor):
    try:
        ask()
    except tt.TabtrailError as error:
        print(str(error).rpartition(": ")[2])
try:
    import polars
    print(model.predict(polars.DataFrame([model.schema.example]))["prediction"].item())
except ImportError:
    print("no frames")
print(sorted(dir(tt))[:3], hasattr(tt, "nothing"))
"""
    train = "pandas mlflow sklearn duckdb filelock onnx matplotlib lightgbm catboost xgboost skl2onnx"
    for blocked in (train, f"{train} polars pyarrow"):
        done = subprocess.run(
            [sys.executable, "-c", code, str(small.root / "models"), blocked],
            capture_output=True,
            text=True,
            check=True,
            cwd=small.root,
        )
        seconds, prediction, *asked, framed, names = done.stdout.splitlines()
        assert float(seconds) < 0.15
        assert asked == ["pip install 'tabtrail[train]'"] * 3
        assert framed == ("no frames" if "polars" in blocked else prediction)
        assert names.endswith("False")
        assert done.stderr == ""
