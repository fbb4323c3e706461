"""Strips of plans and of what was found: where it is, and how much of the whole."""

from __future__ import annotations

import dataclasses
import re

import documents
from splitmirror import html, reports

BLOCK = 65536


def bars(shown: str) -> list[tuple[str, int]]:
    """The bars of the strip from left to right: what they show, and how many cells."""
    drawn = re.findall(r'<rect x="\d+" width="(\d+)" height="14" class="([\w-]+)"', shown)
    return [(name, int(width) // 2) for width, name in drawn]


def plan(**changes: object) -> reports.PlanReport:
    return reports.PlanReport.from_dict({**documents.PLAN, **changes})


def test_a_plan_shows_what_it_copies() -> None:
    # A cell for each 4 KiB of 256 KiB.
    shown = html.document_html(plan(method="copy"))
    assert bars(shown) == [("changed", 16), ("same", 16), ("changed", 16), ("same", 16)]
    assert "256.0 KiB: 2 blocks to copy" in shown


def test_a_plan_that_compares_claims_no_change() -> None:
    shown = html.document_html(plan(method="compare", extents=[[0, BLOCK]], blocks=1))
    assert bars(shown) == [("unknown", 16), ("same", 48)]
    assert "1 block to compare" in shown
    assert 'class="changed"' not in shown


def test_a_plan_of_nothing() -> None:
    nothing = plan(method="copy", extents=[], extents_total=0, blocks=0, bytes=0)
    shown = html.document_html(nothing)
    assert bars(shown) == [("same", 64)]
    assert "0 blocks to copy" in shown
    empty = dataclasses.replace(nothing, target_length=0)
    assert "<p>no blocks</p>" in html.document_html(empty)


def test_a_plan_whose_list_is_cut_says_so() -> None:
    shown = html.document_html(plan(method="copy", extents_total=12_000))
    assert "11,998 further ranges are not drawn" in shown


def test_a_plan_of_a_huge_area_has_256_cells() -> None:
    # One block at the very end, beyond which the length of the area is no whole block.
    length = (1 << 40) + 777
    shown = html.document_html(
        plan(method="copy", extents=[[length - 777, BLOCK]], blocks=1, target_length=length)
    )
    assert bars(shown) == [("same", 255), ("changed", 1)]


def test_what_differs_and_what_is_bad_is_shown() -> None:
    verified = html.document_html(reports.VerifyReport.from_dict(documents.VERIFY))
    assert bars(verified) == [("changed", 16), ("same", 48)]
    assert "256.0 KiB: 1 block different" in verified
    scrubbed = html.document_html(reports.ScrubReport.from_dict(documents.SCRUB))
    assert bars(scrubbed) == [("same", 16), ("changed", 16), ("same", 32)]
    assert "256.0 KiB: 1 block bad" in scrubbed
    fine = {**documents.VERIFY, "differing": [], "ranges_total": 0, "blocks_differing": 0}
    shown = html.document_html(reports.VerifyReport.from_dict(fine))
    assert bars(shown) == [("same", 64)]


def test_other_reports_have_no_strip() -> None:
    assert "<svg" not in html.document_html(reports.SplitReport.from_dict(documents.SPLIT))
