"""The form of a model, its answer, what it is made of, what if, and files: the numbers of the bundle itself, and nothing lost."""

import csv
import errno
import io
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from tests.support.demand import demand_project
from tests.support.projects import Project, Trained

from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.dashboard import contributions as parts_of
from tabtrail.dashboard.form import MOST_OPTIONS, fields_of, near_texts, row_of
from tabtrail.dashboard.predict import answer, what_if
from tabtrail.dashboard.scoring import score_upload
from tabtrail.data.dataset import scan_dataset
from tabtrail.explain.stored import explained_columns
from tabtrail.project.paths import Artifacts
from tabtrail.workflows.explain import explain_row


def predictor_of(project: Project) -> Predictor:
    config = project.config()
    return Predictor(load_bundle(config.paths.models_dir, config.model.name))


@pytest.fixture(scope="module")
def sales(small: Project) -> Predictor:
    return predictor_of(small)


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    trained: Trained = demand_project(tmp_path_factory)
    return predictor_of(trained.project)


def test_a_form_has_a_field_for_each_column_with_what_is_allowed_what_was_seen_and_an_example_that_can_be_predicted(
    sales: Predictor,
) -> None:
    fields = {field.name: field for field in fields_of(sales)}
    assert list(fields) == sales.schema.names
    assert fields["QUANTITYORDERED"].kind == "whole"
    assert "allowed: ≥ 1 and ≤ 100,000" in fields["QUANTITYORDERED"].hint
    assert fields["DEALSIZE"].options == ("Small", "Medium", "Large")
    assert fields["PRICEEACH"].seen == next(each.seen_range for each in sales.schema.features if each.name == "PRICEEACH")
    row = row_of(list(fields.values()), {name: field.example for name, field in fields.items()}, ())
    assert answer(sales, row).prediction == sales.predict([sales.schema.example])[0]


def test_a_row_that_the_contract_does_not_allow_is_refused_with_every_reason(sales: Predictor) -> None:
    found = answer(sales, {**sales.schema.example, "PRICEEACH": -1, "DEALSIZE": "Huge"})
    assert found.prediction is None
    assert [problem.split(":")[0] for problem in found.problems] == ["PRICEEACH", "DEALSIZE"]


def test_an_empty_entry_is_null_and_left_out_where_the_column_is_optional(sales: Predictor) -> None:
    fields = fields_of(sales)
    entries = {field.name: field.example for field in fields} | {"COUNTRY": "  ", "MSRP": 95.0}
    assert row_of(fields, entries, ())["COUNTRY"] is None
    assert "COUNTRY" not in row_of(fields, entries, ("COUNTRY",))
    assert isinstance(row_of(fields, entries, ())["MSRP"], int)


def test_a_form_of_series_begins_with_a_known_one_and_needs_its_date(series: Predictor) -> None:
    fields = {field.name: field for field in fields_of(series)}
    assert fields["store_id"].options == ("STORE_000", "STORE_001")
    assert fields["date"].required
    row = row_of(list(fields.values()), {name: field.example for name, field in fields.items()}, ("price",))
    found = answer(series, row)
    assert found.prediction is not None
    assert found.prediction.forecast is not None


@pytest.mark.parametrize("column", ["QUANTITYORDERED", "PRICEEACH", "COUNTRY"])
def test_a_curve_has_the_predictions_that_the_bundle_gives_for_those_rows(sales: Predictor, column: str) -> None:
    row = sales.schema.example
    curve = what_if(sales, row, column)
    values = curve.frame["value"].to_list()
    whole = column == "QUANTITYORDERED"
    right = sales.predict([{**row, column: int(value) if whole else value} for value in values])
    assert curve.frame["predicted"].to_list() == [each.value for each in right]
    assert curve.frame["low"].to_list() == [each.interval.low for each in right if each.interval is not None]
    assert curve.frame.filter(pl.col("current"))["value"].to_list() == [row[column]]
    assert values == sorted(values)


def test_a_curve_leaves_out_what_the_contract_does_not_allow_with_the_other_values_and_says_how_many(sales: Predictor) -> None:
    curve = what_if(sales, {**sales.schema.example, "QTR_ID": 3, "MONTH_ID": 8}, "MONTH_ID")
    assert curve.frame["value"].to_list() == [7.0, 8.0, 9.0][: curve.frame.height]
    assert curve.refused + curve.frame.height == 12
    assert "quarter_matches_month" in curve.reason


def test_a_curve_over_the_date_of_a_forecast_is_the_days_ahead(series: Predictor) -> None:
    row = {field.name: field.example for field in fields_of(series)}
    curve = what_if(series, row, "date")
    assert series.demand is not None
    assert curve.kind == "date"
    assert curve.frame["value"].max() == date.fromisoformat(series.demand.as_of) + timedelta(days=7)


def test_contributions_of_a_row_add_up_to_the_served_prediction_and_name_every_column(small: Project, sales: Predictor) -> None:
    served = sales.predict([sales.schema.example])[0]
    found = parts_of.contributions(sales, served, explained_columns(pl.read_parquet(Artifacts.of(small.config()).shap)))
    assert found.prediction == pytest.approx(served.value)
    assert found.base_value + sum(value for _, _, value in found.parts) == pytest.approx(served.value)
    assert [name for name, _, _ in found.parts] == sales.schema.names
    texts = {name: text for name, text, _ in found.parts}
    assert texts["COUNTRY"] == sales.schema.example["COUNTRY"]


def test_a_page_and_the_command_explain_a_row_alike(small: Project, sales: Predictor) -> None:
    config = small.config()
    row, artifacts = {**sales.schema.example, "PRICEEACH": 61.5}, Artifacts.of(config)
    served = sales.predict([row])[0]
    found = parts_of.contributions(sales, served, explained_columns(pl.read_parquet(artifacts.shap)))
    bundle = load_bundle(config.paths.models_dir, config.model.name)
    told = explain_row(bundle, row, artifacts, lambda run: pytest.fail(f"{run} is the last one"))
    assert {name: value for name, _, value in found.parts} == pytest.approx(told.contributions)
    assert found.base_value == pytest.approx(told.base_value)


def test_rows_of_the_dataset_stand_in_where_a_training_left_no_explained_ones(small: Project, sales: Predictor) -> None:
    rows = scan_dataset(small.config().dataset).head(200).collect()
    served = sales.predict([sales.schema.example])[0]
    found = parts_of.contributions(sales, served, parts_of.background_of(rows, sales))
    assert found.base_value + sum(value for _, _, value in found.parts) == pytest.approx(served.value)


def test_contributions_of_a_forecast_are_by_group_and_add_up_to_it(series: Predictor) -> None:
    row = {field.name: field.example for field in fields_of(series)}
    served = series.predict([row])[0]
    found = parts_of.contributions(series, served, parts_of.background_of_series(series))
    assert found.base_value + sum(value for _, _, value in found.parts) == pytest.approx(served.value)
    assert {"promotion and price", "past of the series"} <= {name for name, _, _ in found.parts}


def test_an_uploaded_file_is_scored_with_every_row_accounted_for_and_the_others_told_why(sales: Predictor) -> None:
    row = {name: str(value) for name, value in sales.schema.example.items()}
    rows = [row, {**row, "PRICEEACH": "-5"}, {**row, "COUNTRY": "Atlantis"}, {**row, "DEALSIZE": ""}]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(row))
    writer.writeheader()
    writer.writerows(rows)
    for ending in ("csv", "parquet", "jsonl"):
        found = score_upload(sales, "../../etc/<b>rows</b>.csv", text.getvalue().encode(), ending=ending)
        assert not found.problem
        assert (found.account.rows, found.account.scored, found.account.rejected, found.account.warned) == (4, 2, 2, 1)
        assert found.is_whole
        assert found.first_rejects is not None
        assert found.first_rejects["row"].to_list() == [2, 4]
        assert "PRICEEACH" in found.first_rejects["reason"][0]
    frame = pl.read_ndjson(io.BytesIO(found.predictions))
    assert frame["prediction"].to_list() == pytest.approx([each.value for each in sales.predict([rows[0], rows[2]])])
    assert set(frame.columns) >= {"row", "prediction", "low", "high", "warnings"}


@pytest.mark.parametrize("data", [b"", b"a,b\n1,2\n", b"\x00\xff\xfe not a table", b"PAR1"])
def test_a_file_that_cannot_be_scored_is_refused_with_a_message_that_names_it_as_the_user_does(
    sales: Predictor, data: bytes
) -> None:
    found = score_upload(sales, "mine.csv", data)
    assert found.problem
    assert "/tmp" not in found.problem
    assert not found.predictions


def test_a_disk_without_room_for_an_upload_is_said_to_be_full(sales: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert (
        score_upload(sales, "mine.csv", b"a,b\n").problem == "mine.csv cannot be kept while it is scored: No space left on device"
    )


def test_a_category_of_thousands_is_typed_with_near_texts_named_and_never_listed(
    sales: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    feature = next(each for each in sales.schema.features if each.name == "COUNTRY")
    monkeypatch.setattr("tabtrail.dashboard.form.known_texts", lambda *_: tuple(f"c{number:05}" for number in range(10_000)))
    field = next(each for each in fields_of(sales) if each.name == feature.name)
    assert (field.kind, field.options, field.known) == ("text", (), 10_000)
    assert near_texts(sales, "COUNTRY", "C0010", most=3) == ["c00100", "c00101", "c00102"]
    assert MOST_OPTIONS < 10_000


def test_the_pages_that_predict_import_nothing_that_trains(small: Project) -> None:
    code = (
        "import sys, tabtrail.dashboard.views.predict, tabtrail.dashboard.views.model;"
        "print(sorted({'sklearn', 'mlflow', 'shap', 'joblib', 'lightgbm', 'catboost', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
