"""The process that serves a mount: how it starts, how it ends, what is left when it is killed."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import splitmirror
from commandline import COMMAND, run, run_json
from helpers import digest, overwrite
from mounts import LENGTH, away, exclusive, is_mounted, need, need_fuse, served
from splitmirror import MirrorPair, State, errors, mount, unmount


def gone(pid: int, seconds: float = 20) -> bool:
    """Wait until a process has ended."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], seconds)[0])
    finally:
        os.close(process)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


def free(mirror: Path) -> bool:
    """Whether nobody has the pair, and nothing has to be looked at after a clean close."""
    if splitmirror.status(mirror).owner_pid is not None:
        return False
    with MirrorPair.open(mirror) as pair:
        return pair.plan_establish().report.reason == "bitmap"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_unmounts_and_closes_the_pair(tmp_path: Path, number: signal.Signals) -> None:
    (mirror,) = exclusive(tmp_path)
    with served(mirror, tmp_path / "mounted") as mounted:
        overwrite(mounted.volume, 0, b"written")
        assert splitmirror.status(mirror).owner_pid == mounted.pid
        os.kill(mounted.pid, number)
        assert gone(mounted.pid)
        assert not is_mounted(mounted.mountpoint)
    assert free(mirror)
    assert mirror.read_bytes()[:7] == b"written"


def test_unmounting_by_whatever_program_ends_it(tmp_path: Path) -> None:
    (mirror,) = exclusive(tmp_path)
    with served(mirror, tmp_path / "mounted") as mounted:
        overwrite(mounted.volume, 0, b"written")
        away(mounted.mountpoint)
        assert gone(mounted.pid)
    assert free(mirror)


def test_the_commands(tmp_path: Path) -> None:
    need_fuse()
    (mirror,) = exclusive(tmp_path)
    mountpoint = tmp_path / "mounted"
    mountpoint.mkdir()
    try:
        report = run_json("mount", mirror, mountpoint)
        assert report["volume"] == str(mountpoint / "volume")
        assert run_json("status", mirror)["owner_pid"] == report["pid"]
        out = run_json("unmount", mountpoint)
        assert (out["pid"], out["ended"]) == (report["pid"], True)
        assert "no volume is mounted there" in run("unmount", mountpoint, code=1)[1]
    finally:
        away(mountpoint)
    assert free(mirror)


def test_what_is_not_said_is_configured(tmp_path: Path) -> None:
    need_fuse()
    (mirror,) = exclusive(tmp_path)
    mountpoint = tmp_path / "mounted"
    mountpoint.mkdir()
    run("config", mirror, "--set", f"mount.mountpoint={mountpoint}", "--set", "mount.threads=2")
    try:
        with mount(mirror) as mounted:
            assert mounted.mountpoint == mountpoint
            assert mounted.volume.exists()
            tasks = Path(f"/proc/{mounted.pid}/task")
            names = re.compile(r"fuser-\d+")
            until(
                lambda: (
                    sum(
                        names.fullmatch((task / "comm").read_text().strip()) is not None
                        for task in tasks.iterdir()
                    )
                    == 2
                )
            )
    finally:
        away(mountpoint)
    assert free(mirror)


def test_in_the_foreground(tmp_path: Path) -> None:
    """With a service manager that wants to be told (sd_notify), and stopped by Ctrl-C."""
    need_fuse()
    (mirror,) = exclusive(tmp_path)
    mountpoint, told = tmp_path / "mounted", tmp_path / "notify"
    mountpoint.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(told))
        manager.settimeout(20)
        environment = {**os.environ, "NOTIFY_SOCKET": str(told), "WATCHDOG_USEC": "400000"}
        command = [*COMMAND, "mount", "--foreground", "--json", str(mirror), str(mountpoint)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
            try:
                assert process.stdout is not None
                report = json.loads(process.stdout.readline())
                assert report["pid"] == process.pid
                assert b"READY=1" in manager.recv(4096)
                assert manager.recv(4096) == b"WATCHDOG=1"
                overwrite(mountpoint / "volume", 5, b"x")
                process.send_signal(signal.SIGINT)
                while b"STOPPING=1" not in manager.recv(4096):
                    pass
                assert process.wait(20) == 0
            finally:
                process.kill()
                away(mountpoint)
    assert free(mirror)


def test_it_waits_for_those_who_use_it(tmp_path: Path) -> None:
    (mirror,) = exclusive(tmp_path)
    with served(mirror, tmp_path / "mounted") as mounted:
        with mounted.volume.open("r+b", buffering=0) as file:
            with pytest.raises(errors.MountBusyError) as caught:
                mounted.unmount()
            assert os.getpid() in caught.value.pids
            assert run("unmount", mounted.mountpoint, code=5)[1].count(str(os.getpid())) == 1
            os.kill(mounted.pid, signal.SIGTERM)
            log = Path(str(mirror) + ".splitmirror") / "mount.log"
            until(lambda: "waiting" in log.read_text())
            file.write(b"still served")
        assert gone(mounted.pid)
        assert not is_mounted(mounted.mountpoint)
    assert mirror.read_bytes()[:12] == b"still served"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


@pytest.mark.parametrize("how", ["signals", "command"])
def test_detached_it_is_served_to_its_last_user(tmp_path: Path, how: str) -> None:
    (mirror,) = exclusive(tmp_path)
    with served(mirror, tmp_path / "mounted") as mounted:
        with mounted.volume.open("r+b", buffering=0) as file:
            if how == "signals":
                os.kill(mounted.pid, signal.SIGTERM)
                until(lambda: "waiting" in Path(str(mirror) + ".splitmirror/mount.log").read_text())
                os.kill(mounted.pid, signal.SIGTERM)
            else:
                assert not run_json("unmount", mounted.mountpoint, "--lazy")["ended"]
            until(lambda: not is_mounted(mounted.mountpoint))
            file.write(b"still served")
            assert splitmirror.status(mirror).owner_pid == mounted.pid
        assert gone(mounted.pid)
    assert free(mirror)
    assert mirror.read_bytes()[:12] == b"still served"


def test_killed_it_leaves_a_stale_mount_that_the_next_one_takes_away(tmp_path: Path) -> None:
    (mirror,) = exclusive(tmp_path)
    with served(mirror, tmp_path / "mounted") as mounted:
        overwrite(mounted.volume, 1000, b"flushed")
        os.kill(mounted.pid, signal.SIGKILL)
        assert gone(mounted.pid)
        with pytest.raises(OSError, match="not connected"):
            mounted.volume.stat()
        with mount(mirror, mounted.mountpoint) as again:
            assert again.report.notes == ("A mount there whose process had died was taken away.",)
            with again.volume.open("rb") as file:
                file.seek(1000)
                assert file.read(7) == b"flushed"
        assert not is_mounted(mounted.mountpoint)
    with MirrorPair.open(mirror) as pair:
        assert pair.state is State.SYNCHRONIZED
        pair.establish()
    assert digest(mirror) == digest(tmp_path / "source")


def test_a_stale_mount_can_be_unmounted(tmp_path: Path) -> None:
    (mirror,) = exclusive(tmp_path)
    with served(mirror, tmp_path / "mounted") as mounted:
        os.kill(mounted.pid, signal.SIGKILL)
        assert gone(mounted.pid)
        assert unmount(mounted.mountpoint).ended
        assert not is_mounted(mounted.mountpoint)
        assert os.listdir(mounted.mountpoint) == []


# --- Bad input: nothing is mounted, nothing is changed -------------------------------------------


def test_places_that_cannot_be_mounted_on(tmp_path: Path) -> None:
    need_fuse()
    (mirror,) = exclusive(tmp_path)
    full, file, missing = tmp_path / "full", tmp_path / "file", tmp_path / "missing"
    full.mkdir()
    (full / "something").write_bytes(b"hidden")
    file.write_bytes(b"")
    with pytest.raises(errors.MountError, match="not empty"):
        mount(mirror, full)
    with pytest.raises(errors.MountError, match="not a folder"):
        mount(mirror, file)
    with pytest.raises(errors.AreaNotFoundError):
        mount(mirror, missing)
    with pytest.raises(errors.MountError, match=r"not empty|mounted there"):
        mount(mirror, "/proc")
    # The folder in which the source lies would hide it.
    with pytest.raises(errors.MountError, match="not empty"):
        mount(mirror, tmp_path)
    assert run("mount", mirror, full, code=1)[1].startswith(f"splitmirror: {full} cannot be used")
    assert free(mirror)


def test_pairs_that_cannot_be_mounted(tmp_path: Path) -> None:
    need_fuse()
    mountpoint = tmp_path / "mounted"
    mountpoint.mkdir()
    source, shared = tmp_path / "source", tmp_path / "shared"
    source.write_bytes(bytes(LENGTH))
    MirrorPair.create(source, shared).close()
    with pytest.raises(errors.ArgumentError, match="mode 'exclusive'"):
        mount(shared, mountpoint)
    with pytest.raises(errors.CatalogMissingError):
        mount(source, mountpoint)
    for threads in (0, -1, 257):
        with pytest.raises(errors.ArgumentError, match="from 1 to 256"):
            mount(shared, mountpoint, threads=threads)
    with pytest.raises(errors.ArgumentError, match="says where"):
        mount(shared)
    assert not is_mounted(mountpoint)


def test_a_second_mount_of_a_pair_is_refused(tmp_path: Path) -> None:
    (mirror,) = exclusive(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    with served(mirror, tmp_path / "mounted") as mounted:
        for place in (mounted.mountpoint, tmp_path / "elsewhere"):
            with pytest.raises(errors.PairInUseError) as caught:
                mount(mirror, place)
            assert caught.value.pid == mounted.pid
        overwrite(mounted.volume, 0, b"goes on")


def test_a_pair_hands_itself_over(tmp_path: Path) -> None:
    need_fuse()
    (mirror,) = exclusive(tmp_path)
    mountpoint = tmp_path / "mounted"
    mountpoint.mkdir()
    pair = MirrorPair.open(mirror)
    pair.write(0, b"by the pair")
    with pytest.raises(errors.MountError):
        pair.mount(tmp_path)
    # Refused, it has the pair still.
    assert pair.read(0, 11) == b"by the pair"
    try:
        with pair.mount(mountpoint) as mounted:
            assert pair.closed
            assert mounted.volume.read_bytes()[:11] == b"by the pair"
            assert repr(mounted) == f"<Mounted '{mountpoint / 'volume'}': process {mounted.pid}>"
        assert not is_mounted(mountpoint)
    finally:
        away(mountpoint)
    assert free(mirror)


def test_a_process_that_cannot_start_is_told_with_its_log(tmp_path: Path) -> None:
    """Here its interpreter cannot load the package."""
    need_fuse()
    (mirror,) = exclusive(tmp_path)
    (tmp_path / "mounted").mkdir()
    program = (
        "import sys, splitmirror; sys.executable = '/bin/false'; splitmirror.mount(*sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, mirror, tmp_path / "mounted"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ended with 1 before it was mounted" in done.stderr
    assert "mount.log" in done.stderr
    assert not is_mounted(tmp_path / "mounted")


AS_NOBODY = """
import os, sys
from pathlib import Path
from splitmirror import MirrorPair, _core, errors
os.setgid(65534), os.setuid(65534)
folder, path = Path(sys.argv[1]), sys.argv[2]
os.environ["PATH"] = path
(folder / "source").write_bytes(bytes(1 << 20))
(folder / "mounted").mkdir()
with MirrorPair.create(folder / "source", folder / "mirror", mode="exclusive") as pair:
    pair.establish()
    try:
        mount = _core.Mount.start(pair._core, folder / "mounted")
    except errors.MountError as error:
        sys.exit(str(error))
    (folder / "mounted" / "volume").open("r+b").write(b"by a user")
    try:
        with (folder / "mounted" / "volume").open("rb"):
            mount.unmount()
        print("unmounted while it was used")
    except errors.MountBusyError as error:
        print(sorted(error.pids) == [os.getpid()])
    mount.unmount()
    assert mount.wait(20)
    print((folder / "mirror").read_bytes()[:9] == b"by a user")
"""


@pytest.mark.parametrize("path", ["/usr/bin:/bin", "/nowhere"])
def test_a_user_who_is_not_root(path: str) -> None:
    """The program fusermount3 mounts and unmounts for him, also when it is not in the PATH."""
    if os.geteuid() != 0:
        pytest.skip("only root becomes another user")
    need_fuse()
    need("fusermount3", "unshare")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chown(folder, 65534, 65534)
        # Usually everybody may open it; where not, this test alone sees one that is so.
        device = folder / "fuse"
        os.mknod(device, stat.S_IFCHR, os.stat("/dev/fuse").st_rdev)
        device.chmod(0o666)
        bind = 'mount --bind "$0" /dev/fuse && exec "$@"'
        command = ["unshare", "--mount", "sh", "-c", bind, str(device)]
        command += [sys.executable, "-c", AS_NOBODY, str(folder), path]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        away(folder / "mounted")
    assert done.stdout.split() == ["True", "True"], done.stderr


READ_AND_WRITE = """
import os, sys
os.setgid(int(sys.argv[2])), os.setuid(int(sys.argv[2]))
try:
    descriptor = os.open(sys.argv[1], os.O_RDWR)
    os.pwrite(descriptor, b"by another", 0)
    print("written")
except PermissionError:
    print("refused")
"""


@pytest.mark.parametrize("allowed", [True, False])
def test_other_users(allowed: bool) -> None:
    """With allow_other, the permissions of the source decide; without, nobody else gets there."""
    if os.geteuid() != 0:
        pytest.skip("only root becomes another user")
    need_fuse()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (mirror,) = exclusive(folder)
        os.chown(folder / "source", 1234, 1234)
        (folder / "source").chmod(0o640)
        with served(mirror, folder / "mounted", allow_other=allowed) as mounted:
            said = {
                user: subprocess.run(
                    [sys.executable, "-c", READ_AND_WRITE, str(mounted.volume), user],
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout.strip()
                for user in ("1234", "65534")
            }
        assert said == {"1234": "written" if allowed else "refused", "65534": "refused"}
        assert mirror.read_bytes()[:10] == (b"by another" if allowed else bytes(10))
