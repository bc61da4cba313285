"""Periods of the sample sales data against one another."""

import json
import re
import shutil
import sqlite3
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, ValidationError
from tests.support.commands import run_in
from tests.support.projects import REAL_CSV, Project

from tabtrail.data.result_files import drift_table_file
from tabtrail.report.data_evidence import checked_windows


@pytest.fixture(scope="module")
def sales(small: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A trained project of its own for this module, of the real file."""
    if not REAL_CSV.is_file():
        pytest.skip(f"{REAL_CSV} is missing: the figures of the real file are not checked")
    return Project(shutil.copytree(small.root, tmp_path_factory.mktemp("periods") / "project"))


def test_the_plain_psi_of_sales_between_2003_and_2005_is_that_of_the_users_documents(sales: Project) -> None:
    done = run_in(sales, "drift", "--between", "2003", "2005", "--format=json", "-q")
    plain = json.loads(done.stdout)[0]["plain_psi"]["SALES"]
    assert round(plain["value"], 4) == 0.0092
    assert (sum(plain["reference"]), sum(plain["window"]), plain["left_out"]) == (963, 438, 5)
    assert plain["value"] < plain["by_chance"]


def test_a_window_leaves_a_page_the_users_files_a_table_and_a_run(sales: Project, tmp_path: Path) -> None:
    project = Project(shutil.copytree(sales.root, tmp_path / "project"))
    assert run_in(project, "drift", "--between", "2003", "2005Q2", "-q").returncode == 5
    output = project.root / "output"
    psi = json.loads((output / "monitoring" / "psi_sales_2003_2005q2.json").read_text())
    assert (psi["column"], len(psi["edges"]), len(psi["window"])) == ("SALES", 11, 10)
    assert (output / "monitoring" / "sales_2003_2005q2.png").read_bytes().startswith(b"\x89PNG")
    page = (output / "drift" / "2005Q2_against_2003.html").read_text()
    assert "moved by 0.77 standard deviations" in page
    assert not re.search(r"(src|href)=\"https?:", page)
    question = """select "column" from drift where column_alarm and "window" = '2005Q2' order by 1"""
    rows = json.loads(run_in(project, "sql", question, "--format=json").stdout)
    assert [row["column"] for row in rows] == ["DEALSIZE", "QUANTITYORDERED", "SALES"]
    with sqlite3.connect(project.root / "mlruns" / "mlflow.db") as store:
        found = store.execute(
            "select m.value from metrics m join runs r using (run_uuid) join experiments e using (experiment_id)"
            " where e.name = 'sales_regressor_drift' and r.name = '2005Q2' and m.key = 'columns_that_drift'"
        ).fetchall()
    assert found == [(3.0,)]


def test_quarters_against_2003_name_what_moved_and_nothing_that_follows_from_the_date(sales: Project) -> None:
    done = run_in(sales, "drift", "--between", "2003", "2004..2005Q2", "--by", "quarter", "--format=json", "-q")
    reports = {each["compared"]["window"]: each["check"] for each in json.loads(done.stdout)}
    assert done.returncode == 5
    assert list(reports) == ["2004Q1", "2004Q2", "2004Q3", "2004Q4", "2005Q1", "2005Q2"]
    named = {window: {each["name"] for each in found["columns"] if each["alarm"]} for window, found in reports.items()}
    assert {"QUANTITYORDERED", "DEALSIZE"} <= named["2005Q2"]
    assert not {"PRICEEACH", "MSRP"} & named["2005Q2"]
    assert {"PRICEEACH", "MSRP"} <= named["2005Q1"]  # whose prices are interchanged between the lines of orders
    for found in reports.values():
        assert {"YEAR_ID", "QTR_ID", "MONTH_ID"} == {each["name"] for each in found["apart"]}


def test_a_model_tells_the_quarter_apart_whose_quantities_grew_and_not_one_like_the_others(sales: Project) -> None:
    found = {}
    for window in ("2004Q3", "2005Q2"):
        done = run_in(sales, "drift", "--between", "2003", window, "--together", "--format=json", "-q")
        found[window] = json.loads(done.stdout)[0]["together"]
    assert found["2005Q2"]["auc"] > 0.55 > found["2004Q3"]["auc"]
    assert found["2005Q2"]["p_value"] < 0.2 < found["2004Q3"]["p_value"]  # a quarter has 19 orders, which are permuted whole
    assert not {"YEAR_ID", "QTR_ID", "MONTH_ID"} & set(found["2005Q2"]["columns"])
    assert "QUANTITYORDERED" in list(found["2005Q2"]["columns"])[:4]


def test_a_model_that_tells_apart_needs_two_periods(sales: Project) -> None:
    done = run_in(sales, "drift", "--together")
    assert (done.returncode, "give --between too" in done.stderr) == (2, True)


def test_the_json_of_a_window_keeps_its_published_schema(sales: Project) -> None:
    schema = json.loads(run_in(sales, "drift", "--schema").stdout)
    run_in(sales, "drift", "--between", "2003", "2004Q1", "-q")
    document = json.loads((sales.root / "output" / "drift" / "2004Q1_against_2003.json").read_text())
    Draft202012Validator(schema).validate(document)
    with pytest.raises(ValidationError):
        Draft202012Validator(schema).validate({**document, "alarm": "perhaps"})


def test_a_period_without_rows_is_refused_with_the_days_that_there_are(sales: Project) -> None:
    done = run_in(sales, "drift", "--between", "2003", "2009")
    assert (done.returncode, "its rows are of 2003-01-06 to 2005-05-31" in done.stderr) == (2, True)


def test_quarters_after_the_end_of_the_data_are_said_and_left_out(sales: Project) -> None:
    done = run_in(sales, "drift", "--between", "2003", "2005", "--by", "quarter", "--format=json")
    assert [each["compared"]["window"] for each in json.loads(done.stdout)] == ["2005Q1", "2005Q2"]
    assert "no row of the dataset is of 2005Q3, 2005Q4" in done.stderr


def test_the_history_lists_windows_and_deployments_in_their_order(sales: Project) -> None:
    run_in(sales, "drift", "--between", "2003", "2004Q2", "-q")
    events = json.loads(run_in(sales, "drift", "--history", "--format=json").stdout)
    assert events == sorted(events, key=lambda each: (each["when"], each["name"]))
    assert {"check", "first"} <= {each["kind"] for each in events}
    found = next(each for each in events if each["name"] == "2004Q2 against 2003")
    assert (found["alarm"], found["about"]) == (False, "")


def test_the_page_for_people_lists_the_windows_that_were_checked(sales: Project) -> None:
    run_in(sales, "drift", "--between", "2003", "2004Q2", "-q")
    windows = checked_windows(drift_table_file(sales.root / "output"))
    assert ("2004Q2", "2003", 223, False, ()) in [(w.window, w.reference, w.rows, w.alarm, w.columns) for w in windows]
