"""A page of a report, parsed."""

import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """Tables as {id: rows of (text, value)}, headings, section ids, and every tag."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[tuple[str, str | None]]]] = {}
        self.headings: list[int] = []
        self.sections: list[str] = []
        self.tags: list[str] = []
        self.texts: list[str] = []
        self._table: list[list[tuple[str, str | None]]] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = dict(attrs)
        self.tags.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "section":
            self.sections.append(str(own["id"]))
        if tag == "table":
            self._table = self.tables.setdefault(str(own["id"]), [])
        if self._table is not None and tag == "tr":
            self._table.append([])
        if self._table is not None and tag in ("td", "th") and self._table:
            self._table[-1].append(("", None))
        if self._table is not None and tag == "data":
            text, _ = self._table[-1][-1]
            self._table[-1][-1] = (text, own["value"])

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self._table = None

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._table and self._table[-1]:
            text, value = self._table[-1][-1]
            self._table[-1][-1] = ((text + data).strip(), value)

    def row(self, table: str, name: str) -> list[tuple[str, str | None]]:
        return next(row for row in self.tables[table] if row[0][0].lstrip("★≈").strip() == name)
