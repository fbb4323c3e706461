"""The line of progress in a real notebook: text that changes, and no widget."""

from __future__ import annotations

import re
from pathlib import Path

import magics


def test_a_phase_leaves_one_line_of_text(tmp_path: Path) -> None:
    magics.make_pair(tmp_path)
    steps, short = magics.run(
        tmp_path,
        "line = splitmirror.show_progress(after=0)\n"
        "for done in range(5):\n    line('copying', done, 4)\n"
        "report = pair.verify(progress=line)",
        "report = pair.verify(progress=splitmirror.show_progress(after=3600))",
    )
    # One output for each phase, which was updated in its place: the last text is what is kept.
    first, *rest = steps.splitlines()
    assert re.fullmatch(r"display_data copying: 4 B in .*/s", first)
    assert len(rest) == 1
    assert re.fullmatch(r"display_data \w+: 1\.0 MiB in .*", rest[0])
    assert short == ""
