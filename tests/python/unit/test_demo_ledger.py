"""The live demonstration's model and records: what they take for good, and what not."""

from __future__ import annotations

import pytest
from splitmirror.demo.ledger import Ledger
from splitmirror.demo.records import RECORD_BYTES, Record, pack, unpack


def judged(ledger: Ledger, number: int, version: int) -> bool:
    return ledger.judge(number, ledger.expected(number), Record(number, version, 0))


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(4)


def test_a_record_comes_back_as_it_was() -> None:
    record = Record(7, 8, 9)
    assert len(pack(record)) == RECORD_BYTES
    assert unpack(pack(record)) == record


@pytest.mark.parametrize("at", [0, 9, 40, 2048, RECORD_BYTES - 1])
def test_a_record_with_one_bit_changed_is_not_whole(at: int) -> None:
    data = bytearray(pack(Record(7, 8, 9)))
    data[at] ^= 1
    assert unpack(bytes(data)) is None


@pytest.mark.parametrize("sector", range(512, RECORD_BYTES, 512))
def test_a_record_torn_between_two_versions_is_not_whole(sector: int) -> None:
    older, newer = pack(Record(7, 8, 9)), pack(Record(7, 9, 10))
    assert unpack(newer[:sector] + older[sector:]) is None
    assert unpack(newer[:sector]) is None


def test_ordinarily_only_the_last_version_is_right(ledger: Ledger) -> None:
    with ledger.writing(1) as record:
        assert record.version == 2
    assert judged(ledger, 1, 2)
    assert not judged(ledger, 1, 1)
    assert not ledger.judge(1, ledger.expected(1), None)
    assert not ledger.judge(1, ledger.expected(1), Record(2, 2, 0))
    assert [str(wrong).partition(": ")[2] for wrong in ledger.wrong] == [
        "version 1 in place of version 2",
        "no whole record in place of version 2",
        "record 2 in place of version 2",
    ]


def test_what_the_faulty_writer_touched_may_be_bad_until_it_is_written(ledger: Ledger) -> None:
    with ledger.spoiling([1, 2]):
        pass
    assert not ledger.judge(1, ledger.expected(1), None)
    assert not ledger.wrong
    assert ledger.spoiled() == [1, 2]
    with ledger.writing(1) as record:
        pass
    assert ledger.spoiled() == [2]
    assert judged(ledger, 1, record.version)
    assert not ledger.judge(1, ledger.expected(1), None)
    assert len(ledger.wrong) == 1


def test_a_faulty_write_beside_a_good_one_may_have_been_the_later(ledger: Ledger) -> None:
    with ledger.writing(1), ledger.spoiling([1]):
        pass
    assert ledger.spoiled() == [1]


def test_after_a_rewind_the_split_is_right_and_nothing_else(ledger: Ledger) -> None:
    ledger.take_split([1, 1, 1, 1])
    with ledger.writing(1):
        pass
    with ledger.spoiling([2]):
        pass
    with ledger.rewinding():
        assert judged(ledger, 1, 1)
        assert judged(ledger, 1, 2)
    assert judged(ledger, 1, 1)
    assert not judged(ledger, 1, 2)
    assert not ledger.judge(2, ledger.expected(2), None)
    assert len(ledger.wrong) == 2


def test_a_write_after_a_rewind_is_never_lost(ledger: Ledger) -> None:
    with ledger.rewinding():
        pass
    with ledger.writing(1) as record:
        pass
    assert judged(ledger, 1, record.version)
    assert not judged(ledger, 1, 1)


def test_a_write_during_a_rewind_counts_or_not_until_a_read_tells(ledger: Ledger) -> None:
    with ledger.rewinding(), ledger.writing(1) as record:
        pass
    assert judged(ledger, 1, record.version)
    assert not judged(ledger, 1, 1)


def test_a_read_that_began_before_a_rewind_may_find_either(ledger: Ledger) -> None:
    with ledger.writing(1):
        pass
    before = ledger.expected(1)
    with ledger.rewinding():
        pass
    assert ledger.judge(1, before, Record(1, 2, 0))
    assert judged(ledger, 1, 1)
    assert not judged(ledger, 1, 2)


def test_a_rewind_of_some_leaves_the_others(ledger: Ledger) -> None:
    for number in (1, 2):
        with ledger.writing(number):
            pass
    with ledger.rewinding([1]):
        pass
    assert judged(ledger, 1, 1)
    assert judged(ledger, 2, 2)
    assert not judged(ledger, 2, 1)
