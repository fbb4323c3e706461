"""A mounted volume under fio, beside QEMU's storage daemon with a quorum of two files over FUSE.

The limit is a file system in user space that does nothing but read the first of two files and
write both (`passthrough.rs`, built by `make bench`).
"""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from files import check_equal, make_random, settle
from live_figures import Figure
from place import demand
from splitmirror import MirrorPair

SIZES = ("4k", "64k", "1m")
ACCESS = ("randread", "randwrite")
JOBS = (1, 2)
QEMU = "qemu quorum"
LIMIT = "pass-through"
OURS = "mounted"
# Milliseconds that each cell is measured for, when the files are large and when they are not.
LONG, SHORT, LARGE = 2000, 100, 256 << 20
THREADS = 4

Cell = tuple[str, str, int]


def program() -> Path | None:
    """The pass-through, where it was built."""
    named = os.environ.get("SPLITMIRROR_PASSTHROUGH", "")
    return Path(named) if named and Path(named).exists() else None


@contextmanager
def ended(process: subprocess.Popen[bytes], volume: Path) -> Iterator[Path]:
    """Wait until a process serves the volume; at the end it is asked to go."""
    try:
        deadline = time.monotonic() + 20
        while not os.path.ismount(volume) and not os.path.ismount(volume.parent):
            demand(process.poll() is None, f"{process.args!r} ended with {process.returncode}")
            demand(time.monotonic() < deadline, f"{volume} is not served")
            time.sleep(0.02)
        yield volume
    finally:
        process.terminate()
        process.wait()
        for place in (volume, volume.parent):
            if os.path.ismount(place):
                subprocess.run(["umount", place], check=True)


@contextmanager
def mounted(first: Path, second: Path) -> Iterator[Path]:
    """Ours: a synchronized pair, mounted."""
    second.unlink()
    with MirrorPair.create(first, second, mode="exclusive") as pair:
        pair.establish()
        mountpoint = first.with_name("mounted")
        mountpoint.mkdir()
        with pair.mount(mountpoint, threads=THREADS) as serving:
            yield serving.volume


@contextmanager
def quorum(first: Path, second: Path) -> Iterator[Path]:
    """A quorum of which both files must agree, as QEMU exports it."""
    volume = first.with_name("volume")
    volume.touch()
    files = [
        word
        for name, path in (("a", first), ("b", second))
        for word in ("--blockdev", f"driver=file,node-name={name},filename={path}")
    ]
    both = "driver=quorum,node-name=q,vote-threshold=2,children.0=a,children.1=b"
    export = f"type=fuse,id=e,node-name=q,mountpoint={volume},writable=on,growable=off"
    command = ["qemu-storage-daemon", *files, "--blockdev", both, "--export", export]
    with subprocess.Popen(command) as process, ended(process, volume) as there:
        yield there


@contextmanager
def passthrough(first: Path, second: Path) -> Iterator[Path]:
    """The limit."""
    mountpoint = first.with_name("mounted")
    mountpoint.mkdir()
    command = [str(program()), str(first), str(second), str(mountpoint), str(THREADS)]
    with subprocess.Popen(command) as process, ended(process, mountpoint / "volume") as there:
        yield there
        subprocess.run(["umount", mountpoint], check=True)
        process.wait()


def contestants() -> dict[str, Callable[[Path, Path], AbstractContextManager[Path]]]:
    """Who can take part here."""
    found: dict[str, Callable[[Path, Path], AbstractContextManager[Path]]] = {OURS: mounted}
    if shutil.which("qemu-storage-daemon"):
        found[QEMU] = quorum
    if program():
        found[LIMIT] = passthrough
    return found


def bandwidth(volume: Path, cell: Cell, size: int, milliseconds: int, seed: int) -> float:
    """Megabytes a second in one run of fio."""
    block, access, jobs = cell
    command = ["fio", "--name=cell", f"--filename={volume}", f"--size={size}", f"--rw={access}"]
    command += [f"--bs={block}", "--direct=1", "--ioengine=psync", f"--numjobs={jobs}"]
    command += ["--group_reporting", "--time_based", f"--runtime={milliseconds}ms"]
    command += ["--norandommap", f"--randseed={seed}", "--output-format=json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    demand(done.returncode == 0, f"fio on {volume}: {done.stderr}")
    found = json.loads(done.stdout[done.stdout.index("{") :])["jobs"][0]
    demand(found["error"] == 0, f"fio on {volume}: error {found['error']}")
    moved = found["read" if access == "randread" else "write"]
    demand(moved["total_ios"] > 0, f"fio on {volume} did nothing")
    return float(moved["bw_bytes"]) / 1e6


def measure(folder: Path, size: int, runs: int, seed: int) -> dict[tuple[str, Cell], list[float]]:
    """Serve all contestants at once, on files that are cached alike, and let them take turns."""
    order, taken = random.Random(seed), {}
    milliseconds = LONG if size >= LARGE else SHORT
    cells = [(block, access, jobs) for block in SIZES for access in ACCESS for jobs in JOBS]
    with ExitStack() as stack:
        volumes = {}
        for name, serve in contestants().items():
            place = place_of(folder, name)
            place.mkdir()
            make_random(place / "first", size)
            shutil.copyfile(place / "first", place / "second")
            volumes[name] = stack.enter_context(serve(place / "first", place / "second"))
        settle(folder)
        cache_alike([place_of(folder, name) for name in volumes])
        for cell in cells:
            for number in range(runs):
                for name in order.sample(sorted(volumes), len(volumes)):
                    took = bandwidth(volumes[name], cell, size, milliseconds, seed + number)
                    taken.setdefault((name, cell), []).append(took)
    for name in contestants():
        place = place_of(folder, name)
        check_equal(place / "first", place / "second", name)
    return taken


def place_of(folder: Path, name: str) -> Path:
    """Where the files of a contestant are."""
    return folder / name.replace(" ", "-")


def cache_alike(places: list[Path]) -> None:
    """Drop all files from the cache and read them again in the same order and way."""
    for place in places:
        for name in ("first", "second"):
            with (place / name).open("rb", buffering=0) as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                while file.read(1 << 20):
                    pass


def serving(folder: Path, size: int, runs: int, seed: int, sparse: int) -> list[Figure]:
    """A figure for each cell beside each peer, and the geometric mean of all cells."""
    demand(shutil.which("fio") is not None, "fio is not installed")
    taken = measure(folder, size, runs, seed)
    cells = [cell for name, cell in taken if name == OURS]
    figures = []
    for peer, least, mean in ((QEMU, 0.95, 1.3), (LIMIT, 0.85, None)):
        if (peer, cells[0]) not in taken:
            continue
        for block, access, jobs in cells:
            cell = (block, access, jobs)
            label = f"{access} {block}, {jobs} job{'s' if jobs > 1 else ''}"
            ours, theirs = taken[OURS, cell], taken[peer, cell]
            figures.append(Figure(label, "MB/s", ours, peer, theirs, at_least=least))
        means = [
            [mean_of(taken[name, cell][number] for cell in cells) for number in range(runs)]
            for name in (OURS, peer)
        ]
        label = "geometric mean of all cells"
        figures.append(Figure(label, "MB/s", means[0], peer, means[1], at_least=mean))
    return figures


def mean_of(values: Iterator[float]) -> float:
    """The geometric mean."""
    logarithms = [math.log(value) for value in values]
    return math.exp(sum(logarithms) / len(logarithms))
