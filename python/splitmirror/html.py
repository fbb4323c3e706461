"""Reports as HTML for notebooks: no scripts, every value escaped, readable on dark and light.

Text and lines take their colour from the page (``currentColor``), because a notebook's theme
need not follow the browser's; only the accents ask ``prefers-color-scheme``.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from splitmirror._document import Document
from splitmirror._rows import rows, title
from splitmirror._strips import block_strip, document_strip
from splitmirror.reports import Status

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = [
    "block_map_html",
    "block_strip",
    "document_html",
    "documents_html",
    "pair_html",
    "table_html",
]

STYLE = """<style>
.splitmirror{--sm-changed:#b45309;--sm-pending:#1d4ed8;--sm-unknown:#7e22ce;--sm-good:#15803d;
color:inherit}
@media (prefers-color-scheme:dark){
.splitmirror{--sm-changed:#fbbf24;--sm-pending:#60a5fa;--sm-unknown:#c084fc;--sm-good:#4ade80}}
.splitmirror table{border-collapse:collapse;color:inherit;background:none;margin:0 0 6px;
table-layout:auto}
.splitmirror caption{text-align:left;font-weight:bold;padding:2px 0;color:inherit}
.splitmirror tr{background:none}
.splitmirror th,.splitmirror td{text-align:left;padding:1px 14px 1px 0;vertical-align:top;
border-bottom:1px solid color-mix(in srgb,currentColor 15%,transparent);background:none;
white-space:nowrap}
.splitmirror th{font-weight:normal;opacity:.7}
.splitmirror td{font-variant-numeric:tabular-nums}
.splitmirror td:last-child{white-space:normal;overflow-wrap:anywhere}
.splitmirror .good,.splitmirror .bad{font-weight:bold;color:var(--sm-good)}
.splitmirror .bad{color:var(--sm-changed)}
.splitmirror svg{display:block}.splitmirror .key{display:inline-block;margin:2px 5px 0 0}
.splitmirror .legend{margin:2px 0 6px}.splitmirror .legend span{margin-right:14px}
.splitmirror .same{fill:currentColor;opacity:.2}.splitmirror .changed{fill:var(--sm-changed)}
.splitmirror .pending{fill:var(--sm-pending)}.splitmirror .unknown{fill:var(--sm-unknown)}
.splitmirror .kept{fill:currentColor;opacity:.2}.splitmirror .mirror{fill:var(--sm-good)}
.splitmirror .app-written{fill:var(--sm-changed)}
</style>"""

_VERDICTS = {"complete", "mirror unchanged", "matches", "intact", "passed"}
"""The answers for which a report is read; they stand out."""


def document_html(document: Document) -> str:
    """Show one document as a table, and as a strip if it tells of places in an area.

    That is a receipt, a plan, and what verify() and scrub() found.
    """
    return _framed(_main_table(title(document), document) + document_strip(document))


def pair_html(shown: Document | str, block_map: bytes = b"") -> str:
    """Show a pair: its status and its block map, or only its repr."""
    if isinstance(shown, str):
        return _framed(f"<code>{escape(shown)}</code>")
    return _framed(_main_table("pair", shown) + block_strip(block_map))


def block_map_html(block_map: bytes | npt.NDArray[np.uint8]) -> str:
    """Show a block map (see MirrorPair.block_map) by itself."""
    return _framed(block_strip(bytes(block_map)))


def documents_html(caption: str, documents: Iterable[Document]) -> str:
    """Show documents of one class as a table with a row each."""
    return _framed(_listed(caption, documents))


def _listed(caption: str, documents: Iterable[Document]) -> str:
    listed = [_rows(document) for document in documents]
    if not listed:
        return f"<p>{escape(caption)}: none</p>"
    heads = "".join(f"<th>{escape(label)}</th>" for label, _ in listed[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{_cell(text)}</td>" for _, text in row) + "</tr>" for row in listed
    )
    return f"<table><caption>{escape(caption)}</caption><tr>{heads}</tr>{body}</table>"


def _rows(document: Document) -> list[tuple[str, str]]:
    # How old a point is, is what decides whether to use it; the age is that of the showing.
    return rows(document, now=time.time())


def _cell(text: str) -> str:
    return escape(text).replace("\n", "<br>")


def _main_table(caption: str, document: Document) -> str:
    """Show a document as a table, and what it lists of other mirrors as a table of its own."""
    if not isinstance(document, Status) or not document.siblings:
        return table_html(caption, _rows(document))
    own = [(label, text) for label, text in _rows(document) if label != "siblings"]
    return table_html(caption, own) + _listed("siblings", document.siblings)


def table_html(caption: str, found: Iterable[tuple[str, str]]) -> str:
    """Show labelled rows as a table."""
    body = "".join(
        f"<tr><th>{escape(label)}</th><td{_verdict(label, text)}>{_cell(text)}</td></tr>"
        for label, text in found
    )
    return f"<table><caption>{escape(caption)}</caption>{body}</table>"


def _verdict(label: str, text: str) -> str:
    if label not in _VERDICTS:
        return ""
    return f' class="{"good" if text == "yes" else "bad"}"'


def _framed(content: str) -> str:
    return f'<div class="splitmirror">{STYLE}{content}</div>'
