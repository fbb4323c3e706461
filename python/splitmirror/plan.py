"""A plan: what a verb would do, which can then be carried out as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from splitmirror.reports import PlanReport

if TYPE_CHECKING:
    from splitmirror import _core

__all__ = ["Plan"]


class Plan:
    """Made by plan_establish() or plan_restore(); nothing has been written for it.

    Pass it to the verb as ``plan=``. It is refused with StalePlanError when the pair has moved
    on since, so what is carried out is what was shown.
    """

    __slots__ = ("_core", "_report")

    def __init__(self, core: _core.Plan) -> None:
        self._core = core
        self._report = PlanReport.from_json(core.to_json())

    @property
    def report(self) -> PlanReport:
        """What the plan would do, with the bytes it copies and the free space it needs."""
        return self._report

    def to_dict(self) -> dict[str, Any]:
        """Give the report as plain values."""
        return self._report.to_dict()

    def to_json(self, *, indent: int | None = None) -> str:
        """Give the report as JSON text."""
        return self._report.to_json(indent=indent)

    def __repr__(self) -> str:
        found = self._report
        return f"<Plan {found.verb} because {found.reason}: {found.bytes} bytes>"

    def __str__(self) -> str:
        return str(self._report)

    def _repr_html_(self) -> str:
        return self._report._repr_html_()
