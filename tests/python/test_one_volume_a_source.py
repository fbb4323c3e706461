"""In mode exclusive there is one volume a source: not two processes, none for a copy of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from helpers import KIB, digest, write_pattern
from splitmirror import MirrorPair, errors

HOLDER = """
import sys
from splitmirror import MirrorPair
pair = MirrorPair.open(sys.argv[1])
print("open", flush=True)
sys.stdin.readline()
pair.close()
"""


def two_mirrors(folder: Path) -> Path:
    source = folder / "source"
    write_pattern(source, 256 * KIB)
    with (
        MirrorPair.create(source, folder / "one", mode="exclusive") as one,
        MirrorPair.create(source, folder / "two", mode="exclusive") as two,
    ):
        one.refresh(label="one")
        two.refresh(label="two")
    return source


def test_a_source_that_another_process_has_open_is_not_written(tmp_path: Path) -> None:
    source = two_mirrors(tmp_path)
    # Out of reach of the holder, which would open it too.
    hidden = (tmp_path / "two.splitmirror").rename(tmp_path / "hidden")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / "one"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        hidden.rename(tmp_path / "two.splitmirror")
        with MirrorPair.open(tmp_path / "two") as two:
            before = digest(source)
            with pytest.raises(errors.PairInUseError) as caught:
                two.write(0, b"from a second volume")
            assert caught.value.pid == holder.pid
            assert digest(source) == before
            assert two.read(0, 10) == source.read_bytes()[:10]
            holder.communicate("\n")
            # Given free, it is opened with the first write.
            two.write(0, b"from the only volume")
            (sibling,) = two.status().siblings
            assert sibling.open
    with MirrorPair.open(tmp_path / "one") as one:
        assert one.restore().reason == "bitmap"
        assert digest(source) == digest(tmp_path / "one")


def test_a_copy_of_a_source_reaches_none_of_its_mirrors(tmp_path: Path) -> None:
    source = two_mirrors(tmp_path)
    copies = tmp_path / "copies"
    copies.mkdir()
    subprocess.run(["cp", "-a", source, tmp_path / "one", copies], check=True)
    good = {name: digest(tmp_path / name) for name in ("source", "one", "two")}
    with (
        MirrorPair.open(tmp_path / "one"),
        MirrorPair.adopt(copies / "one", copies / "source", accept={"unsealed"}) as copy,
    ):
        assert copy.status().siblings == ()
        copy.establish()
        copy.write(0, b"of the copy alone")
        copy.flush()
        copy.split()
        copy.write(0, b"spoiled")
        copy.restore()
    assert {name: digest(tmp_path / name) for name in good} == good
