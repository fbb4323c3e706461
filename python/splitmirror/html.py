"""Reports as HTML for notebooks: no scripts, every value escaped, readable on dark and light.

Text and lines take their colour from the page (``currentColor``), because a notebook's theme
need not follow the browser's; only the accents ask ``prefers-color-scheme``.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from splitmirror._document import Document
from splitmirror._rows import rows, title

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
</style>"""

_VERDICTS = {"complete", "mirror unchanged", "matches", "intact", "passed"}
"""The answers for which a report is read; they stand out."""

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


def block_map_html(block_map: bytes | npt.NDArray[np.uint8]) -> str:
    """Show a block map (see MirrorPair.block_map) by itself."""
    return _framed(block_strip(bytes(block_map)))


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
        f"<tr><th>{escape(label)}</th><td{_verdict(label, text)}>{escape(text)}</td></tr>"
        for label, text in found
    )
    return f"<table><caption>{escape(caption)}</caption>{body}</table>"


def _verdict(label: str, text: str) -> str:
    if label not in _VERDICTS:
        return ""
    return f' class="{"good" if text == "yes" else "bad"}"'


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
    # Neighbours that show the same are one bar: a strip is small where little happened.
    bars, at = "", 0
    for name, run in groupby(marks):
        width = 2 * len(list(run))
        bars += f'<rect x="{at}" width="{width}" height="14" class="{name}"/>'
        at += width
    counts = [
        (name, f"{block_map.count(value):,} {name}")
        for value, name in reversed(_MARKS)
        if value in block_map
    ]
    told = f"{len(block_map):,} blocks: {', '.join(text for _, text in counts)}"
    keys = "".join(
        f'<span><svg class="key" width="10" height="10"><rect width="10" height="10" '
        f'class="{name}"/></svg>{text}</span>'
        for name, text in counts
    )
    return (
        f'<svg role="img" width="{cells * 2}" height="14" shape-rendering="crispEdges">'
        f'<title>{told}</title>{bars}</svg><div class="legend">'
        f"<span>{len(block_map):,} blocks</span>{keys}</div>"
    )


def _framed(content: str) -> str:
    return f'<div class="splitmirror">{STYLE}{content}</div>'
