"""What every exception of this package can do: fields, a stable id, an exit code, pickling.

The core constructs errors as ``cls(message, **fields)``. Some classes have a second, built-in
base (`AreaNotFoundError` is also a `FileNotFoundError`), so that code which knows nothing of
splitmirror catches them where it expects them. An `OSError` would then print its errno and
filename over the message; here ``str(error)`` is always the message alone.
"""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = ["SplitMirrorError", "SystemCallError"]


class SplitMirrorError(Exception):
    """Base of all errors of splitmirror.

    Attributes:
        id: a stable name of the kind of error, for scripts.
        exit_code: what the command line exits with.
        message: the sentence for people; the same as ``str(error)``.
        fields: the facts of this error by name; each is also an attribute.
    """

    id: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str = "", **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.fields: dict[str, Any] = fields
        for name, value in fields.items():
            setattr(self, name, value)

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        facts = "".join(f", {name}={value!r}" for name, value in self.fields.items())
        return f"{type(self).__name__}({self.message!r}{facts})"

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own way replays args alone, and OSError's replays errno and filename.
        notes = {"__notes__": self.__notes__} if hasattr(self, "__notes__") else None
        return (_rebuild, (type(self), self.message, self.fields), notes)

    def to_dict(self) -> dict[str, Any]:
        """Give id, message, fields and exit code as plain values, ready for JSON."""
        fields = {name: _plain(value) for name, value in self.fields.items()}
        return {
            "id": self.id,
            "message": self.message,
            "fields": fields,
            "exit_code": self.exit_code,
        }


class SystemCallError(SplitMirrorError, OSError):
    """Base of the errors that are also an OSError, with ``errno`` and ``filename`` set."""

    id: ClassVar[str] = "system-call"
    path: str = ""

    def __init__(self, message: str = "", **fields: Any) -> None:
        super().__init__(message, **fields)
        # With one argument OSError leaves these unset; handlers of OSError look at them.
        self.filename = fields.get("path")
        self.strerror = message


def _rebuild(cls: type[SplitMirrorError], message: str, fields: dict[str, Any]) -> SplitMirrorError:
    return cls(message, **fields)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)
