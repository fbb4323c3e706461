"""The command ``splitmirror``: `main` is what its entry point calls."""

from __future__ import annotations

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the command and give its exit code; the arguments are those of the process."""
    from splitmirror.cli.run import run

    return run(arguments)
