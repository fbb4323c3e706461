"""What each verb answers in a state, or under a hold, that does not allow it.

Issue point 4; the verb table of the documentation.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import digest
from scenes import cancelled_at_once, make_source, split
from several import make_mirror, mirror_place
from splitmirror import MirrorPair, Receipt, State, errors


@functools.cache
def foreign_receipt() -> Receipt:
    """The receipt of a restore of another pair."""
    with tempfile.TemporaryDirectory() as folder, split(make_source(Path(folder))) as pair:
        return pair.restore()


Verb = Callable[[MirrorPair], object]
VERBS: dict[str, Verb] = {
    "establish": lambda pair: pair.establish(),
    "split": lambda pair: pair.split(),
    "refresh": lambda pair: pair.refresh(),
    "restore": lambda pair: pair.restore(),
    "resume_restore": lambda pair: pair.resume_restore(),
    "abandon_restore": lambda pair: pair.abandon_restore(),
    "verify": lambda pair: pair.verify(),
    "seal": lambda pair: pair.seal(),
    "scrub": lambda pair: pair.scrub(),
    "plan_establish": lambda pair: pair.plan_establish(),
    "plan_restore": lambda pair: pair.plan_restore(),
    "hold": lambda pair: pair.hold(),
    "release": lambda pair: pair.release(),
    "open_mirror": lambda pair: pair.open_mirror(),
    "start_restore": lambda pair: pair.start_restore(),
    "start_restore(resume=True)": lambda pair: pair.start_restore(resume=True),
    "heal": lambda pair: pair.heal(foreign_receipt()),
    "repair": lambda pair: pair.repair(mirror_place(pair.source_path, 1)),
}
# Forms of another verb: the message names that one, and so does the list of what is legal.
FORM_OF = {
    "start_restore": "restore",
    "start_restore(resume=True)": "resume_restore",
    "heal": "restore",
}
ALWAYS = {"establish", "refresh", "plan_establish", "repair"}
ILLEGAL = {
    "initialized": set(VERBS) - ALWAYS,
    "unsynchronized": set(VERBS) - ALWAYS - {"verify"},
    "synchronized": set(VERBS) - ALWAYS - {"verify", "split"},
    "split": {"split", "resume_restore", "abandon_restore", "start_restore(resume=True)"},
    "restore-pending": {"split", "restore", "plan_restore", "start_restore", "heal"},
}
# Not illegal, but refused unless what stands against it is named; so not among the legal ones.
PROTECTED = {"restore-pending": {"establish", "refresh", "repair"}}
EACH_ILLEGAL = [(state, verb) for state, verbs in ILLEGAL.items() for verb in sorted(verbs)]


def pair_in(state: str, source: Path) -> MirrorPair:
    # In this mode all verbs are legal in some state.
    pair = MirrorPair.create(source, source.with_name("mirror"), mode="exclusive")
    if state == "unsynchronized":
        cancelled_at_once(pair.establish)
    elif state != "initialized":
        pair.establish()
    if state in ("split", "restore-pending"):
        pair.split()
    if state == "restore-pending":
        pair.write(0, b"bad")
        cancelled_at_once(pair.restore)
    return pair


@pytest.mark.parametrize(("state", "verb"), EACH_ILLEGAL)
def test_an_illegal_verb_names_state_and_verb_and_what_is_legal(
    tmp_path: Path, state: str, verb: str
) -> None:
    source = make_source(tmp_path)
    with pair_in(state, source) as pair:
        before = digest(source), digest(pair.mirror_path)
        with pytest.raises(errors.StateError) as caught:
            VERBS[verb](pair)
        error = caught.value
        named = FORM_OF.get(verb, verb)
        assert error.verb == named
        assert state in error.state
        assert named not in error.legal
        assert set(error.legal) == set(pair.status().next)
        # There is no other mirror to repair this one from.
        legal = set(VERBS) - ILLEGAL[state] - PROTECTED.get(state, set()) - {"repair"}
        assert {FORM_OF.get(name, name) for name in legal} <= set(error.legal)
        assert all(name in str(error) for name in (named, *error.legal))
        assert (digest(source), digest(pair.mirror_path)) == before


@pytest.mark.parametrize("state", ILLEGAL)
def test_a_mirror_is_repaired_in_every_state(tmp_path: Path, state: str) -> None:
    source = make_source(tmp_path)
    pending = state == "restore-pending"
    first = pair_in("split" if pending else state, source)
    with first as pair, make_mirror(source, 1) as other:
        other.split(label="other")
        if pending:
            # Not earlier: no mirror is filled from a source that is partly restored.
            pair.write(0, b"bad")
            cancelled_at_once(pair.restore)
            with pytest.raises(errors.ProtectedError) as caught:
                VERBS["repair"](pair)
            assert caught.value.conditions == ["restore-pending"]
            pair.repair(other.mirror_path, accept={"restore-pending"})
        else:
            VERBS["repair"](pair)
        assert pair.state is State.SPLIT
        assert pair.conditions == frozenset()
        assert pair.status().label == "other"
        assert digest(pair.mirror_path) == digest(other.mirror_path)


def test_what_split_allows_is_still_refused_for_a_wrong_receipt_or_mode(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    with split(source) as pair:
        before = digest(source), digest(pair.mirror_path)
        with pytest.raises(errors.StalePlanError):
            VERBS["heal"](pair)
        with pytest.raises(errors.ArgumentError):
            # This pair is of mode "shared".
            VERBS["start_restore"](pair)
        with pytest.raises(errors.AreaNotFoundError):
            VERBS["repair"](pair)
        assert pair.state is State.SPLIT
        assert (digest(source), digest(pair.mirror_path)) == before


def test_holds_protect_the_point_until_released(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    with split(source) as pair, make_mirror(source, 1, mode="shared") as sibling:
        sibling.split()
        other = sibling.mirror_path
        assert pair.hold("audit 7").hold == "audit 7"
        held: list[Verb] = [
            lambda pair: pair.establish(accept={"shrunk", "source-replaced"}),
            lambda pair: pair.refresh(),
            lambda pair: pair.detach(),
            lambda pair: pair.repair(other, accept={"restore-pending"}),
        ]
        for verb in held:
            with pytest.raises(errors.HeldError) as caught:
                verb(pair)
            assert caught.value.reason == "audit 7"
            assert isinstance(caught.value, errors.ProtectedError)
        pair.write(0, b"bad")
        assert pair.restore().complete
        pair.close()
        with MirrorPair.open(pair.mirror_path) as again:
            assert again.status().hold == "audit 7"
            assert again.hold().hold == ""
            # The advice of the error, literally.
            assert again.release().hold is None
            assert again.refresh().state is State.SPLIT
