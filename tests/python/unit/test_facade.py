"""MirrorPair in front of the core: arguments, interrupts, log records."""

from __future__ import annotations

import logging
from typing import Any, cast

import documents
import pytest
from fake_pair import FakePair
from splitmirror import _core, reports
from splitmirror.errors import AreaIOError, ArgumentError, ClosedPairError
from splitmirror.pair import MirrorPair
from splitmirror.states import Condition, State


@pytest.fixture
def fake() -> FakePair:
    return FakePair()


@pytest.fixture
def pair(fake: FakePair) -> MirrorPair:
    return MirrorPair(cast("_core.Pair", fake))


def test_options_reach_the_core(pair: MirrorPair, fake: FakePair) -> None:
    receipt = pair.restore(
        plan=pair.plan_restore(ranges=[(0, 5)]), accept={Condition.MIRROR_SKEWED}, to="/x"
    )
    assert isinstance(receipt, reports.Receipt)
    planned, restored = fake.calls
    assert planned == ("plan_restore", {"full": False, "ranges": [(0, 5)]})
    options = restored[1]
    assert options["accept"] == ["mirror-skewed"]
    assert type(options["accept"][0]) is str
    assert options["to"] == "/x"
    assert options["progress"] is None


def test_accept_of_one_text_is_refused(pair: MirrorPair, fake: FakePair) -> None:
    with pytest.raises(ArgumentError, match=r"\{'shrunk'\}"):
        pair.establish(accept="shrunk")
    assert fake.calls == []


def test_progress_is_passed_on(pair: MirrorPair) -> None:
    seen: list[tuple[str, int, int]] = []
    pair.verify(progress=lambda *step: seen.append(step))
    assert seen == [("copying", 1, 2), ("copying", 2, 2)]


def test_an_interrupt_tells_what_it_left(pair: MirrorPair, fake: FakePair) -> None:
    fake.raises["establish"] = KeyboardInterrupt()
    fake.state = "unsynchronized"
    fake.answers["status"] = {**documents.STATUS, "state": "unsynchronized", "advice": []}
    with pytest.raises(KeyboardInterrupt) as caught:
        pair.establish()
    assert caught.value.__notes__ == [
        "the pair is now unsynchronized: call establish() to go on where it stopped"
    ]


def test_an_interrupt_repeats_the_advice_of_the_core(pair: MirrorPair, fake: FakePair) -> None:
    fake.raises["restore"] = KeyboardInterrupt()
    fake.answers["status"] = {**documents.STATUS, "advice": ["Call resume_restore()."]}
    with pytest.raises(KeyboardInterrupt) as caught:
        pair.restore()
    assert caught.value.__notes__ == ["the pair is now split: Call resume_restore()."]


def test_the_note_never_replaces_the_interrupt(pair: MirrorPair, fake: FakePair) -> None:
    fake.raises["restore"] = KeyboardInterrupt()
    fake.raises["status"] = AreaIOError("the disk is gone")
    with pytest.raises(KeyboardInterrupt) as caught:
        pair.restore()
    assert caught.value.__notes__[0].startswith("the pair is now split")


def test_log_records_come_out_after_and_during_a_verb(
    pair: MirrorPair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    queue = [(logging.WARNING, "splitmirror.engine", "100% of /a%s")]

    def drain() -> list[tuple[int, str, str]]:
        drained, queue[:] = list(queue), []
        return drained

    monkeypatch.setattr(_core, "drain_log", drain)
    seen: list[int] = []
    with caplog.at_level(logging.DEBUG, "splitmirror"):
        pair.verify(progress=lambda *_: seen.append(len(caplog.records)))
        assert seen == [1, 1]
        queue.append((logging.ERROR, "elsewhere", "late"))
        with pytest.raises(ArgumentError):
            pair.establish(accept="x")
    found = [(record.name, record.levelno, record.getMessage()) for record in caplog.records]
    assert found == [
        ("splitmirror.engine", logging.WARNING, "100% of /a%s"),
        ("splitmirror.elsewhere", logging.ERROR, "late"),
    ]


def test_with_closes(pair: MirrorPair) -> None:
    with pair as inside:
        assert inside is pair
        assert not pair.closed
    assert pair.closed


def test_properties_have_their_types(pair: MirrorPair, fake: FakePair) -> None:
    fake.conditions = ["outside-writes"]
    fake.source_path = b"/data/\xff.db"
    assert pair.state is State.SPLIT
    assert pair.conditions == {Condition.OUTSIDE_WRITES}
    assert bytes(pair.source_path) == b"/data/\xff.db"


def test_repr(pair: MirrorPair, fake: FakePair) -> None:
    fake.conditions = ["outside-writes"]
    assert repr(pair) == (
        "<MirrorPair '/data/shop.db' -> '/data/shop.mirror': split, outside-writes>"
    )
    pair.close()
    assert repr(pair).endswith(": closed>")


def test_html_of_a_pair_that_cannot_be_read(pair: MirrorPair, fake: FakePair) -> None:
    fake.raises["status"] = ClosedPairError("closed")
    fake.source_path = b"/data/<b>"
    assert "/data/&lt;b&gt;" in pair._repr_html_()


def test_a_plan_shows_its_report(pair: MirrorPair) -> None:
    plan: Any = pair.plan_restore()
    assert plan.report.bytes == 131072
    assert plan.to_dict() == documents.PLAN
    assert repr(plan) == "<Plan restore because compare: 131072 bytes>"
    assert "space needed" in str(plan)
    assert "space needed" in plan._repr_html_()
