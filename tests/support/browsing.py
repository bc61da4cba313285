"""A page in Chromium, with all that its console said and that it asked of anyone; and a dashboard that serves pages to it."""

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright
from tests.support.chromium import CHROMIUM
from tests.support.projects import REPO, Project

OPTIONS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
SIZES = {"phone": (390, 844), "desk": (1440, 900)}
_IDLE = "document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"


class Opened:
    """A page with all that its console said and that it asked of anyone."""

    def __init__(self, browser: Any, address: str, size: str = "desk", scheme: str = "light", **options: Any) -> None:
        width, height = SIZES[size]
        self.context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **options)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(address, wait_until="load")

    def __enter__(self):  # type: ignore[no-untyped-def]
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


@contextmanager
def chromium() -> Iterator[Browser]:
    """A Chromium without a window."""
    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield opened
        opened.close()


@contextmanager
def running_dashboard(project: Project, *words: str) -> Iterator[str]:
    """Start `tabtrail dashboard` on a free port as a user does, return its address, and stop it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "tabtrail", "dashboard", "--port", str(port), "--config", str(project.config_file), *words]
    process = subprocess.Popen(command, cwd=REPO, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            assert process.poll() is None, "the dashboard ended"
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2):
                    break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def settle(page: Page) -> None:
    """Wait until Streamlit has nothing more to do."""
    page.wait_for_function(_IDLE, timeout=60_000)
    page.wait_for_timeout(400)  # of charts, which are drawn after the script ended
    page.wait_for_function(_IDLE, timeout=60_000)


def go_to(page: Page, path: str) -> None:
    """Follow the link to a page of the dashboard, as a person does, and wait for it."""
    page.locator(f"a[href$='/{path}']").first.evaluate("link => link.click()")  # on a phone the links are behind a button
    page.wait_for_url(f"**/{path}", timeout=60_000)
    settle(page)
