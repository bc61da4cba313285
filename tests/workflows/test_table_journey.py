"""From a table of PostgreSQL to predictions and back into the warehouse, as a user types it, from outside the checkout."""

import json
from pathlib import Path

import polars as pl
import pytest
from tests.support.commands import overrides, run_in
from tests.support.database_tables import Tables, count
from tests.support.postgres import needs_postgres
from tests.support.projects import ONE_CANDIDATE, Project

from tabtrail.config.load import load_config
from tabtrail.data.manifest import read_manifest

pytestmark = pytest.mark.usefixtures("one_picture")

SOURCE = [
    "paths.raw_csv=null",
    "source.table=shop.order_lines",
    "source.order_by=[place]",
    "cleaning.drop_columns=[ADDRESSLINE2, place]",
]
WORDS = overrides(*SOURCE, "warehouse={table: analytics.sales, summaries: analytics}", *ONE_CANDIDATE, "explain.max_rows=20",
                  "report.learning_curve_folds=1")  # fmt: skip


@needs_postgres
def test_a_project_whose_rows_are_a_table_goes_all_the_way(
    project: Project, tables: Tables, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path.parent)
    of_csv = ingested(project)
    texts = pl.read_csv(project.csv, infer_schema=False, encoding="cp850").with_row_index("place")
    tables.run("CREATE SCHEMA shop")
    tables.write("shop.order_lines", {name: "int" if name == "place" else "text" for name in texts.columns}, texts.rows())
    project.csv.unlink()

    summary = json.loads(run_in(project, "run", *WORDS, "--format=json").stdout)
    assert summary["repeated"] == dict.fromkeys(("ingest", "eda", "load", "profile", "train", "report"), True)
    config = load_config(project.config_file, [*SOURCE])
    manifest = read_manifest(config.dataset)
    assert manifest.data_sha256 == of_csv
    assert count(tables, "analytics.sales") == manifest.rows_kept
    assert run_in(project, "status", *WORDS).stdout.count("fresh") >= 6
    found = json.loads(run_in(project, "doctor", *WORDS, "--format=json").stdout)
    states = {each["name"]: each["state"] for each in found["checks"]}
    assert found["healthy"]
    assert [states[name] for name in ("input", "dataset", "warehouse", "stages")] == ["ok"] * 4

    # What is deployed needs no database.
    monkeypatch.setenv("TABTRAIL_POSTGRES", "postgresql://a:s3cret@127.0.0.1:1/x")
    schema = json.loads(run_in(project, "predict", "--show-schema", "--format", "json").stdout)
    done = run_in(project, "predict", "--json", json.dumps(schema["example"]), "--format", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)
    run_id = json.loads(run_in(project, "status", *WORDS, "--format=json").stdout)["deployed"]["run_id"]
    assert run_in(project, "reproduce", run_id, *WORDS).returncode == 0

    out = tmp_path / "scored.parquet"
    texts.drop("place").head(100).write_csv(tmp_path / "more.csv")
    assert run_in(project, "predict", "--input", str(tmp_path / "more.csv"), "--output", str(out)).returncode == 0
    monkeypatch.setenv("TABTRAIL_POSTGRES", tables.address)
    assert run_in(project, "load", str(out), "--table", "analytics.predictions", *WORDS).returncode == 0
    assert count(tables, "analytics.predictions") == pl.read_parquet(out).height


def ingested(project: Project) -> str:
    assert run_in(project, "ingest").returncode == 0
    return read_manifest(load_config(project.config_file).dataset).data_sha256
