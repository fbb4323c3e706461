"""The guard of a block: split before it, and restore when it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from splitmirror.hooks import Hooks
from splitmirror.pair._checking import Checking
from splitmirror.pair._mirroring import Mirroring
from splitmirror.pair._restoring import Restoring

if TYPE_CHECKING:
    from splitmirror.guard import Guard


class Guarding(Mirroring, Restoring, Checking):
    """Verbs of MirrorPair, made one by a ``with`` block."""

    def guard(
        self,
        *,
        new_point: bool = False,
        label: str | None = None,
        while_in_use: bool = False,
        ignore_sidecars: bool = False,
        hooks: Hooks | None = None,
    ) -> Guard:
        """Guard a block: when it raises, the source is restored, and the exception goes on.

        >>> with pair.guard():  # doctest: +SKIP
        ...     risky(pair)

        A synchronized mirror is split at the entry. When the block ends well it is established
        again, so the guard, like refresh(), writes the mirror on success: the changes are then
        wanted. When the block raises anything, Ctrl-C and the end of a generator included, the
        source is restored from the mirror, which stays split and is not written. A note on the
        exception says how many blocks were restored.

        After a failure the point is still there. A guard that finds the source equal to it, by
        comparing where it is not known, uses it again, so a failed block can be repeated as it
        is; then the pair stays split after a success, too, and the next guard asks for
        ``new_point``.

        Ctrl-C waits until a split, a restore or an establish of the guard has ended, and is
        raised then. Pressed during the refresh of ``new_point`` it cancels that, as it may copy
        all of the source; the pair is then unsynchronized. Before the block has begun the guard
        leaves a mirror that followed as one that follows. When the process is killed in the
        block, status() advises on the next opening: restore(), or establish().

        ``@pair.guard()`` guards each call of a function. Guards of one mirror do not nest.

        Args:
            new_point: take a new point by refresh(), whatever the mirror holds.
            label: a name for the point; its label is "guard: " and this, or "guard".
            while_in_use: restore although somebody has the source open, such as a file object
                or a mapping in the block itself.
            ignore_sidecars: restore although files beside the source would spoil it.
            hooks: freeze and thaw round the split at the entry, stop, unmount, mount and start
                round a restore. None: those of the pair's configuration; Hooks(): none, for a
                block that is itself the application. On the main thread of the program they run
                while it waits, on another thread.

        Raises:
            StateError: at the entry: a guard of this mirror is running; or the pair is not
                synchronized, and not split with a source that is known to be unchanged. The
                message says what to call.
            HeldError, OutsideWritesError, ConfigError, and others: at the entry, what split(),
                or refresh(), raises; the block has not run.
            HeldError, ProtectedError, AreaIOError, and others: after a block that ended well,
                what establish() raises; the changes are kept.
            SourceInUseError, SidecarError, HookError, and others: after a block that raised,
                what restore() raises, with the block's exception as its cause: the source is
                not as it was, and restore() can be tried again, as the mirror stays split.
        """
        from splitmirror.guard import Guard

        return Guard(
            self,
            new_point=new_point,
            label=label,
            while_in_use=while_in_use,
            ignore_sidecars=ignore_sidecars,
            hooks=hooks,
        )
