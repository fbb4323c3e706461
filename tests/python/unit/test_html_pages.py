"""What everything shown in a notebook has in common: escaped, without scripts, in both themes."""

from __future__ import annotations

import time
from html.parser import HTMLParser
from typing import Any

import documents
import pytest
from splitmirror import html, reports
from splitmirror._document import Document

HOSTILE = "</td></table><script>alert(1)</script><img src=x onerror=alert(2)>&\"'"
TAGS = {
    "br", "caption", "code", "div", "p", "rect", "span", "style", "svg", "table", "td", "th",
    "title", "tr",
}  # fmt: skip
ATTRIBUTES = {"class", "height", "role", "shape-rendering", "width", "x"}
# What has a meaning for the report itself, so that any text in its place is no report.
FIXED = {"kind", "state", "conditions", "origin", "method"}
EVERY = pytest.mark.parametrize(
    ("kind", "data"), documents.SAMPLES, ids=[kind.__name__ for kind, _ in documents.SAMPLES]
)


class Page(HTMLParser):
    """Collects what a page is made of, and sees that it is well nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "br":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile(value: Any, name: str = "") -> Any:
    """The same document with markup in every text of it."""
    if name in FIXED:
        return value
    if isinstance(value, str):
        return HOSTILE
    if isinstance(value, dict):
        return {key: hostile(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [hostile(item) for item in value]
    return value


@EVERY
def test_every_text_of_every_report_is_escaped(kind: type[Document], data: dict[str, Any]) -> None:
    document = kind.from_dict(hostile(data))
    shown = [document._repr_html_(), html.documents_html(HOSTILE, [document])]
    if isinstance(document, reports.Status):
        shown.append(html.pair_html(document, b"\0\1\2\xff"))
    for text in shown:
        page = Page(text)
        assert page.tags <= TAGS
        assert page.attributes <= ATTRIBUTES
    assert HOSTILE in Page(shown[1]).text


@EVERY
def test_every_report_follows_the_theme(kind: type[Document], data: dict[str, Any]) -> None:
    shown = kind.from_dict(data)._repr_html_()
    assert shown.startswith('<div class="splitmirror"><style>')
    assert "prefers-color-scheme:dark" in shown
    assert "color:inherit" in shown


def test_a_pair_shows_state_conditions_and_the_age_of_its_point() -> None:
    data = {**documents.STATUS, "split_at": time.time() - 200}
    shown = html.pair_html(reports.Status.from_dict(data), b"\0\1")
    assert "<th>state</th><td>split</td>" in shown
    assert "<th>conditions</th><td>outside-writes</td>" in shown
    assert "(3 minutes old)</td>" in shown
    # An age is that of the showing: a text or a JSON document, which are kept, have none.
    assert "old)" not in str(reports.Status.from_dict(data))


def test_a_point_in_a_nested_report_has_an_age_too() -> None:
    shown = html.document_html(reports.RefreshReport.from_dict(documents.REFRESH))
    assert "days old)" in shown
    no_point = reports.Status.from_dict({**documents.STATUS, "split_at": None})
    assert "<th>split at</th><td>-</td>" in html.document_html(no_point)
