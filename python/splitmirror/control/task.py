"""What the owner knows of a request while it carries it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from splitmirror import _core

if TYPE_CHECKING:
    from splitmirror.pair import MirrorPair

__all__ = ["Task"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A request that is being carried out.

    Attributes:
        pair: the one that the request names.
        arguments: checked, as the verb takes them.
        progress: passes on how far it is: phase, bytes done, bytes in total.
        cancel: is used when the requester cancels, goes away, or the pair is closed.
    """

    pair: MirrorPair
    arguments: Mapping[str, Any]
    progress: Callable[[str, int, int], object]
    cancel: _core.CancelToken
