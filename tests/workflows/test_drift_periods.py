"""Periods of the sample sales data against one another."""

import json

import pytest
from tests.support.commands import run_in
from tests.support.projects import Project


@pytest.fixture
def sales(small: Project, real_csv: object) -> Project:
    return small


def test_the_plain_psi_of_sales_between_2003_and_2005_is_that_of_the_users_documents(sales: Project) -> None:
    done = run_in(sales, "drift", "--between", "2003", "2005", "--json", "-q")
    plain = json.loads(done.stdout)[0]["plain_psi"]["SALES"]
    assert round(plain["value"], 4) == 0.0092
    assert (sum(plain["reference"]), sum(plain["window"]), plain["left_out"]) == (963, 438, 5)
    assert plain["value"] < plain["by_chance"]


def test_quarters_against_2003_name_what_moved_and_nothing_that_follows_from_the_date(sales: Project) -> None:
    done = run_in(sales, "drift", "--between", "2003", "2004..2005Q2", "--by", "quarter", "--json", "-q")
    reports = {each["compared"]["window"]: each["check"] for each in json.loads(done.stdout)}
    assert done.returncode == 5
    assert list(reports) == ["2004Q1", "2004Q2", "2004Q3", "2004Q4", "2005Q1", "2005Q2"]
    named = {window: {each["name"] for each in found["columns"] if each["alarm"]} for window, found in reports.items()}
    assert {"QUANTITYORDERED", "DEALSIZE"} <= named["2005Q2"]
    assert not {"PRICEEACH", "MSRP"} & named["2005Q2"]
    assert {"PRICEEACH", "MSRP"} <= named["2005Q1"]  # whose prices are interchanged between the lines of orders
    for found in reports.values():
        assert {"YEAR_ID", "QTR_ID", "MONTH_ID"} == {each["name"] for each in found["apart"]}


def test_a_period_without_rows_is_refused_with_the_days_that_there_are(sales: Project) -> None:
    done = run_in(sales, "drift", "--between", "2003", "2009")
    assert (done.returncode, "its rows are of 2003-01-06 to 2005-05-31" in done.stderr) == (2, True)
