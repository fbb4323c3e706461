"""Looking into the mirror of a volume that is mounted, with a file system on it that is in use."""

from __future__ import annotations

import os
import random
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from commandline import run, run_json
from splitmirror import Ext4Tree, MirrorPair
from test_mount_loop import Files, copied
from test_mount_loop import files as files
from test_mount_loop import pair as pair
from trees import contents, looked_into


@contextmanager
def busy(place: Path) -> Iterator[None]:
    """Threads that make, sync, rename and remove files and folders all the time."""
    stop = threading.Event()

    def work(number: int) -> None:
        chooser = random.Random(number)
        while not stop.is_set():
            folder = place / f"work-{number}-{chooser.randrange(20)}"
            folder.mkdir(exist_ok=True)
            for name in range(chooser.randrange(1, 8)):
                with (folder / f"file-{name}").open("wb") as file:
                    file.write(chooser.randbytes(chooser.randrange(60_000)))
                    file.flush()
                    os.fsync(file.fileno())
            if chooser.random() < 0.4:
                shutil.rmtree(folder)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_point_under_load_is_seen_as_a_mount_shows_it(
    tmp_path: Path, files: Files, pair: MirrorPair
) -> None:
    with busy(files.place):
        for turn in range(4):
            (files.place / "turn").write_text(str(turn))
            os.sync()
            pair.refresh()
            found = looked_into(Ext4Tree.open(pair.mirror_path))
            with copied(pair.mirror_path, tmp_path) as place:
                assert found == contents(place)
            assert found[b"turn"] == ("file", str(turn).encode())


def test_commands_look_in_and_put_a_file_back_while_it_is_served(
    tmp_path: Path, files: Files, pair: MirrorPair
) -> None:
    conf, mirror = files.place / "conf", pair.mirror_path
    conf.write_text("good = yes\n")
    os.sync()
    pair.split()
    conf.write_text("good = no\n")
    with conf.open() as reader:
        assert run("cat", mirror, "conf")[0] == "good = yes\n"
        found = run_json("restore", mirror, "--member", "conf", "--into", files.place, "--yes")
        assert (found["way"], found["mirror_unchanged"]) == ("in-place", True)
        assert reader.read() == "good = yes\n"
    run("extract", mirror, "conf", "--to", tmp_path / "conf")
    assert (tmp_path / "conf").read_text() == "good = yes\n"
    assert pair.state == "split"
