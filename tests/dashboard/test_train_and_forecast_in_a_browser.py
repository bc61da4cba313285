"""The pages Train and Forecast in Chromium, as a person opens them. Skipped where no Chromium is installed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python import sync_playwright as axe
from playwright.sync_api import Browser, Page
from tests.support.browsing import Opened, chromium, go_to, running_dashboard, settle
from tests.support.chromium import CHROMIUM
from tests.support.dashboards import LABEL, monthly_result
from tests.support.projects import Project
from tests.support.small_project import LINEAR, small

if CHROMIUM is None:
    pytest.skip("no Chromium is installed (set CHROMIUM): the pages are not opened", allow_module_level=True)

KEY = "s3cret-of-the-service"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Project:
    """Rows that nothing was done with, and a stored forecast with a name that no page may take for markup."""
    dated = {"cleaning": {"date_column": "day", "date_formats": ["%Y-%m-%d"]}}
    made = small(tmp_path_factory.mktemp("browser"), empty_store, candidates={LINEAR: {}}, **dated)
    rows = made.root / "rows.csv"
    head, *lines = rows.read_text().splitlines()
    rows.write_text("\n".join([f"{head},day", *(f"{line},2024-01-{1 + place % 28:02}" for place, line in enumerate(lines))]))
    folder = made.root / "output" / "timeseries"
    folder.mkdir(parents=True)
    (folder / "m_ts_risk_all.json").write_text(monthly_result().model_copy(update={"label": LABEL}).model_dump_json())
    return made


@pytest.fixture(scope="module")
def address(project: Project) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TABTRAIL_API_KEY", KEY)
        with running_dashboard(project, "--allow-train") as found:
            yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


def require_open_to_all(page: Page) -> None:
    found = axe.Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in ("serious", "critical")] == []


@pytest.mark.parametrize(("size", "scheme"), [("phone", "dark"), ("desk", "light")])
def test_a_forecast_is_readable_at_any_size_in_both_schemes(browser: Browser, address: str, size: str, scheme: str) -> None:
    with Opened(browser, f"{address}/", size, scheme) as opened:
        page = opened.page
        settle(page)
        go_to(page, "forecast")
        page.wait_for_selector(".js-plotly-plot .main-svg")
        assert "<script>alert(1)</script>" in page.inner_text("[data-testid=stMain]"), "a name is text"
        main = "document.querySelector('[data-testid=stMain]')"
        assert page.evaluate(f"{main}.scrollWidth <= {main}.clientWidth")
        require_open_to_all(page)
        assert [said for said in opened.said if said.startswith("error")] == []
        assert [url for url in opened.asked if not url.startswith((address, "data:", "blob:"))] == []


def test_a_person_trains_a_small_model_and_goes_on_to_it(browser: Browser, address: str) -> None:
    with Opened(browser, f"{address}/") as opened:
        page = opened.page
        settle(page)
        go_to(page, "train")
        page.fill("input[type=password]", KEY)
        page.get_by_role("button", name="Unlock training").click()
        page.get_by_role("button", name="Train all").click()
        page.get_by_role("button", name="Cancel").wait_for()
        require_open_to_all(page)
        page.get_by_text(f"{LINEAR} was chosen").wait_for(timeout=180_000)
        page.get_by_text("See it on the page Model").click()
        page.get_by_role("heading", name="Model", exact=True).wait_for()
        settle(page)
        assert KEY not in page.content()
        assert [said for said in opened.said if said.startswith("error")] == []
        assert [url for url in opened.asked if not url.startswith((address, "data:", "blob:"))] == []
