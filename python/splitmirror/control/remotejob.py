"""A restore that copies in the process that has the pair open."""

from __future__ import annotations

from splitmirror.control.client import LIGHT_SECONDS, Owner
from splitmirror.pair.restorejob import Progress
from splitmirror.reports import JobReport, Receipt

__all__ = ["RemoteJob"]


class RemoteJob:
    """What RemotePair.start_restore() returns; the same as RestoreJob, at its owner's.

    It goes on when this process ends.
    """

    def __init__(self, owner: Owner, report: JobReport) -> None:
        self._owner = owner
        self._report = report

    @property
    def report(self) -> JobReport:
        """How far it was when this was last asked for."""
        return self._report

    def wait(self, timeout: float | None = None) -> Receipt:
        """Wait for the end and give the receipt.

        Args:
            timeout: in seconds; None waits as long as it takes.

        Raises:
            WaitTimeoutError: it still runs; it goes on.
            StateError: another restore was begun since.
            CancelledError, AreaIOError, SealMismatchError: as RestoreJob.wait().
            OwnerGoneError: the owner ended; resume_restore() goes on.
        """
        given = {"job": self._report.job, "timeout": timeout}
        return Receipt.from_dict(self._owner.ask("wait_restore", given))

    @property
    def running(self) -> bool:
        """Whether it still copies."""
        return self._ask("restore_job").running

    @property
    def receipt(self) -> Receipt | None:
        """The receipt, or None while it runs. Raises what wait() raises once it has ended."""
        return None if self.running else self.wait()

    @property
    def progress(self) -> Progress:
        """How far it is."""
        found = self._ask("restore_job")
        return Progress(found.phase, found.bytes_done, found.bytes_total)

    def pause(self) -> None:
        """Stop copying, durably; what is pending is still read from the mirror.

        Raises:
            StateError: it does not run any more.
        """
        self._ask("pause", seconds=None)

    def throttle(self, bytes_per_second: int | None) -> None:
        """Copy at most so many bytes a second from now on; None: no limit."""
        self._ask("throttle", bytes_per_second=bytes_per_second)

    def _ask(
        self,
        verb: str,
        *,
        seconds: float | None = LIGHT_SECONDS,
        bytes_per_second: int | None = None,
    ) -> JobReport:
        given = {"job": self._report.job, "bytes_per_second": bytes_per_second}
        if bytes_per_second is None:
            del given["bytes_per_second"]
        self._report = JobReport.from_dict(self._owner.ask(verb, given, seconds=seconds))
        return self._report

    def __repr__(self) -> str:
        found = self._report
        told = f"{found.bytes_done:,} of {found.bytes_total:,} bytes when last asked"
        return f"<RemoteJob {found.job} of process {self._owner.pid}: {told}>"
