"""The strip of blocks and the tables for notebooks."""

from __future__ import annotations

import documents
from splitmirror import html, reports


def test_one_changed_block_in_a_million_is_seen() -> None:
    blocks = bytearray(1_000_000)
    blocks[123_456] = 1
    strip = html.block_strip(bytes(blocks))
    assert strip.count('class="changed"') == 1
    assert strip.count("<rect") == 256
    assert "1,000,000 blocks: 999,999 same, 1 changed" in strip


def test_a_cell_shows_the_most_urgent_of_its_blocks() -> None:
    strip = html.block_strip(bytes([0, 1, 2, 255]) * 256)
    assert strip.count('class="unknown"') == 256


def test_few_blocks_have_a_cell_each() -> None:
    strip = html.block_strip(bytes([0, 1, 2, 255]))
    for name in ("same", "changed", "pending", "unknown"):
        assert strip.count(f'class="{name}"') == 1


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
