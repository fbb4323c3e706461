"""A mount that was taken away lazily, or covered: it is served on, and touches nobody else's."""

from __future__ import annotations

import contextlib
import mmap
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import COMMAND, run
from conftest import NotPermitted
from conftest import run as tool
from helpers import MIB, overwrite
from mounts import LENGTH, away, exclusive, is_mounted, served
from splitmirror import MirrorPair, errors, mount


def wait_for_end(pid: int) -> bool:
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], 20)[0])
    finally:
        os.close(process)


@contextlib.contextmanager
def covered(folder: Path) -> Iterator[None]:
    """Something else is mounted on the folder."""
    try:
        tool("mount", "-t", "tmpfs", "splitmirror-test", folder)
    except NotPermitted as reason:
        pytest.skip(str(reason))
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=False, capture_output=True)


def test_its_end_leaves_what_is_mounted_there_by_then(tmp_path: Path) -> None:
    (mirror,) = exclusive(tmp_path)
    with served(mirror, tmp_path / "mounted") as mounted:
        file = mounted.volume.open("r+b", buffering=0)
        mounted.unmount(lazily=True)
        with covered(mounted.mountpoint):
            (mounted.mountpoint / "precious").write_bytes(b"kept")
            file.write(b"still served")
            file.close()
            assert wait_for_end(mounted.pid)
            assert (mounted.mountpoint / "precious").read_bytes() == b"kept"
    assert mirror.read_bytes()[:12] == b"still served"


def test_a_volume_that_is_mounted_there_by_then_is_served_on(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (mirror,), (other,) = exclusive(tmp_path), exclusive(tmp_path / "other")
    with served(mirror, tmp_path / "mounted") as mounted:
        with mounted.volume.open("rb"):
            mounted.unmount(lazily=True)
            second = mount(other, mounted.mountpoint)
            with pytest.raises(errors.MountError, match="not reached"):
                mounted.pair.split()
        assert wait_for_end(mounted.pid)
        overwrite(second.volume, 0, b"goes on")
        second.pair.split()
        assert second.unmount().ended
    assert other.read_bytes()[:7] == b"goes on"


@pytest.mark.parametrize("how", ["lazily", "covered"])
def test_verbs_that_must_ask_the_kernel_are_refused(tmp_path: Path, how: str) -> None:
    (mirror,) = exclusive(tmp_path)
    with MirrorPair.open(mirror) as pair:
        pair.split()
    with served(mirror, tmp_path / "mounted") as mounted, contextlib.ExitStack() as stack:
        file = mounted.volume.open("r+b", buffering=0)
        with mmap.mmap(file.fileno(), LENGTH) as memory:
            if how == "lazily":
                mounted.unmount(lazily=True)
            else:
                stack.enter_context(covered(mounted.mountpoint))
            memory[:5] = b"wrong"
            for verb in (mounted.pair.restore, mounted.pair.start_restore):
                with pytest.raises(errors.MountError, match="end them"):
                    verb()
            assert memory[:5] == b"wrong"
            if how == "covered":
                with pytest.raises(errors.MountError, match="mounted over it"):
                    mounted.pair.act("unmount")
                stack.close()
                assert mounted.pair.restore().complete
                assert memory[:5] == bytes(5)
        file.close()


def test_a_signal_does_not_end_what_cannot_be_unmounted(tmp_path: Path) -> None:
    """Something is mounted over it, so it is neither busy nor can it be taken away."""
    (mirror,) = exclusive(tmp_path)
    log = tmp_path / "mirror-0.splitmirror" / "mount.log"
    with served(mirror, tmp_path / "mounted") as mounted:
        with mounted.volume.open("r+b", buffering=0) as file:
            with covered(mounted.mountpoint):
                os.kill(mounted.pid, signal.SIGTERM)
                deadline = time.monotonic() + 20
                while "mounted over it" not in log.read_text() and time.monotonic() < deadline:
                    time.sleep(0.02)
                file.write(b"still served")
                os.fsync(file.fileno())
            assert "waiting" in log.read_text()
        assert wait_for_end(mounted.pid)
    assert mirror.read_bytes()[:12] == b"still served"


def test_a_restore_that_has_taken_effect_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel cannot be told any more, for the program that does so fails the second time."""
    (mirror,) = exclusive(tmp_path)
    programs = tmp_path / "programs"
    programs.mkdir()
    fake = programs / "sync"
    fake.write_text(f"#!/bin/sh\n[ -e {tmp_path}/once ] && exit 1\n: > {tmp_path}/once\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    with MirrorPair.open(mirror) as pair:
        pair.write(0, b"point")
        pair.split()
        pair.write(0, b"later")
    with served(mirror, tmp_path / "mounted") as mounted:
        receipt = mounted.pair.start_restore().wait(60)
        assert receipt.complete
        assert mounted.volume.read_bytes()[:5] == b"point"
        log = tmp_path / "mirror-0.splitmirror" / "mount.log"
        assert "may go on seeing" in log.read_text()


def test_a_mirror_whose_name_is_made_to_deceive(tmp_path: Path) -> None:
    one, two = exclusive(tmp_path, mirrors=2)
    with MirrorPair.open(two) as pair:
        deceiving = tmp_path / f"mirror-0~{pair.pair_id[:8]}"
    with MirrorPair.create(tmp_path / "source", deceiving, mode="exclusive") as pair:
        pair.establish()
    for number, mirror in enumerate((one, two, deceiving)):
        with MirrorPair.open(mirror) as pair:
            pair.split()
            pair.write(0, b"after %2d" % number)
    with served(one, tmp_path / "mounted") as mounted:
        names = os.listdir(mounted.mountpoint)
        assert len(names) == len(set(names)) == 4
        found = {(mounted.mountpoint / name).read_bytes()[:8] for name in names}
        assert len(found) == 4


def test_an_old_handle_never_shows_a_new_point(tmp_path: Path) -> None:
    """Also where the kernel has cached pages of both, and whoever opens it is in a hurry."""
    (mirror,) = exclusive(tmp_path)
    with MirrorPair.open(mirror) as pair:
        pair.split()
    with served(mirror, tmp_path / "mounted") as mounted:
        pair_there = mounted.pair
        seen = mounted.mountpoint / "mirror-0"
        for number in range(10):
            overwrite(mounted.volume, 0, b"%06d" % number)
            with subprocess.Popen(
                [*COMMAND, "refresh", str(mirror), "--yes"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ) as process:
                handles = []
                while process.poll() is None:
                    # A handle that was had before keeps the establish from beginning.
                    with contextlib.suppress(FileNotFoundError):
                        handles.append(os.open(seen, os.O_RDONLY))
                        with contextlib.suppress(OSError):
                            first = os.pread(handles[-1], 6, 0)
                            time.sleep(0.001)
                            assert os.pread(handles[-1], 6, 0) == first
                        if process.poll() is None and number % 2:
                            os.close(handles.pop())
                for handle in handles:
                    os.close(handle)
        pair_there.refresh()
        assert seen.read_bytes()[:6] == mounted.volume.read_bytes()[:6]


def test_a_stopped_server_does_not_stop_its_unmounting(tmp_path: Path) -> None:
    (mirror,) = exclusive(tmp_path)
    with served(mirror, tmp_path / "mounted") as mounted:
        os.kill(mounted.pid, signal.SIGSTOP)
        try:
            command = [*COMMAND, "unmount", str(mounted.mountpoint), "--lazy"]
            subprocess.run(command, check=True, timeout=30, stdout=subprocess.DEVNULL)
            assert not is_mounted(mounted.mountpoint)
        finally:
            os.kill(mounted.pid, signal.SIGCONT)
        assert wait_for_end(mounted.pid)


def test_a_bare_path_still_finds_the_program_that_syncs(tmp_path: Path) -> None:
    (mirror,) = exclusive(tmp_path)
    before = os.environ["PATH"]
    os.environ["PATH"] = "/nowhere"
    try:
        with served(mirror, tmp_path / "mounted") as mounted:
            os.environ["PATH"] = before
            assert mounted.pair.split().state == "split"
    finally:
        os.environ["PATH"] = before


def test_what_the_serving_process_has_to_say_is_in_its_log(tmp_path: Path) -> None:
    """A full disk under a sparse source: the program gets the number, the log has the sentence."""
    small = tmp_path / "small"
    small.mkdir()
    try:
        tool("mount", "-t", "tmpfs", "-o", f"size={8 * MIB}", "splitmirror-test", small)
    except NotPermitted as reason:
        pytest.skip(str(reason))
    try:
        (small / "source").touch()
        os.truncate(small / "source", LENGTH)
        with MirrorPair.create(small / "source", tmp_path / "mirror", mode="exclusive") as pair:
            pair.establish()
        with served(tmp_path / "mirror", tmp_path / "mounted") as mounted:
            with mounted.volume.open("r+b") as file, mmap.mmap(file.fileno(), LENGTH) as memory:
                for page in range(0, LENGTH, 4096):
                    memory[page] = 1
                _, said = run("split", tmp_path / "mirror", code=1)
                assert "no space left" in said.lower()
            log = tmp_path / "mirror.splitmirror" / "mount.log"
            assert "No space left" in log.read_text()
        away(tmp_path / "mounted")
    finally:
        subprocess.run(["umount", "-l", small], check=True)
