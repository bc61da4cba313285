"""A trained model as Python, HTTP, MLflow, files and the command line reach it: the same rows by every way in."""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import mlflow.pyfunc
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow.exceptions import MlflowException
from tests.support.nasty_rows import CONFIG, FEATURES, Texts, bad_rows, good_rows, target, write_csv
from tests.support.projects import Project, once, place_store, serving
from tests.support.stages import run_ingest, run_train
from tests.support.table_files import write_excel, write_json_lines

from tabtrail.bundle.input_blocks import InputFile
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.outputs import output_at
from tabtrail.bundle.predictor import Predictor
from tabtrail.bundle.rows import PayloadError
from tabtrail.bundle.score_file import score_file
from tabtrail.cli.predict import main
from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.data.dataset import scan_dataset
from tabtrail.errors import DataError
from tabtrail.modeling.problem import problem_of
from tabtrail.modeling.table import load_table
from tabtrail.tracking.models import model_of
from tabtrail.tracking.store import open_store
from tabtrail.workflows.pipelines import load_pipeline


@dataclass(frozen=True)
class Nasty:
    """The trained project, and its model as Python, HTTP and the command line reach it."""

    config: Config
    predictor: Predictor
    logged: mlflow.pyfunc.PyFuncModel
    client: httpx.Client
    folder: Path

    def fitted(self) -> dict[int, float]:
        """Return what the fitted model itself predicts for the rows of the dataset, by id."""
        problem, data = problem_of(self.config), scan_dataset(self.config.dataset).collect()
        table = load_table(problem, data)
        pipeline = load_pipeline(self.config.paths.models_dir, self.predictor.metadata)
        ids = data["id"].to_numpy()[table.row]
        return dict(zip(map(int, ids), map(float, pipeline.predict(table.x)), strict=True))


@contextmanager
def nasty_model(factory: pytest.TempPathFactory, store: Path, ending: str) -> Iterator[Nasty]:
    """The nasty rows as a source of that ending, with a model trained on them once a session, and its service."""
    with once(factory, f"nasty_{ending}") as root:
        if not root.is_dir():
            root.mkdir()
            place_store(store, root / "mlruns" / "mlflow.db")
            (root / "config_v2.yaml").write_text(CONFIG.replace("nasty.csv", f"nasty.{ending}"))
            rows = [{**row, "y": target(row, index)} for index, row in enumerate([*good_rows(), *bad_rows()])]
            WRITERS[ending](root / "nasty.csv", rows)
        config = load_config(root / "config_v2.yaml")
        run_ingest(config)
        board, _ = run_train(config)
    predictor = Predictor(load_bundle(config.paths.models_dir, "nasty"))
    tracked = open_store(config.mlflow)
    logged = mlflow.pyfunc.load_model(model_of(tracked, board.champion_row.run_id).location)
    with serving(Project(root), door=False) as client:
        yield Nasty(config, predictor, logged, client, factory.mktemp("nasty_files"))


def features_of(rows: Sequence[Texts]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in FEATURES} for row in rows]


class Refused(Exception):  # noqa: N818 - what a way in says of a row that it does not take
    """Why a way in refused rows."""


def by_python(nasty: Nasty, rows: Sequence[Texts]) -> list[float]:
    try:
        return [each.value for each in nasty.predictor.predict(features_of(rows))]
    except PayloadError as error:
        raise Refused(str(error)) from None


def by_json_file(nasty: Nasty, rows: Sequence[Texts]) -> list[float]:
    path, out = nasty.folder / "rows.json", io.StringIO()
    path.write_text(json.dumps(features_of(rows)))
    return _command(nasty, ["--json-file", str(path), "--format", "json"], out)


def _command(nasty: Nasty, words: list[str], out: io.StringIO) -> list[float]:
    errors = io.StringIO()
    config = str(nasty.config.root / "config_v2.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", out)
        patch.setattr("sys.stderr", errors)
        try:
            main([*words, "--config", config], prog="predict")
        except SystemExit as stop:
            assert stop.code == 2
            raise Refused(errors.getvalue()) from None
    return [each["prediction"] for each in json.loads(out.getvalue())]


def by_single_requests(nasty: Nasty, rows: Sequence[Texts]) -> list[float]:
    return [posted(nasty, "/predict", json=row)["prediction"] for row in features_of(rows)]


def posted(nasty: Nasty, path: str, **body: Any) -> Any:
    answer = nasty.client.post(path, **body)
    if answer.status_code == 422:
        raise Refused("; ".join(f"{each['column']}: {each['message']}" for each in answer.json()["errors"]))
    assert answer.status_code == 200, answer.text
    return answer.json()


def by_batch(nasty: Nasty, rows: Sequence[Texts]) -> list[float]:
    return [each["prediction"] for each in posted(nasty, "/predict/batch", json=features_of(rows))["predictions"]]


def by_arrow(nasty: Nasty, rows: Sequence[Texts]) -> list[float]:
    return arrow_predictions(nasty, pa.Table.from_pylist(features_of(rows)))


def arrow_predictions(nasty: Nasty, table: Any) -> list[float]:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    media = "application/vnd.apache.arrow.stream"
    answer = nasty.client.post("/predict/batch", content=sink.getvalue(), headers={"content-type": media})
    if answer.status_code == 422:
        raise Refused("; ".join(f"{each['column']}: {each['message']}" for each in answer.json()["errors"]))
    return list(pa.ipc.open_stream(answer.content).read_all().column("prediction").to_pylist())


def by_invocations(form: Callable[[list[dict[str, Any]]], Any]) -> Callable[[Nasty, Sequence[Texts]], list[float]]:
    return lambda nasty, rows: posted(nasty, "/invocations", json=form(features_of(rows)))["predictions"]


def by_invocations_csv(nasty: Nasty, rows: Sequence[Texts]) -> list[float]:
    body = write_csv(nasty.folder / "body.csv", features_of(rows)).read_bytes()
    return list(posted(nasty, "/invocations", content=body, headers={"content-type": "text/csv"})["predictions"])


def by_v2(nasty: Nasty, rows: Sequence[Texts]) -> list[float]:
    tensors = [
        {"name": name, "datatype": "BYTES", "shape": [len(rows)], "data": [row[name] for row in rows]} for name in FEATURES
    ]
    return list(posted(nasty, "/v2/models/nasty/infer", json={"inputs": tensors})["outputs"][0]["data"])


def by_mlflow(nasty: Nasty, rows: Any) -> list[float]:
    return logged_predictions(nasty, pd.DataFrame(features_of(rows)))


def logged_predictions(nasty: Nasty, frame: pd.DataFrame) -> list[float]:
    try:
        return list(map(float, nasty.logged.predict(frame)))
    except MlflowException as error:
        raise Refused(str(error)) from None


def by_file(write: Callable[[Path, Any], Path]) -> Callable[[Nasty, Any], list[float]]:
    def score(nasty: Nasty, rows: Any) -> list[float]:
        path = write(nasty.folder / "rows.csv", rows)
        output = nasty.folder / "scored.parquet"
        try:
            outcome = score_file(nasty.predictor, InputFile(path), output_at(output, None), intervals=False)
        except DataError as error:
            raise Refused(str(error)) from None
        assert outcome.rejected == 0
        return pl.read_parquet(output)["prediction"].to_list()

    return score


def write_parquet(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path = path.with_suffix(".parquet")
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return path


def write_sheet(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    return write_excel(path.with_suffix(".xlsx"), list(rows[0]), [list(row.values()) for row in rows])


def write_lines(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    return write_json_lines(path.with_suffix(".jsonl"), list(rows[0]), [list(row.values()) for row in rows])


WRITERS: dict[str, Callable[[Path, Any], Path]] = {
    "csv": write_csv,
    "xlsx": write_sheet,
    "parquet": write_parquet,
    "jsonl": write_lines,
}
WAYS: dict[str, Callable[[Nasty, Sequence[Texts]], list[float]]] = {
    "Python": by_python,
    "--json-file": by_json_file,
    "HTTP single": by_single_requests,
    "HTTP batch": by_batch,
    "HTTP Arrow": by_arrow,
    "/invocations dataframe_records": by_invocations(lambda rows: {"dataframe_records": rows}),
    "/invocations instances": by_invocations(lambda rows: {"instances": rows}),
    "/invocations inputs": by_invocations(lambda rows: {"inputs": {name: [row[name] for row in rows] for name in FEATURES}}),
    "/invocations dataframe_split": by_invocations(
        lambda rows: {"dataframe_split": {"columns": list(FEATURES), "data": [[row[name] for name in FEATURES] for row in rows]}}
    ),
    "/invocations CSV": by_invocations_csv,
    "v2": by_v2,
    "MLflow's pyfunc": by_mlflow,
} | {f"--input {ending}": by_file(write) for ending, write in WRITERS.items()}
