"""Reports as HTML for notebooks: no scripts, every value escaped, readable on dark and light.

Text and lines take their colour from the page (``currentColor``), because a notebook's theme
need not follow the browser's; only the accents ask ``prefers-color-scheme``.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from itertools import pairwise

from splitmirror._document import Document
from splitmirror._rows import rows, title

__all__ = ["block_strip", "document_html", "documents_html", "pair_html", "table_html"]

STYLE = """<style>
.splitmirror{--sm-changed:#b45309;--sm-pending:#1d4ed8;--sm-unknown:#7e22ce;color:inherit}
@media (prefers-color-scheme:dark){
.splitmirror{--sm-changed:#fbbf24;--sm-pending:#60a5fa;--sm-unknown:#c084fc}}
.splitmirror table{border-collapse:collapse;color:inherit;background:none}
.splitmirror caption{text-align:left;font-weight:bold;padding:2px 0;color:inherit}
.splitmirror th,.splitmirror td{text-align:left;padding:1px 10px 1px 0;vertical-align:top;
border-bottom:1px solid color-mix(in srgb,currentColor 20%,transparent);background:none}
.splitmirror th{font-weight:normal;opacity:.7}
.splitmirror td{font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.splitmirror .same{fill:currentColor;opacity:.2}.splitmirror .changed{fill:var(--sm-changed)}
.splitmirror .pending{fill:var(--sm-pending)}.splitmirror .unknown{fill:var(--sm-unknown)}
</style>"""

_CELLS_MAX = 256
_MARKS = ((255, "unknown"), (2, "pending"), (1, "changed"), (0, "same"))
"""What a block map's entries mean, the most urgent first: one such block marks its cell."""


def document_html(document: Document) -> str:
    """Show one document as a table."""
    return _framed(table_html(title(document), rows(document)))


def pair_html(shown: Document | str, block_map: bytes = b"") -> str:
    """Show a pair: its status and its block map, or only its repr."""
    if isinstance(shown, str):
        return _framed(f"<code>{escape(shown)}</code>")
    return _framed(table_html("pair", rows(shown)) + block_strip(block_map))


def documents_html(caption: str, documents: Iterable[Document]) -> str:
    """Show documents of one class as a table with a row each."""
    listed = [rows(document) for document in documents]
    if not listed:
        return _framed(f"<p>{escape(caption)}: none</p>")
    heads = "".join(f"<th>{escape(label)}</th>" for label, _ in listed[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(text)}</td>" for _, text in row) + "</tr>" for row in listed
    )
    return _framed(f"<table><caption>{escape(caption)}</caption><tr>{heads}</tr>{body}</table>")


def table_html(caption: str, found: Iterable[tuple[str, str]]) -> str:
    """Show labelled rows as a table."""
    body = "".join(
        f"<tr><th>{escape(label)}</th><td>{escape(text)}</td></tr>" for label, text in found
    )
    return f"<table><caption>{escape(caption)}</caption>{body}</table>"


def block_strip(block_map: bytes) -> str:
    """Draw a block map (see MirrorPair.block_map) as a strip of at most 256 cells.

    A cell that stands for several blocks shows the most urgent of them, so that one changed
    block in a terabyte is still seen.
    """
    if not block_map:
        return "<p>no blocks</p>"
    cells = min(_CELLS_MAX, len(block_map))
    borders = [len(block_map) * cell // cells for cell in range(cells + 1)]
    marks = [
        next(name for value, name in _MARKS if value in block_map[start:end] or value == 0)
        for start, end in pairwise(borders)
    ]
    bars = "".join(
        f'<rect x="{cell * 2}" width="2" height="14" class="{name}"/>'
        for cell, name in enumerate(marks)
    )
    legend = ", ".join(
        f"{block_map.count(value):,} {name}"
        for value, name in reversed(_MARKS)
        if value in block_map
    )
    return (
        f'<svg role="img" width="{cells * 2}" height="14" shape-rendering="crispEdges">'
        f"<title>{legend}</title>{bars}</svg><div>{len(block_map):,} blocks: {legend}</div>"
    )


def _framed(content: str) -> str:
    return f'<div class="splitmirror">{STYLE}{content}</div>'
