"""The dashboard in Chromium as a person uses it. Skipped where no Chromium is installed."""

import csv
import io
from collections.abc import Iterator

import pytest
from axe_playwright_python import sync_playwright as axe
from playwright.sync_api import Browser, Page
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from tests.support.browsing import SIZES, Opened, chromium, go_to, running_dashboard, settle
from tests.support.chromium import CHROMIUM
from tests.support.projects import Project

from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.predictor import Predictor
from tabtrail.dashboard.app import PAGES
from tabtrail.dashboard.place import Place
from tabtrail.dashboard.wording import shown

if CHROMIUM is None:
    pytest.skip("no Chromium is installed (set CHROMIUM): the dashboard is not opened", allow_module_level=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def address(small: Project) -> Iterator[str]:
    with running_dashboard(small) as found:
        yield found


def serious(page: Page) -> list[tuple[str, str]]:
    """What axe finds that keeps people out."""
    found = axe.Axe().run(page).response["violations"]
    return [(each["id"], each["nodes"][0]["html"][:200]) for each in found if each["impact"] in ("serious", "critical")]


@pytest.mark.parametrize(("size", "scheme"), [("phone", "dark"), ("desk", "light")])
def test_every_page_opens_without_an_error_a_request_to_outside_or_a_barrier(
    browser: Browser, address: str, size: str, scheme: str
) -> None:
    with Opened(browser, f"{address}/", size, scheme) as opened:
        page, barriers = opened.page, dict[str, list[tuple[str, str]]]()
        settle(page)
        for each in PAGES[1:]:
            go_to(page, each.path)
            assert page.get_by_role("heading", level=1).first.is_visible(), each.path
            assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0], each.path
            barriers[each.path] = serious(page)
        assert {path: found for path, found in barriers.items() if found} == {}
        assert [said for said in opened.said if said.startswith("error")] == []
        assert [url for url in opened.asked if not url.startswith((address, "data:", "blob:"))] == []


def _choose(page: Page, option: str) -> None:
    """Choose in the first filter. Streamlit may draw the page anew and close the list; then a person opens it again."""
    for _ in range(10):
        page.get_by_test_id("stSidebar").get_by_role("combobox").first.click()
        try:
            page.get_by_role("option", name=option).click(timeout=5_000)
        except PlaywrightTimeout:
            page.keyboard.press("Escape")
        else:
            return
    pytest.fail(f"{option} cannot be chosen")


def test_a_person_filters_the_model_predicts_a_row_sees_why_and_scores_a_file(
    browser: Browser, address: str, small: Project
) -> None:
    config = small.config()
    predictor = Predictor(load_bundle(config.paths.models_dir, config.model.name))
    with Opened(browser, f"{address}/") as opened:
        page = opened.page
        settle(page)
        go_to(page, "model")
        page.get_by_role("tab", name="Predicted and actual").click()
        settle(page)
        whole = page.get_by_test_id("stMetricValue").all_inner_texts()
        _choose(page, "2004")
        page.get_by_text("highlighted: 2004").first.wait_for()
        settle(page)
        assert page.get_by_test_id("stMetricValue").all_inner_texts() != whole
        go_to(page, "predict")
        number = page.locator("input[type=number]").first
        number.fill("50")
        number.press("Enter")
        settle(page)
        right = predictor.predict([{**predictor.schema.example, "QUANTITYORDERED": 50}])[0].value
        page.get_by_test_id("stMetricValue").filter(has_text=f"{right:#,.6g}"[:6]).first.wait_for()
        page.get_by_text("From the base value").first.wait_for()
        page.get_by_role("tab", name="A file").click()
        settle(page)
        upload(page, predictor)
        page.get_by_text("2 rows read: 1 predicted, 1 set aside").first.wait_for()
        with page.expect_download() as download:
            page.get_by_role("button", name="Download predictions").click()
        rows = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
        assert [float(row["prediction"]) for row in rows] == [
            pytest.approx(predictor.predict([predictor.schema.example])[0].value)
        ]
        assert [said for said in opened.said if said.startswith("error")] == []


def test_a_person_explores_the_rows_of_a_category_and_downloads_them(browser: Browser, address: str, small: Project) -> None:
    at = Place(small.config())
    rows = at.ask(f"SELECT count(*) AS n, sum(SALES) AS total FROM {at.table} WHERE PRODUCTLINE = 'Motorcycles'").row(0)
    with Opened(browser, f"{address}/") as opened:
        page = opened.page
        settle(page)
        go_to(page, "explore")
        _choose(page, "Motorcycles")
        settle(page)
        facts = page.locator("dd").all_inner_texts()
        assert facts[0] == f"{rows[0]:,}"
        assert f"{shown(rows[1])} USD" in facts
        assert page.get_by_text("Shown: PRODUCTLINE is Motorcycles").first.is_visible()
        page.keyboard.press("Escape")  # an open list hides the rest of the page from roles
        page.get_by_role("tab", name="Rows").click()
        settle(page)
        with page.expect_download() as download:
            page.get_by_role("button", name="Download as CSV (at most").click()
        kept = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
        assert (len(kept), {row["PRODUCTLINE"] for row in kept}) == (rows[0], {"Motorcycles"})
        assert [said for said in opened.said if said.startswith("error")] == []


def upload(page: Page, predictor: Predictor) -> None:
    """Give the page a file of a good row and a bad one."""
    text, good = io.StringIO(), predictor.schema.example
    writer = csv.DictWriter(text, list(good))
    writer.writeheader()
    writer.writerows([good, {**good, "PRICEEACH": -1}])
    file = {"name": "rows.csv", "mimeType": "text/csv", "buffer": text.getvalue().encode()}
    page.locator("input[type=file]").set_input_files(files=[file])  # type: ignore[list-item]
