"""I9: a lease that others break while it is held must not end the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from helpers import MIB, write_pattern
from splitmirror import MirrorPair

OPENER = """
import os, sys
while True:
    os.close(os.open(sys.argv[1], os.O_RDONLY))
"""

ASKER = """
import sys, threading
from splitmirror import MirrorPair

with MirrorPair.open(sys.argv[1]) as pair:
    def ask():
        for _ in range(400):
            pair.status()
            pair.block_map()

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pair.write(0, b"still here")
print("alive")
"""


def test_i9_programs_that_open_the_source_do_not_kill_us(tmp_path: Path) -> None:
    source, mirror = tmp_path / "source", tmp_path / "mirror"
    write_pattern(source, MIB, seed=1, holes=False)
    with MirrorPair.create(source, mirror) as pair:
        pair.establish()
        pair.split()
    opener = subprocess.Popen([sys.executable, "-c", OPENER, str(source)])
    try:
        asked = subprocess.run(
            [sys.executable, "-c", ASKER, str(mirror)],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    finally:
        opener.kill()
        opener.wait()
    # A broken lease raises SIGIO, whose default action ends the process: the code would be -29.
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.strip() == "alive"
