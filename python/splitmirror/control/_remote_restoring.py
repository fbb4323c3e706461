"""The remote verbs that bring the source back."""

from __future__ import annotations

from splitmirror import _core
from splitmirror._types import Accept, AnyPath, Progress, Ranges
from splitmirror.control._remote import RemoteHandle, RemotePlan
from splitmirror.control.client import LIGHT_SECONDS
from splitmirror.control.remotejob import RemoteJob
from splitmirror.errors import StateError
from splitmirror.hooks import Hooks
from splitmirror.layout import Index
from splitmirror.pair._restoring import restore_id_of
from splitmirror.reports import AbandonReport, JobReport, Receipt

__all__ = ["RemoteRestoring"]


class RemoteRestoring(RemoteHandle):
    """Verbs of RemotePair that write the source, never the mirror."""

    def restore(
        self,
        *,
        full: bool = False,
        ranges: Ranges | None = None,
        index: Index | None = None,
        member: str | None = None,
        format: str | None = None,
        to: AnyPath | None = None,
        overwrite: bool = False,
        restart: bool = False,
        while_in_use: bool = False,
        ignore_sidecars: bool = False,
        accept: Accept = (),
        hooks: Hooks | None = None,
        progress: Progress | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> Receipt:
        """Bring the source back to the mirror's point in time."""
        given = {
            "full": full,
            "ranges": ranges,
            "index": index,
            "member": member,
            "format": format,
            "to": to,
            "overwrite": overwrite,
            "restart": restart,
            "while_in_use": while_in_use,
            "ignore_sidecars": ignore_sidecars,
            "accept": accept,
            "hooks": hooks,
        }
        return self._report(Receipt, "restore", given, progress, cancel)

    def heal(
        self,
        receipt: Receipt | str,
        *,
        while_in_use: bool = False,
        ignore_sidecars: bool = False,
        accept: Accept = (),
        hooks: Hooks | None = None,
        progress: Progress | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> Receipt:
        """Restore just the blocks that the application wrote during the restore of a receipt."""
        given = {
            "receipt": restore_id_of(receipt),
            "while_in_use": while_in_use,
            "ignore_sidecars": ignore_sidecars,
            "accept": accept,
            "hooks": hooks,
        }
        return self._report(Receipt, "heal", given, progress, cancel)

    def resume_restore(
        self,
        *,
        while_in_use: bool = False,
        ignore_sidecars: bool = False,
        accept: Accept = (),
        hooks: Hooks | None = None,
        progress: Progress | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> Receipt:
        """Go on with an interrupted restore; what was written through the pair since stays."""
        given = {
            "while_in_use": while_in_use,
            "ignore_sidecars": ignore_sidecars,
            "accept": accept,
            "hooks": hooks,
        }
        return self._report(Receipt, "resume_restore", given, progress, cancel)

    def abandon_restore(self) -> AbandonReport:
        """Give up an interrupted restore and list what of the source stays unrestored."""
        return self._report(AbandonReport, "abandon_restore", {})

    def plan_restore(
        self,
        *,
        full: bool = False,
        ranges: Ranges | None = None,
        index: Index | None = None,
        member: str | None = None,
        format: str | None = None,
    ) -> RemotePlan:
        """Work out what restore() would copy, without writing anything."""
        given = {
            "full": full,
            "ranges": ranges,
            "index": index,
            "member": member,
            "format": format,
        }
        return self._plan("plan_restore", given)

    def start_restore(
        self,
        *,
        full: bool = False,
        ranges: Ranges | None = None,
        index: Index | None = None,
        member: str | None = None,
        format: str | None = None,
        restart: bool = False,
        resume: bool = False,
        ignore_sidecars: bool = False,
        accept: Accept = (),
        hooks: Hooks | None = None,
        throttle: int | None = None,
    ) -> RemoteJob:
        """Begin a restore that has taken effect when this returns, and copies in the owner."""
        given = {
            "full": full,
            "ranges": ranges,
            "index": index,
            "member": member,
            "format": format,
            "restart": restart,
            "resume": resume,
            "ignore_sidecars": ignore_sidecars,
            "accept": accept,
            "hooks": hooks,
            "throttle": throttle,
        }
        return RemoteJob(self._owner, self._report(JobReport, "start_restore", given))

    @property
    def restore_job(self) -> RemoteJob | None:
        """The restore that copies in the background, if one does."""
        try:
            found = JobReport.from_dict(self._ask("restore_job", {}, seconds=LIGHT_SECONDS))
        except StateError:
            return None
        return RemoteJob(self._owner, found) if found.running else None
