"""What travels between a client and an owner: arguments and errors there and back, and lines."""

from __future__ import annotations

import errno
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import documents
import pytest
from fake_pair import FakePair
from hypothesis import given
from hypothesis import strategies as st
from splitmirror import _core, control, errors
from splitmirror.control import lines
from splitmirror.control.arguments import read_arguments, written_arguments
from splitmirror.control.client import Owner
from splitmirror.control.conversation import Conversation
from splitmirror.control.lines import Lines, decoded, encoded
from splitmirror.control.verbs import VERBS
from splitmirror.control.wire_errors import error_document, error_from
from splitmirror.errors import ArgumentError, RequestError
from splitmirror.hooks import Hooks
from splitmirror.pair import MirrorPair


def there_and_back(verb: str, **given: Any) -> dict[str, Any]:
    types = VERBS[verb].arguments
    sent = json.loads(encoded(written_arguments(types, given)))
    return read_arguments(types, sent, verb)


NUMBERS = st.integers(min_value=-(1 << 62), max_value=1 << 62)


@given(
    ranges=st.lists(st.tuples(NUMBERS, NUMBERS)),
    full=st.booleans(),
    member=st.none() | st.text(),
    index=st.none()
    | NUMBERS
    | st.lists(NUMBERS | st.just(...) | st.builds(slice, NUMBERS, st.none() | NUMBERS)).map(tuple),
)
def test_arguments_arrive_as_they_were_given(
    ranges: list[tuple[int, int]], full: bool, member: str | None, index: Any
) -> None:
    found = there_and_back("restore", ranges=ranges, full=full, member=member, index=index)
    assert found["ranges"] == ranges
    assert found.get("full", False) is full
    assert found.get("member") == member
    if index is None:
        assert "index" not in found
    else:
        assert found["index"] == (index if isinstance(index, tuple) else (index,))


def test_a_path_arrives_with_its_bytes_and_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert there_and_back("restore", to=b"tmp/\xff\n")["to"] == "/tmp/\udcff\n"
    assert there_and_back("repair", from_mirror=Path("m"))["from_mirror"] == "/m"


def test_numbers_of_numpy_arrive_as_integers() -> None:
    import numpy as np

    found = there_and_back(
        "restore", ranges=[(np.int64(1), np.uint8(2))], index=np.s_[np.int32(3), :]
    )
    assert found == {"ranges": [(1, 2)], "index": (3, slice(None))}


def test_hooks_arrive_with_all_their_fields() -> None:
    hooks = Hooks(freeze="fsfreeze -f '/a b'", thaw=["true"], timeout=2.5)
    found = there_and_back("split", hooks=hooks)["hooks"]
    assert found == hooks
    assert there_and_back("split", hooks=Hooks())["hooks"] == Hooks()


def test_what_cannot_be_sent_is_refused_at_home() -> None:
    for given_, argument in (
        ({"hooks": Hooks(start=print)}, "start"),
        ({"index": "10:20"}, "index"),
        ({"index": [1, 2]}, "index"),
        ({"accept": "shrunk"}, "accept"),
    ):
        with pytest.raises(ArgumentError) as caught:
            written_arguments(VERBS["restore"].arguments, given_)
        assert caught.value.argument == argument
    owner = Owner(pid=1, mirror="/m", catalog=None, pair_id="p")
    with pytest.raises(ArgumentError, match="65,536"):
        owner.ask("restore", {"ranges": [(0, 1)] * 20_000})


@pytest.mark.parametrize("name", sorted(errors.__all__))
def test_errors_arrive_as_what_they_were(name: str) -> None:
    error = getattr(errors, name)("what happened", path="/p", errno=errno.EIO, pids=[1, 2])
    error.add_note("and more")
    found = error_from(json.loads(encoded(error_document(error))))
    assert type(found) is type(error)
    assert (str(found), found.fields, found.__notes__) == (str(error), error.fields, ["and more"])
    assert (found.id, found.exit_code) == (error.id, error.exit_code)
    assert found.path == "/p"  # type: ignore[attr-defined]


def test_an_error_of_a_later_version_keeps_its_id_and_nothing_is_overwritten() -> None:
    document = {
        "id": "newer",
        "message": "m",
        "fields": {"exit_code": 0, "id": "x", "with_traceback": 1, "blocks": 3, "a b": 1},
        "exit_code": 9,
    }
    found = error_from(document)
    assert (found.id, found.exit_code, str(found)) == ("newer", 9, "m")
    assert found.blocks == 3  # type: ignore[attr-defined]
    assert callable(found.with_traceback)
    assert found.fields == document["fields"]


def test_an_error_that_is_not_ours_says_its_class() -> None:
    found = error_document(FileNotFoundError(errno.ENOENT, "gone"))
    assert found["id"] == "error"
    assert found["message"].startswith("FileNotFoundError: ")
    assert found["fields"] == {"errno": errno.ENOENT}


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        far.settimeout(60)
        yield near, far


@given(texts=st.lists(st.binary(max_size=30).filter(lambda text: b"\n" not in text), max_size=6))
def test_lines_are_put_together_again(texts: list[bytes]) -> None:
    near, far = socket.socketpair()
    with near, far:
        whole = b"".join(text + b"\n" for text in texts)
        found = []
        received = Lines(near, 100)
        for start in range(0, len(whole), 7):
            far.sendall(whole[start : start + 7])
            assert received.fill()
            while (line := received.take()) is not None:
                found.append(line)
        far.close()
        assert not received.fill()
    assert found == texts
    assert not received.begun


def test_a_line_of_exactly_the_limit_is_taken(ends: tuple[socket.socket, socket.socket]) -> None:
    near, far = ends
    received = Lines(near, 10)
    far.sendall(b"123456789\n1234567890")
    while received.fill() and (line := received.take()) is None:
        pass
    assert line == b"123456789"
    assert received.fill()
    with pytest.raises(RequestError, match="longer than 10 bytes"):
        received.take()


def test_what_is_written_is_ascii_and_read_strictly() -> None:
    document = {"path": "/\udcff/é", "n": 1}
    assert encoded(document).isascii()
    assert decoded(encoded(document)) == document
    with pytest.raises(ValueError, match="not JSON compliant"):
        encoded({"n": float("nan")})


def talk_with(
    monkeypatch: pytest.MonkeyPatch, ends: tuple[socket.socket, socket.socket], **bounds: float
) -> tuple[socket.socket, Any]:
    for name, value in bounds.items():
        monkeypatch.setattr(lines, name, value)
    near, far = ends
    talk = Conversation(near, lambda _: None)
    thread = threading.Thread(target=talk.run, daemon=True)
    thread.start()
    return far, thread


def test_an_idle_connection_is_closed(
    monkeypatch: pytest.MonkeyPatch, ends: tuple[socket.socket, socket.socket]
) -> None:
    far, thread = talk_with(monkeypatch, ends, IDLE_SECONDS=0.05)
    assert far.recv(100) == b""
    thread.join()


def test_a_request_that_is_begun_has_its_own_time(
    monkeypatch: pytest.MonkeyPatch, ends: tuple[socket.socket, socket.socket]
) -> None:
    far, thread = talk_with(monkeypatch, ends, IDLE_SECONDS=60, REQUEST_SECONDS=0.05)
    far.sendall(b"{")
    answer = json.loads(far.makefile("rb").readline())
    assert answer["error"]["id"] == "request"
    assert "0.05 s" in answer["error"]["message"]
    thread.join()


def test_an_answer_that_nobody_takes_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch, ends: tuple[socket.socket, socket.socket]
) -> None:
    far, thread = talk_with(monkeypatch, ends, ANSWER_SECONDS=0.05)
    bad = json.dumps({"version": 1, "verb": "x" * 80, "mirror": "/m"}).encode() + b"\n"
    # It answers until nothing more fits, and then no more.
    try:
        while thread.is_alive():
            far.send(bad, socket.MSG_DONTWAIT)
    except BlockingIOError:
        pass
    except (BrokenPipeError, ConnectionResetError):
        pass
    thread.join(60)
    assert not thread.is_alive()


def test_an_interrupt_in_the_owner_is_no_report(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = FakePair()
    with MirrorPair(cast("_core.Pair", fake)) as pair:
        fake.raises["verify"] = MemoryError("no room")
        owner = Owner(pid=os.getpid(), mirror="/m", catalog=None, pair_id=pair.pair_id)
        with pytest.raises(errors.SplitMirrorError, match="MemoryError: no room"):
            owner.ask("verify")
        fake.raises.clear()
        seen: list[tuple[str, int, int]] = []
        found = owner.ask("verify", progress=lambda *step: seen.append(step))
        assert found["kind"] == "verify"
        assert seen == [("copying", 1, 2), ("copying", 2, 2)]
        (call,) = [options for verb, options in fake.calls if verb == "verify"][1:]
        assert call["from_medium"] is False
        assert isinstance(call["cancel"], _core.CancelToken)


def test_the_client_waits_no_longer_than_it_says(tmp_path: Path) -> None:
    fake = FakePair()
    with MirrorPair(cast("_core.Pair", fake)) as pair:
        fake.during = lambda: time.sleep(0.3)
        owner = Owner(pid=os.getpid(), mirror="/m", catalog=None, pair_id=pair.pair_id)
        with pytest.raises(errors.PairInUseError, match=r"has not answered within 0\.05 s"):
            owner.ask("status", seconds=0.05)
        fake.during = lambda: None
        fake.answers["status"] = documents.STATUS
        assert owner.ask("status", seconds=60)["kind"] == "status"


def test_the_package_gives_its_names_late() -> None:
    for name in control.__all__:
        assert getattr(control, name) is not None
    with pytest.raises(AttributeError):
        control.nothing  # noqa: B018
