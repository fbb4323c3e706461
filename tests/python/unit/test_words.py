"""Advice in the words of the command line."""

from __future__ import annotations

import pytest
from splitmirror.cli.words import in_command_words


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("refresh() takes it", "'splitmirror refresh' takes it"),
        (
            "split(as_of_last_establish=True) keeps it",
            "'splitmirror split --as-of-last-establish' keeps it",
        ),
        ("resume_restore() goes on", "'splitmirror resume-restore' goes on"),
        (
            "restore(accept={'mirror-skewed'}) uses it",
            "'splitmirror restore --accept mirror-skewed' uses it",
        ),
        ('accept={"mirror-skewed"} uses it', "--accept mirror-skewed uses it"),
        ("pass accept={…} with these names", "pass --accept NAME with these names"),
        ("pass overwrite=True to", "pass --overwrite to"),
        ("adopt() takes it, catalog= names", "'splitmirror adopt' takes it, --catalog names"),
    ],
)
def test_what_the_command_line_has_too(said: str, shown: str) -> None:
    assert in_command_words(said) == shown


@pytest.mark.parametrize(
    "said",
    [
        "open_mirror() reads it",
        "verify(unknown=True) looks again",
        "nothing to call",
        "/data/a(b)/x=True.db",
        "/data/restart=Trueish",
    ],
)
def test_everything_else_stays(said: str) -> None:
    assert in_command_words(said) == said
