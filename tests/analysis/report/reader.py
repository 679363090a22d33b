"""What a page says, as a reader finds it."""

from __future__ import annotations

from html.parser import HTMLParser


class Reader(HTMLParser):
    """The cells of tables, row by row, the addresses that a page refers to, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        """By what they are labelled for those who cannot see them."""
        self.addresses: list[str] = []
        self.text = ""
        self.alternatives: list[str] = []
        self.downloads: dict[str, str] = {}
        self._cell = False
        self._silent = False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        self.addresses += [
            value for name, value in values.items() if name in ("src", "href", "srcset", "data", "action")
        ]
        if "download" in values:
            self.downloads[values["download"]] = values["href"]
        if tag == "img":
            self.alternatives.append(values["alt"])
        if tag == "div":
            self._rows = self.tables.setdefault(values["aria-label"], [])
        if tag == "tr":
            self._rows.append([])
        if tag in ("td", "th"):
            self._rows[-1].append("")
        self._cell = tag in ("td", "th") or (self._cell and tag not in ("tr", "table"))
        self._silent = tag in ("style", "script")

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag not in ("td", "th")
        self._silent = False

    def handle_data(self, data: str) -> None:
        if self._cell:
            self._rows[-1][-1] += data
        if not self._silent:
            self.text += data

    def row(self, table: str, first: str) -> list[str]:
        """The cells of the one row of a table that begins so."""
        (row,) = [row for row in self.tables[table] if row[0] == first]
        return [" ".join(cell.split()) for cell in row[1:]]
