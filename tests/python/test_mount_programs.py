"""Programs that test storage, on a mounted volume: fio, qemu-io, qemu-img and fsx."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import MIB, digest
from mounts import exclusive, need, served_here
from splitmirror import MirrorPair

SIZE = 4 * MIB
FSX = """
blockmode = true
[opsize]
max = 262144
min = 1
align = 1
[weights]
read = 10.0
write = 10.0
mapread = 10.0
mapwrite = 10.0
invalidate = 1.0
fsync = 1.0
fdatasync = 1.0
punch_hole = 1.0
sendfile = 1.0
truncate = 0.0
close_open = 0.0
posix_fallocate = 0.0
"""


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[MirrorPair]:
    (mirror,) = exclusive(tmp_path, length=SIZE)
    with MirrorPair.open(mirror) as pair:
        yield pair


@pytest.fixture
def volume(tmp_path: Path, pair: MirrorPair) -> Iterator[Path]:
    with served_here(pair, tmp_path / "mounted") as volume:
        yield volume
    # Whatever a program did, it did it to both sides.
    assert digest(pair.source_path) == digest(pair.mirror_path)


def run(*command: str | Path, folder: Path | None = None) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=300, cwd=folder
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "job",
    [
        ["--ioengine=psync", "--bs=4k", "--rw=randwrite", "--direct=1"],
        ["--ioengine=psync", "--bsrange=512-128k", "--bs_unaligned", "--rw=randwrite"],
        ["--ioengine=libaio", "--iodepth=16", "--bs=4k", "--rw=randwrite", "--direct=1"],
        ["--ioengine=io_uring", "--iodepth=8", "--bs=16k", "--rw=randwrite"],
        ["--ioengine=mmap", "--bs=4k", "--rw=randwrite", "--fsync=64"],
        ["--ioengine=falloc", "--bs=64k", "--rw=randtrim"],
        ["--ioengine=psync", "--bs=4k", "--rw=write", "--sync=dsync", "--io_size=256k"],
    ],
    ids=lambda job: "-".join(word.partition("=")[2] or "x" for word in job[:3]),
)
def test_fio_reads_what_it_wrote(volume: Path, job: list[str]) -> None:
    need("fio")
    command = ["fio", "--name=verify", f"--filename={volume}", f"--size={SIZE}", *job]
    # The engine falloc punches holes, and reads nothing.
    checks = (
        [] if "--rw=randtrim" in job else ["--verify=crc32c", "--verify_fatal=1", "--do_verify=1"]
    )
    assert "err= 0" in run(*command, *checks, folder=volume.parents[1])


def test_two_jobs_of_fio_at_once_with_splits_beside_them(pair: MirrorPair, volume: Path) -> None:
    need("fio")
    jobs = ["--numjobs=2", "--offset_increment=50%", "--size=50%", "--loops=4"]
    command = ["fio", "--name=verify", f"--filename={volume}", "--ioengine=psync", "--bs=4k"]
    command += [*jobs, "--rw=randwrite", "--verify=crc32c", "--verify_fatal=1", "--direct=1"]
    # It leaves files where it runs.
    folder = volume.parents[1]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        rounds = 0
        while process.poll() is None:
            pair.refresh()
            rounds += 1
        assert process.stdout is not None
        assert process.returncode == 0, process.stdout.read()
    assert rounds > 0
    pair.establish()


def test_qemu_io_and_qemu_img(pair: MirrorPair, volume: Path) -> None:
    need("qemu-io", "qemu-img")
    commands = [
        "write -P 0xab 0 1M",
        "read -P 0xab 0 1M",
        "write -z 64k 128k",
        "read -P 0 64k 128k",
        "discard 512k 256k",
        "read -P 0 512k 256k",
        "aio_write -P 0xcd 2M 512k",
        "aio_flush",
        "read -P 0xcd 2M 512k",
        "flush",
        "length",
    ]
    arguments = [word for command in commands for word in ("-c", command)]
    for cache in ("writeback", "none"):
        said = run("qemu-io", "-f", "raw", "-t", cache, *arguments, volume)
        assert "verification failed" not in said
        assert "4 MiB" in said
    pair.split()
    frozen = volume.with_name("mirror-0")
    assert "identical" in run("qemu-img", "compare", "-f", "raw", "-F", "raw", volume, frozen)
    run("qemu-io", "-f", "raw", "-c", "write -P 0xff 3M 64k", volume)
    done = subprocess.run(["qemu-img", "compare", volume, frozen], check=False, capture_output=True)
    assert (done.returncode, b"at offset 3145728" in done.stdout) == (1, True)
    found = json.loads(run("qemu-img", "map", "--output=json", "-f", "raw", volume))
    data = {(part["start"], part["length"]) for part in found if part["data"]}
    assert (2 * MIB, MIB // 2) in data
    pair.restore()
    assert "identical" in run("qemu-img", "compare", "-f", "raw", "-F", "raw", volume, frozen)


def fsx() -> str:
    """The program fsx, where `make test` has put it or the PATH has it."""
    # It is named by the Makefile, which builds it.
    found = os.environ.get("SPLITMIRROR_FSX") or shutil.which("fsx")
    if not found or not Path(found).exists():
        pytest.skip("fsx is not installed (cargo install fsx, or make fsx)")
    return found


@pytest.mark.parametrize("beside", ["alone", "with splits and establishes"])
def test_fsx(tmp_path: Path, pair: MirrorPair, volume: Path, beside: str) -> None:
    """Twenty thousand operations in all: calls, mapped memory and holes, checked at each read."""
    program = fsx()
    settings = tmp_path / "fsx.toml"
    settings.write_text(FSX)
    command = [program, "-N", "10000", "-S", str(len(beside)), "-P", str(tmp_path)]
    with subprocess.Popen(
        [*command, "-f", str(settings), str(volume)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        while beside != "alone" and process.poll() is None:
            pair.refresh()
            pair.establish()
        assert process.stdout is not None
        said = process.stdout.read()
        assert process.wait() == 0, said
    assert "A-OK" in said
