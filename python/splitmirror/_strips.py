"""Strips for notebooks: an area from its beginning to its end, as bars of what is where."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import groupby, pairwise

from splitmirror._document import Document
from splitmirror.reports import PlanReport, Receipt, ScrubReport, VerifyReport
from splitmirror.units import format_bytes

__all__ = ["block_strip", "document_strip"]

_CELLS_MAX = 256
_MARKS = ((255, "unknown"), (2, "pending"), (1, "changed"), (0, "same"))
"""What a block map's entries mean, the most urgent first: one such block marks its cell."""

_ORIGINS = ("kept", "mirror", "app-written", "pending")
"""Where a restored block can be from, the most urgent last."""

_BLOCK_MIN = 4096
"""The smallest block there is: an area of few of them has a cell for each."""


def block_strip(block_map: bytes) -> str:
    """Draw a block map (see MirrorPair.block_map) as a strip of at most 256 cells.

    A cell that stands for several blocks shows the most urgent of them, so that one changed
    block in a terabyte is still seen.
    """
    marks = [
        next(name for value, name in _MARKS if value in block_map[start:end] or value == 0)
        for start, end in pairwise(_borders(len(block_map)))
    ]
    counts = {name: block_map.count(value) for value, name in reversed(_MARKS)}
    return _counted(marks, counts, len(block_map))


def document_strip(document: Document) -> str:
    """Draw where a document says that something is; nothing for one that does not."""
    if isinstance(document, Receipt):
        return _counted(*_origins(document), document.blocks_total)
    if isinstance(document, PlanReport):
        return _planned(document)
    if isinstance(document, VerifyReport):
        length = max(document.source_length, document.mirror_length)
        found = [(place.offset, place.length) for place in document.differing]
        hidden = document.ranges_total - len(found)
        return _extents(
            found, length, "changed", _blocks(document.blocks_differing, "different"), hidden
        )
    if isinstance(document, ScrubReport):
        told = _blocks(document.blocks_bad, "bad")
        return _extents(document.bad, document.bytes, "changed", told, 0)
    return ""


def _planned(plan: PlanReport) -> str:
    """Draw what a plan would look at; which of it differs is not known before a comparison."""
    length = max(plan.source_length or 0, plan.target_length)
    compared = plan.method == "compare"
    told = _blocks(plan.blocks, "to compare" if compared else "to copy")
    hidden = plan.extents_total - len(plan.extents)
    return _extents(plan.extents, length, "unknown" if compared else "changed", told, hidden)


def _blocks(count: int, what: str) -> str:
    return f"{count:,} {'block' if count == 1 else 'blocks'} {what}"


def _extents(
    extents: Iterable[tuple[int, int]], length: int, name: str, told: str, hidden: int
) -> str:
    """Draw (offset, length) pairs, in bytes, of an area; ``hidden`` are further ones, not given."""
    borders = _borders(length, min(_CELLS_MAX, -(-length // _BLOCK_MIN)))
    marks = ["same"] * max(0, len(borders) - 1)
    drawn = False
    for offset, size in extents:
        for cell in _cells(borders, offset, min(offset + size, length)):
            marks[cell] = name
            drawn = True
    legend = [(name, told)] if drawn else [("same", told)]
    if hidden > 0:
        legend.append((name, f"{hidden:,} further ranges are not drawn"))
    return _strip(marks, legend, format_bytes(length))


def _borders(units: int, cells: int = _CELLS_MAX) -> list[int]:
    """Give the blocks, or bytes, where the cells of a strip begin, and the end."""
    cells = min(cells, units)
    return [units * cell // cells for cell in range(cells + 1)] if cells else []


def _cells(borders: list[int], first: int, end: int) -> range:
    """Give the cells that show the blocks, or bytes, from ``first`` up to ``end``."""
    if not borders or first >= end:
        return range(0)
    return range(bisect_right(borders, first) - 1, bisect_left(borders, end))


def _origins(receipt: Receipt) -> tuple[list[str], dict[str, int]]:
    """Give for each cell where its blocks are from, and for each origin how many there are."""
    borders = _borders(receipt.blocks_total)
    marks = ["kept"] * max(0, len(borders) - 1)
    counts = dict.fromkeys(_ORIGINS, 0)
    for run in receipt.provenance:
        first = run.offset // receipt.block_size
        end = min(-(-(run.offset + run.length) // receipt.block_size), receipt.blocks_total)
        counts[run.origin] += max(0, end - first)
        for cell in _cells(borders, first, end):
            marks[cell] = max(marks[cell], run.origin, key=_ORIGINS.index)
    counts["kept"] = receipt.blocks_total - sum(counts.values())
    return marks, counts


def _counted(marks: list[str], counts: dict[str, int], blocks: int) -> str:
    """Draw a cell for each mark, and a legend of those that occur."""
    legend = [(name, f"{count:,} {name}") for name, count in counts.items() if count]
    return _strip(marks, legend, f"{blocks:,} blocks")


def _strip(marks: list[str], legend: list[tuple[str, str]], whole: str) -> str:
    if not marks:
        return "<p>no blocks</p>"
    # Neighbours that show the same are one bar: a strip is small where little happened.
    bars, at = "", 0
    for name, run in groupby(marks):
        width = 2 * len(list(run))
        bars += f'<rect x="{at}" width="{width}" height="14" class="{name}"/>'
        at += width
    told = f"{whole}: {', '.join(text for _, text in legend)}"
    keys = "".join(
        f'<span><svg class="key" width="10" height="10"><rect width="10" height="10" '
        f'class="{name}"/></svg>{text}</span>'
        for name, text in legend
    )
    return (
        f'<svg role="img" width="{len(marks) * 2}" height="14" shape-rendering="crispEdges">'
        f'<title>{told}</title>{bars}</svg><div class="legend">'
        f"<span>{whole}</span>{keys}</div>"
    )
