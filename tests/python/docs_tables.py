"""The tables of docs/commands.md that say what the code says; run it to write them anew.

A table stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from splitmirror import errors, hooks
from splitmirror._document import Document, Unit, field_types, strip_annotation
from splitmirror.cli.confirm import UnconfirmedError
from splitmirror.demo import report as demo_report
from splitmirror.errors import SplitMirrorError
from splitmirror.reports import (
    _browsing,
    _checking,
    _configuring,
    _controlling,
    _looking,
    _mirroring,
    _pairs,
    _restoring,
)

ROOT = Path(__file__).parents[2]
COMMANDS = ROOT / "docs" / "commands.md"
PLACE = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->\n)", re.DOTALL)

# Fields that many kinds begin with are told once.
SHARED = {_pairs.PairReport: "pair", _pairs.CopyReport: "copy"}
MODULES = [
    _pairs,
    hooks,
    _mirroring,
    _restoring,
    _checking,
    _browsing,
    _looking,
    _controlling,
    _configuring,
    demo_report,
]
UNITS = {
    Unit.BYTES: "bytes",
    Unit.SECONDS: "seconds",
    Unit.TIME: "time",
    Unit.EXTENTS: "ranges",
    Unit.SENTENCES: "list of text",
    Unit.NAME: "integer",
}
PLAIN = {int: "integer", float: "number", str: "text", bool: "flag"}


# --- Documents ---------------------------------------------------------------------------------


def classes() -> list[type[Document]]:
    """Every class of a document, in the order of the source."""
    return [
        value
        for module in MODULES
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Document)
        and value.__module__ == module.__name__
    ]


def name_of(document: type[Document]) -> str:
    """`receipt` for a kind, *stamp* for what occurs only inside others."""
    if document in SHARED:
        return f"*{SHARED[document]}*"
    return f"`{document.kind}`" if document.kind else f"*{document.__name__}*"


def type_words(hint: Any) -> str:
    """What a field holds, in a word or two."""
    optional = type(None) in typing.get_args(hint)
    hint, unit = strip_annotation(hint)
    if unit is not None:
        words = UNITS[unit]
    elif typing.get_origin(hint) is tuple:
        words = "list of " + type_words(typing.get_args(hint)[0])
    elif typing.get_origin(hint) is Mapping:
        words = "object"
    elif issubclass(hint, Document):
        words = name_of(hint)
    elif issubclass(hint, Enum):
        words = hint.__name__.lower()
    else:
        words = PLAIN[hint]
    return f"{words} or null" if optional else words


def fields(document: type[Document]) -> str:
    """The fields of one class; those of a shared base as the base's name."""
    base = next((known for known in document.__mro__[1:] if known in SHARED), None)
    inherited = set() if base is None else {field.name for field in dataclasses.fields(base)}
    own = [
        f"`{field.name}` {type_words(field_types(document)[field.name])}"
        for field in dataclasses.fields(document)
        if field.name not in inherited
    ]
    return ", ".join(([f"*{SHARED[base]}*"] if base else []) + own)


def documents() -> Iterator[str]:
    yield "| kind | fields |"
    yield "|---|---|"
    for document in classes():
        yield f"| {name_of(document)} | {fields(document)} |"


# --- Errors ------------------------------------------------------------------------------------


def error_classes() -> list[type[SplitMirrorError]]:
    """Every error with an id of its own, by exit code."""
    found = [*(getattr(errors, name) for name in errors.__all__), UnconfirmedError]
    return sorted(found, key=lambda error: (error.exit_code, error.id))


def ids() -> Iterator[str]:
    yield "| exit | id | Python | meaning |"
    yield "|---|---|---|---|"
    for error in error_classes():
        python = "" if error is UnconfirmedError else f"`{error.__name__}`"
        meaning = inspect.cleandoc(error.__doc__ or "").splitlines()[0].rstrip(".")
        yield f"| {error.exit_code} | `{error.id}` | {python} | {meaning.replace('``', '`')} |"


# --- Both --------------------------------------------------------------------------------------

TABLES = {"documents": documents, "ids": ids}


def with_tables(text: str) -> str:
    """The page with its tables as the code has them now."""

    def table(found: re.Match[str]) -> str:
        return found[1] + "".join(f"{line}\n" for line in TABLES[found[2]]()) + found[3]

    return PLACE.sub(table, text)


if __name__ == "__main__":
    COMMANDS.write_text(with_tables(COMMANDS.read_text()))
