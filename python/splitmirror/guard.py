"""A block of a program whose changes of the source are taken back when it fails.

How a guard begins follows from where the pair stands, and how it ends from how it began:

| the pair is, at the entry | what the guard does | when the block succeeds |
|---|---|---|
| synchronized | split() | establish(): the mirror follows again |
| split, source unchanged since | nothing: the point is used again | stays split, changes are kept |
| split, nobody knows | compares; then as one of the lines beside | |
| split, source changed | refuses; with ``new_point``: refresh() | establish() |
| anything else | refuses; with ``new_point``: refresh() | establish() |

When the block fails, in each of them, the source is restored and the pair stays split.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import ContextDecorator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from splitmirror._core import CancelToken
from splitmirror._guarded import Claim, is_doubtful, is_unchanged, point_label, refusal
from splitmirror._interrupts import Interrupts
from splitmirror.errors import ArgumentError, OutsideWritesError, StateError
from splitmirror.hooks import Hooks
from splitmirror.reports import EstablishReport, Receipt, SplitReport, Status
from splitmirror.states import Condition, State

if TYPE_CHECKING:
    from splitmirror.pair._guarding import Guarding

__all__ = ["Guard"]

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


class Guard(ContextDecorator):
    """What MirrorPair.guard() gives; see there. It can be used again, but not inside itself.

    Attributes:
        pair: whose source is guarded.
        reused: whether the point was there already, and so stays.
        generation: the generation of the point; None before the first entry.
        label: the label of the point.
        receipt: of the restore, when the block failed.
        established: the report on the mirror that follows again, when the block succeeded.
    """

    def __init__(
        self,
        pair: Guarding,
        *,
        new_point: bool = False,
        label: str | None = None,
        while_in_use: bool = False,
        ignore_sidecars: bool = False,
        hooks: Hooks | None = None,
    ) -> None:
        self.pair = pair
        self.reused = False
        self.generation: int | None = None
        self.label: str | None = None
        self.receipt: Receipt | None = None
        self.established: EstablishReport | None = None
        self._new_point = new_point
        self._new_label = point_label(label)
        self._while_in_use = while_in_use
        self._ignore_sidecars = ignore_sidecars
        self._hooks = hooks
        self._claim: Claim | None = None
        self._told = "not entered"

    def __call__(self, func: FunctionT) -> FunctionT:
        """Guard each call of a function.

        Raises:
            ArgumentError: a call of it only makes a generator or coroutine, which runs later;
                use ``with pair.guard():`` inside of it.
        """
        kinds = (
            inspect.isgeneratorfunction,
            inspect.iscoroutinefunction,
            inspect.isasyncgenfunction,
        )
        if any(of_kind(func) for of_kind in kinds):
            raise ArgumentError(
                f"{func.__qualname__}() runs after its call has ended: use 'with pair.guard():' "
                f"inside of it",
                argument="func",
            )
        return super().__call__(func)

    def __enter__(self) -> Self:
        claim = Claim(self.pair)
        try:
            with Interrupts() as interrupts:
                self._enter(interrupts, claim)
                if interrupts.any:
                    self._back_out(interrupts, claim)
        except BaseException:
            # Also what came in the last moment, when signals did not wait any more.
            with Interrupts() as interrupts:
                self._back_out(interrupts, claim)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._exit(error)
        except BaseException:
            # An interrupt in the moment before signals waited: the work is still to be done.
            if self._claim is not None:
                self._exit(error)
            raise

    def _enter(self, interrupts: Interrupts, claim: Claim) -> None:
        # The verbs run on a thread that no hook knows.
        self.pair._not_in_a_hook()
        if self._hooks is None:
            # What the restore would be refused for is known before the block runs.
            self.pair.config()
        if not claim.take():
            raise StateError(
                "a guard of this mirror is running: guards of one mirror do not nest, and two "
                "threads cannot have one at once; those of other mirrors can",
                verb="guard",
                state=self.pair._core.state,
                legal=[],
            )
        self._claim = claim
        self.receipt = self.established = self.generation = None
        self._take_point(interrupts, self.pair.status())
        self._told = "running"

    def _take_point(self, interrupts: Interrupts, status: Status) -> None:
        """Make sure that there is a point in time which the source equals."""
        self.reused = False
        if self._new_point:
            # It can copy everything, so an interrupt ends it; the pair is then unsynchronized.
            token = CancelToken()
            interrupts.explain(self.pair._standing)
            taken = interrupts.finish(
                lambda: self.pair.refresh(label=self._new_label, hooks=self._hooks, cancel=token),
                token,
            )
            self.generation, self.label = taken.split.generation, taken.split.label
        elif status.state is State.SYNCHRONIZED:
            split = interrupts.finish(self._split)
            self.generation, self.label = split.generation, split.label
        elif is_unchanged(status) or self._compares_equal(interrupts, status):
            self.generation, self.label = status.generation, status.label
            self.reused = True
        else:
            raise refusal(status)

    def _compares_equal(self, interrupts: Interrupts, status: Status) -> bool:
        """Whether the source equals the point, where only a comparison can tell."""
        if not is_doubtful(status):
            return False
        token = CancelToken()
        return interrupts.finish(lambda: self.pair.verify(cancel=token), token).matches

    def _split(self) -> SplitReport:
        try:
            return self.pair.split(label=self._new_label, hooks=self._hooks)
        except OutsideWritesError as error:
            error.add_note("guard(new_point=True) takes the source as it is now for its point")
            raise

    def _back_out(self, interrupts: Interrupts, claim: Claim) -> None:
        """Leave the pair as it was found: nothing of the block has run."""
        # Another claim on this guard is that of a use that goes on.
        if self._claim is not claim:
            return
        try:
            # Split by this guard; after a refresh that was cancelled there is no point.
            if self.generation is not None and not self.reused:
                interrupts.finish(self.pair.establish)
        finally:
            self._free(claim, "not entered")

    def _exit(self, error: BaseException | None) -> None:
        with Interrupts() as interrupts:
            claim = self._claim
            try:
                if error is None:
                    interrupts.finish(self._keep)
                else:
                    self._bring_back(interrupts, error)
            finally:
                self._free(claim, self._told)
            interrupts.explain(self.__str__)
            if isinstance(error, KeyboardInterrupt):
                # It is on its way already; the second one means the same.
                interrupts.forget()

    def _free(self, claim: Claim | None, told: str) -> None:
        self._told = told
        self._claim = None
        if claim is not None:
            claim.give_free()

    def _keep(self) -> None:
        self._told = "changes are kept; the mirror does not follow"
        if not self._has_its_point():
            self._told = "changes are kept; the block gave up the point"
        elif self.reused:
            self._told = f"changes are kept; the mirror stays split with {self._point}"
        else:
            self.established = self.pair.establish()
            self._told = "changes are kept; the mirror follows again"

    def _bring_back(self, interrupts: Interrupts, error: BaseException) -> None:
        self._told = f"the source was not restored; the mirror stays split with {self._point}"
        try:
            interrupts.finish(self._restore)
        except BaseException as failed:
            failed.add_note(f"{self}")
            # This comes out, not the block's: whoever catches that one counts on the source.
            raise failed from error
        error.add_note(f"{self}")

    def _restore(self) -> None:
        if not self._has_its_point():
            self._told = "nothing was restored; the block gave up the point"
            return
        # The block itself may have begun one; what it brought back is part of this one.
        if (job := self.pair.restore_job) is not None:
            job.pause()
        self.receipt = self.pair.restore(
            restart=Condition.RESTORE_PENDING in self.pair.status().conditions,
            while_in_use=self._while_in_use,
            ignore_sidecars=self._ignore_sidecars,
            hooks=self._hooks,
        )
        self._told = f"{_restored(self.receipt)}; the mirror stays split with {self._point}"

    def _has_its_point(self) -> bool:
        """Whether the mirror still holds the point of the entry; the block can call any verb."""
        status = self.pair.status()
        return status.state is State.SPLIT and status.generation == self.generation

    @property
    def _point(self) -> str:
        return "its point" if self.label is None else f"the point {self.label!r}"

    def __str__(self) -> str:
        return f"guard: {self._told}"

    def __repr__(self) -> str:
        return f"<Guard of {self.pair!r}: {self._told}>"


def _restored(receipt: Receipt) -> str:
    blocks = receipt.blocks_copied
    text = f"{blocks:,} {'block' if blocks == 1 else 'blocks'} of the source restored"
    return text if receipt.complete else f"{text}, but not all could be"
