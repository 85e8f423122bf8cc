"""Two builds of one spec with different replies, whose rounds cannot share a log."""

from __future__ import annotations

import json
import shutil
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from compiler import embedded
from compiler.rounds.locks import Lock, Rounds, seal
from tests.conftest import Probec, make_project
from tests.e2e.test_build import SPEC, edit
from tests.e2e.test_cache import replies
from tests.e2e.test_rounds import build, keys_of, locks


@dataclass
class Labs:
    """Two projects with equal requests, whose answerers reply differently, and a shared place."""

    own: Path
    other: Path
    url: str
    mine: Lock
    theirs: Lock


def sampled_again(patch: pytest.MonkeyPatch) -> None:
    """Let the answerer reply with other words to the first sample of each request."""
    real = embedded.respond

    def respond(user: str, sample: int) -> str:
        text = real(user, sample)
        answers = "<slots>" not in user and "<reference>" not in user
        return f"{text} Perhaps." if answers and sample == 0 else text

    patch.setattr(embedded, "respond", respond)


@pytest.fixture
def labs(project: Path, probec: Probec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Labs:
    other, url = make_project(tmp_path / "other"), str(tmp_path / "shared")
    for root in (project, other):
        edit(root / SPEC, "[{docs: 4}, {docs: 2}]", "[{docs: 3}]")
    with monkeypatch.context() as patch, chdir(other):
        sampled_again(patch)
        build(probec)
        assert probec("cache", "push", url) == 0
    build(probec)
    assert probec("cache", "push", url) == 0
    return Labs(project, other, url, locks(project)[0], locks(other)[0])


def pulled(probec: Probec, code: int, *args: str) -> dict[str, Any]:
    assert probec("cache", "pull", *args, "--json") == code, probec.out + probec.err
    found: dict[str, Any] = json.loads(probec.out)
    return found


def test_a_round_with_other_replies_is_not_pulled_and_named(probec: Probec, labs: Labs) -> None:
    before = replies(labs.own)
    found = pulled(probec, 1, labs.url, labs.theirs.hash)
    answers = set(keys_of(labs.other, labs.theirs, "answer"))

    (conflict,) = found["conflicts"]
    assert (conflict["hash"], conflict["rounds"]) == (labs.theirs.hash, [labs.mine.hash])
    assert 0 < len(conflict["keys"]) < len(answers)
    assert (found["rounds"], found["replies"], conflict["resent"]) == ([], 0, 0)
    assert replies(labs.own) == before
    assert labs.theirs.hash not in {lock.hash for lock in locks(labs.own)}
    assert probec("cache", "pull", labs.url, labs.theirs.hash) == 1
    short = labs.theirs.hash[:12]
    assert f"round 0 of tiny, {short}, cannot share this log" in probec.out
    assert f"those of round 0 of tiny, {labs.mine.hash[:12]}" in probec.out
    assert f"`probec cache pull {labs.url} {short} --dir DIR`" in probec.out
    assert (probec("verify", labs.mine.hash), probec("reproduce", labs.mine.hash)) == (0, 0)


def test_the_remedy_works_and_other_rounds_are_pulled(
    probec: Probec, labs: Labs, tmp_path: Path
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    found = pulled(probec, 1, labs.url, "--dir", str(there))

    # The second one cannot join the first.
    assert len(found["rounds"]) == len(found["conflicts"]) == 1
    assert {*found["rounds"], *(each["hash"] for each in found["conflicts"])} == {
        lock.hash for lock in (*locks(labs.own), *locks(labs.other))
    }
    for place, hashes in ((there, found["rounds"]), (tmp_path / "own", [labs.theirs.hash])):
        place.mkdir(exist_ok=True)
        pulled(probec, 0, labs.url, *hashes, "--dir", str(place))
        for each in hashes:
            assert probec("verify", each, "--dir", str(place)) == 0
            assert probec("reproduce", each, "--dir", str(place)) == 0


def test_verify_and_reproduce_name_the_cause_of_other_replies(probec: Probec, labs: Labs) -> None:
    """Simulate a round that an earlier version pulled into this log."""
    shutil.copytree(labs.other / ".probec/blobs", labs.own / ".probec/blobs", dirs_exist_ok=True)
    Rounds(labs.own / "build/rounds/tiny").save(labs.theirs)
    assert probec("verify", labs.theirs.hash, "--json") == 6
    found = json.loads(probec.out)

    assert found["verdict"] == "inconsistent"
    assert {each["kind"] for each in found["findings"]} == {"replies"}
    assert [each["what"].split(":")[0] for each in found["findings"]] == ["replies of answer 0.0"]
    assert found["looked_at"]["absent"]["steps"] > 0
    assert "the log has the replies of another build to the same requests" in probec.out
    assert "into a directory of its own" in probec.out
    assert probec("reproduce", labs.theirs.hash) == 6
    assert "replies of answer 0.0: the log has the replies of another build" in probec.out
    assert f"`probec cache pull URL {labs.theirs.hash[:12]} --dir DIR`" in probec.out
    assert (probec("verify", labs.mine.hash), probec("reproduce", labs.mine.hash)) == (0, 0)
    # Its missing replies may be pulled, the others stay.
    before = replies(labs.own)
    found = pulled(probec, 1, labs.url, labs.theirs.hash)
    assert [each["rounds"] for each in found["conflicts"]] == [[labs.mine.hash]]
    assert found["replies"] > 0
    assert {key: text for key, text in replies(labs.own).items() if key in before} == before
    assert probec("cache", "push", str(labs.own / "url"), labs.theirs.hash) == 1
    assert "was built from other replies of answer 0.0 than the log has" in probec.err
    assert not (labs.own / "url/rounds").exists()


def test_locks_of_earlier_versions_have_no_digest_of_their_replies(
    probec: Probec, project: Path, tiny: None
) -> None:
    folder = Rounds(project / "build/rounds/tiny")
    lock = folder.all()[0]
    assert set(lock.recorded.replies) == set(lock.identity.requests)
    old = seal(lock.identity, structs.replace(lock.recorded, replies={}))
    folder.path(lock).unlink()
    folder.save(old)

    assert "replies" not in json.loads(old.encode())["recorded"]
    assert old.hash == lock.hash
    assert probec("verify", old.hash) == 0
    assert "not checked: if the replies are those that the round was built from" in probec.out
    assert probec("reproduce", old.hash) == 0
    assert probec.json("build", SPEC)["up_to_date"]
    assert folder.all()[0] == old
