"""The page and MLflow's pages in Chromium, as a person opens them. Skipped where no Chromium is installed."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python import sync_playwright as axe
from tests.support.browsing import SIZES, Opened, chromium
from tests.support.chromium import CHROMIUM
from tests.support.projects import Trained

from tabtrail.project.paths import Artifacts

if CHROMIUM is None:
    pytest.skip("no Chromium is installed (set CHROMIUM): the page is not opened", allow_module_level=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def page_file(reported: Trained) -> str:
    return f"file://{Artifacts.of(reported.config).page}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_the_page_opens_from_disk_without_a_word_a_request_or_a_fault(browser, page_file: str, size: str, scheme: str) -> None:
    with Opened(browser, page_file, size, scheme) as opened:
        page = opened.page
        assert opened.said == []
        assert [each for each in opened.asked if not each.startswith("data:")] == [page_file]
        # Nothing but the tables may be wider than the screen.
        assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
        found = axe.Axe().run(page).response
        assert len(found["passes"]) > 15
        assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found["violations"]] == []
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, colour[4:-1].split(","))) > 380) == (scheme == "light")
        # Every chart is drawn to its full size: live, or with marks of its own inside the axes.
        page.evaluate(
            """async () => {
                for (const panel of document.querySelectorAll("[data-chart]")) {
                    panel.scrollIntoView();
                    await new Promise((done) => setTimeout(done, 30));
                }
            }"""
        )
        page.wait_for_function("[...document.querySelectorAll('[data-chart]')].every((panel) => panel.querySelector('canvas'))")
        charts = page.evaluate(
            """() => [...document.querySelectorAll("svg.chart, .uplot")].filter(chart => chart.checkVisibility()).map(chart => {
                const box = chart.getBoundingClientRect();
                const marks = chart.querySelectorAll("rect, circle, path:not(.grid), canvas");
                const name = chart.getAttribute("aria-label") ?? chart.querySelector("title").textContent;
                return [name, box.width, box.height, marks.length];
            })"""
        )
        assert len(charts) > 25
        assert [name for name, width, height, marks in charts if width < 300 or height < 60 or not marks] == []
        assert opened.said == []


def test_a_live_chart_reads_its_points_to_pointer_and_keys_hides_a_layer_and_shows_a_part(browser, page_file: str) -> None:
    with Opened(browser, page_file) as opened:
        page = opened.page
        page.locator("#picture-predicted_actual .panel").scroll_into_view_if_needed()
        chart = page.locator("#picture-predicted_actual .uplot")
        page.locator("#picture-predicted_actual canvas").wait_for()
        chart.focus()
        page.keyboard.press("ArrowRight")
        first = page.locator("#tip").inner_text()
        assert "predicted, USD: " in first
        page.keyboard.press("ArrowRight")
        assert page.locator("#tip").inner_text() != first
        drawn = "document.querySelector('#picture-predicted_actual canvas').toDataURL()"
        full = page.evaluate(drawn)
        key = page.locator("#picture-predicted_actual .legend button").first
        key.click()
        assert key.get_attribute("aria-pressed") == "false"
        page.wait_for_function(f"full => {drawn} !== full", arg=full)
        key.click()
        back = page.locator("#picture-predicted_actual .back")
        assert not back.is_visible()
        box = page.locator("#picture-predicted_actual .u-over").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 40, box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + 160, box["y"] + 140, steps=4)
        page.mouse.up()
        back.click()
        assert not back.is_visible()
        assert opened.said == []


def test_in_the_sandbox_that_mlflow_shows_artifacts_in_charts_are_live_and_the_contents_lead_on(browser, page_file: str) -> None:
    html = Path(page_file.removeprefix("file://")).read_text(encoding="utf-8")
    with Opened(browser, "about:blank") as opened:
        opened.page.evaluate(
            """(html) => {
                const frame = document.createElement("iframe");
                frame.setAttribute("sandbox", "allow-scripts");
                frame.width = 1000;
                frame.height = 700;
                frame.src = URL.createObjectURL(new Blob([html], { type: "text/html" }));
                document.body.append(frame);
            }""",
            html,
        )
        inside = opened.page.frame_locator("iframe")
        inside.locator("nav a").nth(3).click()
        inside.locator("#picture-predicted_actual canvas").wait_for()
        assert inside.locator("nav a[aria-current]").inner_text() == "Champion"
        assert opened.said == []


def test_the_page_says_its_figures_without_a_script(browser, page_file: str) -> None:
    with Opened(browser, page_file, java_script_enabled=False) as opened:
        page = opened.page
        assert page.locator("svg.chart").first.is_visible()
        assert page.locator("#picture-predicted_actual svg.chart path.dots").first.is_visible()
        assert page.locator(".headline data").first.inner_text()
        assert page.locator(".live-note").first.is_hidden()


def test_on_paper_a_chart_of_its_own_leaves_room_for_the_next(browser, page_file: str) -> None:
    with Opened(browser, page_file) as opened:
        opened.page.emulate_media(media="print")
        widths = opened.page.evaluate("[...document.querySelectorAll('.panel:only-child')].map((each) => each.clientWidth)")
        assert widths
        assert max(widths) <= 440


def test_text_in_charts_is_readable_on_a_phone_and_stays_inside(browser, page_file: str) -> None:
    with Opened(browser, page_file, "phone") as opened:
        sizes = opened.page.evaluate(
            """() => [...document.querySelectorAll("svg.chart text.tick, svg.chart text.label")]
                .filter((text) => text.checkVisibility()).map((text) => {
                const chart = text.closest("svg").getBoundingClientRect(), own = text.getBoundingClientRect();
                const scale = chart.width / text.closest("svg").viewBox.baseVal.width;
                const size = scale * parseFloat(getComputedStyle(text).fontSize);
                return [size, chart.left - own.left, own.right - chart.right, text.textContent];
            })"""
        )
        assert len(sizes) > 100
        assert min(size for size, *_ in sizes) >= 10
        assert [text for _, left, right, text in sizes if max(left, right) > 3] == []


def test_pointing_at_a_bar_shows_its_figure_and_keys_reach_tables(browser, page_file: str) -> None:
    with Opened(browser, page_file) as opened:
        page = opened.page
        bar = page.locator("#picture-shap_importance rect.bar").first
        bar.scroll_into_view_if_needed()
        bar.hover()
        assert any(character.isdigit() for character in page.locator("#tip").inner_text())
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        reached = set()
        for _ in range(80):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.className || document.activeElement.tagName"))
        assert {"scroll", "SUMMARY", "A"} <= reached


def test_the_page_prints_on_white_with_every_section(browser, page_file: str) -> None:
    with Opened(browser, page_file, "desk", "dark") as opened:
        opened.page.emulate_media(media="print")
        assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert opened.page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
        headings = opened.page.evaluate("[...document.querySelectorAll('h2')].filter(h => h.checkVisibility()).length")
        assert headings == 7
        # On paper every chart is the drawing that the page came with, in full resolution.
        opened.page.locator("[data-chart]").first.scroll_into_view_if_needed()
        hidden = "[...document.querySelectorAll('svg.chart')].filter((chart) => !chart.checkVisibility()).length"
        assert opened.page.evaluate(hidden) == 0
        assert opened.page.evaluate("[...document.querySelectorAll('.uplot')].filter((chart) => chart.checkVisibility())") == []
        assert opened.page.pdf(format="A4").startswith(b"%PDF-")


@pytest.fixture(scope="module")
def mlflow_ui(reported: Trained) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", reported.config.mlflow.tracking_uri]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/health", timeout=2).close()
                break
            except OSError:
                time.sleep(0.5)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGKILL)  # it takes seconds to end by itself
        server.wait(timeout=30)


def test_mlflow_compares_the_candidates_by_name_with_the_metrics_that_matter(browser, mlflow_ui: str, reported: Trained) -> None:
    rows = reported.report.leaderboard.candidates
    runs = "[" + ",".join(f'"{row.run_id}"' for row in rows) + "]"
    with Opened(browser, f'{mlflow_ui}/#/compare-runs?runs={runs}&experiments=["1"]') as opened:
        opened.page.set_viewport_size({"width": 1440, "height": 2400})  # the list is drawn as far as it is seen
        opened.page.get_by_text("cv_root_mean_squared_error", exact=True).first.wait_for(timeout=60_000)
        text = opened.page.inner_text("body")
        for row in rows:
            assert row.candidate in text
        # The list is drawn as far as it is seen: cross-validated figures stand first, the parameters that name a run on top.
        assert text.index("\ncandidate\t") < text.index("\nfamily\t") < text.index("\ncv_difference_to_best\n")
        # RMSE has a chart of its own above the list, which is alphabetical and longer than the window.
        assert text.index("\ncv_root_mean_squared_error\n") < text.index("\ncv_mean_absolute_error\n")
        assert text.index("\ncv_difference_to_best\n") < text.index("\ncv_mean_absolute_error\n")
        # An event, not a click: beside many runs MLflow leaves the list of files little room.
        opened.page.get_by_text("predicted_actual.svg", exact=True).first.dispatch_event("click")
        opened.page.wait_for_function(
            "count => [...document.images].filter(each => each.naturalWidth > 300).length >= count", arg=len(rows), timeout=60_000
        )
        assert [each for each in opened.asked if not each.startswith((mlflow_ui, "data:", "blob:"))] == []


def test_mlflow_shows_the_model_card_and_the_pictures_of_the_run(browser, mlflow_ui: str, reported: Trained) -> None:
    run = reported.report.leaderboard.parent_run_id
    with Opened(browser, f"{mlflow_ui}/#/experiments/1/runs/{run}") as opened:
        opened.page.get_by_text("Intended use").first.wait_for(timeout=60_000)
        assert "Leakage findings" in opened.page.inner_text("body")
        opened.page.goto(f"{mlflow_ui}/#/experiments/1/runs/{run}/artifacts")
        opened.page.get_by_text("report.html").first.wait_for(timeout=60_000)
        assert "pictures" in opened.page.inner_text("body")


def test_one_click_on_a_run_of_mlflow_lists_its_candidates_best_first(browser, mlflow_ui: str, reported: Trained) -> None:
    board = reported.report.leaderboard
    ranked = sorted(board.candidates, key=lambda row: row.cv["rmse"] or 0.0)
    with Opened(browser, f"{mlflow_ui}/#/experiments/1/runs/{board.parent_run_id}") as opened:
        link = opened.page.get_by_role("link", name="Candidates, best first")
        link.first.wait_for(timeout=60_000)
        with opened.context.expect_page() as other:
            link.first.click()
        other.value.get_by_text(ranked[0].candidate, exact=True).first.wait_for(timeout=60_000)
        text = other.value.inner_text("body")
        places = [text.index(f"\n{row.candidate}\n") for row in ranked]
        assert places == sorted(places)
        assert f"{len(ranked)}\n matching runs" in text or f"{len(ranked)} matching runs" in text
