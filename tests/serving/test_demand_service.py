"""A model of series over HTTP: what it answers, lists and refuses, with what to send; alone and beside a model of rows."""

import io
import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.commands import overrides, run_in
from tests.support.demand import both_project, demand_project
from tests.support.projects import Project, Trained, serving

ROW: dict[str, Any] = {"date": "2023-07-22", "store_id": "STORE_001", "product_id": "PROD_C", "price": 12.0, "promotion": True}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return demand_project(tmp_path_factory)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log")


@pytest.fixture(scope="module")
def client(trained: Trained, log: Path) -> Iterator[httpx.Client]:
    words = overrides(f"serve.prediction_log_dir={log}", "serve.drift_minutes=0.005")
    with serving(trained.project, *words, door=False) as found:
        yield found


def test_the_age_of_the_history_counts_periods_from_its_last_one_to_today(client: httpx.Client) -> None:
    (age,) = re.findall(r"^tabtrail_history_age_periods\{.*\} (\S+)$", client.get("/metrics").text, re.M)
    assert float(age) == (datetime.now(UTC).date() - date(2023, 7, 20)).days


def test_the_log_of_a_model_of_series_is_said_to_be_watched_by_nothing_and_what_to_compare_instead(
    client: httpx.Client, trained: Trained, log: Path, tmp_path: Path
) -> None:
    client.post("/predict", json=ROW).raise_for_status()
    time.sleep(1)  # three looks
    assert trained.project.serve_log.read_text().count("is not checked for drift") == 1
    done = run_in(trained.project, "drift", *overrides(f"serve.prediction_log_dir={log}"))
    assert done.returncode == 2
    assert "tabtrail drift --between 2017-06 2018-06" in done.stderr
    done = run_in(trained.project, "drift", "--between", "2023-05", "2023-06", "-q", *overrides(f"paths.output_dir={tmp_path}"))
    assert done.returncode in (0, 5), done.stderr


def test_a_forecast_says_what_it_is_of(client: httpx.Client) -> None:
    found = client.post("/predict", json=ROW).json()
    assert {"prediction", "interval", "warnings", "inputs", "currency"} <= set(found)
    assert (found["horizon"], found["as_of"]) == (2, "2023-07-20")
    assert found["model_version"] == found["mlflow_run_id"] == client.get("/health").json()["mlflow_run_id"]


def test_the_inputs_of_an_answer_have_what_the_stored_plan_has_for_a_value_that_was_not_sent(client: httpx.Client) -> None:
    found = client.post("/predict", json={**ROW, "price": None, "promotion": None}).json()
    used = found["inputs"]
    assert (used["price"] >= 8, used["promotion"]) == (True, 0)
    sent = client.post("/predict", json={**ROW, "price": used["price"], "promotion": used["promotion"]}).json()
    assert (sent["inputs"], sent["prediction"]) == (used, found["prediction"])


def test_true_is_1_for_a_flag_by_every_way_in_and_a_fault_elsewhere(client: httpx.Client, trained: Trained) -> None:
    wanted = client.post("/predict", json={**ROW, "promotion": 1}).json()["prediction"]
    assert client.post("/predict", json=ROW).json()["prediction"] == wanted
    assert client.post("/predict/batch", json=[ROW]).json()["predictions"][0]["prediction"] == wanted
    assert client.post("/invocations", json={"dataframe_records": [ROW]}).json()["predictions"] == [wanted]
    tensors = [
        {"name": name, "shape": [1], "data": [value], "datatype": {bool: "BOOL", float: "FP64", str: "BYTES"}[type(value)]}
        for name, value in ROW.items()
    ]
    assert client.post("/v2/models/shop_demand/infer", json={"inputs": tensors}).json()["outputs"][0]["data"] == [wanted]
    table, body = pa.Table.from_pylist([ROW]), io.BytesIO()
    pq.write_table(table, body)
    media = {"Content-Type": "application/vnd.apache.parquet"}
    answer = client.post("/predict/batch", content=body.getvalue(), headers=media)
    (row,) = pq.read_table(io.BytesIO(answer.content)).to_pylist()
    assert (row["prediction"], row["horizon"], row["as_of"]) == (wanted, 2, "2023-07-20")
    plan, out = trained.project.root / "plan.parquet", trained.project.root / "out.parquet"
    pq.write_table(table, plan)
    done = run_in(trained.project, "predict", "--input", str(plan), "--output", str(out))
    assert done.returncode == 0, done.stderr
    assert pq.read_table(out)["prediction"].to_pylist() == [wanted]
    refused = client.post("/predict", json={**ROW, "price": True})
    assert refused.status_code == 422
    assert refused.json()["errors"] == [{"column": "price", "message": "must be a number"}]
    pq.write_table(pa.Table.from_pylist([{**ROW, "price": True}]), plan)
    done = run_in(trained.project, "predict", "--input", str(plan), "--output", str(out))
    assert done.returncode == 3
    assert "'price' is bool; it must be numbers" in done.stderr


@pytest.mark.parametrize(
    ("changed", "column", "told"),
    [
        ({"date": "2023-08-30"}, "date", "41 days after the last known one (2023-07-20)"),
        ({"date": "2020-01-01"}, "date", "ask for 2023-"),
        ({"store_id": "STORE_999"}, "store_id", "see GET /series"),
        ({"price": None, "date": "2023-07-27", "product_id": "PROD_NEW"}, "price", "has to be sent"),
        ({"promotion": 2}, "promotion", "must be at most 1"),
    ],
)
def test_what_cannot_be_forecast_is_a_422_that_says_what_to_send(
    client: httpx.Client, changed: dict[str, Any], column: str, told: str
) -> None:
    answer = client.post("/predict", json={**ROW, **changed})
    assert answer.status_code == 422
    ((found, message),) = [(each["column"], each["message"]) for each in answer.json()["errors"]]
    assert found == column
    assert told in message


def test_a_date_within_the_history_is_answered_as_of_the_day_before_and_says_so(client: httpx.Client) -> None:
    found = client.post("/predict", json={**ROW, "date": "2023-07-10"}).json()
    assert (found["horizon"], found["as_of"]) == (1, "2023-07-09")
    assert any("lies within the history" in each for each in found["warnings"])


def test_the_known_series_are_listed_in_pages_and_by_column(client: httpx.Client) -> None:
    first = client.get("/series", params={"limit": 4}).json()
    assert (first["total"], len(first["series"]), first["next_offset"], first["as_of"]) == (6, 4, 4, "2023-07-20")
    rest = client.get("/series", params={"limit": 4, "offset": 4}).json()
    keys = [tuple(each["series"].values()) for each in first["series"] + rest["series"]]
    assert rest["next_offset"] is None
    assert len(set(keys)) == 6
    assert first["series"][0] == {
        "series": {"store_id": "STORE_000", "product_id": "PROD_A"},
        "static": {},
        "first": "2023-01-02",
        "last": "2023-07-20",
    }
    assert client.get("/series", params={"store_id": "STORE_001"}).json()["total"] == 3
    for wrong, column in (({"limit": "0"}, "limit"), ({"offset": "-1"}, "offset"), ({"shop": "1"}, "shop")):
        refused = client.get("/series", params=wrong)
        assert refused.status_code == 422
        assert [each["column"] for each in refused.json()["errors"]] == [column]


def test_schema_card_and_health_say_what_is_forecast_from_when(client: httpx.Client) -> None:
    for path in ("/schema", "/model", "/health"):
        body = client.get(path).json()
        assert (body["as_of"], body["horizon"], body["period"], body["known_ahead"]) == (
            "2023-07-20",
            7,
            "day",
            ["promotion", "price"],
        ), path
    example = client.get("/schema").json()["example"]
    assert client.post("/predict", json=example).status_code == 200
    document = client.get("/openapi.json").json()
    assert {"horizon", "as_of", "model_version"} <= set(_answered(document, "/predict"))
    assert [each["name"] for each in document["paths"]["/series"]["get"]["parameters"]][:2] == ["store_id", "product_id"]
    assert document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["example"] == example


def _answered(document: dict[str, Any], path: str) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    return found["properties"]


SERIES = {"store_id": "STORE_001", "product_id": "PROD_C"}
PLAN = [{"date": f"2023-07-{day}", "price": 10.0, "promotion": True} for day in range(21, 26)]


def test_an_order_over_http_is_that_of_the_command_for_one_series_a_list_and_a_service_level(
    client: httpx.Client, trained: Trained, tmp_path: Path
) -> None:
    found = client.post("/order", json=SERIES).json()
    assert client.post("/demand/order", json=SERIES).json() == found, "the only model is of demand"
    assert (found["as_of"], found["until"], found["lead_time"], found["service_level"]) == ("2023-07-20", "2023-07-25", 5, 0.95)
    assert found["intervals"][-1] == found["interval"]
    assert found["interval"]["low"] < found["sum"] < min(found["interval"]["high"], found["order_quantity"])
    assert found["model_version"] == client.get("/health").json()["mlflow_run_id"]
    both = [SERIES, {**SERIES, "product_id": "PROD_NEW", "plan": PLAN}]
    (first, new) = client.post("/order", json=both).json()["orders"]
    assert first == found
    assert any("new" in each for each in new["warnings"])
    (tmp_path / "asked.json").write_text(json.dumps(both))
    done = run_in(trained.project, "demand", "order", "--format=json", "--json-file", str(tmp_path / "asked.json"))
    assert json.loads(done.stdout) == [first, new]
    levels = [client.post("/order", json={"series": [SERIES], "service_level": each}).json() for each in (0.5, 0.9, 0.95, 0.99)]
    quantities = [each["orders"][0]["order_quantity"] for each in levels]
    assert quantities == sorted(set(quantities))
    assert quantities[2] == found["order_quantity"]
    assert 'tabtrail_predictions_total{route="/order"}' in client.get("/metrics").text


@pytest.mark.parametrize(
    ("asked", "column", "told"),
    [
        ({"product_id": "PROD_C"}, "store_id", "missing"),
        ({**SERIES, "store_id": "STORE_999"}, "store_id", "not known"),
        ({**SERIES, "price": 9.0}, "price", "in 'plan'"),
        ({**SERIES, "lead_time": 9}, "lead_time", "sums over 5 days were calibrated"),
        ({**SERIES, "service_level": 1}, "service_level", "0.0025 to 0.9975"),
        ({**SERIES, "service_level": True}, "service_level", "a number"),
        ({**SERIES, "plan": PLAN[0]}, "plan", "a list of rows with date, promotion, price"),
        ({**SERIES, "plan": [PLAN[0], PLAN[0]]}, "plan", "several rows for the day of 2023-07-21"),
        ({**SERIES, "plan": [{**PLAN[0], "store_id": "STORE_000"}]}, "store_id", "in 'plan'"),
        ({**SERIES, "plan": [PLAN[0], {**PLAN[1], "promotion": 2}]}, "promotion", "row 2 of 'plan': must be at most 1"),
        ({**SERIES, "plan": [{**PLAN[0], "date": "2023-09-01"}]}, "date", "row 1 of 'plan'"),
        ({**SERIES, "product_id": "PROD_NEW", "plan": PLAN[1:]}, "promotion", "2023-07-21: is known ahead and has to be sent"),
        ([SERIES, {**SERIES, "store_id": "STORE_999"}], "store_id", "series 2 of 2: "),
        ({"series": [SERIES], "plan": PLAN}, "plan", "a plan is of one series"),
    ],
)
def test_what_cannot_be_ordered_is_a_422_that_says_what_to_send(client: httpx.Client, asked: Any, column: str, told: str) -> None:
    answer = client.post("/order", json=asked)
    assert answer.status_code == 422
    errors = [(each["column"], each["message"]) for each in answer.json()["errors"]]
    assert [each for each, message in errors if told in message] == [column], errors


def test_what_is_no_order_is_refused_whole_and_rows_of_a_plan_beside_the_lead_time_are_counted(client: httpx.Client) -> None:
    for body, status in (("x", 422), ([], 422), ([1], 422), ({"series": []}, 422), ([SERIES] * 2001, 413)):
        assert client.post("/order", json=body).status_code == status, str(body)[:50]
    dear = client.post("/order", json={**SERIES, "plan": [PLAN[0], {**PLAN[1], "price": 99.0}]}).json()["warnings"]
    assert dear == ["price: outside the training range 8 to 12"]
    late = [{**PLAN[0], "date": "2023-07-27"}, {**PLAN[0], "date": "2023-07-11"}]
    (words,) = client.post("/order", json={**SERIES, "plan": late}).json()["warnings"]
    assert words == "2 rows of the plan lie outside the lead time, 2023-07-21 to 2023-07-25, and are not used"


def test_the_document_has_the_orders_with_examples_that_are_answered(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    operation = document["paths"]["/order"]["post"]
    examples = operation["requestBody"]["content"]["application/json"]["examples"]
    assert len(examples) == 3
    for each in examples.values():
        assert client.post("/order", json=each["value"]).status_code == 200, each
    one, _ = operation["responses"]["200"]["content"]["application/json"]["schema"]["anyOf"]
    assert set(one["required"]) == set(client.post("/order", json=SERIES).json())
    assert set(_answered(document, "/predict")) == set(client.post("/predict", json=ROW).json())
    row = _answered(document, "/predict/batch")["predictions"]["items"]["properties"]
    assert set(row) == set(client.post("/predict/batch", json=[ROW]).json()["predictions"][0])
    listed = document["paths"]["/series"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
    assert set(listed) == set(client.get("/series").json())
    assert client.get("/demand/openapi.json").json()["servers"] == [{"url": "/demand"}]
    assert "servers" not in client.get("/openapi.json").json()


def test_the_proof_holds_the_features_that_are_served(trained: Trained) -> None:
    proof = json.loads((trained.config.paths.models_dir / "shop_demand_parity.json").read_text())
    assert proof["classes"]["served"]["rows"] >= 6 * 7
    assert proof["classes"]["served"]["max_difference"] == 0


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return both_project(tmp_path_factory)


def test_a_model_of_rows_and_one_of_series_lie_in_two_folders_and_answer_side_by_side(both: Project) -> None:
    assert (both.root / "models" / "shop_units_metadata.json").is_file()
    assert (both.root / "models_demand" / "shop_demand_history.npz").is_file()
    status = json.loads(run_in(both, "status", "--format=json").stdout)
    assert status["deployed"]["run_id"] != status["deployed_demand"]["run_id"]
    with serving(both, door=False) as client:
        of_rows = client.post("/predict", json={"price": 12.0, "promotion": 1, "store_id": "STORE_001", "product_id": "PROD_C"})
        assert of_rows.status_code == 200, of_rows.text
        assert "as_of" not in of_rows.json()
        found = client.post("/demand/predict", json=ROW)
        assert found.json()["as_of"] == "2023-07-20"
        assert client.post("/demand/predict/batch", json=[ROW]).json()["predictions"][0]["horizon"] == 2
        assert client.get("/demand/series").json()["total"] == 6
        assert client.get("/series").status_code == client.post("/order", json=SERIES).status_code == 404
        assert client.post("/demand/order", json={**SERIES, "plan": PLAN}).json()["lead_time"] == 5
        assert "/order" not in client.get("/openapi.json").json()["paths"]
        assert client.get("/demand/health").json()["mlflow_run_id"] == status["deployed_demand"]["run_id"]
        assert client.get("/demand/v2/models/shop_demand/ready").status_code == 200
        assert client.get("/").json()["links"]["demand"] == "/demand"
        assert client.get("/demand/openapi.json").json()["servers"] == [{"url": "/demand"}]
        assert 'route="/demand/predict"' in client.get("/metrics").text
        by_command = run_in(both, "predict", "--demand", "--json", json.dumps(ROW), "--format", "json")
        assert json.loads(by_command.stdout)["prediction"] == found.json()["prediction"]


def test_the_commands_that_change_what_is_deployed_take_either_model(both: Project) -> None:
    assert "shop_demand" in run_in(both, "history", "--demand").stdout
    assert "shop_units" in run_in(both, "history").stdout
    assert "verified" in run_in(both, "bundle", "verify", "--demand").stdout
    updated = run_in(both, "demand", "update", "--format=json")
    assert json.loads(updated.stdout)["after"] == "2023-07-20"
    told = run_in(both, "rollback", "--demand")
    assert told.returncode == 2
    assert "nothing to go back to" in told.stderr


def test_models_of_one_name_are_refused(both: Project, tmp_path: Path) -> None:
    copy = Project(tmp_path)
    text = both.config_file.read_text().replace("shop_units", "shop_demand")
    copy.config_file.write_text(text)
    told = run_in(copy, "config", "show")
    assert told.returncode == 2
    assert "model.name and demand.name are both 'shop_demand'" in told.stderr
