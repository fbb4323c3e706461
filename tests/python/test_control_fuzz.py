"""Whatever bytes a request is made of, its owner lives on and its pair stays as it is."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from evidence import unchanged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from owners import answers, connection, owner, split_pair
from splitmirror.control.verbs import VERBS


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_bytes_hurt_the_owner(fuzzed: tuple[int, Path, Path], data: st.DataObject) -> None:
    pid, mirror, runtime = fuzzed
    plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    anything = st.recursive(
        plain,
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
        ),
        max_leaves=12,
    )
    names = st.sampled_from(sorted({name for verb in VERBS.values() for name in verb.arguments}))
    # Verbs that change nothing whatever their arguments are, and those that do not exist.
    verbs = st.sampled_from(["status", "history", "describe", "verify", "scrub", "plan_restore"])
    shaped = st.fixed_dictionaries(
        {
            "version": st.just(1) | plain,
            "verb": verbs | st.text(max_size=10),
            "mirror": st.just(str(mirror)) | st.text(max_size=20),
            "arguments": st.dictionaries(names | st.text(max_size=8), anything, max_size=3)
            | anything,
        },
        optional={"pair_id": anything, "catalog": anything, "within_hook": anything},
    )
    line = data.draw(st.binary(max_size=200) | anything.map(dumped) | shaped.map(dumped))
    with connection(pid, runtime) as connected:
        connected.sendall(line + b"\n")
        connected.shutdown(socket.SHUT_WR)
        for answer in answers(connected):
            assert set(answer) <= {"progress", "report", "error"}
            if "error" in answer:
                assert answer["error"]["message"]
                assert not answer["error"]["message"].startswith(("TypeError", "KeyError")), line


def dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path, Path]]:
    """As `held`, once for all examples; with the runtime folder."""
    folder = tmp_path_factory.mktemp("fuzzed")
    home, runtime = folder / "home", folder / "runtime"
    home.mkdir(mode=0o700)
    runtime.mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPLITMIRROR_STATE_DIR", str(home))
        patch.setenv("SPLITMIRROR_RUNTIME_DIR", str(runtime))
        pair = folder / "pair"
        pair.mkdir()
        _, mirror = split_pair(pair)
        # A verify is told in the history.
        with owner(mirror) as process, unchanged(pair, catalogs=False):
            yield process.pid, mirror, runtime
            assert process.poll() is None
