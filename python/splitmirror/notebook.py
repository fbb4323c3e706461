"""Magics for IPython and notebooks: ``%load_ext splitmirror``, then ``%%guard`` and ``%mirror``.

Imports IPython, so nothing but IPython loads it.
"""

from __future__ import annotations

import ast
import contextlib
import os
import shlex
from collections.abc import Callable, Iterator
from itertools import takewhile
from types import CodeType
from typing import Any, TypeAlias

from IPython.core.error import UsageError

from splitmirror._document import Document
from splitmirror.errors import StateError
from splitmirror.pair import MirrorPair
from splitmirror.progress import show_progress

__all__ = ["load_ipython_extension"]

Shell: TypeAlias = Any
"""IPython's InteractiveShell; how much of it is typed differs from release to release."""

VERBS: dict[str, Callable[[MirrorPair], Document]] = {
    "status": MirrorPair.status,
    "split": MirrorPair.split,
    "restore": lambda pair: pair.restore(progress=show_progress()),
    "establish": lambda pair: pair.establish(progress=show_progress()),
    "refresh": lambda pair: pair.refresh(progress=show_progress()),
}
GUARD_USAGE = "%%guard NAME [--new-point]: NAME is a variable with a MirrorPair, or a mirror's path"
MIRROR_USAGE = f"%mirror {'|'.join(VERBS)} [NAME]: NAME is a variable with a MirrorPair"


def load_ipython_extension(shell: Shell) -> None:
    """Register the magics; IPython calls it for ``%load_ext splitmirror``."""
    magics = Magics(shell)
    shell.register_magic_function(magics.guard, "cell", "guard")
    shell.register_magic_function(magics.mirror, "line", "mirror")


class Magics:
    """The magics of one shell, which hold nothing of their own."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def guard(self, line: str, cell: str) -> None:
        """Run the cell; when it raises, restore the source from the mirror.

        %%guard NAME [--new-point]

        NAME is a variable that holds a MirrorPair, or something with one as ``.pair``; or the
        path of a mirror, which is then opened for this cell. With --new-point the point that the
        mirror holds is given up for a new one. See help(splitmirror.MirrorPair.guard).
        """
        __tracebackhide__ = True
        names = _words(line, GUARD_USAGE)
        new_point = "--new-point" in names
        names = [name for name in names if name != "--new-point"]
        if len(names) != 1 or names[0].startswith("-"):
            raise UsageError(GUARD_USAGE)
        # What cannot be compiled is told before anything is split.
        steps = _compiled(self._shell, line, cell)
        with self._opened(names[0]) as pair:
            guard = pair.guard(new_point=new_point)
            try:
                with guard:
                    for code in steps:
                        exec(code, self._shell.user_global_ns, self._shell.user_ns)
            except StateError as refused:
                if guard.generation is None:
                    raise refused.with_traceback(None) from None
                raise
            finally:
                # Without a point the cell has not run, and the exception says why.
                if guard.generation is not None:
                    print(guard)

    def mirror(self, line: str) -> Document:
        """Call a verb of a pair and show its report.

        %mirror status|split|restore|establish|refresh [NAME]

        NAME is a variable that holds a MirrorPair, or something with one as ``.pair``; it can be
        left out when there is exactly one.
        """
        __tracebackhide__ = True
        words = _words(line, MIRROR_USAGE)
        if len(words) not in (1, 2) or words[0] not in VERBS:
            raise UsageError(MIRROR_USAGE)
        pair = self._named(words[1], MIRROR_USAGE) if len(words) == 2 else self._only_one()
        return VERBS[words[0]](pair)

    @contextlib.contextmanager
    def _opened(self, name: str) -> Iterator[MirrorPair]:
        __tracebackhide__ = True
        if name not in self._shell.user_ns and os.path.exists(name):
            with MirrorPair.open(name) as pair:
                yield pair
        else:
            yield self._named(name, GUARD_USAGE)

    def _named(self, name: str, usage: str) -> MirrorPair:
        if name not in self._shell.user_ns:
            raise UsageError(f"there is no {name!r}. {usage}")
        pair = _pair_of(self._shell.user_ns[name])
        if pair is None:
            raise UsageError(f"{name!r} holds no MirrorPair. {usage}")
        return pair

    def _only_one(self) -> MirrorPair:
        # Names with an underscore are IPython's own, such as the last results.
        named = {
            name: pair
            for name, value in self._shell.user_ns.items()
            if not name.startswith("_") and (pair := _pair_of(value)) and not pair.closed
        }
        pairs = {id(pair): pair for pair in named.values()}
        if len(pairs) != 1:
            found = f"the pairs are {', '.join(sorted(named))}" if named else "there is no pair"
            raise UsageError(f"which one? {found}. {MIRROR_USAGE}")
        return pairs.popitem()[1]


def _words(line: str, usage: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise UsageError(f"{error}. {usage}") from None


def _pair_of(value: object) -> MirrorPair | None:
    if isinstance(value, MirrorPair):
        return value
    found: Any = None
    # Any object of a namespace is asked, and what that does is its own.
    with contextlib.suppress(Exception):
        found = getattr(value, "pair", None)
    return found if isinstance(found, MirrorPair) else None


def _compiled(shell: Shell, line: str, cell: str) -> list[CodeType]:
    """Compile the cell as IPython would: its own lines in tracebacks, its last value displayed.

    Not by run_cell() of IPython, which shows an exception but does not let it out: the guard would
    take the cell for a success, and so would whoever runs all cells.
    """
    # The magic's line, and empty ones that are dropped, keep their place among the line numbers.
    dropped = len(list(takewhile(lambda text: not text.strip(), cell.splitlines())))
    text = f"# %%guard {line}\n" + "\n" * dropped + shell.transform_cell(cell)
    name = shell.compile.cache(text, shell.displayhook.prompt_count, raw_code=text)
    try:
        module = shell.transform_ast(shell.compile.ast_parse(text, filename=name))
    except SyntaxError as error:
        # It names its line; how it was found tells the reader nothing.
        raise error.with_traceback(None) from None
    shown = [] if cell.rstrip().endswith(";") else module.body[-1:]
    shown = [node for node in shown if isinstance(node, ast.Expr)]
    module.body = module.body[: len(module.body) - len(shown)]
    steps = [shell.compile(module, name, "exec")] if module.body else []
    return steps + [shell.compile(ast.Interactive([node]), name, "single") for node in shown]
