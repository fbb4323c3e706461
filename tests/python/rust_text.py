"""Just enough of Rust to check structure by text: code without comments, test code, paths.

Every function keeps the number and length of lines, so that a finding can name its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TOKEN = re.compile(
    r"""
      (?P<line>//[^\n]*)
    | (?P<block>/\*)
    | (?P<raw>\b(?:b|c)?r(?P<hashes>\#*)".*?"(?P=hashes))
    | (?P<string>\b(?:b|c)?"(?:\\.|[^"\\])*" | "(?:\\.|[^"\\])*")
    | (?P<char>\bb?'(?:\\[^\n]+?|[^\\'\n])' | '(?:\\[^\n]+?|[^\\'\n])')
    """,
    re.VERBOSE | re.DOTALL,
)
_CFG_TEST = re.compile(r"#\s*(!?)\s*\[\s*cfg\s*\(\s*(?:all\s*\(\s*)?test\s*[,)][^\]]*\]")
_WORD = re.compile(r"r#\w+|\w+|::|\S")


def blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def _end_of_block_comment(text: str, start: int) -> int:
    depth = 0
    for mark in re.finditer(r"/\*|\*/", text[start:]):
        depth += 1 if mark.group() == "/*" else -1
        if depth == 0:
            return start + mark.end()
    return len(text)


def code_of(text: str) -> str:
    """The text with comments, strings and characters blanked out."""
    out: list[str] = []
    at = 0
    while found := _TOKEN.search(text, at):
        out.append(text[at : found.start()])
        end = found.end()
        if found.lastgroup == "block":
            end = _end_of_block_comment(text, found.start())
        out.append(blank(text[found.start() : end]))
        at = end
    out.append(text[at:])
    return "".join(out)


def _end_of_braces(code: str, opening: int) -> int:
    depth = 0
    for brace in re.finditer(r"[{}]", code[opening:]):
        depth += 1 if brace.group() == "{" else -1
        if depth == 0:
            return opening + brace.end()
    return len(code)


def _end_of_item(code: str, start: int) -> int:
    """Where the item that starts here ends: after its `;`, or after its last brace."""
    attribute = re.compile(r"\s*#\s*\[[^\]]*\]")
    while found := attribute.match(code, start):
        start = found.end()
    end = re.compile(r"[;{]").search(code, start)
    if end is None:
        return len(code)
    if end.group() == ";":
        return end.end()
    close = _end_of_braces(code, end.start())
    if re.match(r"\s*(pub(\([^)]*\))?\s+)?(use|static|const|let)\b", code[start:]):
        semicolon = code.find(";", close)
        return len(code) if semicolon < 0 else semicolon + 1
    return close


def spans_of_tests(code: str) -> list[tuple[int, int]]:
    """The spans of the items that only a test build compiles (`#[cfg(test)]`)."""
    spans: list[tuple[int, int]] = []
    at = 0
    while found := _CFG_TEST.search(code, at):
        # An inner attribute is about the whole file.
        span = (
            (0, len(code)) if found.group(1) else (found.start(), _end_of_item(code, found.end()))
        )
        spans.append(span)
        at = span[1]
    return spans


def without_tests(code: str) -> str:
    """The code with all test items blanked out."""
    for start, end in spans_of_tests(code):
        code = code[:start] + blank(code[start:end]) + code[end:]
    return code


def only_tests(code: str) -> str:
    """The code with everything but the test items blanked out."""
    out: list[str] = []
    at = 0
    for start, end in spans_of_tests(code):
        out.append(blank(code[at:start]) + code[start:end])
        at = end
    return "".join(out) + blank(code[at:])


@dataclass(frozen=True)
class Used:
    """A path that the code names, and its line."""

    path: tuple[str, ...]
    line: int


def paths(code: str) -> Iterator[Used]:
    """Every path that starts at `crate`, `self`, `super` or `std`, with use-groups spread out."""
    tokens = [(found.group(), found.start()) for found in _WORD.finditer(code)]
    at = 0
    while at < len(tokens):
        word, place = tokens[at]
        before = tokens[at - 1][0] if at else ""
        if word in {"crate", "self", "super", "std"} and before != "::":
            line = code.count("\n", 0, place) + 1
            at, leaves = _tree([token for token, _ in tokens], at)
            for leaf in leaves:
                yield Used(leaf, line)
        else:
            at += 1


def _tree(tokens: list[str], at: int) -> tuple[int, list[tuple[str, ...]]]:
    """The paths of the use-tree at token `at`, and the token after it."""
    prefix: list[str] = []
    while at < len(tokens):
        if tokens[at] == "{":
            return _group(tokens, at, tuple(prefix))
        prefix.append(tokens[at])
        at += 1
        if at + 1 >= len(tokens) or tokens[at] != "::" or not re.match(r"\w|\{|\*", tokens[at + 1]):
            break
        at += 1
    return at, [tuple(prefix)]


def _group(
    tokens: list[str], at: int, prefix: tuple[str, ...]
) -> tuple[int, list[tuple[str, ...]]]:
    leaves: list[tuple[str, ...]] = []
    at += 1
    while at < len(tokens) and tokens[at] != "}":
        if tokens[at] == ",":
            at += 1
            continue
        at, inner = _tree(tokens, at)
        leaves += [prefix + leaf for leaf in inner]
        if at < len(tokens) and tokens[at] == "as":
            at += 2
    return at + 1, leaves


def module_path(file: Path, root: Path) -> tuple[str, ...]:
    """`src/pair/restore.rs` is the module (`pair`, `restore`), `src/lib.rs` is ()."""
    parts = file.relative_to(root).with_suffix("").parts
    return parts[:-1] if parts[-1] in {"mod", "lib"} else parts


def nested_modules(code: str) -> list[tuple[str, int, int]]:
    """The modules written inline, `mod name { ... }`, each with its first and last line."""
    found: list[tuple[str, int, int]] = []
    for module in re.finditer(r"\bmod\s+(\w+)\s*\{", code):
        end = _end_of_braces(code, module.end() - 1)
        first = code.count("\n", 0, module.start()) + 1
        found.append((module.group(1), first, code.count("\n", 0, end) + 1))
    return found
