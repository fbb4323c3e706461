"""What is told of a pair's configuration."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from splitmirror._document import Document

if TYPE_CHECKING:
    from splitmirror.config import Setting, Value

__all__ = ["ConfigReport", "SettingReport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingReport(Document):
    """A value that holds, as text; ``origin``: "flag", "environment", "file" or "default"."""

    key: str
    value: str | None
    origin: str
    variable: str

    @classmethod
    def of(cls, setting: Setting) -> Self:
        """Tell of one setting."""
        key = setting.key
        value = _text(setting.value)
        return cls(key=key.name, value=value, origin=setting.origin, variable=key.variable)

    @property
    def where(self) -> str:
        """Where it is from, for people; a variable by its name."""
        return self.variable if self.origin == "environment" else self.origin


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigReport(Document):
    """The configuration of a pair: its file, and each value that holds."""

    kind: ClassVar[str] = "config"
    mirror: str
    path: str
    exists: bool
    settings: tuple[SettingReport, ...]


def _text(value: Value) -> str | None:
    if value is None:
        return None
    if isinstance(value, tuple):
        return shlex.join(value)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).removesuffix(".0")
