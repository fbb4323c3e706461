"""What each verb answers in a state, or under a hold, that does not allow it.

Issue point 4; the verb table of the documentation.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import digest, overwrite
from scenes import cancelled_at_once, make_source, split
from splitmirror import MirrorPair, State, errors

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
}
ILLEGAL = {
    "initialized": set(VERBS) - {"establish", "refresh", "plan_establish"},
    "unsynchronized": set(VERBS) - {"establish", "refresh", "plan_establish", "verify"},
    "synchronized": set(VERBS) - {"establish", "refresh", "plan_establish", "verify", "split"},
    "split": {"split", "resume_restore", "abandon_restore"},
    "restore-pending": {"split", "restore", "plan_restore"},
}
# Not illegal, but refused unless what stands against it is named; so not among the legal ones.
PROTECTED = {"restore-pending": {"establish", "refresh"}}
EACH_ILLEGAL = [(state, verb) for state, verbs in ILLEGAL.items() for verb in sorted(verbs)]


def pair_in(state: str, source: Path) -> MirrorPair:
    pair = MirrorPair.create(source, source.with_name("mirror"))
    if state == "unsynchronized":
        cancelled_at_once(pair.establish)
    elif state != "initialized":
        pair.establish()
    if state in ("split", "restore-pending"):
        pair.split()
    if state == "restore-pending":
        overwrite(source, 0, b"bad")
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
        assert error.verb == verb
        assert state in error.state
        assert verb not in error.legal
        assert set(error.legal) == set(pair.status().next)
        legal = set(VERBS) - ILLEGAL[state] - PROTECTED.get(state, set())
        assert legal <= set(error.legal)
        assert all(name in str(error) for name in (verb, *error.legal))
        assert (digest(source), digest(pair.mirror_path)) == before


def test_holds_protect_the_point_until_released(tmp_path: Path) -> None:
    with split(make_source(tmp_path)) as pair:
        assert pair.hold("audit 7").hold == "audit 7"
        held: list[Verb] = [
            lambda pair: pair.establish(accept={"shrunk", "source-replaced"}),
            lambda pair: pair.refresh(),
            lambda pair: pair.detach(),
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
