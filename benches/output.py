"""What the bench gives: one document for programs, and the same as tables for people."""

from __future__ import annotations

import os
import platform
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from live import live_table
from measure import Measured
from place import Contestant, Row

MIB = 1 << 20


@dataclass
class Line:
    """The repetitions of one contestant."""

    contestant: Contestant
    runs: list[Measured] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(run.seconds for run in self.runs)

    def phases(self) -> dict[str, float]:
        """The median of each phase."""
        return {
            name: statistics.median(run.phases[name] for run in self.runs)
            for name in self.runs[0].phases
        }

    def document(self) -> dict[str, Any]:
        """For the JSON."""
        seconds = [run.seconds for run in self.runs]
        return {
            "name": self.contestant.name,
            "ours": self.contestant.ours,
            "seconds": seconds,
            "median": self.median,
            "min": min(seconds),
            "max": max(seconds),
            "peak_bytes": max(run.peak_bytes for run in self.runs),
            "above_bytes": max(run.above_bytes or 0 for run in self.runs),
            "phases": self.phases(),
        }


def row_document(row: Row, lines: list[Line]) -> dict[str, Any]:
    """One row; a ratio below 1 says that ours took less time."""
    return {
        "name": row.name,
        "title": row.title,
        "contestants": [line.document() for line in lines],
        "ratios": {
            ours.contestant.name: {
                other.contestant.name: ours.median / other.median
                for other in lines
                if not other.contestant.ours
            }
            for ours in lines
            if ours.contestant.ours
        },
    }


def machine() -> dict[str, Any]:
    """What it ran on, without names of anybody."""
    model = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "processor": model[0] if model else platform.processor(),
        "architecture": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": ".".join(platform.release().split(".")[:2]),
        "python": platform.python_version(),
    }


def load() -> float:
    """How many processes wanted to run in the last minute, on average."""
    return os.getloadavg()[0]


def milliseconds(seconds: float) -> str:
    """Three digits that count."""
    value = seconds * 1000
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def mebibytes(one: dict[str, Any], floor: int) -> str:
    """The peak; for ours also what of it is not the interpreter and the imports."""
    peak = f"{one['peak_bytes'] / MIB:.0f}"
    if one["phases"]:
        return f"{peak} ({one['above_bytes'] / MIB:+.0f})"
    return f"≤ {peak}" if one["peak_bytes"] <= floor else peak


def row_table(row: dict[str, Any], floor: int) -> str:
    """One row as Markdown."""
    ratios = row["ratios"]
    head = ["", "median ms", "min-max", "peak MiB", *(f"{name} ÷ this" for name in ratios)]
    lines = [
        f"### {row['title']}",
        "",
        table_line(head),
        table_line(["---", *["---:"] * (len(head) - 1)]),
    ]
    for one in row["contestants"]:
        name = f"**{one['name']}**" if one["ours"] else f"`{one['name']}`"
        lines.append(
            table_line(
                [
                    name,
                    milliseconds(one["median"]),
                    f"{milliseconds(one['min'])}-{milliseconds(one['max'])}",
                    mebibytes(one, floor),
                    *(
                        f"{of[one['name']]:.2f}" if one["name"] in of else ""
                        for of in ratios.values()
                    ),
                ]
            )
        )
    timed = [one for one in row["contestants"] if one["ours"] and one["phases"]]
    if timed:
        lines.append("")
    for one in timed:
        phases = ", ".join(f"{name} {milliseconds(s)}" for name, s in one["phases"].items())
        lines.append(f"Calls of *{one['name']}*, ms: {phases}.")
    return "\n".join(lines)


def table_line(cells: list[str]) -> str:
    """One line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def markdown(document: dict[str, Any]) -> str:
    """The whole document for people."""
    where, busy = document["machine"], document["load"]
    parts = [
        f"splitmirror {document['splitmirror']}, files of {document['size'] / MIB:g} MiB on "
        f"{document['file_system']}, {document['runs']} runs in shuffled order; {where['cores']} "
        f"cores ({where['processor']}), Linux {where['kernel']}; load {busy['before']:.1f} "
        f"before and {busy['after']:.1f} after. {document['cache']}",
        *(row_table(row, document["peak_floor_bytes"]) for row in document["rows"]),
        *(live_table(row) for row in document["live"]),
    ]
    if document["missing"]:
        absent = [f"`{one['tool']}` ({one['install']})" for one in document["missing"]]
        parts.append(f"Not installed here, so not compared with: {', '.join(absent)}.")
    return "\n\n".join(parts)
