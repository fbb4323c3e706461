"""``python -m splitmirror`` is the command ``splitmirror``."""

from __future__ import annotations

import sys

from splitmirror.cli import main

if __name__ == "__main__":
    sys.exit(main())
