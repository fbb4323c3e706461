"""A document as labelled rows of text: what the terminal, print() and HTML all show."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from splitmirror._document import Document, Unit, field_types, strip_annotation
from splitmirror.units import format_age, format_bytes, format_seconds, format_time, printable

__all__ = ["rows", "text_table", "title"]

_SHOWN_MAX = 8
"""So many entries of a long list are shown; to_dict() has all of them."""

_POINT_TIMES = {"split_at", "taken_at"}
"""Fields with the time of a point."""

_KNOWN = {"schema", "kind", "pair_id"}
"""Of a document inside another: what the reader knows already."""


def title(document: Document) -> str:
    """Give the heading of a document."""
    return document.kind or type(document).__name__.lower()


def rows(document: Document, *, now: float | None = None) -> list[tuple[str, str]]:
    """Give (label, value) pairs; a nested report's labels are prefixed with its name.

    A value that is a list of lines has line breaks. With ``now``, in seconds since 1970, the
    time of a point says also how old the point is.
    """
    found: list[tuple[str, str]] = []
    for field in dataclasses.fields(document):
        value = getattr(document, field.name)
        label = field.name.replace("_", " ")
        if isinstance(value, Document) and value.kind:
            found += [(f"{label}: {name}", text) for name, text in rows(value, now=now)]
            continue
        _, unit = strip_annotation(field_types(type(document))[field.name])
        # An IEC unit hides the exact number, which some people came for.
        text = _text(value, unit)
        if unit is Unit.BYTES and isinstance(value, int) and value >= 1024:
            text += f" ({value:,} bytes)"
        if now is not None and value is not None and field.name in _POINT_TIMES:
            text += f" ({format_age(now - value)})"
        found.append((label, text))
    return found


def text_table(document: Document, found: list[tuple[str, str]] | None = None) -> str:
    """Give the document, or rows made from it, as aligned plain text with a heading."""
    found = rows(document) if found is None else found
    width = max((len(label) for label, _ in found), default=0)
    # Only a list has line breaks: those in a value are escaped.
    below = "\n" + " " * (width + 4)
    lines = (f"  {label:{width}}  " + text.replace("\n", below) for label, text in found)
    return "\n".join([title(document), *lines])


def _text(value: Any, unit: Unit | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if unit is Unit.EXTENTS:
        return _some(f"{offset:,}+{format_bytes(length)}" for offset, length in value)
    if unit is Unit.NAME:
        # An inode or a process id names something; nobody reads its thousands.
        return str(value)
    if unit is Unit.SENTENCES:
        return " ".join(map(printable, value)) or "none"
    if unit is not None:
        return _measure(value, unit)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Document):
        return value.in_line() or ", ".join(f"{name} {text}" for name, text in rows(value))
    if isinstance(value, Mapping):
        return _some(
            f"{printable(str(name))}={_text(item, None)}"
            for name, item in value.items()
            if name not in _KNOWN and not isinstance(item, (Mapping, list))
        )
    if isinstance(value, (tuple, list)):
        if all(isinstance(item, str) for item in value):
            return ", ".join(map(printable, value)) or "none"
        if any(isinstance(item, Document) and item.line_each for item in value):
            return "\n".join(_text(item, None) for item in value)
        return _some(_text(item, None) for item in value)
    return printable(str(value))


def _measure(value: Any, unit: Unit) -> str:
    if unit is Unit.BYTES:
        return format_bytes(value)
    return format_seconds(value) if unit is Unit.SECONDS else format_time(value)


def _some(texts: Iterable[str]) -> str:
    listed = list(texts)
    shown = ", ".join(listed[:_SHOWN_MAX])
    hidden = len(listed) - _SHOWN_MAX
    return (f"{shown} and {hidden:,} more" if hidden > 0 else shown) or "none"
