"""The documents say what the code says: commands, exit codes, JSON, links, examples that run."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import docs_tables
import pytest
from helpers import KIB, digest, write_pattern
from splitmirror.cli.app import COMMANDS, app
from splitmirror.cli.options import ACCEPTABLE
from splitmirror.states import Condition, State

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGE = docs_tables.COMMANDS.read_text()
README = (ROOT / "README.md").read_text()


def code(text: str) -> list[str]:
    """The code of a page: its blocks, and what stands in backticks."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    rest = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return blocks + re.findall(r"`([^`\n]+)`", rest)


def section(heading: str) -> str:
    """The part of the page below a heading, without what lies below the next one."""
    found = re.search(
        rf"^#+ {re.escape(heading)}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE
    )
    assert found, f"no section {heading!r}"
    return found[1]


def first_column(text: str) -> list[str]:
    """The first cells of the tables in a text, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [line.split(" | ")[0].removeprefix("| ") for line in lines if "|---" not in line]


def named(cells: list[str]) -> set[str]:
    """What stands in backticks in these cells."""
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


# --- Commands ---------------------------------------------------------------------------------


def listed() -> dict[str, str]:
    """The line of the table of commands for each command."""
    lines = [line for line in section("Commands").splitlines() if line.startswith("| `")]
    return {
        usage.split()[0]: line
        for line in lines
        for usage in re.findall(r"`([^`]+)`", line.split(" | ")[0])
    }


def test_every_command_is_in_the_table_and_nothing_else() -> None:
    assert list(listed()) == list(COMMANDS) == app.list_commands(click.Context(app))


def forms(name: str) -> list[click.Command]:
    """The command, or the commands below it."""
    command = app.get_command(click.Context(app), name)
    assert command is not None
    return list(command.commands.values()) if isinstance(command, click.Group) else [command]


def argument_words(given: click.Argument) -> str:
    several = "..." if given.nargs == -1 else ""
    words = f"{str(given.name).upper()}{several}"
    return words if given.required else f"[{words}]"


def options_of(name: str) -> set[str]:
    return {option for form in forms(name) for given in form.params for option in given.opts}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_names_arguments_and_options_that_there_are(name: str) -> None:
    usage, _, options = listed()[name].split(" | ")
    for form in forms(name):
        arguments = [
            argument_words(given) for given in form.params if isinstance(given, click.Argument)
        ]
        shown = re.search(rf"`(?:plan )?{form.name}([^`]*)`", usage)
        assert shown, form.name
        assert shown[1].split() == arguments
    assert set(re.findall(r"--[a-z-]+", options)) <= options_of(name)


def test_options_named_elsewhere_exist() -> None:
    known = {"--help"}.union(*map(options_of, COMMANDS))
    used = {option for text in code(PAGE) for option in re.findall(r"(?<!\S)--[a-z-]+", text)}
    assert used <= known


# --- Words ------------------------------------------------------------------------------------


def test_status_is_explained_line_by_line() -> None:
    lines, _, conditions = section("How to read `status`").partition("| condition |")
    documents = {document.kind: document for document in docs_tables.classes()}
    fields = {field.name.replace("_", " ") for field in dataclasses.fields(documents["status"])}
    assert named(first_column(lines)) == fields
    assert {cell.strip("`") for cell in first_column("| condition |" + conditions)[1:]} == set(
        Condition
    )
    for word in [*State, *ACCEPTABLE]:
        assert f"`{word}`" in PAGE, word


def test_every_reason_is_explained() -> None:
    text = (ROOT / "src/state/reason.rs").read_text()
    reasons, consistencies = re.findall(r"match self \{(.*?)\}", text, re.DOTALL)
    for word in re.findall(r'"([a-z-]+)"', reasons):
        assert f"`{word}`" in PAGE, word
    for word in re.findall(r'"([a-z-]+)"', consistencies):
        assert f"`{word}`" in PAGE or word == "application", word


def test_every_phase_is_named() -> None:
    text = (ROOT / "src/engine/control.rs").read_text()
    found = re.search(r"const PHASES[^=]*= \[(.*?)\];", text)
    assert found
    for phase in re.findall(r'"([a-z]+)"', found[1]):
        assert f"`{phase}`" in section("`--json`"), phase


def test_every_environment_variable_is_named() -> None:
    used = set()
    for path in [*(ROOT / "src").rglob("*.rs"), *(ROOT / "python").rglob("*.py")]:
        used |= set(re.findall(r'"(SPLITMIRROR_[A-Z_]+)"', path.read_text()))
    assert used
    assert used <= named(first_column(section("Environment")))


# --- Exit codes, ids and documents -------------------------------------------------------------


def exit_codes() -> set[int]:
    from splitmirror.cli import run

    given = {value for name, value in vars(run).items() if name.startswith("EXIT_")}
    return {0, 130, 143} | given | {error.exit_code for error in docs_tables.error_classes()}


def test_exit_codes_are_those_of_the_code() -> None:
    cells = [cell for cell in first_column(section("Exit codes")) if re.fullmatch(r"[\d, ]+", cell)]
    assert {int(number) for cell in cells for number in cell.split(", ")} == exit_codes()
    from splitmirror.cli.app import EPILOG

    assert {int(number) for number in re.findall(r"\b\d+\b", EPILOG)} == exit_codes()


def test_ids_that_the_command_line_gives_are_named() -> None:
    text = (ROOT / "python/splitmirror/cli/run.py").read_text()
    given = set(re.findall(r'_error\("([a-z-]+)"', text))
    assert given
    assert given <= {name for name in re.findall(r"`([a-z-]+)`", section("Exit codes"))}


def test_the_generated_tables_are_up_to_date() -> None:
    assert set(re.findall(r"<!-- generated: (\w+) -->", PAGE)) == set(docs_tables.TABLES)
    again = f"run: python {Path(docs_tables.__file__).relative_to(ROOT)}"
    assert docs_tables.with_tables(PAGE) == PAGE, again


def test_a_new_field_makes_the_tables_stale() -> None:
    stale = PAGE.replace("`mirror_unchanged` flag, ", "")
    assert stale != PAGE
    assert docs_tables.with_tables(stale) == PAGE


def test_documents_without_a_class_are_named_too() -> None:
    given = {document.kind for document in docs_tables.classes()} - {""}
    for path in (ROOT / "python/splitmirror/cli").glob("*.py"):
        given |= set(re.findall(r'"kind": "([a-z-]+)"', path.read_text()))
        given |= set(re.findall(r'show_(?:entries|names)\("([a-z-]+)"', path.read_text()))
    assert named(first_column(section("`--json`"))) == given


# --- Links and targets -------------------------------------------------------------------------


def links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            if not re.match(r"[a-z]+:", target):
                yield page, target


def headings(page: Path) -> set[str]:
    """The anchors of a page, as they are made from its headings."""
    found = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_relative_links_lead_somewhere() -> None:
    broken = []
    for page, target in links():
        name, _, anchor = target.partition("#")
        place = (page.parent / name).resolve() if name else page
        if not place.exists() or (anchor and anchor not in headings(place)):
            broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert not broken


def test_make_targets_that_are_named_exist() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))
    named_here = {
        target
        for page in PAGES
        for piece in code(page.read_text())
        for target in re.findall(r"^\s*make ([a-z-]+)", piece, re.MULTILINE)
    }
    assert {"demo", "test"} <= named_here <= targets


# --- Examples ----------------------------------------------------------------------------------


def test_the_snippet_of_the_readme_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    snippet = re.search(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert snippet
    source, mirror = tmp_path / "shop.db", tmp_path / "mirror of shop.db"
    write_pattern(source, 300 * KIB, seed=3)
    good = digest(source)
    accidents = 0

    def accident() -> None:
        nonlocal accidents
        accidents += 1
        assert digest(source) == good, "the restore before this one"
        source.write_bytes(b"%d" % accidents * 100_000)

    program = snippet[1]
    for name, path in (("shop.db", source), ("/backup/shop.db", mirror)):
        assert f'"{name}"' in program
        program = program.replace(f'"{name}"', repr(str(path)))
    # The dots are where the application works.
    program, dots = re.subn(r"^\.\.\.", "accident()", program, flags=re.MULTILINE)
    names: dict[str, object] = {"accident": accident}
    try:
        exec(compile(program, "README.md", "exec"), names)
        assert accidents == dots == 2
        assert digest(source) == digest(mirror) == good
        assert capsys.readouterr().out == "True\n"
    finally:
        names["pair"].close()  # type: ignore[attr-defined]


def test_the_tour_prints_what_it_shows(ext4: Path) -> None:
    tour = re.search(r"^```console\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert tour
    commands = re.findall(r"^\$ (.*)$", tour[1], re.MULTILINE)
    assert len(commands) == 10
    # Each command is echoed as the page shows it; the bare `splitmirror` is this one.
    lines = ['splitmirror() { "$PYTHON" -m splitmirror "$@"; }']
    for command in commands:
        lines += ["cat <<'SHOWN'", f"$ {command}", "SHOWN", command]
    done = subprocess.run(
        ["sh", "-euc", "\n".join(lines)],
        cwd=ext4,
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == tour[1]
