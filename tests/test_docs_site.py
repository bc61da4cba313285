"""The documentation as a site: `make docs`. What needs Chromium is skipped where there is none."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python import sync_playwright as axe
from tests.support.browsing import SIZES, Opened, chromium
from tests.support.chromium import CHROMIUM
from tests.support.projects import REPO

import tabtrail
from tabtrail.cli.commands import COMMANDS
from tabtrail.config.tree import Config
from tabtrail.serving.app import ROUTES

pytest.importorskip("zensical", reason="the extra docs is not installed: the site is not built")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (set CHROMIUM): the site is not opened")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    built = subprocess.run([sys.executable, "docs/site/build.py", str(folder)], cwd=REPO, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


def test_every_page_is_in_the_site_under_one_of_the_four_kinds(site: Path) -> None:
    home = (site / "index.html").read_text()
    for kind in ("Tutorial", "How to", "Reference", "Explanation"):
        assert kind in home
    for page in (REPO / "docs").glob("*.md"):
        assert (site / page.with_suffix(".html").name).is_file()


def test_the_references_name_every_section_command_route_and_public_name(site: Path) -> None:
    def page(name: str) -> str:
        return (site / "reference" / name).read_text()

    config, commands, http, python = map(page, ("config.html", "commands.html", "http.html", "python-api.html"))
    assert [name for name in Config.model_fields if f">{name}</code>" not in config.replace("[]", "")] == []
    assert [name for name in COMMANDS if f">tabtrail {name}</code>" not in commands] == []
    assert "tabtrail demand update" in commands
    assert [path for method, path, _, _ in ROUTES if f">{method} {path}</code>" not in http] == []
    assert [name for name in dir(tabtrail) if not name.startswith("_") and f">tabtrail.{name}</code>" not in python] == []


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('<a href="other.html">', "leads nowhere"),
        ('<a href="#nowhere">', "leads nowhere"),
        ('<a href="page.html#here">', None),
        ('<script src="https://cdn.example/x.js"></script>', "asks another server"),
        ('<img src="//cdn.example/x.png">', "asks another server"),
        ('<img src="gone.png">', "is not there"),
        ("<p>a list\n- that is none</p>", "not understood"),
        ("<p>| a | b |</p>", "not understood"),
        ('<a href="https://example.org">elsewhere</a>', None),
    ],
)
def test_a_fault_of_a_page_is_found(tmp_path: Path, body: str, told: str | None) -> None:
    (tmp_path / "page.html").write_text(f'<h1 id="here">x</h1>{body}')
    sys.path.insert(0, str(REPO / "docs" / "site"))
    try:
        from check import faults
    finally:
        sys.path.pop(0)
    found = faults(tmp_path)
    assert len(found) == (told is not None)
    assert told is None or told in found[0]


@needs_chromium
@pytest.mark.parametrize(("size", "scheme"), [("phone", "light"), ("desk", "dark")])
def test_the_site_opens_from_its_folder_and_asks_no_server(browser: Any, site: Path, size: str, scheme: str) -> None:
    for name in ("index.html", "reference/python-api.html", "check-the-data.html"):
        with Opened(browser, f"file://{site / name}", size, scheme) as opened:
            page = opened.page
            page.wait_for_timeout(200)
            assert opened.said == []
            assert [each for each in opened.asked if not each.startswith(("file:", "data:", "blob:"))] == []
            assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
            found = axe.Axe().run(page).response["violations"]
            assert [
                (each["id"], each["nodes"][0]["html"][:200]) for each in found if each["impact"] in ("serious", "critical")
            ] == []


@needs_chromium
def test_the_search_works_from_the_folder(browser: Any, site: Path) -> None:
    with Opened(browser, f"file://{site / 'index.html'}") as opened:
        opened.page.keyboard.press("Control+k")
        opened.page.keyboard.type("max_reject_share")
        opened.page.get_by_role("link", name="The keys of the YAML").first.wait_for(timeout=10_000)
        assert opened.said == []
