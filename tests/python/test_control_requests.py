"""Requests that are malformed, too long, too slow or not allowed: an error, and nothing changes."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from evidence import unchanged
from owners import answers, connection, error_of, owner, request, runtime_folder, split_pair, told
from splitmirror import MirrorPair, control
from splitmirror.control import lines

M = "/nowhere/mirror"


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A process with a pair open, and the mirror; what is asked of it must change nothing."""
    folder = tmp_path / "pair"
    folder.mkdir()
    _, mirror = split_pair(folder)
    with owner(mirror) as process, unchanged(folder):
        yield process.pid, mirror
        # It still serves.
        assert control.connect(mirror).state == "split"
        assert process.poll() is None


MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "words": b"split it, please",
    "half an object": b'{"version": 1, "verb"',
    "a list": b"[]",
    "a number": b"1",
    "null": b"null",
    "two objects": b"{} {}",
    "a bomb of lists": b"[" * 60_000,
    "a bomb of objects": b'{"a":' * 12_000,
    "a long number": b'{"version": ' + b"1" * 60_000 + b"}",
    "not a number": b'{"version": NaN}',
    "infinity": b'{"version": -Infinity}',
    "NUL": b"\0",
    "NUL in the middle": b'{"version": 1,\0 "verb": "status"}',
    "no UTF-8": b'{"version": 1, "verb": "\xff\xfe"}',
    "UTF-16": '{"version": 1}'.encode("utf-16"),
    "half of a character": rb'{"version": 1, "verb": "status", "mirror": "/m\ud800"}',
    "a key twice": b'{"version": 1, "version": 1, "verb": "status", "mirror": "/m"}',
    "an empty object": b"{}",
    "no version": b'{"verb": "status", "mirror": "/m"}',
    "a later version": b'{"version": 2, "verb": "status", "mirror": "/m"}',
    "a flag as version": b'{"version": true, "verb": "status", "mirror": "/m"}',
    "a text as version": b'{"version": "1", "verb": "status", "mirror": "/m"}',
    "a fraction as version": b'{"version": 1.0, "verb": "status", "mirror": "/m"}',
    "no verb": b'{"version": 1, "mirror": "/m"}',
    "no mirror": b'{"version": 1, "verb": "status"}',
    "a list as verb": b'{"version": 1, "verb": [], "mirror": "/m"}',
    "a relative mirror": b'{"version": 1, "verb": "status", "mirror": "m"}',
    "NUL in a path": b'{"version": 1, "verb": "status", "mirror": "/m\\u0000"}',
    "a relative catalog": b'{"version": 1, "verb": "status", "mirror": "/m", "catalog": "c"}',
    "a number as pair": b'{"version": 1, "verb": "status", "mirror": "/m", "pair_id": 7}',
    "an unknown key": b'{"version": 1, "verb": "status", "mirror": "/m", "user": "root"}',
    "a list of arguments": b'{"version": 1, "verb": "status", "mirror": "/m", "arguments": []}',
    "a number as flag": b'{"version": 1, "verb": "seal", "mirror": "/m", "within_hook": 1}',
    "a cancel of nothing": b'{"cancel": true}',
}


def test_what_is_no_request_is_refused_and_the_connection_ended(held: tuple[int, Path]) -> None:
    pid, _ = held
    for what, line in MALFORMED.items():
        with connection(pid) as connected:
            connected.sendall(line + b"\n")
            found = list(answers(connected))
        assert [answer["error"]["id"] for answer in found] == ["request"], what
        assert found[0]["error"]["exit_code"] == 2


REFUSED: list[dict[str, Any]] = [
    request("format", Path(M)),
    request("__init__", Path(M)),
    request("detach", Path(M)),
    request("close", Path(M)),
    request("establish", Path(M), plan={}),
    request("establish", Path(M), progress=1),
    request("establish", Path(M), force=1),
    request("establish", Path(M), force="yes"),
    request("establish", Path(M), accept="source-replaced"),
    request("establish", Path(M), accept=[1]),
    request("split", Path(M), label=7),
    request("split", Path(M), hooks=[]),
    request("split", Path(M), hooks={"freeze": "sleep 1"}),
    request("split", Path(M), hooks={"freeze": []}),
    request("split", Path(M), hooks={"freeze": ["a\0b"]}),
    request("split", Path(M), hooks={"melt": ["true"]}),
    request("split", Path(M), hooks={"timeout": -1}),
    request("split", Path(M), hooks={"timeout": True}),
    request("restore", Path(M), to="here"),
    request("restore", Path(M), to="/tmp/\0"),
    request("restore", Path(M), ranges=[1, 2]),
    request("restore", Path(M), ranges=[[1, 2, 3]]),
    request("restore", Path(M), ranges=[[1, 2.0]]),
    request("restore", Path(M), ranges=[[True, 2]]),
    request("restore", Path(M), ranges=[[0, 1 << 64]]),
    request("restore", Path(M), index="10:20"),
    request("restore", Path(M), index=[[1, 2]]),
    request("restore", Path(M), index=["x"]),
    request("start_restore", Path(M), throttle=-1),
    request("start_restore", Path(M), throttle=1.5),
    request("wait_restore", Path(M), timeout=-1),
    request("wait_restore", Path(M), timeout="1"),
    request("repair", Path(M), from_mirror=None, accept={}),
]


def test_unknown_verbs_and_arguments_are_refused_and_the_next_request_served(
    held: tuple[int, Path],
) -> None:
    pid, mirror = held
    with connection(pid) as connected:
        for asked in REFUSED:
            (answer,) = told(connected, {**asked, "mirror": str(mirror)})
            assert answer["error"]["id"] == "argument", asked
            assert answer["error"]["fields"]["argument"], asked
        (answer,) = told(connected, request("repair", mirror))
        assert answer["error"]["fields"] == {"argument": "from_mirror"}
        (answer,) = told(connected, request("describe", mirror))
        assert answer["report"]["state"] == "split"


def test_arguments_that_the_core_refuses_are_errors_as_well(held: tuple[int, Path]) -> None:
    pid, mirror = held
    for arguments in (
        {"ranges": [[-1, 5]]},
        {"ranges": [[(1 << 63) - 1, (1 << 63) - 1]]},
        {"accept": ["everything"]},
        {"index": [0]},
        {"member": "nothing", "format": "none"},
        {"full": True, "member": "x"},
        {"to": str(mirror)},
    ):
        assert error_of(pid, request("restore", mirror, **arguments)) in (
            "argument",
            "range",
            "same-area",
        )
    assert error_of(pid, request("split", mirror, label="\ud800")) == "argument"
    assert error_of(pid, request("heal", mirror, receipt="\0")) in ("stale-plan", "argument")


def test_a_pair_that_is_not_open_here_is_not_opened(held: tuple[int, Path], tmp_path: Path) -> None:
    pid, _ = held
    other = tmp_path / "elsewhere"
    other.mkdir()
    _, mirror = split_pair(other)
    with unchanged(other):
        assert error_of(pid, request("seal", mirror)) == "owner-gone"
        assert error_of(pid, request("seal", tmp_path / "nothing")) == "catalog-missing"
        foreign = {**request("seal", mirror), "pair_id": "no-pair"}
        assert error_of(pid, foreign) == "owner-gone"


def test_a_line_that_is_too_long_is_refused_before_its_end(held: tuple[int, Path]) -> None:
    pid, mirror = held
    fitting = json.dumps(request("describe", mirror)).encode()
    fitting += b" " * (lines.REQUEST_BYTES_MAX - 1 - len(fitting)) + b"\n"
    with connection(pid) as connected:
        (answer,) = told(connected, fitting)
        assert "report" in answer
    assert error_of(pid, b" " + fitting) == "request"
    assert error_of(pid, b"x" * (20 << 20)) == "request"


def test_a_slow_line_is_refused(held: tuple[int, Path]) -> None:
    pid, mirror = held
    line = json.dumps(request("describe", mirror)).encode()
    begun = time.monotonic()
    with connection(pid) as slow:
        for byte in line:
            try:
                slow.send(bytes([byte]))
            except OSError:
                break
            # Others are served meanwhile.
            assert control.connect(mirror).state == "split"
            time.sleep(1)
        (answer,) = answers(slow)
    assert answer["error"]["id"] == "request"
    assert time.monotonic() - begun > lines.REQUEST_SECONDS


def test_half_a_line_and_a_hang_up_are_nothing(held: tuple[int, Path]) -> None:
    pid, mirror = held
    for size in (0, 1, 20):
        with connection(pid) as connected:
            connected.sendall(json.dumps(request("seal", mirror)).encode()[:size])
        with connection(pid) as connected:
            connected.sendall(json.dumps(request("seal", mirror)).encode()[:size])
            connected.shutdown(socket.SHUT_WR)
            assert list(answers(connected)) == []


def test_more_than_sixteen_at_once_are_told_so(held: tuple[int, Path]) -> None:
    pid, mirror = held
    with contextlib.ExitStack() as stack:
        talks = [stack.enter_context(connection(pid)) for _ in range(20)]
        served = 0
        for talk in talks:
            found = told(talk, request("describe", mirror))
            if "report" in found[0]:
                served += 1
            else:
                assert found[0]["error"]["id"] == "pair-in-use"
                assert found[0]["error"]["exit_code"] == 5
        assert served == lines.CONNECTIONS_MAX
    # The places are free again, as soon as it has noticed.
    deadline = time.monotonic() + 60
    while True:
        with connection(pid) as connected:
            if "report" in told(connected, request("describe", mirror))[0]:
                break
        assert time.monotonic() < deadline


def test_the_same_line_in_pieces_is_understood(held: tuple[int, Path]) -> None:
    pid, mirror = held
    line = json.dumps(request("describe", mirror)).encode() + b"\n"
    with connection(pid) as connected:
        for start in range(0, len(line), 7):
            connected.sendall(line[start : start + 7])
        assert next(answers(connected))["report"]["kind"] == "pair"


def test_a_client_that_reads_nothing_holds_nobody_up(held: tuple[int, Path]) -> None:
    pid, mirror = held
    with connection(pid) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        line = json.dumps(request("plan_restore", mirror, full=True)).encode() + b"\n"
        deaf.sendall(line * 200)
        assert control.connect(mirror).plan_restore(full=True).report.blocks > 0


def test_an_answer_that_is_no_answer_is_an_error_of_the_client(tmp_path: Path) -> None:
    # A process that listens in the owner's name and speaks another language.
    _, mirror = split_pair(tmp_path)
    program = (
        "import os, socket, sys, splitmirror\n"
        "os.environ['SPLITMIRROR_CONTROL'] = '0'\n"
        "pair = splitmirror.MirrorPair.open(sys.argv[1])\n"
        "os.chdir(os.environ['SPLITMIRROR_RUNTIME_DIR'])\n"
        "listener = socket.socket(socket.AF_UNIX)\n"
        "listener.bind(f'{os.getpid()}.sock')\n"
        "listener.listen()\n"
        "print('open', flush=True)\n"
        "for answer in (b'', b'hello\\n', b'[]\\n', b'{}\\n', b'{\"report\": 1}\\n', "
        "b'{\"error\": {}}\\n', b'{\"progress\": {}}\\n', b'{\"report\"'):\n"
        "    talk, _ = listener.accept()\n"
        "    talk.sendall(answer)\n"
        "    talk.shutdown(socket.SHUT_WR)\n"
        "    talk.recv(1 << 16)\n"
        "    talk.close()\n"
        "listener.close()\n"
        "os.unlink(f'{os.getpid()}.sock')\n"
        "sys.stdin.read()\n"
    )
    from splitmirror import errors

    with owner(mirror, program=program):
        for _ in range(8):
            with pytest.raises(errors.OwnerGoneError):
                control.connect(mirror)
        with pytest.raises(errors.PairInUseError):
            control.connect(mirror)
    with MirrorPair.open(mirror) as pair:
        assert pair.state == "split"


def test_the_owner_says_nothing_on_stderr(tmp_path: Path) -> None:
    _, mirror = split_pair(tmp_path)
    program = (
        "import sys, splitmirror\nwith splitmirror.MirrorPair.open(sys.argv[1]):\n"
        "    print('open', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program, mirror],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        for line in (*MALFORMED.values(), b"x" * 100_000):
            with connection(process.pid) as connected:
                told(connected, line + b"\n")
        control.connect(mirror).scrub()
        _, said = process.communicate(timeout=60)
    assert said == b""
    assert not os.path.exists(runtime_folder() / f"{process.pid}.sock")
