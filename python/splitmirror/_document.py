"""How every report becomes a frozen dataclass and back: one mechanism for all of them.

A report class only declares its fields; the annotation says how a value is decoded from JSON
(nested documents, tuples, enums) and, through `Unit`, how it is shown to people.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from enum import Enum, auto
from typing import Annotated, Any, ClassVar, Self, TypeAlias

__all__ = [
    "SCHEMA",
    "Bytes",
    "Document",
    "Extents",
    "Number",
    "Seconds",
    "Sentences",
    "Time",
    "Unit",
]

SCHEMA = 1
"""The version of the JSON documents that this package reads and writes."""


class Unit(Enum):
    """What a value means, for showing it."""

    BYTES = auto()
    SECONDS = auto()
    TIME = auto()
    EXTENTS = auto()
    SENTENCES = auto()
    NAME = auto()


Bytes: TypeAlias = Annotated[int, Unit.BYTES]
Seconds: TypeAlias = Annotated[float, Unit.SECONDS]
Time: TypeAlias = Annotated[float, Unit.TIME]
Extents: TypeAlias = Annotated[tuple[tuple[int, int], ...], Unit.EXTENTS]
Number: TypeAlias = Annotated[int, Unit.NAME]
Sentences: TypeAlias = Annotated[tuple[str, ...], Unit.SENTENCES]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A result: immutable, comparable, and readable as a table, as JSON and as HTML."""

    kind: ClassVar[str] = ""
    line_each: ClassVar[bool] = False
    """Whether several of them are shown below each other, all of them."""

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Build the document from what `to_dict` gave; unknown keys are ignored.

        Raises:
            ValueError: the data is of another kind or a newer schema, or lacks a field.
        """
        if data.get("kind", cls.kind) != cls.kind:
            raise ValueError(f"expected a {cls.kind!r} document, found {data['kind']!r}")
        if data.get("schema", SCHEMA) > SCHEMA:
            raise ValueError(f"schema {data['schema']} is newer than {SCHEMA}; upgrade splitmirror")
        values = {}
        for field in dataclasses.fields(cls):
            if field.name in data:
                values[field.name] = _decode(field_types(cls)[field.name], data[field.name])
            elif field.default is dataclasses.MISSING:
                raise ValueError(f"{cls.kind or cls.__name__} document lacks {field.name!r}")
        return cls(**values)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Build the document from JSON text."""
        return cls.from_dict(json.loads(text))

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, with ``schema`` and ``kind`` first."""
        head: dict[str, Any] = {"schema": SCHEMA, "kind": self.kind} if self.kind else {}
        for field in dataclasses.fields(self):
            head[field.name] = _encode(getattr(self, field.name))
        return head

    def to_json(self, *, indent: int | None = None) -> str:
        """Give JSON text; numbers of bytes are exact."""
        return json.dumps(self.to_dict(), indent=indent)

    def in_line(self) -> str | None:
        """Give a short text for where it stands inside another; None: its rows say it."""
        return None

    def __str__(self) -> str:
        from splitmirror._rows import text_table

        return text_table(self)

    def _repr_html_(self) -> str:
        from splitmirror.html import document_html

        return document_html(self)


_FIELD_TYPES: dict[type, dict[str, Any]] = {}


def field_types(cls: type[Document]) -> dict[str, Any]:
    """Resolve a document's annotations, units included, once per class."""
    if cls not in _FIELD_TYPES:
        _FIELD_TYPES[cls] = typing.get_type_hints(cls, include_extras=True)
    return _FIELD_TYPES[cls]


def strip_annotation(hint: Any) -> tuple[Any, Unit | None]:
    """Separate a type from its unit, looking through ``| None``."""
    unit = None
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        present = [part for part in typing.get_args(hint) if part is not types.NoneType]
        # Only "X | None" occurs; a wider union could not be decoded without guessing.
        hint = present[0] if len(present) == 1 else hint
    if typing.get_origin(hint) is Annotated:
        hint, *extras = typing.get_args(hint)
        unit = next((extra for extra in extras if isinstance(extra, Unit)), None)
    return hint, unit


def _decode(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    hint, _ = strip_annotation(hint)
    origin = typing.get_origin(hint)
    if origin is tuple:
        parts = typing.get_args(hint)
        if parts[-1] is Ellipsis:
            return tuple(_decode(parts[0], item) for item in value)
        return tuple(_decode(part, item) for part, item in zip(parts, value, strict=True))
    if isinstance(hint, type) and origin is None:
        if issubclass(hint, Document):
            return hint.from_dict(value)
        if issubclass(hint, (Enum, float)):
            return hint(value)
    return value


def _encode(value: Any) -> Any:
    if isinstance(value, Document):
        return value.to_dict()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_encode(item) for item in value]
    return value
