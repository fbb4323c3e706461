"""Fixtures that all tests share: folders on real file systems, loop devices, a private state home.

What needs root or a loop device is skipped with its reason where that is not permitted. What was
mounted or attached is unmounted and detached by its own device name, also after a failure.
"""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers import MIB

FILE_SYSTEMS = ("ext4", "xfs", "btrfs", "tmpfs")
# The smallest that mkfs makes without complaint: xfs refuses less than 300 MiB.
SIZES = {"ext4": 64 * MIB, "xfs": 300 * MIB, "btrfs": 128 * MIB, "tmpfs": 64 * MIB}
MKFS = {
    "ext4": ["mkfs.ext4", "-q", "-b", "4096"],
    "xfs": ["mkfs.xfs", "-q"],
    "btrfs": ["mkfs.btrfs", "-q"],
}

# Makes (kind, size in bytes) into the folder where such a file system is mounted.
MakeFileSystem = Callable[..., Path]
# Makes (source size, mirror size) into the paths of two loop devices.
MakeDevicePair = Callable[..., tuple[Path, Path]]


class NotPermitted(Exception):
    """A mount or a loop device cannot be had here."""


def run(*command: str | Path) -> str:
    """Run a tool of the system and give its output, or say why it cannot be used here."""
    # The tools of root are not on everybody's PATH.
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    name = str(command[0])
    program = shutil.which(name, path=path)
    if program is None:
        raise NotPermitted(f"{name} is not installed")
    done = subprocess.run(
        [program, *command[1:]], capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode:
        message = (done.stderr.strip() or done.stdout.strip()).replace("\n", " ")
        raise NotPermitted(f"{name} failed: {message}")
    return done.stdout.strip()


def wait_for(released: Callable[[], object], *, seconds: float = 5) -> bool:
    """Try `released` until it no longer raises; what a failed test still holds is collected."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            released()
        except NotPermitted:
            gc.collect()
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        else:
            return True


@contextlib.contextmanager
def loop_device(
    image: Path, size: int, *, direct_io: bool = True, sector_size: int = 512
) -> Iterator[Path]:
    """Attach a new, sparse image file of `size` bytes to a loop device of its own."""
    if os.geteuid() != 0:
        raise NotPermitted("loop devices need root")
    with image.open("wb") as file:
        file.truncate(size)
    attach = ["losetup", "--find", "--show", f"--sector-size={sector_size}"]
    # Direct I/O makes a failed write of the image visible at fsync; not every file system has it.
    try:
        if not direct_io:
            raise NotPermitted
        name = run(*attach, "--direct-io=on", image)
    except NotPermitted:
        name = run(*attach, image)
    try:
        yield Path(name)
    finally:
        # The read-only flag would outlive the detach.
        with contextlib.suppress(NotPermitted):
            run("blockdev", "--setrw", name)
        # When somebody still has it open, the kernel detaches it at their close.
        wait_for(lambda: run("losetup", "--detach", name))
        image.unlink(missing_ok=True)


@contextlib.contextmanager
def mounted(kind: str, folder: Path, size: int) -> Iterator[Path]:
    """Mount a new file system of `kind` below `folder`."""
    if os.geteuid() != 0:
        raise NotPermitted("mounting needs root")
    folder.mkdir()
    place = folder / "mounted"
    place.mkdir()
    with contextlib.ExitStack() as stack:
        if kind == "tmpfs":
            run("mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "splitmirror-test", place)
        else:
            device = stack.enter_context(loop_device(folder / "image", size))
            run(*MKFS[kind], device)
            run("mount", "-t", kind, device, place)
        stack.callback(unmount, place)
        yield place


def unmount(place: Path) -> None:
    """Unmount `place`, at the latest when its last user has closed it."""
    if not wait_for(lambda: run("umount", place)):
        run("umount", "--lazy", place)


def pytest_configure() -> None:
    """Let SIGTERM end the run like Ctrl-C does, so that nothing stays mounted."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def runtime_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the processes of this run have their sockets."""
    return tmp_path_factory.mktemp("runtime")


@pytest.fixture(autouse=True)
def state_home(tmp_path: Path, runtime_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory of the test's own, also for the processes that it starts."""
    home = tmp_path / "state-home"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("SPLITMIRROR_STATE_DIR", str(home))
    # Not in the test's folder: sockets come and go beside the tests that see any change there.
    monkeypatch.setenv("SPLITMIRROR_RUNTIME_DIR", str(runtime_folder))
    return home


@pytest.fixture(scope="session")
def _shared_file_systems(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], Path | NotPermitted]]:
    """One mount of each kind for the whole run, made when first wanted; or why there is none."""
    found: dict[str, Path | NotPermitted] = {}
    with contextlib.ExitStack() as stack:

        def find(kind: str) -> Path | NotPermitted:
            if kind not in found:
                folder = tmp_path_factory.mktemp("shared") / kind
                try:
                    found[kind] = stack.enter_context(mounted(kind, folder, SIZES[kind]))
                except NotPermitted as reason:
                    found[kind] = reason
            return found[kind]

        yield find


def _folder_on(kind: str, find: Callable[[str], Path | NotPermitted]) -> Iterator[Path]:
    root = find(kind)
    if isinstance(root, NotPermitted):
        pytest.skip(f"no {kind} here: {root}")
    folder = root / "area"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture(params=FILE_SYSTEMS)
def any_fs(
    request: pytest.FixtureRequest, _shared_file_systems: Callable[[str], Path | NotPermitted]
) -> Iterator[Path]:
    """An empty folder on each of ext4, xfs, btrfs and tmpfs in turn (at least 40 MiB free)."""
    yield from _folder_on(request.param, _shared_file_systems)


@pytest.fixture
def ext4(_shared_file_systems: Callable[[str], Path | NotPermitted]) -> Iterator[Path]:
    """An empty folder on ext4."""
    yield from _folder_on("ext4", _shared_file_systems)


@pytest.fixture
def xfs(_shared_file_systems: Callable[[str], Path | NotPermitted]) -> Iterator[Path]:
    """An empty folder on xfs."""
    yield from _folder_on("xfs", _shared_file_systems)


@pytest.fixture
def btrfs(_shared_file_systems: Callable[[str], Path | NotPermitted]) -> Iterator[Path]:
    """An empty folder on btrfs."""
    yield from _folder_on("btrfs", _shared_file_systems)


@pytest.fixture
def tmpfs(_shared_file_systems: Callable[[str], Path | NotPermitted]) -> Iterator[Path]:
    """An empty folder on tmpfs."""
    yield from _folder_on("tmpfs", _shared_file_systems)


@pytest.fixture
def make_file_system(tmp_path: Path) -> Iterator[MakeFileSystem]:
    """Mount file systems of the test's own, to fill up, remount read-only or shut down.

    `make_file_system("ext4", size=16 * MIB)` gives the folder where it is mounted. Its loop
    device, if any, is what `findmnt` names.
    """
    with contextlib.ExitStack() as stack:
        made = 0

        def make(kind: str, *, size: int | None = None) -> Path:
            nonlocal made
            made += 1
            folder = tmp_path / f"{kind}-{made}"
            try:
                return stack.enter_context(mounted(kind, folder, size or SIZES[kind]))
            except NotPermitted as reason:
                pytest.skip(f"no {kind} here: {reason}")

        yield make


@pytest.fixture
def loop_pair(tmp_path: Path) -> Iterator[MakeDevicePair]:
    """Attach two loop devices: `loop_pair(source_size, mirror_size)`, 16 MiB each by default."""
    with contextlib.ExitStack() as stack:
        made = 0

        def make(
            source_size: int = 16 * MIB,
            mirror_size: int | None = None,
            *,
            direct_io: bool = True,
            sector_size: int = 512,
        ) -> tuple[Path, Path]:
            nonlocal made
            made += 1
            devices: list[Path] = []
            for side, size in (("source", source_size), ("mirror", mirror_size or source_size)):
                image = tmp_path / f"{side}-{made}.image"
                try:
                    devices.append(
                        stack.enter_context(
                            loop_device(image, size, direct_io=direct_io, sector_size=sector_size)
                        )
                    )
                except NotPermitted as reason:
                    pytest.skip(f"no loop device here: {reason}")
            source, mirror = devices
            return source, mirror

        yield make
