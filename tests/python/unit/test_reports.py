"""Reports: from the core's documents to dataclasses, text and HTML, and back."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import documents
import pytest
from splitmirror import reports
from splitmirror._document import Document
from splitmirror.states import Condition, State

EACH = pytest.mark.parametrize(
    ("kind", "data"), documents.SAMPLES, ids=[kind.__name__ for kind, _ in documents.SAMPLES]
)


@EACH
def test_a_document_survives_the_round_trip(kind: type[Document], data: dict[str, Any]) -> None:
    report = kind.from_dict(data)
    assert report.to_dict() == data
    assert kind.from_json(report.to_json()) == report
    assert json.loads(report.to_json(indent=2)) == data


@EACH
def test_a_document_is_frozen_and_slotted(kind: type[Document], data: dict[str, Any]) -> None:
    report = kind.from_dict(data)
    assert not hasattr(report, "__dict__")
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(report, dataclasses.fields(report)[0].name, 1)


@EACH
def test_a_document_shows_every_field(kind: type[Document], data: dict[str, Any]) -> None:
    report = kind.from_dict(data)
    for shown in (str(report), report._repr_html_()):
        for field in dataclasses.fields(report):
            assert field.name.replace("_", " ") in shown


@EACH
def test_each_missing_field_is_named(kind: type[Document], data: dict[str, Any]) -> None:
    # How the hooks went, and what a chosen mirror got, is not there from the start.
    later = {"hooks"} if kind is not reports.OldestMirror else {"refresh"}
    for field in (each for each in dataclasses.fields(kind) if each.name not in later):
        less = {name: value for name, value in data.items() if name != field.name}
        with pytest.raises(ValueError, match=f"lacks '{field.name}'"):
            kind.from_dict(less)


def test_states_conditions_and_extents_have_their_types() -> None:
    receipt = reports.Receipt.from_dict({**documents.RECEIPT, "unrestored": [[0, 4096]]})
    assert receipt.state is State.SPLIT
    assert receipt.conditions == (Condition.OUTSIDE_WRITES,)
    assert receipt.unrestored == ((0, 4096),)
    assert isinstance(receipt.mirror_stamp_before, reports.Stamp)
    assert isinstance(receipt.seconds, float)


def test_whole_seconds_become_float() -> None:
    assert isinstance(reports.Stamp.from_dict({**documents.STAMP, "modified": 7}).modified, float)


def test_a_newer_schema_is_refused() -> None:
    with pytest.raises(ValueError, match="schema 2"):
        reports.Receipt.from_dict({**documents.RECEIPT, "schema": 2})


def test_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="'receipt'"):
        reports.Receipt.from_dict(documents.ESTABLISH)


def test_a_new_field_of_the_same_schema_is_ignored() -> None:
    report = reports.EstablishReport.from_dict({**documents.ESTABLISH, "later": 1})
    assert report.to_dict() == documents.ESTABLISH


def test_text_has_iec_units_and_exact_bytes() -> None:
    text = str(reports.EstablishReport.from_dict(documents.ESTABLISH))
    assert text.startswith("establish\n")
    assert "64.0 KiB (65,536 bytes)" in text
    assert "250.0 ms" in text


def test_a_long_list_of_extents_is_cut_for_people() -> None:
    bad = [[block * 65536, 65536] for block in range(20)]
    report = reports.ScrubReport.from_dict({**documents.SCRUB, "bad": bad})
    assert "and 12 more" in str(report)
    assert len(report.to_dict()["bad"]) == 20


def test_an_event_tells_only_what_fits_a_line() -> None:
    event = reports.Event(at=1.0, event="split", detail={**documents.SPLIT, "label": "x"})
    text = str(event)
    assert "label=x" in text
    assert "pair_id" not in text
    assert "inode" not in text


def test_a_hostile_path_is_escaped_in_text_and_html() -> None:
    path = "/data/<b>\n\x1b[31m&"
    report = reports.Status.from_dict({**documents.STATUS, "source": path})
    assert r"/data/<b>\n\x1b[31m&" in str(report)
    assert r"/data/&lt;b&gt;\n\x1b[31m&amp;" in report._repr_html_()
    assert report.to_dict()["source"] == path


def test_html_serves_both_themes() -> None:
    html = reports.Receipt.from_dict(documents.RECEIPT)._repr_html_()
    assert "prefers-color-scheme:dark" in html
    assert "currentColor" in html
    assert "<script" not in html
