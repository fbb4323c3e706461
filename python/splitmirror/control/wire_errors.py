"""Errors on their way from the owner to the requester: by their stable id, with all their facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from splitmirror import errors
from splitmirror.errors import SplitMirrorError

__all__ = ["error_document", "error_from"]

# What the class itself stands on.
_OWN = {"args", "exit_code", "fields", "id", "message"} | set(vars(BaseException))


def error_document(error: BaseException) -> dict[str, Any]:
    """Give an error as an answer tells it; one that is not of this package as a failure."""
    if not isinstance(error, SplitMirrorError):
        error = SplitMirrorError(f"{type(error).__name__}: {error}", **_notes_of(error))
    found = error.to_dict()
    if notes := [str(note) for note in getattr(error, "__notes__", ())]:
        found["notes"] = notes
    return found


def _notes_of(error: BaseException) -> dict[str, Any]:
    # What the system says of a failed call is worth more than its text.
    number = getattr(error, "errno", None)
    return {} if number is None else {"errno": number}


def error_from(document: Mapping[str, Any]) -> SplitMirrorError:
    """Build the error that an answer tells; one of a later version keeps its id and exit code.

    Raises:
        TypeError, KeyError: it is no such document.
    """
    known = {getattr(errors, name).id: getattr(errors, name) for name in errors.__all__}
    identity, message = str(document["id"]), str(document["message"])
    fields = {str(name): value for name, value in document.get("fields", {}).items()}
    cls = known.get(identity)
    if cls is None:
        code = document.get("exit_code")
        code = code if type(code) is int and 0 < code < 128 else SplitMirrorError.exit_code
        cls = type("UnknownError", (SplitMirrorError,), {"id": identity, "exit_code": code})
    error: SplitMirrorError = cls(message)
    error.fields.update(fields)
    for name, value in fields.items():
        if name.isidentifier() and name not in _OWN and not callable(getattr(cls, name, None)):
            setattr(error, name, value)
    for note in document.get("notes", ()):
        error.add_note(str(note))
    return error
