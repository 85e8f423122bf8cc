"""Inputs edited during a build: they belong to the next build, or end this one."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from compiler import cli
from compiler.rehearsal.process import Rehearsal
from compiler.rounds.locks import Rounds
from tests.conftest import Probec, installed
from tests.e2e.test_build import SPEC, STAGES
from tests.e2e.test_paid import paid, server

__all__ = ["server"]

SOURCE = "specs/data/tiny.jsonl"
TOKENIZER = "specs/data/bpe-8k.json.gz"
# One file of each kind.
INPUTS = (
    *("prompts/generator/base/user.j2", "prompts/answerer/base/system.j2"),
    *("prompts/judge/base/system.j2", "templates/probes/word.j2", "templates/card.md.j2"),
    *(TOKENIZER, "specs/base.yaml", SPEC),
)
FEW = ("--set", "rounds=[{docs: 3}]")


def edited(name: str, data: bytes) -> bytes:
    """Return different content of the same kind."""
    if name.endswith(".jsonl"):
        return data.replace(b" the ", b" teh ")
    if name.endswith(".yaml"):
        return data.replace(b"seed: 1000000000", b"seed: 2000000000") + b"\n# Edited.\n"
    if not name.endswith(".gz"):
        return data + b"\nEdited.\n"
    tokenizer = json.loads(gzip.decompress(data))
    tokenizer["model"]["merges"] = tokenizer["model"]["merges"][:2000]
    return gzip.compress(json.dumps(tokenizer).encode())


class Edits:
    """Files of a project, edited and put back together, with their old times."""

    def __init__(self, root: Path, *names: str) -> None:
        self._old = {root / name: (root / name).read_bytes() for name in names}
        self._new = {root / name: edited(name, (root / name).read_bytes()) for name in names}
        assert all(self._new[path] != data for path, data in self._old.items())
        self._times = {path: path.stat().st_mtime_ns for path in self._old}

    def make(self) -> None:
        """Edit the files."""
        self._write(self._new)

    def undo(self) -> None:
        """Put the files back."""
        self._write(self._old)

    def _write(self, contents: dict[Path, bytes]) -> None:
        for path, data in contents.items():
            path.write_bytes(data)
            os.utime(path, ns=(self._times[path], self._times[path]))


def during(patch: pytest.MonkeyPatch, event: str, stage: str, do: Callable[[], None]) -> None:
    """Call a function once, at the first such progress event of a stage."""
    real = getattr(cli._Progress, event)
    done: list[str] = []

    def reported(self: cli._Progress, *args: object) -> None:
        if stage == (args[0] if event == "stage_started" else self._stage) and not done:
            done.append(stage)
            do()
        real(self, *args)

    patch.setattr(cli._Progress, event, reported)


def dataset(project: Path, build: str = "build") -> tuple[list[str], bytes]:
    """Return the hashes of the locked rounds, which cover every output, and the card."""
    place = installed(project, build=build)
    locks = Rounds(project / build / "rounds" / place.name).all()
    return [lock.hash for lock in locks], (place / "README.md").read_bytes()


@pytest.mark.parametrize(("stage", "back"), [(stage, n % 2) for n, stage in enumerate(STAGES)])
def test_edits_during_a_build_are_no_part_of_it(
    stage: str, back: int, probec: Probec, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Edit one file of each kind when a stage starts, and put half of them back at the next."""
    # A source that changes before it is read ends the build, see below.
    edits = Edits(project, *INPUTS, *([SOURCE] if stage != "ingest" else []))
    with monkeypatch.context() as patch:
        during(patch, "stage_started", stage, edits.make)
        if back:
            during(patch, "stage_started", [*STAGES, stage][STAGES.index(stage) + 1], edits.undo)
        assert probec("build", SPEC, *FEW) == 0, probec.err
    built = dataset(project)
    assert probec("verify", built[0][0]) == 0, probec.out

    edits.undo()
    assert probec("build", SPEC, *FEW, "--build-dir", "other") == 0
    assert dataset(project, "other") == built


@pytest.mark.parametrize(
    ("provider", "event", "stage"),
    [("anthropic-batch", "batches", "generate"), ("anthropic", "calls", "answer")],
)
def test_edits_while_replies_are_waited_for_are_no_part_of_the_build(
    provider: str,
    event: str,
    stage: str,
    probec: Probec,
    project: Path,
    server: Rehearsal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    edits = Edits(project, *INPUTS, SOURCE)
    spec = paid(server, *FEW, provider=provider)
    with monkeypatch.context() as patch:
        during(patch, event, stage, edits.make)
        during(patch, "stage_started", "publish", edits.undo)
        assert probec("build", *spec) == 0, probec.err
    sent = server.ledger()["requests"]

    assert probec("build", *spec, "--build-dir", "other") == 0
    assert dataset(project, "other") == dataset(project)
    assert server.ledger()["requests"] == sent


@pytest.mark.parametrize("back", [False, True])
def test_a_source_that_changes_before_it_is_read_ends_the_build(
    back: bool, probec: Probec, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits = Edits(project, SOURCE)
    with monkeypatch.context() as patch:
        during(patch, "stage_started", "ingest", edits.make)
        assert probec("build", SPEC, *FEW) == 1
    assert f"{SOURCE}: the source file changed after the build took its digest" in probec.err
    assert "run the same command again" in probec.err
    assert not (project / "build/rounds").exists()

    if back:
        edits.undo()
    for folder in ("build", "other"):
        assert probec("build", SPEC, *FEW, "--build-dir", folder) == 0, probec.err
    assert dataset(project, "other") == dataset(project)


def test_a_wrong_digest_in_the_cache_is_forgotten(probec: Probec, project: Path) -> None:
    """Simulate a file system on which a file can change without another stamp."""
    stat = (project / SOURCE).stat()
    stamp = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
    entry = {"stamp": stamp, "digest": "0" * 64}
    (project / "build").mkdir()
    (project / "build/sources.json").write_text(json.dumps({str(project / SOURCE): entry}))

    assert probec("build", SPEC, *FEW) == 1
    assert "changed after the build took its digest" in probec.err
    assert probec("build", SPEC, *FEW) == 0


def test_an_edit_that_is_kept_is_part_of_the_next_build(
    probec: Probec, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits = Edits(project, "prompts/judge/base/system.j2")
    with monkeypatch.context() as patch:
        during(patch, "stage_started", "generate", edits.make)
        assert probec("build", SPEC) == 0

    plan = probec.json("plan", SPEC)
    states = {str(each["stage"]): each["state"] for each in plan["steps"]}
    assert (states["answer"], states["judge"]) == ("fresh", "stale")
