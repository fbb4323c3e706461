"""The words for where a pair stands: its state, and the conditions beside it.

The two are separate on purpose. The state says whether updates of the source reach the mirror
(SNIA calls it CopyState); a condition says what else is known about one of the sides (SNIA's
*Skewed* and *Broken* are two of them) and never replaces the state.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Condition", "State"]


class State(StrEnum):
    """Whether updates of the source reach the mirror (SNIA: CopyState)."""

    INITIALIZED = "initialized"
    """The pair exists; nothing was copied yet."""
    UNSYNCHRONIZED = "unsynchronized"
    """The mirror is being filled, or a filling was interrupted: it is no point in time."""
    SYNCHRONIZED = "synchronized"
    """The mirror equals the source and follows it."""
    SPLIT = "split"
    """The mirror is a point-in-time copy and nothing writes it."""

    @property
    def hint(self) -> str:
        """What can be called next, in words; for people, not for decisions."""
        return _HINTS[self]


class Condition(StrEnum):
    """What is known about a pair beside its state; several can hold at once."""

    MIRROR_SKEWED = "mirror-skewed"
    """The mirror changed since its split (SNIA: Skewed)."""
    MIRROR_FAILED = "mirror-failed"
    """The mirror or its catalog could not be written and was dropped (SNIA: Broken)."""
    SOURCE_SUSPECT = "source-suspect"
    """Writing or flushing the source failed: what its medium holds is unknown."""
    SOURCE_RESTORING = "source-restoring"
    """A restore of the source from another mirror has not ended."""
    SOURCE_REPLACED = "source-replaced"
    """The source is not the one that the mirror was made from."""
    OUTSIDE_WRITES = "outside-writes"
    """Something wrote, or may have written, the source without going through the pair."""
    TRACKER_LOST = "tracker-lost"
    """Which blocks changed is not known; the next copy compares both sides."""
    RESTORE_PENDING = "restore-pending"
    """A restore was interrupted: the source is partly restored."""


_HINTS = {
    State.INITIALIZED: "call establish() to make the first copy",
    State.UNSYNCHRONIZED: "call establish() to go on where it stopped",
    State.SYNCHRONIZED: "call split() to take a point in time",
    State.SPLIT: "the mirror holds its point in time; call restore() or establish()",
}
