"""The strip of blocks and the tables for notebooks."""

from __future__ import annotations

import dataclasses
import re

import documents
import numpy as np
from splitmirror import html, reports


def bars(strip: str) -> list[tuple[str, int]]:
    """The bars of the strip from left to right: what they show, and how wide they are."""
    drawn = re.findall(r'<rect x="(\d+)" width="(\d+)" height="14" class="(\w+)"', strip)
    edge = 0
    for at, width, _ in drawn:
        assert int(at) == edge
        edge += int(width)
    return [(name, int(width)) for _, width, name in drawn]


def test_one_changed_block_in_a_million_is_seen() -> None:
    blocks = bytearray(1_000_000)
    blocks[123_456] = 1
    strip = html.block_strip(bytes(blocks))
    # One in the strip, one in the legend.
    assert strip.count('class="changed"') == 2
    # The bars beside it are drawn as one each.
    assert bars(strip) == [("same", 62), ("changed", 2), ("same", 448)]
    assert "1,000,000 blocks: 999,999 same, 1 changed" in strip


def test_a_cell_shows_the_most_urgent_of_its_blocks() -> None:
    strip = html.block_strip(bytes([0, 1, 2, 255]) * 256)
    assert bars(strip) == [("unknown", 512)]


def test_few_blocks_have_a_cell_each() -> None:
    strip = html.block_strip(bytes([0, 1, 2, 255]))
    for name in ("same", "changed", "pending", "unknown"):
        assert strip.count(f'class="{name}"') == 2


def test_a_block_map_can_be_shown_by_itself() -> None:
    shown = html.block_map_html(np.array([0, 1, 1], np.uint8))
    assert shown == html.block_map_html(b"\0\1\1")
    assert "3 blocks: 1 same, 2 changed" in shown
    assert shown.startswith('<div class="splitmirror">')


def test_verdicts_stand_out() -> None:
    receipt = reports.Receipt.from_dict(documents.RECEIPT)
    assert receipt.complete
    assert html.document_html(receipt).count('class="good">yes<') == 2
    assert 'class="bad">no<' in html.document_html(dataclasses.replace(receipt, complete=False))


def test_no_blocks() -> None:
    assert html.block_strip(b"") == "<p>no blocks</p>"


def test_a_pair_shows_status_and_blocks() -> None:
    shown = html.pair_html(reports.Status.from_dict(documents.STATUS), b"\0\1")
    assert "shop.mirror" in shown
    assert "<svg" in shown


def test_a_list_of_documents_has_a_row_each() -> None:
    events = [reports.Event(at=float(n), event=f"<{n}>", detail={}) for n in range(3)]
    shown = html.documents_html("history", events)
    assert shown.count("<tr>") == 4
    assert "&lt;2&gt;" in shown
    assert "none" in html.documents_html("history", [])
