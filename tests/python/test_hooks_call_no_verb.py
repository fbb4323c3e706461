"""A hook that calls a verb of its own pair is refused: each would wait for the other."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import KIB, write_pattern
from splitmirror import Hooks, MirrorPair
from splitmirror.errors import HookError
from splitmirror.states import State


@pytest.mark.parametrize("verb", ["verify", "close", "plan_establish", "split"])
def test_a_verb_of_the_same_pair_is_refused_in_a_hook(tmp_path: Path, verb: str) -> None:
    source = tmp_path / "source"
    write_pattern(source, 64 * KIB)
    refused: list[BaseException] = []
    with MirrorPair.create(source, tmp_path / "mirror", mode="exclusive") as pair:
        pair.establish()

        def freeze() -> None:
            pair.write(0, b"possible")
            pair.flush()
            assert pair.status().state is State.SYNCHRONIZED
            try:
                getattr(pair, verb)()
            except HookError as error:
                refused.append(error)

        report = pair.split(hooks=Hooks(freeze=freeze))
        assert report.consistency == "application"
        assert "waits for the hook" in str(refused[0])
        assert pair.verify().matches
