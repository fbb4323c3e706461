"""Plans: shown before anything is written, carried out as shown, refused when stale.

Issue point 4.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import digest, overwrite
from scenes import BLOCK, LENGTH, make_source, split
from splitmirror import State, errors


def test_plans_are_carried_out_as_shown_and_refused_when_stale(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    with split(source) as pair:
        good = digest(source)
        pair.write(3 * BLOCK, b"bad")
        plan = pair.plan_restore()
        shown = plan.report
        assert (shown.verb, shown.reason, shown.method) == ("restore", "bitmap", "copy")
        assert (shown.extents, shown.extents_total, shown.blocks) == (((3 * BLOCK, BLOCK),), 1, 1)
        assert (shown.bytes, shown.source_length) == (BLOCK, LENGTH)
        assert (shown.target_length, shown.overwrites) == (LENGTH, str(source))
        pair.write(9 * BLOCK, b"after the plan")
        with pytest.raises(errors.StalePlanError):
            pair.restore(plan=plan)
        with pytest.raises(errors.StalePlanError):
            pair.establish(plan=plan)
        # The advice: a new one.
        assert pair.restore(plan=pair.plan_restore()).blocks_copied == 2
        assert digest(source) == good
        plan = pair.plan_restore()
        overwrite(source, 0, b"native")
        with pytest.raises(errors.StalePlanError):
            pair.restore(plan=plan)
        onwards = pair.plan_establish()
        assert onwards.report.overwrites == str(pair.mirror_path)
        assert (onwards.report.verb, onwards.report.reason) == ("establish", "outside-writes")
        pair.establish(plan=onwards)
        assert digest(pair.mirror_path) == digest(source)
        assert pair.plan_establish(force=True).report.reason == "forced"
        pair.split()
        with pytest.raises(errors.StalePlanError):
            pair.establish(plan=onwards)
    other = tmp_path / "other"
    other.mkdir()
    with split(make_source(other)) as stranger, pytest.raises(errors.StalePlanError):
        stranger.establish(plan=onwards)


def test_planning_writes_nothing(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    with split(source) as pair:
        overwrite(source, 0, b"bad")
        before = digest(source), digest(pair.mirror_path), pair.mirror_path.stat().st_ctime_ns
        pair.plan_restore()
        pair.plan_restore(full=True)
        pair.plan_restore(ranges=[(0, 100)])
        pair.plan_establish()
        after = digest(source), digest(pair.mirror_path), pair.mirror_path.stat().st_ctime_ns
        assert before == after
        assert pair.state is State.SPLIT
