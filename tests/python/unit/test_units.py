"""Numbers for people, and sizes read from text."""

from __future__ import annotations

import pytest
from splitmirror.units import (
    format_age,
    format_bytes,
    format_seconds,
    format_time,
    parse_size,
    printable,
)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (64 * 1024**2, "64.0 MiB"),
        (1024**4 * 3, "3.0 TiB"),
        (2**63 - 1, "8.0 EiB"),
    ],
)
def test_bytes(count: int, text: str) -> None:
    assert format_bytes(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 ms"),
        (0.0032, "3.2 ms"),
        (0.9999, "1.00 s"),
        (59.99, "59.99 s"),
        (59.999, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3725, "1 h 02 min"),
    ],
)
def test_seconds(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


def test_a_time_names_its_zone() -> None:
    assert format_time(0.0)[:4] in ("1969", "1970")
    assert format_time(0.0)[-6] in "+-"


def test_an_impossible_time_is_still_shown() -> None:
    assert "after 1970" in format_time(1e30)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("4096", 4096),
        ("0x1000", 4096),
        ("64K", 65536),
        ("64k", 65536),
        ("64KiB", 65536),
        ("2MB", 2 * 1024**2),
        ("1 G", 1024**3),
        ("0x10M", 16 * 1024**2),
        ("0", 0),
    ],
)
def test_sizes(text: str, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "K", "-1", "1.5K", "64X", "0x", "1 2", "1e3"])
def test_bad_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="not a number of bytes"):
        parse_size(text)


def test_what_cannot_be_printed_is_escaped() -> None:
    assert printable("a\nb\tc\x1b[0m\udcff\u202eé") == r"a\nb\tc\x1b[0m\xff\u202eé"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "in the future"),
        (0, "less than a minute old"),
        (59.9, "less than a minute old"),
        (60, "1 minute old"),
        (200, "3 minutes old"),
        (3600, "1 hour old"),
        (86399, "23 hours old"),
        (86400 * 2000, "2,000 days old"),
    ],
)
def test_ages(seconds: float, text: str) -> None:
    assert format_age(seconds) == text
