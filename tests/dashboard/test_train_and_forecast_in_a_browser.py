"""The pages Train and Forecast in Chromium, as a person opens them. Skipped where no Chromium is installed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from axe_playwright_python import sync_playwright as axe
from playwright import sync_api as playwright
from tests.support.chromium import CHROMIUM
from tests.support.dashboards import LABEL, monthly_result
from tests.support.projects import Project
from tests.support.small_project import LINEAR, small

if CHROMIUM is None:
    pytest.skip("no Chromium is installed (set CHROMIUM): the pages are not opened", allow_module_level=True)

KEY = "s3cret-of-the-service"
OPTIONS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
SIZES = {"phone": (390, 844), "desk": (1440, 900)}
_SECONDS = 60_000


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Project:
    """Rows that nothing was done with, and a stored forecast with a name that no page may take for markup."""
    made = small(tmp_path_factory.mktemp("browser"), empty_store, candidates={LINEAR: {}})
    folder = made.root / "output" / "timeseries"
    folder.mkdir(parents=True)
    (folder / "m_ts_risk_all.json").write_text(monthly_result().model_copy(update={"label": LABEL}).model_dump_json())
    return made


@pytest.fixture(scope="module")
def address(project: Project) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["dashboard", "--config", str(project.config_file), "--port", str(port), "--allow-train"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tabtrail", *words],
        env={**os.environ, "TABTRAIL_API_KEY": KEY},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for _ in range(300):
            assert process.poll() is None
            try:
                httpx.get(f"http://127.0.0.1:{port}/_stcore/health", timeout=5).raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield chromium
        chromium.close()


class Opened:
    """The dashboard as a person opens it, with all that its console said and that it asked of anyone."""

    def __init__(self, browser: playwright.Browser, address: str, size: str, scheme: str) -> None:
        width, height = SIZES[size]
        self.address, self.size = address, size
        options = {"width": width, "height": height}
        self.context = browser.new_context(viewport=options, color_scheme=scheme)  # type: ignore[arg-type]
        self.page = self.context.new_page()
        self.page.set_default_timeout(_SECONDS)
        self.errors: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(address)

    def go(self, title: str) -> playwright.Page:
        """Go to a page by its name in the side bar."""
        self.page.wait_for_selector("h1")
        link = self.page.locator(f"[data-testid=stSidebarNavLink]:has-text('{title}')")
        if not link.is_visible():
            self.page.locator("[data-testid=stExpandSidebarButton]").click()
        link.click()
        self.page.wait_for_selector(f"h1:has-text('{title}')")
        if self.size == "phone":
            self.page.locator("[data-testid=stSidebarCollapseButton] button").click()
        return self.page

    def require_quiet(self) -> None:
        """No error was said, and nobody else was asked."""
        assert self.errors == []
        assert [url for url in self.asked if not url.startswith((self.address, "data:", "blob:"))] == []
        self.context.close()


def require_accessible(page: playwright.Page) -> None:
    found = axe.Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in ("serious", "critical")] == []


@pytest.mark.parametrize(("size", "scheme"), [("phone", "dark"), ("desk", "light")])
def test_a_forecast_is_readable_at_any_size_in_both_schemes(
    browser: playwright.Browser, address: str, size: str, scheme: str
) -> None:
    opened = Opened(browser, address, size, scheme)
    page = opened.go("Forecast and demand")
    page.wait_for_selector(".js-plotly-plot .main-svg")
    assert "<script>alert(1)</script>" in page.inner_text("[data-testid=stMain]"), "a name is text"
    main = "document.querySelector('[data-testid=stMain]')"
    assert page.evaluate(f"{main}.scrollWidth <= {main}.clientWidth")
    require_accessible(page)
    opened.require_quiet()


def test_a_person_trains_a_small_model_and_goes_on_to_it(browser: playwright.Browser, address: str) -> None:
    opened = Opened(browser, address, "desk", "light")
    page = opened.go("Train")
    page.fill("input[type=password]", KEY)
    page.click("button:has-text('Unlock training')")
    page.click("button:has-text('Train all')")
    page.wait_for_selector("button:has-text('Cancel')")
    require_accessible(page)
    page.wait_for_selector(f"text={LINEAR} was chosen", timeout=3 * _SECONDS)
    page.click("text=See it on the page Model")
    page.wait_for_selector("h1:has-text('Model')")
    assert KEY not in page.content()
    opened.require_quiet()
