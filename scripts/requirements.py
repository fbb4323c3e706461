#!/usr/bin/env python3
"""Print requirement lines of pyproject.toml: requirements.py {build,runtime,EXTRA}...

The Makefile installs the tools without installing the project itself; this keeps
pyproject.toml the one place that names them.
"""

import sys
import tomllib
from pathlib import Path


def main(names: list[str]) -> None:
    with (Path(__file__).parent.parent / "pyproject.toml").open("rb") as file:
        document = tomllib.load(file)
    groups: dict[str, list[str]] = {
        "build": document["build-system"]["requires"],
        "runtime": document["project"]["dependencies"],
        **document["project"]["optional-dependencies"],
    }
    for name in names:
        print(*groups[name], sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
