"""Numbers for people: bytes as IEC units, durations, times; and sizes read from text."""

from __future__ import annotations

import re
from datetime import datetime

__all__ = [
    "format_age",
    "format_bytes",
    "format_seconds",
    "format_time",
    "parse_size",
    "printable",
]

_IEC = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_SUFFIXES = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
_SIZE = re.compile(r"(?i)(0x[0-9a-f]+|[0-9]+)\s*([KMGTP]?)(?:iB?|B)?")


def format_bytes(count: int) -> str:
    """Give a number of bytes in the largest IEC unit that leaves at least 1: ``64.0 MiB``."""
    if abs(count) < 1024:
        return f"{count} B"
    value, power = count / 1024, 0
    # From 1023.95 on it would be shown as 1024.0 of the smaller unit.
    while abs(value) >= 1023.95 and power + 1 < len(_IEC):
        value, power = value / 1024, power + 1
    return f"{value:.1f} {_IEC[power]}"


def format_seconds(seconds: float) -> str:
    """Give a duration: ``3.2 ms``, ``4.56 s``, ``2 min 05 s``, ``1 h 02 min``."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 59.995:
        return f"{seconds:.2f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def format_age(seconds: float) -> str:
    """Give an age in its largest whole unit: ``3 minutes old``, ``1 day old``."""
    if seconds < 0:
        # A clock was set back, or the point is of another machine.
        return "in the future"
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        count = int(seconds // size)
        if count:
            return f"{count:,} {unit}{'' if count == 1 else 's'} old"
    return "less than a minute old"


def format_time(since_epoch: float) -> str:
    """Give a point in time in local time with its offset from UTC."""
    try:
        moment = datetime.fromtimestamp(since_epoch).astimezone()
    except (OverflowError, OSError, ValueError):
        # A file's stamp can be any 64-bit number; showing it beats failing on it.
        return f"{since_epoch} s after 1970"
    return moment.isoformat(sep=" ", timespec="seconds")


def parse_size(text: str) -> int:
    """Read a number of bytes: ``4096``, ``0x1000``, ``64K``, ``1.5`` is refused.

    K, M, G, T and P are powers of 1024; a following ``iB`` or ``B`` changes nothing.

    Raises:
        ValueError: the text is not such a number.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"not a number of bytes: {text!r} (examples: 4096, 0x1000, 64K, 2G)")
    number, suffix = found.groups()
    base = 16 if number.lower().startswith("0x") else 10
    return int(number, base) << (10 * _SUFFIXES[suffix.upper()])


def printable(text: str) -> str:
    r"""Show text that may hold anything: control characters and lone surrogates are escaped.

    A path can contain newlines, terminal escapes and bytes that are no UTF-8; printing those
    raw would break a table, act on the terminal, or raise UnicodeEncodeError.
    """
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    if 0xDC80 <= ord(character) <= 0xDCFF:
        # How Python carries a byte of a path that is not UTF-8.
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
