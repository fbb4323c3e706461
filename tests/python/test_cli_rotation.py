"""`refresh --oldest` and oldest(): several mirrors of a source take turns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from commandline import at_terminal, run, run_json
from helpers import overwrite
from scenes import cancelled_at_once, make_source
from several import make_mirror, mirror_place, mirrors_of
from splitmirror import MirrorPair, State, _rotation, errors, lookup, oldest, status


@pytest.fixture
def places(tmp_path: Path) -> list[Path]:
    """Three mirrors of one source that never were split, all closed."""
    source = make_source(tmp_path)
    with mirrors_of(source, 3, mode="shared"):
        pass
    return [mirror_place(source, number) for number in range(3)]


def change(places: list[Path], what: bytes) -> Path:
    source = Path(status(places[0]).source)
    overwrite(source, 0, what)
    return source


def test_the_turn_goes_round(places: list[Path]) -> None:
    points: dict[Path, bytes] = {}
    taken = []
    for night in range(7):
        source = change(places, b"night %d" % night)
        path = oldest(places)
        with MirrorPair.open(path) as pair:
            assert pair.refresh(label=f"night {night}").state is State.SPLIT
        taken.append(path)
        points[path] = source.read_bytes()
        # The others hold what they held.
        assert all(path.read_bytes() == point for path, point in points.items())
    assert taken == [*places, *places, places[0]]
    assert [status(path).label for path in places] == ["night 6", "night 4", "night 5"]


def test_the_command_goes_round_and_says_which_and_why(places: list[Path]) -> None:
    # One is named; it knows the others.
    taken = []
    for night in range(4):
        change(places, b"night %d" % night)
        arguments = ("refresh", "--oldest", places[1], "--label", f"night {night}")
        named = run_json(*arguments, "--dry-run")
        assert (named["kind"], named["refresh"]) == ("oldest", None)
        done = run_json(*arguments, "--yes")
        taken.append(done["mirror"])
        assert {**named, "refresh": None} == {**done, "refresh": None}
        assert done["refresh"]["kind"] == "refresh"
        assert done["refresh"]["pair_id"] == done["pair_id"]
        assert done["refresh"]["split"]["label"] == f"night {night}"
    # The one that is named comes before its siblings when none has a point.
    assert taken[0] == str(places[1])
    assert set(taken[:3]) == set(map(str, places))
    assert taken[3] == taken[0]
    out, _ = run("refresh", "--oldest", *places, "--yes")
    first, *rest = out.splitlines()
    assert first.startswith(f"next: {taken[1]}: its point in time of ")
    assert first.endswith("(night 1) is the oldest of 3")
    assert rest[0] == "refresh"


def test_a_dry_run_names_it_only(places: list[Path]) -> None:
    before = [path.read_bytes() for path in places]
    out, err = run("refresh", "--oldest", places[2], places[0], "--dry-run")
    assert out == f"next: {places[2]}: it holds no point in time: it follows the source\n"
    assert err == ""
    assert [path.read_bytes() for path in places] == before
    assert [status(path).state for path in places] == [State.SYNCHRONIZED] * 3


def test_those_without_a_point_come_first(places: list[Path]) -> None:
    for path in places[:2]:
        with MirrorPair.open(path) as pair:
            pair.split()
    with MirrorPair.open(places[2]) as pair:
        cancelled_at_once(lambda cancel: pair.establish(force=True, cancel=cancel))
        assert pair.state is State.UNSYNCHRONIZED
        # Also beside the process that has them open.
        assert oldest(places) == places[2]
    report = _rotation.choose(places).report
    assert (report.split_at, report.why) == (None, "it holds no point in time")


def test_one_on_hold_is_passed_over(places: list[Path]) -> None:
    for path in places:
        with MirrorPair.open(path) as pair:
            pair.split()
            pair.hold("audit 7")
    with MirrorPair.open(places[1]) as pair:
        pair.release()
    named = run_json("refresh", "--oldest", places[0], "--dry-run")
    assert named["mirror"] == str(places[1])
    held = {"mirror": str(places[0]), "why": "it is on hold: audit 7"}
    assert held in named["passed_over"]
    assert len(named["passed_over"]) == 2
    assert oldest(places[0]) == places[1]
    with MirrorPair.open(places[1]) as pair:
        pair.hold()
    for answer in (
        run_json("refresh", "--oldest", *places, "--yes", code=8)["error"],
        raised(places).to_dict(),
    ):
        assert answer["id"] == "no-mirror"
        assert answer["fields"] == {"mirrors": list(map(str, places))}
        assert f"\n{places[0]}: it is on hold: audit 7\n" in answer["message"]
        assert f"\n{places[1]}: it is on hold\n" in answer["message"]


def raised(places: list[Path]) -> errors.NoMirrorError:
    with pytest.raises(errors.NoMirrorError) as caught:
        oldest(places)
    return caught.value


def test_one_that_is_away_is_passed_over(places: list[Path]) -> None:
    for path in places:
        with MirrorPair.open(path) as pair:
            pair.split()
    away = places[0].parent.with_name("away")
    places[0].parent.rename(away)
    # Whether it is named, or only known of.
    for given in (places, places[1:], [places[2]]):
        choice = _rotation.choose(given)
        assert choice.path == places[1]
        assert [each.mirror for each in choice.report.passed_over] == [str(places[0])]
    assert run("refresh", "--oldest", *places, "--dry-run")[0].count("passed over: ") == 1
    away.rename(places[0].parent)
    places[0].rename(places[0].with_name("mirror's file alone"))
    report = _rotation.choose(places).report
    assert [each.why for each in report.passed_over] == ["its file is not there"]
    assert report.mirror == str(places[1])


def test_one_that_is_restored_from_is_passed_over_and_no_other_gets_the_half(
    places: list[Path],
) -> None:
    for path in places:
        with MirrorPair.open(path) as pair:
            pair.split()
    before = [path.read_bytes() for path in places]
    change(places, b"bad")
    with MirrorPair.open(places[0]) as pair:
        cancelled_at_once(pair.restore)
    assert oldest(places) == places[1]
    answer = run_json("refresh", "--oldest", *places, "--yes", code=3)["error"]
    assert answer["id"] == "state"
    assert "restored" in answer["message"]
    assert [path.read_bytes() for path in places] == before


def test_mirrors_of_different_sources_do_not_take_turns(tmp_path: Path) -> None:
    places = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        with make_mirror(make_source(tmp_path / name), 0, mode="shared") as pair:
            places.append(pair.mirror_path)
    with pytest.raises(errors.ArgumentError, match=str(tmp_path / "two" / "source")):
        oldest(places)
    assert run_json("refresh", "--oldest", *places, code=2)["error"]["id"] == "argument"


def test_nothing_named_or_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(errors.ArgumentError):
        oldest([])
    nowhere = tmp_path / "no\nwhere"
    with pytest.raises(errors.NoMirrorError) as caught:
        oldest([nowhere])
    assert caught.value.mirrors == [f"{tmp_path}/no\\nwhere"]
    assert run_json("refresh", "--oldest", nowhere, code=8)["error"]["id"] == "no-mirror"


def test_usage(places: list[Path]) -> None:
    for arguments in (
        ["refresh", *places],
        ["refresh", "--oldest"],
        ["refresh"],
        ["refresh", "--oldest", places[0], "--catalog", places[0].parent],
    ):
        assert run_json(*arguments, code=2)["error"]["id"] == "usage"


def test_paths_of_every_kind_are_found(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    place = bytes(tmp_path) + b"/mirror \xff"
    with MirrorPair.create(source, place) as pair:
        pair.refresh()
    assert bytes(oldest(place)) == bytes(oldest([place])) == place
    assert "mirror \\xff" in run_json("refresh", "--oldest", place, "--yes")["mirror"]


def test_the_question_is_asked_about_the_chosen_one(places: list[Path]) -> None:
    for path in places:
        with MirrorPair.open(path) as pair:
            pair.split()
    assert run_json("refresh", "--oldest", *places, code=8)["error"]["id"] == "unconfirmed"
    code, shown = at_terminal("refresh", "--oldest", *places, answer="y\n")
    assert code == 0
    assert shown.index("next: ") < shown.index("This overwrites the mirror")
    assert oldest(places) == places[1]


def test_one_that_was_split_meanwhile_is_not_taken_again(
    places: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from splitmirror.cli import main

    before = lookup.status

    def look(mirror: Any, **options: Any) -> Any:
        found = before(mirror, **options)
        if mirror == places[2] and not found.generation:
            # Somebody else is faster.
            with MirrorPair.open(places[0]) as pair:
                pair.split()
        return found

    monkeypatch.setattr(_rotation, "status", look)
    assert main(["refresh", "--oldest", *map(str, places), "--yes"]) == 3
    assert "was split meanwhile" in capsys.readouterr().err
