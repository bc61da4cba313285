"""`GET /` and `GET /docs` as a browser gets them. What needs Chromium is skipped where there is none."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python import sync_playwright as axe
from tests.support.browsing import SIZES, Opened, chromium
from tests.support.chromium import CHROMIUM
from tests.support.demand import both_project
from tests.support.projects import Project, serving

from tabtrail.serving import pages

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
KEY = {"TABTRAIL_API_KEY": "s3cret-key"}
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (set CHROMIUM): the page is not opened")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def client(small: Project) -> Iterator[httpx.Client]:
    with serving(small, "--set", "serve.pages_per_second=1000", door=False) as client:
        yield client


@pytest.fixture(scope="module")
def closed(small: Project) -> Iterator[httpx.Client]:
    with serving(small, "--set", "serve.pages_per_second=1000", door=False, **KEY) as client:
        yield client


def test_a_browser_gets_a_page_and_any_other_client_json(client: httpx.Client) -> None:
    page = client.get("/", headers=BROWSER)
    assert page.headers["content-type"].startswith("text/html")
    for accept in ("*/*", "application/json", "application/json, text/html;q=0.5"):
        answer = client.get("/", headers={"Accept": accept})
        assert answer.json()["name"] == "tabtrail"
        assert answer.headers["vary"] == page.headers["vary"] == "Accept"


def test_the_pages_run_scripts_of_this_service_alone_and_send_nothing_elsewhere(client: httpx.Client) -> None:
    for path in ("/", "/docs"):
        answer = client.get(path, headers=BROWSER)
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
        assert (policy["default-src"], policy["script-src"], policy["connect-src"]) == ("'none'", "'self'", "'self'")
        assert "http" not in answer.text
        assert " style=" not in answer.text
        assert "<script>" not in answer.text
    assert "unsafe" not in client.get("/", headers=BROWSER).headers["content-security-policy"]


def test_every_file_of_the_pages_is_served(client: httpx.Client) -> None:
    own = {path.name for path in Path(pages.__file__).with_name("web").iterdir()}
    served = {path.rpartition("/")[2] for path in pages.FILE_PATHS if path.startswith("/page/")}
    assert own - served == {"page.html", "docs.html"}
    for path in pages.FILE_PATHS:
        assert client.get(path).status_code == 200
    assert client.get("/page/unknown.js").status_code == 404


def test_of_a_closed_service_the_pages_are_open_and_hold_nothing_of_the_model(closed: httpx.Client, client: httpx.Client) -> None:
    for path in ("/", *sorted(pages.PAGE_PATHS)):
        answer = closed.get(path, headers=BROWSER)
        assert answer.status_code == 200
        assert answer.content == client.get(path, headers=BROWSER).content
        assert b"sales_regressor" not in answer.content
        assert b"QUANTITYORDERED" not in answer.content
    for path in ("/", "/schema", "/model", "/openapi.json", "/forecast/segments"):
        assert closed.get(path).status_code == 401


def test_stored_segments_are_listed_as_what_forecast_takes(small: Project, client: httpx.Client) -> None:
    assert client.get("/forecast/segments").json() == {"segments": []}
    folder = small.root / "output" / "timeseries"
    folder.mkdir(parents=True, exist_ok=True)
    stored = folder / "sales_ts_risk_Ships_Chile.json"
    stored.write_text(json.dumps({"segment": {"product_line": "Ships", "country": "Chile"}}))
    try:
        assert client.get("/forecast/segments").json() == {"segments": [{"product_line": "Ships", "country": "Chile"}]}
    finally:
        stored.unlink()


def predicted(page: Any) -> float:
    page.click("#go")
    page.wait_for_selector("#answer .big")
    return float(page.inner_text("#answer .big").replace(",", "").removesuffix(" USD"))


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_the_form_predicts_without_a_word_a_foreign_request_or_a_fault(
    browser: Any, client: httpx.Client, size: str, scheme: str
) -> None:
    expected = client.post("/predict", json=client.get("/schema").json()["example"]).json()["prediction"]
    with Opened(browser, f"{client.base_url}/", size, scheme) as opened:
        page = opened.page
        page.wait_for_selector("#ask input")
        assert predicted(page) == pytest.approx(expected, abs=0.006)
        assert page.title() == "sales_regressor · tabtrail"
        assert opened.said == []
        assert [each for each in opened.asked if not each.startswith(str(client.base_url))] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
        found = axe.Axe().run(page).response
        assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found["violations"]] == []


@needs_chromium
def test_errors_have_four_digits_and_their_spread_as_many_decimals(browser: Any, client: httpx.Client) -> None:
    card = client.get("/model").json()
    metrics = {"cv_rmse": 2227.44, "cv_rmse_std": 278.11, "cv_mae": 206.169, "cv_mae_std": 13.899, "interval_coverage": 0.93238}
    with Opened(browser, "about:blank") as opened:
        page = opened.page
        page.route("**/model", lambda route: route.fulfill(json={**card, "metrics": metrics, "currency": ""}))
        page.goto(f"{client.base_url}/")
        page.wait_for_selector("#figures .value")
        assert page.locator("#figures .value").all_inner_texts()[:3] == ["2,227 ± 278", "206.2 ± 13.9", "93.2 %"]


@needs_chromium
def test_a_column_lists_a_missing_text_once_and_numbers_have_thousands_apart_but_years(
    browser: Any, client: httpx.Client
) -> None:
    schema = client.get("/schema").json()
    for feature in schema["features"]:
        if feature["name"] == "COUNTRY":
            feature["categories"] = ["", "USA"]
        if feature["name"] == "MSRP":
            feature.update(seen_min=1000, seen_max=433656)
    schema["example"]["COUNTRY"] = ""
    schema["json_schema"]["properties"]["COUNTRY"] = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    with Opened(browser, "about:blank") as opened:
        page = opened.page
        page.route("**/schema", lambda route: route.fulfill(json=schema))
        page.goto(f"{client.base_url}/")
        page.wait_for_selector("#ask input")
        country = page.get_by_label("COUNTRY", exact=True)
        assert country.locator("option").all_inner_texts() == ["(missing)", "USA", "Another value …"]
        assert country.evaluate("each => each.selectedOptions[0].text") == "(missing)"
        hints = " ".join(page.locator("#ask .hint").all_inner_texts())
        assert "seen in training: 1,000 to 433,656" in hints
        assert "seen in training: 2003 to 2005" in hints


@needs_chromium
def test_what_is_refused_stands_at_its_field_and_what_is_new_is_warned_of(browser: Any, client: httpx.Client) -> None:
    with Opened(browser, f"{client.base_url}/") as opened:
        page = opened.page
        quantity = page.get_by_label("QUANTITYORDERED")
        quantity.fill("-3")
        quantity.press("Enter")  # the keyboard alone is enough
        page.wait_for_selector("#answer .fault")
        assert page.evaluate("document.activeElement.id") == quantity.get_attribute("id")
        assert quantity.get_attribute("aria-invalid") == "true"
        assert "at least 1" in page.inner_text(f"#{quantity.get_attribute('id')}-fault")
        quantity.fill("500")
        page.get_by_label("COUNTRY").select_option(label="Another value …")
        page.get_by_label("Another value", exact=True).locator("visible=true").fill("Atlantis")
        predicted(page)
        warnings = page.locator("#answer .warning").all_inner_texts()
        assert len(warnings) == 2
        assert any("QUANTITYORDERED" in each for each in warnings)
        assert quantity.get_attribute("aria-invalid") is None
        assert '"COUNTRY":"Atlantis"' in page.locator("#answer pre").first.text_content()


@needs_chromium
@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_closed_service_opens_with_its_key_alone(browser: Any, closed: httpx.Client, path: str) -> None:
    with Opened(browser, f"{closed.base_url}{path}") as opened:
        page = opened.page
        for text in ("wrong", KEY["TABTRAIL_API_KEY"]):
            page.wait_for_selector("#key:not([hidden])")
            assert page.locator("#ask input, .opblock").count() == 0
            page.fill("#key-text", text)
            page.keyboard.press("Enter")
        page.wait_for_selector("#ask input, .opblock")
        if path == "/":
            predicted(page)
        page.get_by_role("link", name="Metrics").click()  # a browser that followed it would send no key
        assert "tabtrail_requests_total" in page.inner_text("dialog pre")
        page.get_by_role("button", name="Close").click()
        page.wait_for_selector("dialog", state="detached")
        assert opened.said == []


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_documentation_is_drawn_without_another_server(browser: Any, client: httpx.Client, scheme: str) -> None:
    with Opened(browser, f"{client.base_url}/docs", scheme=scheme) as opened:
        page = opened.page
        page.wait_for_selector(".opblock")
        assert opened.said == []
        assert [each for each in opened.asked if not each.startswith((str(client.base_url), "data:"))] == []
        found = axe.Axe().run(page).response["violations"]
        assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []
        page.locator(".opblock-post .opblock-summary-control").first.click()
        page.get_by_role("button", name="Try it out").click()
        page.get_by_role("button", name="Execute").click()
        page.wait_for_selector(".live-responses-table .response-col_status")
        assert page.locator(".live-responses-table tbody .response-col_status").first.inner_text().startswith("200")


@needs_chromium
def test_names_and_values_with_markup_are_shown_as_they_are(browser: Any, client: httpx.Client) -> None:
    hostile = '<img src=x onerror="window.caught=1">'
    schema = client.get("/schema").json()
    for each in schema["features"]:
        each["name"] = hostile if each["name"] == "COUNTRY" else each["name"]
        each["categories"] = [hostile, *each["categories"]]
        each["rule"]["description"] = hostile
    schema["json_schema"]["properties"][hostile] = {}
    answer = {"prediction": 1.0, "currency": hostile, "interval": None, "warnings": [hostile], "inputs": {hostile: hostile}}
    with Opened(browser, "about:blank") as opened:
        page = opened.page
        page.route("**/schema", lambda route: route.fulfill(json=schema))
        page.route("**/predict", lambda route: route.fulfill(json=answer))
        page.goto(f"{client.base_url}/")
        page.wait_for_selector("#ask input")
        page.click("#go")
        page.wait_for_selector("#answer .warning")
        assert page.inner_text("#answer .warning") == hostile
        assert page.get_by_label(hostile).count() == 1
        assert page.locator("img").count() == 0
        assert page.evaluate("window.caught") is None
        assert opened.said == []


@needs_chromium
def test_a_model_of_series_has_a_form_of_its_own_with_a_forecast_of_the_horizon(
    browser: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with serving(both_project(tmp_path_factory), "--set", "serve.pages_per_second=1000", door=False) as client:
        schema = client.get("/demand/schema").json()
        with Opened(browser, f"{client.base_url}/") as opened:
            page = opened.page
            page.get_by_role("link", name="Demand of series").click()
            page.wait_for_selector("#series")
            page.locator("#series").select_option(index=5)
            wanted = client.get("/demand/series").json()["series"][5]["series"]
            predicted(page)
            taken = json.loads(page.locator("#answer pre").nth(1).text_content() or "")
            assert {name: taken[name] for name in wanted} == wanted
            page.get_by_role("button", name="Forecast all").click()
            page.wait_for_selector("#answer table")
            assert page.locator("#answer tbody tr").count() == schema["horizon"]
            assert page.locator("#answer svg.forecast .line").count() == 1
            assert opened.said == []
            found = axe.Axe().run(page).response
            assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found["violations"]] == []


@needs_chromium
def test_a_service_without_a_model_says_so_and_goes_on_when_there_is_one(browser: Any, small: Project, tmp_path: Path) -> None:
    models = tmp_path / "models"
    with serving(small, "--set", f"paths.models_dir={models}", door=False) as client, Opened(browser, "about:blank") as opened:
        page = opened.page
        page.goto(f"{client.base_url}/")
        page.get_by_text("There is no model yet").wait_for()
        models.symlink_to(small.config().paths.models_dir)
        page.wait_for_selector("#ask input", timeout=15_000)
        assert opened.said == []
