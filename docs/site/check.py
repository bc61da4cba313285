"""What is wrong with the built site: links that lead nowhere, requests of other servers, Markdown that was not understood."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What a browser fetches by itself, by tag: the attribute, and where it counts.
_FETCHED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src", "object": "data"}
_NAMES_ALONE = {"canonical", "prev", "next", "alternate"}  # `link` elements that nothing is fetched for
# A list, a table or a heading that follows a paragraph without a blank line stays text.
_LEFT_OVER = re.compile(r"(?m)^(?:- |\* |\d+\. |\| |#{1,6} |```)")


class _Page(HTMLParser):
    """Ids, links, what is fetched, and the paragraphs of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.paragraphs: list[str] = []
        self._inside = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = {name: value or "" for name, value in attrs}
        self.ids |= {own[name] for name in ("id", "name") if name in own}
        if tag == "a" and "href" in own:
            self.links.append(own["href"])
        names_alone = tag == "link" and own.get("rel") in _NAMES_ALONE
        if (attribute := _FETCHED.get(tag)) and own.get(attribute) and not names_alone:
            self.fetched.append(own[attribute])
        if tag == "p":
            self._inside = True
            self.paragraphs.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "p":
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.paragraphs[-1] += data


def faults(site: Path) -> list[str]:
    """Return a line for each fault of the pages under a folder, empty where there is none."""
    site = site.resolve()
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        if path.name == "404.html":
            continue
        name = path.relative_to(site)
        found += [f"{name}: asks another server for {each}" for each in page.fetched if re.match(r"(https?:)?//", each)]
        found += [f"{name}: {each} is not there" for each in page.fetched if not _reaches(path, each, pages)]
        found += [f"{name}: the link {each} leads nowhere" for each in page.links if not _reaches(path, each, pages)]
        found += [f"{name}: not understood: {each[:80]!r}" for each in page.paragraphs if _LEFT_OVER.search(each)]
    return found


def _reaches(page: Path, link: str, pages: dict[Path, _Page]) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True  # other sites are not asked
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if target.is_dir():
        target /= "index.html"
    fragment = unquote(parts.fragment)
    if not fragment or target not in pages:
        return target.is_file()
    return fragment in pages[target].ids
