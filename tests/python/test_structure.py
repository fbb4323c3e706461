"""The structure of the project, as a test: order of modules, sizes, panics, words, the I/O door.

The checks are in structure.py. Here they are run on the project, and on small planted texts, which
prove that each of them can fail.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rust_text import code_of, module_path, only_tests
from structure import (
    Findings,
    files_outside_area,
    foreign_words,
    machine_paths,
    order_of_modules,
    panics,
    short_names,
    sizes,
    unargued_unsafe,
    undirected_verbs,
)

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
PACKAGE = ROOT / "python"

# Files that deserve a second look, each with the reason why it is still one idea.
LONG_FILES: dict[str, str] = {
    "python/splitmirror/_core.pyi": "the whole surface of the extension, signatures alone",
    "src/error.rs": "the one list of errors, each with its message and its advice",
    "src/units.rs": "all rounding and checked arithmetic of bytes and blocks, with its tests",
}


# --- The project ------------------------------------------------------------------------------


def rust_files() -> list[Path]:
    return sorted(SOURCE.rglob("*.rs"))


def python_files() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py*") if path.suffix in {".py", ".pyi"})


def text_files() -> Iterator[Path]:
    """The files of the project that are text, in whatever folder."""
    built = {".git", "target", "dist", "node_modules", "__pycache__"}
    folders = [ROOT]
    while folders:
        for path in sorted(folders.pop().iterdir()):
            if path.is_dir() and not path.is_symlink():
                cache = path.name.endswith("_cache") or path.name in {".hypothesis"}
                if path.name not in built and not path.name.startswith(".venv") and not cache:
                    folders.append(path)
            elif path.is_file() and b"\0" not in path.read_bytes()[:8192]:
                yield path


def files_for_tests() -> set[Path]:
    """The files that only a test build compiles: `#[cfg(test)] mod name;` in their parent."""
    found: set[Path] = set()
    for parent in rust_files():
        folder = parent.parent if parent.stem in {"mod", "lib"} else parent.with_suffix("")
        for name in re.findall(r"\bmod\s+(\w+)\s*;", only_tests(code_of(parent.read_text()))):
            found |= {folder / f"{name}.rs", *(folder / name).rglob("*.rs")}
    return found


def report(findings: dict[Path, Findings]) -> None:
    lines = [
        f"{path.relative_to(ROOT)}:{finding}"
        for path, found in findings.items()
        for finding in found
    ]
    assert not lines, "\n" + "\n".join(lines)


def is_sim(path: Path) -> bool:
    return module_path(path, SOURCE)[:1] == ("sim",)


def test_the_checks_see_the_project() -> None:
    assert SOURCE / "lib.rs" in rust_files()
    assert PACKAGE / "splitmirror" / "__init__.py" in python_files()
    assert ROOT / "pyproject.toml" in set(text_files())


def test_modules_use_only_modules_to_their_right() -> None:
    tests = files_for_tests()
    report(
        {
            path: order_of_modules(
                path.read_text(), module_path(path, SOURCE), test_file=path in tests
            )
            for path in rust_files()
        }
    )


def test_files_are_short() -> None:
    lines = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in [*rust_files(), *python_files()]
    }
    assert not sizes(lines, LONG_FILES)


def test_the_core_does_not_panic() -> None:
    tests = files_for_tests()
    report({p: panics(p.read_text()) for p in rust_files() if p not in tests and not is_sim(p)})


def test_unsafe_code_says_why_it_is_sound() -> None:
    report({path: unargued_unsafe(path.read_text()) for path in rust_files()})


def test_only_area_opens_files() -> None:
    tests = files_for_tests()
    report(
        {
            path: files_outside_area(path.read_text(), module_path(path, SOURCE))
            for path in rust_files()
            if path not in tests
        }
    )


def test_names_are_source_and_mirror() -> None:
    report(
        {
            path: short_names(path.read_text(), path.suffix)
            for path in [*rust_files(), *python_files()]
        }
    )


def test_words_are_ours() -> None:
    report({path: foreign_words(path.read_text()) for path in [*rust_files(), *python_files()]})
    report({path: undirected_verbs(path.read_text()) for path in python_files()})


def test_no_path_of_one_machine() -> None:
    report({path: machine_paths(path.read_text(errors="replace")) for path in text_files()})


# --- The checks can fail ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "text"),
    [
        ("area", "use crate::pair::Pair;"),
        ("area", "fn f() { crate::volume::open(); }"),
        ("engine", "use crate::catalog::Catalog;"),
        ("engine", "use crate::{units::Extent, tracker::Proof};"),
        ("engine", "use crate::{units::{Extent, BlockIndex}, area::{self}, pair};"),
        ("state", "use crate::bitmap::Bitmap;"),
        ("units", "use crate::error::Error;"),
        ("error", "use crate::units::Extent;"),
        ("pair/restore", "use super::super::bindings::Pair;"),
        ("pair/restore", "use self::super::super::bindings;"),
        ("pair", "mod inner { use super::super::bindings::X; }"),
        ("pair", "pub use crate::export as quietly;"),
        ("pair", "use crate::*;"),
        ("pair", "use crate::Reexported;"),
        ("pair", "use crate as all;"),
        ("pair", "extern crate self as splitmirror;"),
        ("pair", '#[path = "../bindings/mod.rs"] mod quietly;'),
        ("pair", "use crate::sim::Disk;"),
        ("sim", "use crate::catalog::Catalog;"),
        ("area", "#[cfg(test)] mod tests { use crate::pair::Pair; }"),
        ("misc", ""),
    ],
)
def test_order_finds(user: str, text: str) -> None:
    assert order_of_modules(text, tuple(user.split("/")))


@pytest.mark.parametrize(
    ("user", "text"),
    [
        ("pair", "use crate::{area, state::{State, table}, units::Extent};"),
        ("pair/restore", "use super::split::Point; use super::super::volume::Volume;"),
        ("pair", "pub(crate) fn f(self) {} // use crate::bindings::X;"),
        ("pair", 'const TEXT: &str = "crate::bindings";'),
        ("pair", "#[cfg(test)]\nmod tests { use crate::sim::Disk; use super::*; }"),
        ("pair", "mod inner { use super::super::volume::X; use super::other; }"),
        ("sim/disk", "use crate::{area::Area, units::Extent, error::Error}; use super::log;"),
        ("area", "fn f<'a>(x: &'a str) -> char { 'x' } /* crate::pair /* nested */ crate::pair */"),
        ("bindings", "use crate::area::read::<u8>; use std::collections::BTreeMap;"),
    ],
)
def test_order_accepts(user: str, text: str) -> None:
    assert not order_of_modules(text, tuple(user.split("/")))


def test_order_knows_test_files() -> None:
    text = "use crate::sim::Disk;"
    assert order_of_modules(text, ("pair", "tests"))
    assert not order_of_modules(text, ("pair", "tests"), test_file=True)


@pytest.mark.parametrize(
    ("check", "bad", "good"),
    [
        (panics, "x.unwrap();", "x.unwrap_or(1); // .unwrap()"),
        (
            panics,
            'x\n    .expect("why");',
            '#[expect(dead_code, reason = "x.expect(1)")] fn f() {}',
        ),
        (panics, 'panic!("no")', "#[cfg(test)]\nmod tests { fn f() { panic!() } }"),
        (panics, "fn f() { todo!() }", "#[cfg(test)] use a::{b, c};\nfn f() {}"),
        (panics, "unimplemented!()", "std::panic::catch_unwind(f)"),
        (panics, "#[cfg(test)] fn a() {}\nfn b() { unreachable!() }", '"unreachable!"'),
        (panics, "let q = '\"'; x.unwrap();", r"""let q = r#"" .unwrap() "#;"""),
        (unargued_unsafe, "unsafe { f() }", "// SAFETY: f is safe.\nunsafe { f() }"),
        (
            unargued_unsafe,
            "/// # Safety\nunsafe { f() }",
            "/// # Safety\n/// Never.\nunsafe fn f() {}",
        ),
        (
            unargued_unsafe,
            "// SAFETY: far away" + "\n" * 7 + "unsafe { f() }",
            "#![deny(unsafe_code)] // unsafe",
        ),
        (machine_paths, "/".join(("cd ", "work", "main")), "cd work/main"),
        (machine_paths, "/".join(("", "root", ".cargo")), "the root folder"),
        (foreign_words, "// then roll back", "// the rollback journal of SQLite"),
        (foreign_words, "fn resync()", "fn resynchronise()"),
        (foreign_words, "Resync (SNIA). Resync it.", "A mirror (SNIA: Resync\\nReplica; EMC: x)."),
        (foreign_words, "the intent journal", "the intent log"),
        (undirected_verbs, "def sync() -> None: ...", "def split() -> None: '''not sync'''"),
    ],
)
def test_check_finds_and_accepts(check: Callable[[str], Findings], bad: str, good: str) -> None:
    assert check(bad)
    assert not check(good)


@pytest.mark.parametrize(
    "text", ["use std::fs;", "use std::{io, fs::File};", "std::fs::read(p)", "use std::{fs as f};"]
)
def test_file_check_finds(text: str) -> None:
    assert files_outside_area(text, ("pair",))
    assert not files_outside_area(text, ("area", "file"))
    assert not files_outside_area(f"#[cfg(test)] mod tests {{ {text} }}", ("pair",))


@pytest.mark.parametrize("name", ["src", "dst", "src_len", "copy_to_dst", "SrcFile"])
@pytest.mark.parametrize("suffix", [".rs", ".py"])
def test_short_name_check_finds(name: str, suffix: str) -> None:
    assert short_names(f"{name} = 1\n", suffix)
    assert not short_names('source = "src"\n', suffix)


def test_size_check_finds() -> None:
    assert sizes({"a": 401}, {"a": "one idea"})
    assert sizes({"a": 301}, {})
    assert sizes({"a": 300}, {"a": "was long once"})
    assert sizes({str(n): 301 for n in range(7)}, {str(n): "" for n in range(7)})
    assert not sizes({"a": 400, "b": 300}, {"a": "one idea"})
