"""The strip of blocks and the tables for notebooks."""

from __future__ import annotations

import dataclasses
import re

import documents
import numpy as np
from splitmirror import html, reports


def bars(strip: str) -> list[tuple[str, int]]:
    """The bars of the strip from left to right: what they show, and how wide they are."""
    drawn = re.findall(r'<rect x="(\d+)" width="(\d+)" height="14" class="([\w-]+)"', strip)
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


def receipt(*provenance: tuple[int, int, str], blocks: int) -> reports.Receipt:
    """A receipt of blocks of 64 KiB, with runs of so many of them."""
    runs = [
        {"offset": first * 65536, "length": count * 65536, "origin": origin}
        for first, count, origin in provenance
    ]
    document = {**documents.RECEIPT, "blocks_total": blocks, "provenance": runs}
    return reports.Receipt.from_dict(document)


def test_a_receipt_shows_where_its_blocks_are_from() -> None:
    shown = html.document_html(
        receipt((1, 2, "mirror"), (5, 1, "app-written"), (7, 1, "pending"), blocks=8)
    )
    assert bars(shown) == [
        ("kept", 2),
        ("mirror", 4),
        ("kept", 4),
        ("app-written", 2),
        ("kept", 2),
        ("pending", 2),
    ]
    assert "8 blocks: 4 kept, 2 mirror, 1 app-written, 1 pending" in shown
    assert "4 blocks: 2 kept, 1 mirror, 1 app-written" in html.document_html(
        reports.Receipt.from_dict(documents.RECEIPT)
    )


def test_a_cell_of_a_receipt_shows_the_most_urgent_of_its_blocks() -> None:
    # Four blocks a cell.
    many = receipt((0, 2, "mirror"), (2, 1, "app-written"), (8, 3, "mirror"), blocks=1024)
    shown = html.document_html(many)
    assert bars(shown) == [("app-written", 2), ("kept", 2), ("mirror", 2), ("kept", 506)]
    assert "1,024 blocks: 1,018 kept, 5 mirror, 1 app-written" in shown


def test_a_strip_and_the_map_of_a_receipt_agree() -> None:
    one = receipt((0, 100, "mirror"), (300, 7, "app-written"), (511, 1, "pending"), blocks=512)
    origins = ["kept", "mirror", "app-written", "pending"]
    cells = one.provenance_map().reshape(256, 2).max(axis=1)
    drawn = [name for name, width in bars(html.document_html(one)) for _ in range(width // 2)]
    assert drawn == [origins[cell] for cell in cells]


def test_siblings_have_a_table_of_their_own() -> None:
    status = reports.Status.from_dict(documents.STATUS)
    for shown in (html.document_html(status), html.pair_html(status)):
        assert "<caption>siblings</caption>" in shown
        assert "<th>siblings</th>" not in shown
        assert "<td>/away/third.mirror</td>" in shown
    alone = dataclasses.replace(status, siblings=())
    assert "<th>siblings</th><td>none</td>" in html.document_html(alone)


def test_lists_of_mirrors_have_a_line_each() -> None:
    text = str(reports.Status.from_dict(documents.STATUS))
    assert "  siblings        /data/other.mirror: split, mirror-skewed, open\n" in text
    assert "\n" + " " * 18 + "/away/third.mirror: not open: there is no file" in text
    choice = next(data for kind, data in documents.SAMPLES if kind is reports.OldestMirror)
    shown = html.document_html(reports.OldestMirror.from_dict(choice))
    assert "<td>/away/third.mirror: it is on hold</td>" in shown
