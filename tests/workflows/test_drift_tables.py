"""A table of PostgreSQL as a window."""

import json
import shutil
from pathlib import Path

from tests.support.commands import run_in
from tests.support.database_tables import Tables
from tests.support.projects import Project

from tabtrail.data.dataset import scan_dataset

TYPES = {"int": "bigint", "float": "numeric", "string": "text", "date": "date"}


def test_rows_of_a_table_are_checked_as_those_of_a_file_are(small: Project, tables: Tables, tmp_path: Path) -> None:
    project = Project(shutil.copytree(small.root, tmp_path / "project"))
    config = project.config()
    names = [*config.model.inputs, config.model.target]
    rows = scan_dataset(config.dataset).select(names).collect().sample(200, seed=1)
    tables.write("june", {name: TYPES[config.columns.kind(name)] for name in names}, rows.rows())
    rows.write_parquet(project.root / "june.parquet")
    done = [
        run_in(project, "drift", *words, "--format=json", "-q")
        for words in (("--table", "june"), ("--input", str(project.root / "june.parquet")))
    ]
    assert [each.stderr for each in done] == ["", ""]
    of_table, of_file = (json.loads(each.stdout)[0] for each in done)
    assert of_table["compared"]["source"] == "table"
    assert of_table["check"]["rows"] == 200
    assert of_table["check"] == of_file["check"]
    assert of_table["performance"] == of_file["performance"]


def test_a_table_without_a_column_of_the_model_is_refused_by_its_name(small: Project, tables: Tables) -> None:
    tables.write("june", {"MSRP": "int"}, [(1,)])
    done = run_in(small, "drift", "--table", "june")
    assert (done.returncode, "june lacks COUNTRY" in done.stderr) == (3, True)
