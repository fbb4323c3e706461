"""Hooks that tell what they were told, as the tests of hooks with real pairs need them."""

from __future__ import annotations

import threading
from collections.abc import Callable

from scenes import BLOCK
from several import same_bytes
from splitmirror import Hooks, MirrorPair, State


class Told:
    """Hooks that write down that they ran, on which thread, and what they found."""

    def __init__(self, look: Callable[[], object] = lambda: None, *, fails: str = "") -> None:
        self.names = list[str]()
        self.found = dict[str, object]()
        self._look, self._fails = look, fails
        self.hooks = Hooks(
            freeze=lambda: self.ran("freeze"),
            thaw=lambda: self.ran("thaw"),
            stop=lambda: self.ran("stop"),
            start=lambda: self.ran("start"),
            unmount=lambda: self.ran("unmount"),
            mount=lambda: self.ran("mount"),
        )

    def ran(self, name: str) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.names.append(name)
        self.found[name] = self._look()
        if name == self._fails:
            raise RuntimeError(f"{name} does not work today")


def follows(pair: MirrorPair) -> bool:
    """Whether it is synchronized, as its state says, and as its mirror shows."""
    pair.write(5 * BLOCK, b"one more write")
    pair.flush()
    return pair.status().state is State.SYNCHRONIZED and same_bytes(pair)
