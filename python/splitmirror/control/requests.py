"""A request: what it may look like, which pair it means, and carrying it out."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from splitmirror import _core
from splitmirror._document import Document
from splitmirror.control import _presence
from splitmirror.control.arguments import read_arguments
from splitmirror.control.lines import VERSION
from splitmirror.control.task import Task
from splitmirror.control.verbs import VERBS
from splitmirror.errors import (
    ArgumentError,
    HookError,
    OwnerGoneError,
    PairInUseError,
    RequestError,
    SplitMirrorError,
)
from splitmirror.units import printable

if TYPE_CHECKING:
    from splitmirror.pair import MirrorPair

__all__ = ["Request", "carried_out", "pair_of", "read_request"]

_KEYS = {"version", "verb", "mirror", "pair_id", "catalog", "arguments", "within_hook"}


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asks for; its arguments are checked."""

    verb: str
    mirror: str
    pair_id: str | None
    catalog: str | None
    arguments: dict[str, Any]
    within_hook: bool


def read_request(document: Mapping[str, Any]) -> Request:
    """Check a request; nothing is looked up for it.

    Raises:
        RequestError: it is of another version, or a key is missing, unknown or ill-typed.
        ArgumentError: there is no such verb, or an argument is unknown or ill-typed.
    """
    version = document.get("version")
    if type(version) is not int or version != VERSION:
        raise RequestError(
            f"version {printable(str(version))[:40]} is not spoken here; version {VERSION} is",
            supported=[VERSION],
        )
    if unknown := sorted(set(document) - _KEYS):
        raise RequestError(f"a request has no key {printable(unknown[0])[:100]!r}")
    verb, mirror = _text(document, "verb"), _text(document, "mirror")
    if verb is None or mirror is None:
        raise RequestError("a request names a verb and a mirror")
    catalog = _text(document, "catalog")
    for name, path in (("mirror", mirror), ("catalog", catalog)):
        if path is not None and not _is_absolute(path):
            raise RequestError(f"{name} has to be an absolute path")
    arguments, within_hook = document.get("arguments", {}), document.get("within_hook", False)
    if type(arguments) is not dict or type(within_hook) is not bool:
        raise RequestError("arguments are an object, within_hook is a flag")
    if verb in VERBS:
        arguments = read_arguments(VERBS[verb].arguments, arguments, verb)
    elif _presence.offered(verb) is None:
        raise ArgumentError(f"there is no verb {printable(verb)[:100]!r}", argument="verb")
    return Request(verb, mirror, _text(document, "pair_id"), catalog, arguments, within_hook)


def _is_absolute(path: str) -> bool:
    try:
        # Lone surrogates stand for bytes, and there are others that stand for nothing.
        return b"\0" not in os.fsencode(path) and os.path.isabs(path)
    except UnicodeEncodeError:
        return False


def _text(document: Mapping[str, Any], key: str) -> str | None:
    value = document.get(key)
    if value is not None and type(value) is not str:
        raise RequestError(f"{key} is a text")
    return value


@contextlib.contextmanager
def pair_of(request: Request) -> Iterator[MirrorPair]:
    """Give the open pair that a request means.

    Another mirror of a source that is open here has no pair object: opening one mirror opens all.
    It gets one for the length of the block, or of the restore that was begun in it.

    Raises:
        OwnerGoneError: it is not open here.
        SplitMirrorError: the catalog that the request names cannot be read.
    """
    found = _open_pair(request)
    if found is not None:
        yield found
        return
    from splitmirror.pair import MirrorPair

    try:
        lent = MirrorPair.open(request.mirror, catalog=request.catalog)
    except PairInUseError:
        # The program has just opened it itself.
        found = _open_pair(request)
        if found is None:
            raise
        yield found
        return
    _presence.lend(lent)
    try:
        yield lent
    finally:
        _give_back(lent)


def _open_pair(request: Request) -> MirrorPair | None:
    """Look for a pair of this process; None for a mirror that it has open without one.

    Raises:
        OwnerGoneError, SplitMirrorError: as `pair_of`.
    """
    from splitmirror.lookup import status

    identity = request.pair_id
    for pair in _presence.open_pairs():
        if identity == pair.pair_id or (
            identity is None and os.fspath(pair.mirror_path) == request.mirror
        ):
            return pair
    known = status(request.mirror, catalog=request.catalog)
    for pair in _presence.open_pairs():
        if pair.pair_id == known.pair_id:
            return pair
    if known.owner_pid != os.getpid() or identity not in (None, known.pair_id):
        raise OwnerGoneError(
            f"process {os.getpid()} does not have the pair of {printable(request.mirror)} open",
            path=request.mirror,
            pid=os.getpid(),
        )
    return None


def _give_back(lent: MirrorPair) -> None:
    job = lent.restore_job
    if job is None:
        lent.close()
        return
    # It was begun here and is to go on: the pair is kept until it has ended.
    import threading

    def close_afterwards() -> None:
        with contextlib.suppress(SplitMirrorError):
            job.wait()
        with contextlib.suppress(SplitMirrorError):
            lent.close()

    threading.Thread(target=close_afterwards, name="splitmirror-lent", daemon=True).start()


def carried_out(
    request: Request,
    pair: MirrorPair,
    progress: Callable[[str, int, int], object],
    cancel: _core.CancelToken,
) -> dict[str, Any]:
    """Carry a request out, and give its report as plain values.

    Raises:
        HookError: a hook of a verb of this pair asks for a verb, which would wait for the hook.
        SplitMirrorError: what the verb raises.
    """
    verb, action = VERBS.get(request.verb), _presence.offered(request.verb)
    if (verb is None or verb.turn) and request.within_hook and pair._hooked:
        raise HookError(
            f"{request.verb}: a hook of this pair is running, and its verb waits for it; a hook "
            "may ask for the status, but for no verb of the pair",
            hook="",
            detail="",
        )
    if verb is not None:
        task = Task(pair=pair, arguments=request.arguments, progress=progress, cancel=cancel)
        report: Any = verb.perform(task)
    elif action is not None:
        report = _acted(request, action, pair)
    else:
        raise ArgumentError(f"{request.verb} is not offered any more", argument="verb")
    return report.to_dict() if isinstance(report, Document) else dict(report or {})


def _acted(request: Request, action: _presence.Action, pair: MirrorPair) -> Any:
    import inspect

    try:
        inspect.signature(action).bind(pair, **request.arguments)
    except TypeError as error:
        raise ArgumentError(f"{request.verb}: {error}", argument="arguments") from None
    return action(pair, **request.arguments)
