"""The checks of test_structure.py: each one a function from text to findings ("line: what")."""

from __future__ import annotations

import io
import keyword
import re
import tokenize
from collections.abc import Iterator

from rust_text import blank, code_of, nested_modules, only_tests, paths, without_tests

# A module uses only modules of later lines, never one of its own line.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"bindings"}),
    frozenset({"export", "browse"}),
    frozenset({"pair"}),
    frozenset({"volume"}),
    frozenset({"engine", "catalog", "tracker"}),
    frozenset({"state", "bitmap"}),
    frozenset({"area"}),
    frozenset({"units", "error"}),
)
RANK = {module: rank for rank, layer in enumerate(LAYERS) for module in layer}
# The simulated host implements the areas; only tests use it.
SIM_USES = frozenset({"area", "units", "error"})

LINES_MAX = 400
LINES_LOOK_TWICE = 300
LONG_FILES_MAX = 6

Findings = list[str]


def allowed(user: str, used: str, *, in_test: bool) -> bool:
    """Whether module `user` may name module `used`."""
    if user == used or (in_test and used == "sim"):
        return True
    if user == "sim":
        return used in SIM_USES
    return user in RANK and used in RANK and RANK[used] > RANK[user]


def absolute(module: tuple[str, ...], path: tuple[str, ...]) -> tuple[str, ...] | None:
    """A path as seen from the crate's root; None when it leads elsewhere (std, a local name)."""
    here: tuple[str, ...] = () if path[0] == "crate" else module
    rest = path[1:] if path[0] in {"crate", "self"} else path
    while rest and rest[0] == "super":
        here, rest = here[:-1], rest[1:]
    return None if path[0] == "std" or not rest else here + rest


def order_of_modules(text: str, module: tuple[str, ...], *, test_file: bool = False) -> Findings:
    """Uses against the order, in the text of one file of `module`."""
    if not module:
        return []  # lib.rs puts the crate together and may name all
    findings: Findings = []
    if module[0] not in RANK and module[0] != "sim":
        findings.append(f"1: module {module[0]} has no place in the order")
    code = code_of(text)
    for trick in re.finditer(
        r"#\s*\[\s*path\b|\binclude!|extern\s+crate\s+self|use\s+crate\s+as", code
    ):
        findings.append(f"{line_of(code, trick.start())}: {trick.group()} hides the order")
    inline = nested_modules(code)
    parts = (
        [(code, True)] if test_file else [(without_tests(code), False), (only_tests(code), True)]
    )
    for part, in_test in parts:
        for used in paths(part):
            nested = tuple(name for name, first, last in inline if first <= used.line <= last)
            target = absolute(module + nested, used.path)
            if target and not allowed(module[0], target[0], in_test=in_test):
                name = "::".join(used.path)
                findings.append(f"{used.line}: {module[0]} must not use {target[0]} ({name})")
    return findings


def panics(text: str) -> Findings:
    """What can end the host program, outside tests."""
    code = without_tests(code_of(text))
    pattern = r"\.\s*unwrap\s*\(\s*\)|\.\s*expect\s*\(|\b(panic|todo|unimplemented|unreachable)\s*!"
    return [
        f"{line_of(code, found.start())}: {found.group()} can panic"
        for found in re.finditer(pattern, code)
    ]


def unargued_unsafe(text: str) -> Findings:
    """`unsafe` without a `// SAFETY:` comment within the six lines before it.

    A function that is unsafe may have a `# Safety` section for its callers instead.
    """
    code, lines = code_of(text), text.splitlines()
    findings: Findings = []
    for found in re.finditer(r"\bunsafe\b", code):
        line = line_of(code, found.start())
        function = code[found.start() :].startswith("unsafe fn")
        argued = ["// SAFETY:", "/// # Safety"][: 1 + function]
        before = "\n".join(lines[max(0, line - 7) : line - 1])
        if not any(words in before for words in argued):
            findings.append(f"{line}: unsafe without a SAFETY comment")
    return findings


def files_outside_area(text: str, module: tuple[str, ...]) -> Findings:
    """`std::fs` used elsewhere than in `area`, outside tests."""
    if module[:1] == ("area",):
        return []
    code = without_tests(code_of(text))
    return [
        f"{used.line}: {'::'.join(used.path)}: files are opened through area"
        for used in paths(code)
        if used.path[:2] == ("std", "fs") or used.path[:4] == ("std", "os", "unix", "fs")
    ]


def identifiers(text: str, suffix: str) -> Iterator[tuple[str, int]]:
    """The names in a Rust or Python text, without those in comments and strings."""
    if suffix == ".rs":
        code = code_of(text)
        for found in re.finditer(r"\b[A-Za-z_]\w*", code):
            yield found.group(), line_of(code, found.start())
    else:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
                yield token.string, token.start[0]


def short_names(text: str, suffix: str) -> Findings:
    """`src` and `dst`, alone or as a part of a name: it is `source` and `mirror`."""
    return [
        f"{line}: {name}: say source or mirror"
        for name, line in identifiers(text, suffix)
        if {"src", "dst"} & set(re.sub(r"([A-Z])", r"_\1", name).lower().split("_"))
    ]


# What others call a thing, and what it is called here.
FOREIGN_WORDS = {
    r"\bre-?sync(?!hron)\w*": "restore or establish",
    # SQLite's rollback journal is a thing of its own.
    r"\broll(?:ing|ed|s)?[ -]?backs?\b(?! journal)": "restore",
    r"\bintent[ -](?:journal|wal)\b": "intent log",
    r"\b(?:source|destination|target)[ -]element\b": "source or mirror",
}


# "(SNIA: ...)" tells a reader what others call the thing, and is welcome.
ATTRIBUTION = re.compile(r"(?:\(|\bOthers say: )[^().]*\b(?:SNIA|EMC|DRBD)\b[^().]*")


def foreign_words(text: str) -> Findings:
    """Words, in code, comments or messages, that the vocabulary has another word for."""
    text = ATTRIBUTION.sub(lambda found: blank(found.group()), text)
    return [
        f"{line_of(text, found.start())}: {found.group()}: say {ours}"
        for pattern, ours in FOREIGN_WORDS.items()
        for found in re.finditer(pattern, text, re.IGNORECASE)
    ]


def undirected_verbs(text: str) -> Findings:
    """Python names that say `sync` or `merge` for what has a direction here."""
    return [
        f"{line}: {name}: say which way: establish or restore"
        for name, line in identifiers(text, ".py")
        if name in {"sync", "merge", "sync_pair", "merge_pair"}
    ]


# Written in two pieces, so that this file does not find itself.
MACHINE_PATHS = re.compile("/wo{}/|/ro{}/|[.]lib{}".format("rk", "ot", "rary"))


def machine_paths(text: str) -> Findings:
    """Paths of the machine that a file was written on."""
    return [
        f"{line_of(text, found.start())}: {found.group()} is a path of one machine"
        for found in MACHINE_PATHS.finditer(text)
    ]


def sizes(lines: dict[str, int], reasons: dict[str, str]) -> Findings:
    """Files above the limits, and reasons that no longer have a file."""
    findings = [
        f"{name}: {count} lines, more than {LINES_MAX}"
        for name, count in lines.items()
        if count > LINES_MAX
    ]
    long = {name for name, count in lines.items() if count > LINES_LOOK_TWICE}
    findings += [
        f"{name}: more than {LINES_LOOK_TWICE} lines: why?" for name in long - set(reasons)
    ]
    findings += [f"{name}: is not long (any more)" for name in set(reasons) - long]
    if len(reasons) > LONG_FILES_MAX:
        findings.append(f"{len(reasons)} long files, more than {LONG_FILES_MAX}")
    return findings


def line_of(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1
