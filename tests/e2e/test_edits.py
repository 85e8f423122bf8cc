"""Inputs edited during a build: they belong to the next build."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from compiler import cli
from compiler.rounds.locks import Rounds
from tests.conftest import Probec, installed
from tests.e2e.test_build import SPEC

TOKENIZER = "specs/data/bpe-8k.json.gz"
# File -> the stages at whose start the file is edited.
CASES = [
    ("prompts/generator/base/user.j2", "sample", True),
    ("prompts/answerer/base/system.j2", "generate", False),
    ("prompts/judge/base/system.j2", "ingest", False),
    ("prompts/judge/base/system.j2", "answer", True),
    ("templates/probes/word.j2", "finalize", True),
    ("templates/card.md.j2", "publish", False),
    (TOKENIZER, "ingest", False),
    (TOKENIZER, "generate", True),
]


def edited(name: str, data: bytes) -> bytes:
    """Return different content of the same kind."""
    if not name.endswith(".gz"):
        return data + b"\nEdited.\n"
    tokenizer = json.loads(gzip.decompress(data))
    tokenizer["model"]["merges"] = tokenizer["model"]["merges"][:2000]
    return gzip.compress(json.dumps(tokenizer).encode())


@pytest.mark.parametrize(("name", "stage", "restored"), CASES)
def test_an_edit_during_a_build_is_not_part_of_the_build(
    name: str,
    stage: str,
    restored: bool,
    probec: Probec,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, data = project / name, (project / name).read_bytes()
    begin = cli._Progress.stage_started

    def started(self: cli._Progress, at: str, steps: int, stale: int) -> None:
        if at == stage:
            path.write_bytes(edited(name, data))
        if at == "release" and restored:
            path.write_bytes(data)
        begin(self, at, steps, stale)

    with monkeypatch.context() as patch:
        patch.setattr(cli._Progress, "stage_started", started)
        assert probec("build", SPEC, "--set", "rounds=[{docs: 3}]") == 0, probec.err
    built = (installed(project) / "data/train-round-000.parquet").read_bytes()
    card = (installed(project) / "README.md").read_bytes()

    name = installed(project).name
    (lock,) = Rounds(project / "build/rounds" / name).all()
    assert probec("reproduce", lock.hash) == 0, probec.out
    assert probec("verify", lock.hash) == 0, probec.out
    path.write_bytes(data)
    assert probec("build", SPEC, "--set", "rounds=[{docs: 3}]", "--build-dir", "other") == 0
    other = project / "other/datasets" / name
    assert (other / "data/train-round-000.parquet").read_bytes() == built
    assert (other / "README.md").read_bytes() == card


def test_an_edit_that_is_kept_is_part_of_the_next_build(
    probec: Probec, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project / "prompts/judge/base/system.j2"
    begin = cli._Progress.stage_started

    def started(self: cli._Progress, at: str, steps: int, stale: int) -> None:
        if at == "generate":
            path.write_bytes(path.read_bytes() + b"\nEdited.\n")
        begin(self, at, steps, stale)

    with monkeypatch.context() as patch:
        patch.setattr(cli._Progress, "stage_started", started)
        assert probec("build", SPEC) == 0

    plan = probec.json("plan", SPEC)
    states = {str(each["stage"]): each["state"] for each in plan["steps"]}  # type: ignore[attr-defined]
    assert (states["answer"], states["judge"]) == ("fresh", "stale")
