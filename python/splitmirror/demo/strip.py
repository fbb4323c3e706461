"""The provenance of a receipt as a strip of text."""

from __future__ import annotations

import numpy as np

from splitmirror.reports import Receipt

__all__ = ["LEGEND", "strip"]

SIGNS = ".mw?"
LEGEND = ". kept   m from the mirror   w written by the application   ? pending"
COLUMNS = 64
ROWS = 4


def strip(receipt: Receipt) -> list[str]:
    """Give lines of one sign for several blocks: what most of them are."""
    blocks = receipt.provenance_map()
    each = max(1, -(-len(blocks) // (COLUMNS * ROWS)))
    cells = [blocks[first : first + each] for first in range(0, len(blocks), each)]
    signs = "".join(SIGNS[int(np.bincount(cell, minlength=4).argmax())] for cell in cells)
    return [signs[first : first + COLUMNS] for first in range(0, len(signs), COLUMNS)]
