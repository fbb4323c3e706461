"""One live row in a fresh process; arguments and figures are JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from files import WrongResult
from live_arrays import arrays
from live_figures import Figure
from live_guard import guarding
from live_mounted import serving
from live_open import footprint
from live_restore import returning
from live_split import splitting
from live_writes import hot, threads, wide

ROWS: dict[str, Callable[..., list[Figure]]] = {
    "writes": hot,
    "wide": wide,
    "threads": threads,
    "splitting": splitting,
    "returning": returning,
    "footprint": footprint,
    "arrays": arrays,
    "guarding": guarding,
    "serving": serving,
}


def main() -> int:
    """Run the row that the command line names."""
    arguments: dict[str, Any] = json.load(sys.stdin)
    arguments["folder"] = Path(arguments["folder"])
    try:
        figures = ROWS[sys.argv[1]](**arguments)
    except WrongResult as wrong:
        print(wrong, file=sys.stderr)
        return 1
    print(json.dumps([figure.document() for figure in figures]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
