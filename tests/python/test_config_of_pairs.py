"""A pair's configuration: which verbs use it, and what becomes of it with the pair."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import run
from evidence import refused
from guards import Bad, fail
from helpers import KIB, MIB, digest, overwrite, write_pattern
from scenes import BLOCK, cancelled_at_once, make_source
from several import make_mirror
from splitmirror import Hooks, MirrorPair, State, config, errors
from told import Told

ALL = {name: f"hooks.{name}" for name in ("freeze", "thaw", "stop", "unmount", "mount", "start")}
RESTORE = ["stop", "unmount", "mount", "start"]


class Log:
    """Commands as hooks that write down which they were."""

    def __init__(self, path: Path) -> None:
        self.path = path
        script = f'echo "$SPLITMIRROR_HOOK" >>{path}'
        self.keys = {key: f"sh -c '{script}'" for key in ALL.values()}

    def taken(self) -> list[str]:
        """The hooks that have run since the last look."""
        if not self.path.exists():
            return []
        names = self.path.read_text().split()
        self.path.unlink()
        return names


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log")


@pytest.fixture
def pair(ext4: Path, log: Log) -> Iterator[MirrorPair]:
    """A synchronized pair of mode exclusive whose configuration has every hook."""
    with make_mirror(make_source(ext4), 0) as pair:
        config.change(pair.catalog_path, log.keys)
        yield pair


def test_verbs_run_the_hooks_of_the_configuration(pair: MirrorPair, log: Log) -> None:
    report = pair.split()
    assert log.taken() == [hook.hook for hook in report.hooks] == ["freeze", "thaw"]
    assert report.consistency == "application"
    pair.write(0, b"bad")
    pair.flush()
    assert [hook.hook for hook in pair.restore().hooks] == log.taken() == RESTORE
    pair.write(0, b"bad")
    cancelled_at_once(pair.restore)
    assert log.taken() == RESTORE
    assert [hook.hook for hook in pair.resume_restore().hooks] == log.taken() == RESTORE
    pair.write(0, b"bad")
    assert [hook.hook for hook in pair.start_restore().wait(60).hooks] == RESTORE
    assert log.taken() == RESTORE
    assert [hook.hook for hook in pair.refresh().split.hooks] == log.taken() == ["freeze", "thaw"]


def test_no_hooks_are_none_and_those_given_are_all(pair: MirrorPair, log: Log) -> None:
    assert pair.split(hooks=Hooks()).hooks == ()
    pair.restore(hooks=Hooks())
    told = Told()
    pair.restore(hooks=Hooks(start=lambda: told.ran("start")))
    assert (log.taken(), told.names) == ([], ["start"])


def test_a_scratch_copy_stops_nobody(pair: MirrorPair, log: Log, tmp_path: Path) -> None:
    pair.split(hooks=Hooks())
    assert pair.restore(to=tmp_path / "scratch").hooks == ()
    assert log.taken() == []


def test_nothing_runs_and_nothing_changes_with_a_bad_file(
    pair: MirrorPair, log: Log, ext4: Path
) -> None:
    path = pair.catalog_path / config.NAME
    good = path.read_bytes()
    path.write_bytes(good + b"freez = 1\n")
    splits: list[Callable[[], object]] = [pair.split, pair.refresh]
    for verb in splits:
        with refused(errors.ConfigError, ext4, path=path, advice="has no key 'freez'"):
            verb()
    path.write_bytes(good)
    pair.split(hooks=Hooks())
    pair.write(0, b"bad")
    pair.flush()
    path.chmod(0o666)
    restores: list[Callable[[], object]] = [
        pair.restore,
        pair.start_restore,
        pair.guard().__enter__,
    ]
    for verb in restores:
        with refused(errors.ConfigError, ext4, path=path, advice="chmod go-w"):
            verb()
    # What does not use it does not mind; and whoever brings hooks does not read it.
    pair.verify()
    assert pair.restore(hooks=Hooks()).complete
    assert log.taken() == []


def test_a_change_holds_for_the_next_verb(pair: MirrorPair, log: Log) -> None:
    pair.split()
    log.taken()
    config.change(pair.catalog_path, {"hooks.unmount": "false"}, unset=["hooks.stop"])
    with pytest.raises(errors.HookError, match="unmount hook failed, so nothing was restored"):
        pair.restore()
    # Whoever has no stop is told to start all the same.
    assert log.taken() == ["mount", "start"]


def test_the_environment_comes_before_the_file(
    pair: MirrorPair, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPLITMIRROR_FREEZE", "")
    monkeypatch.setenv("SPLITMIRROR_THAW", f"sh -c 'echo other >>{log.path}'")
    report = pair.split()
    assert [hook.hook for hook in report.hooks] == ["thaw"]
    assert log.taken() == ["other"]
    monkeypatch.setenv("SPLITMIRROR_HOOK_TIMEOUT", "never")
    with pytest.raises(errors.ConfigError, match="SPLITMIRROR_HOOK_TIMEOUT"):
        pair.restore()


def test_a_hook_does_not_hand_its_own_hooks_on(
    pair: MirrorPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a hook that calls splitmirror for another pair would run this one's hooks there."""
    found = tmp_path / "environment"
    monkeypatch.setenv("SPLITMIRROR_FREEZE", f"sh -c 'env >{found}'")
    monkeypatch.setenv("SPLITMIRROR_HOOK_TIMEOUT", "20")
    monkeypatch.setenv("SPLITMIRROR_THREADS", "2")
    assert pair.split().consistency == "application"
    names = {line.partition("=")[0] for line in found.read_text().splitlines()}
    assert {"SPLITMIRROR_HOOK", "SPLITMIRROR_MIRROR", "SPLITMIRROR_THREADS", "PATH"} <= names
    assert names.isdisjoint({"SPLITMIRROR_FREEZE", "SPLITMIRROR_HOOK_TIMEOUT"})


# --- Guards ------------------------------------------------------------------------------------


def test_a_guard_runs_them_round_its_split_and_its_restore(pair: MirrorPair, log: Log) -> None:
    good = digest(pair.source_path)
    guard = pair.guard()
    with pytest.raises(Bad), guard:
        fail(pair, 1)
    assert log.taken() == ["freeze", "thaw", *RESTORE]
    assert guard.receipt is not None
    assert [hook.hook for hook in guard.receipt.hooks] == RESTORE
    assert digest(pair.source_path) == good
    with pair.guard():
        # The point is used again.
        assert log.taken() == []
    with pair.guard(new_point=True):
        assert log.taken() == ["freeze", "thaw"]
    assert log.taken() == []


def test_a_guard_without_hooks_is_the_application_itself(pair: MirrorPair, log: Log) -> None:
    with pytest.raises(Bad), pair.guard(hooks=Hooks()):
        fail(pair, 1)
    assert log.taken() == []


def test_a_guard_whose_stop_fails_says_so(pair: MirrorPair, log: Log) -> None:
    config.change(pair.catalog_path, {"hooks.stop": "false"})
    with pytest.raises(errors.HookError) as caught, pair.guard():
        fail(pair, 1)
    assert isinstance(caught.value.__cause__, Bad)
    assert pair.status().changed_blocks == 1
    assert (pair.state, log.taken()) == (State.SPLIT, ["freeze", "thaw", "start"])


# --- The throttle ------------------------------------------------------------------------------


def test_start_restore_is_throttled_by_the_configuration(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_pattern(source, 4 * MIB, seed=5, holes=False)
    with make_mirror(source, 0) as pair:
        pair.split()
        pair.write(0, bytes(4 * MIB))
        config.change(pair.catalog_path, {"restore.throttle": "1"})
        job = pair.start_restore()
        with pytest.raises(TimeoutError):
            job.wait(0.5)
        job.pause()
        # No limit, whatever the configuration says.
        assert pair.start_restore(resume=True, throttle=0).wait(60).complete


# --- What becomes of the file ------------------------------------------------------------------


def test_it_ends_with_the_pair(ext4: Path, log: Log) -> None:
    source = make_source(ext4)
    with make_mirror(source, 0) as pair:
        mirror, folder = pair.mirror_path, pair.catalog_path
        config.change(folder, log.keys)
        pair.detach()
    assert not folder.exists()
    with MirrorPair.create(source, mirror, overwrite=True) as pair:
        assert pair.config().hooks == Hooks()


def test_a_file_of_somebody_else_stays(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir(mode=0o700)
    other = folder / config.NAME
    other.write_text("[tool]\nname = 'not ours'\n")
    source = make_source(tmp_path)
    with MirrorPair.create(source, tmp_path / "mirror", catalog=folder) as pair:
        pair.establish()
        with pytest.raises(errors.ConfigError, match="'tool' is no table"):
            pair.split()
        pair.split(hooks=Hooks())
        pair.detach()
    assert os.listdir(folder) == [config.NAME]


def test_a_pair_that_was_moved_or_copied_keeps_it(pair: MirrorPair, log: Log, ext4: Path) -> None:
    source = pair.source_path
    pair.split()
    pair.seal()
    place = pair.mirror_path.parent
    pair.close()
    elsewhere = ext4 / "elsewhere"
    run("cp", "-a", place, elsewhere)
    shutil.rmtree(place)
    with pytest.raises(errors.MovedPairError):
        MirrorPair.open(elsewhere / "mirror")
    with MirrorPair.adopt(elsewhere / "mirror", source) as pair:
        log.taken()
        overwrite(source, 0, b"bad")
        assert [hook.hook for hook in pair.restore().hooks] == log.taken() == RESTORE
    # Renamed with its folder, it is another pair's file only by its name.
    for name in ("mirror", "mirror.splitmirror"):
        os.rename(elsewhere / name, elsewhere / f"new-{name}")
    with MirrorPair.adopt(elsewhere / "new-mirror", source) as pair:
        assert pair.config().hooks.stop is not None


def test_a_mirror_that_is_given_up_for_a_new_pair(tmp_path: Path) -> None:
    """Without its catalog a mirror is taken anew; what stands in the folder is the new pair's."""
    source = tmp_path / "source"
    write_pattern(source, 300 * KIB)
    mirror = tmp_path / "mirror"
    with MirrorPair.create(source, mirror, block_size=BLOCK) as pair:
        folder = pair.catalog_path
        pair.refresh()
        config.change(folder, {"hooks.timeout": "7"})
    for path in folder.iterdir():
        if path.name != config.NAME:
            path.unlink()
    with MirrorPair.adopt(mirror, source, accept={"unsealed"}) as pair:
        assert pair.config().hooks == Hooks(timeout=7)
        pair.refresh()
        assert digest(mirror) == digest(source)
        pair.detach()
    assert not folder.exists()
