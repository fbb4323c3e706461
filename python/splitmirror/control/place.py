"""Where the sockets are: one for each process, in a folder that is its user's alone.

| the runtime folder | |
|---|---|
| ``$SPLITMIRROR_RUNTIME_DIR`` | if it is set |
| ``$XDG_RUNTIME_DIR/splitmirror`` | else |
| ``/run/splitmirror`` | else, for root |
| ``/tmp/splitmirror-<uid>`` | else |

A folder is used by its descriptor, after it was looked at: neither a symbolic link nor a rename
leads elsewhere, and the length of its path does not matter.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

__all__ = ["candidates", "listen", "opened", "peer_of", "reached", "remove", "runtime_folder"]

# Names are looked up through it, so a path is as short as sun_path needs it.
_DESCRIPTORS = "/proc/self/fd"
# struct ucred: process, user, group.
_CREDENTIALS = struct.Struct("iII")


def runtime_folder() -> Path:
    """Give the folder in which this process makes its socket."""
    return candidates(os.geteuid())[0]


def candidates(owner: int) -> list[Path]:
    """Give the folders in which a process of a user may have made its socket, likely ones first."""
    found = []
    if given := os.environ.get("SPLITMIRROR_RUNTIME_DIR"):
        found.append(Path(given))
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        found.append(Path(runtime) / "splitmirror")
    if owner != os.geteuid():
        found.append(Path(f"/run/user/{owner}/splitmirror"))
    if owner == 0:
        found.append(Path("/run/splitmirror"))
    found.append(Path(f"/tmp/splitmirror-{owner}"))
    # With other variables than ours it may be in one of these as well.
    found += [Path(f"/run/user/{owner}/splitmirror"), Path("/run/splitmirror")]
    return list(dict.fromkeys(found))


@contextlib.contextmanager
def opened(folder: Path, owner: int) -> Iterator[int]:
    """Open a runtime folder, and give its descriptor.

    Raises:
        OSError: it is not there, is no folder, or others than its owner may use it.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(folder, flags)
    try:
        found = os.fstat(descriptor)
        if found.st_uid != owner:
            raise PermissionError(f"{folder} belongs to user {found.st_uid}, not to {owner}")
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise PermissionError(f"{folder} is open to others; its mode has to be 0700")
        yield descriptor
    finally:
        os.close(descriptor)


def listen() -> tuple[socket.socket, Path]:
    """Make the listening socket of this process; gives it and its path.

    Raises:
        OSError: it cannot be made, or somebody alive has its name.
    """
    folder = runtime_folder()
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    name = f"{os.getpid()}.sock"
    draft = f".{name}.{secrets.token_hex(4)}"
    with opened(folder, os.geteuid()) as descriptor, contextlib.ExitStack() as made:
        inside = f"{_DESCRIPTORS}/{descriptor}"
        if not _is_stale(f"{inside}/{name}"):
            raise FileExistsError(f"{folder / name} is another process's with our number")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.callback(listener.close)
        listener.bind(f"{inside}/{draft}")
        made.callback(_remove, draft, descriptor)
        os.chmod(f"{inside}/{draft}", 0o600)
        listener.listen(32)
        # It gets its name when it can be reached: what cannot be reached is taken for stale.
        os.rename(f"{inside}/{draft}", f"{inside}/{name}")
        made.pop_all()
        _sweep(descriptor)
    return listener, folder / name


def _remove(name: str, folder: int) -> None:
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=folder)


def remove(path: Path) -> None:
    """Remove a socket of this process."""
    with contextlib.suppress(OSError), opened(path.parent, os.geteuid()) as folder:
        os.unlink(path.name, dir_fd=folder)


def _is_stale(path: str) -> bool:
    """Whether there is no socket, or one whose process has died."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        trial.setblocking(False)
        try:
            trial.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return True
        except OSError:
            return False
    return False


def _sweep(folder: int) -> None:
    """Remove the sockets of processes that were killed."""
    for name in os.listdir(folder)[:100]:
        number = name.removesuffix(".sock")
        gone = number.isdigit() and number != name and not os.path.exists(f"/proc/{number}")
        # It may be a process that is not seen from here, and still answers.
        if gone and _is_stale(f"{_DESCRIPTORS}/{folder}/{name}"):
            _remove(name, folder)


def reached(pid: int, timeout: float) -> socket.socket | None:
    """Connect to the process with this number; None when it cannot be reached.

    Who answers is asked of the kernel, so nobody can stand in for it.
    """
    try:
        owner = os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None
    for folder in candidates(owner):
        with contextlib.suppress(OSError), opened(folder, owner) as descriptor:
            found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                found.settimeout(timeout)
                found.connect(f"{_DESCRIPTORS}/{descriptor}/{pid}.sock")
                if peer_of(found)[0] == pid:
                    return found
            except BaseException:
                found.close()
                raise
            found.close()
    return None


def peer_of(connected: socket.socket) -> tuple[int, int]:
    """Give process and user at the other end of a socket, as the kernel recorded them."""
    told = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(told)
    return pid, uid
