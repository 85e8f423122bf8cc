"""Variants of a spec: datasets, heads and locks of their own, steps and replies shared."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from compiler.project import opening
from compiler.project.variant import Variant
from compiler.rounds.locks import Rounds
from tests.conftest import LICENSE, LICENSED, Probec, installed
from tests.e2e.test_build import SPEC, build, edit

OTHER = ("--set", "scoring.compare=target_response")


def contents(folder: Path) -> dict[str, bytes]:
    """Read every file below a directory."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def name(
    project: Path, *overrides: str, provider: str | None = None, source: str | None = None
) -> str:
    """Return the suffix that a variant of the tiny spec gives its dataset."""
    return opening.variation(Variant(project / SPEC, overrides, provider, source))


@pytest.mark.usefixtures("tiny")
def test_a_variant_leaves_dataset_heads_and_locks_of_its_spec_unchanged(
    probec: Probec, project: Path
) -> None:
    places = ("datasets", "heads", "rounds")
    before = {place: contents(project / "build" / place / "tiny") for place in places}
    data = probec.json("build", SPEC, *OTHER)

    assert {p: contents(project / "build" / p / "tiny") for p in places} == before
    made = installed(project).name
    assert str(data["dataset"]).endswith(f"/build/datasets/{made}")
    assert made.startswith("tiny~compare=target_response-")
    for place in places:
        assert (project / "build" / place / made).is_dir()
    # Steps and replies are shared: only those that read the changed value run.
    ran: Any = data["ran"]
    assert [stage for stage, count in ran.items() if count] == ["judge", "score", "publish",
                                                                "release"]  # fmt: skip
    assert build(probec) == {}
    assert probec("plan", SPEC) == 0
    assert "everything is up to date" in probec.out


def test_names_follow_from_the_resolved_values(project: Path) -> None:
    level, rollouts = "calibration.level=2", "scoring.rollouts=3"
    both = name(project, level, rollouts)

    assert name(project, level).startswith("~level=2-")
    assert both == name(project, rollouts, level)
    assert both == name(project, "scoring.rollouts=4", level, rollouts)
    assert name(project, level) == name(project, level, "scoring.rollouts=5")
    assert len({"", both, name(project, level), name(project, rollouts)}) == 4
    # The spec's own value, and fields on which no file of a dataset depends.
    for plain in ("calibration.level=0", "budget.max_usd=7", "models.judge.concurrency=3",
                  "batches.poll_seconds=5", "calibration.select.target=0.4"):  # fmt: skip
        assert name(project, plain) == "", plain


@pytest.mark.parametrize(
    "override",
    [
        "publish.source_label=../../etc/passwd",
        "publish.source_label=" + "x" * 5000,
        "publish.source_label=a\nb",
        "publish.source_label=港口",
        "publish.source_label=..",
        "rounds=[{docs: 1}]",
        'publish.source_label=";rm -rf *"',
        "name=other",
    ],
)
def test_names_are_bounded_and_safe_in_paths(override: str, project: Path) -> None:
    found = name(project, override)

    assert found[0] == "~"
    assert len(found) <= 64
    assert set(found[1:]) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._=+,-"
    )
    assert found != name(project, f"{override}y" if "rounds" not in override else "rounds=[]")


def test_a_provider_and_a_source_name_a_variant(project: Path) -> None:
    rows = str(project / "specs/data/rollouts.jsonl")
    found = {
        name(project, provider="replay"),
        name(project, source=rows),
        name(project, source=str(project / "specs/data/tiny.jsonl")),
        name(project, "scoring.rollouts=3", source=rows),
    }

    assert len(found) == 4
    assert "" not in found
    assert "~path=rollouts.jsonl," in name(project, source=rows)
    # The provider of the spec as written changes nothing but the label.
    assert name(project, provider="extractive") == ""


def test_a_variant_built_first_does_not_bind_its_spec(probec: Probec, project: Path) -> None:
    build(probec, "--set", "rounds=[{docs: 3}]")
    build(probec)

    assert [len(lock.identity.documents) for lock in Rounds(project / "build/rounds/tiny").all()] \
        == [4, 2]  # fmt: skip
    table: Any = probec.json("rounds", SPEC)["rounds"]
    assert [each["state"] for each in table] == ["built", "built"]
    # The variant keeps its own documents, although its spec is locked with more.
    assert build(probec, "--set", "rounds=[{docs: 3}]") == {}


@pytest.mark.usefixtures("tiny")
def test_a_variant_draws_the_locked_documents_of_its_spec(probec: Probec, project: Path) -> None:
    rows = (project / "specs/data/rollouts.jsonl").read_text(encoding="utf-8")
    (project / "specs/data/tiny.jsonl").write_text(rows, encoding="utf-8")
    build(probec, *OTHER)

    def drawn(place: Path) -> list[dict[str, str]]:
        return [lock.identity.documents for lock in Rounds(place).all()]

    own = drawn(project / "build/rounds" / installed(project).name)
    assert own == drawn(project / "build/rounds/tiny")


@pytest.mark.usefixtures("tiny")
def test_rounds_of_a_variant_are_reproduced_verified_and_shared(
    probec: Probec, project: Path, tmp_path: Path
) -> None:
    data: Any = probec.json("build", SPEC, *OTHER)
    made, hash_ = installed(project).name, data["locks"][0]["hash"]
    assert probec("reproduce", hash_) == 0, probec.out
    assert probec("verify", hash_) == 0, probec.out
    assert "not here" not in probec.out
    assert probec("stats", hash_) == 0, probec.err

    assert probec("cache", "push", str(tmp_path / "shared")) == 0
    there = tmp_path / "there"
    assert probec("cache", "pull", str(tmp_path / "shared"), "--dir", str(there)) == 0, probec.err
    for own in ("tiny", made):
        mine = {lock.hash for lock in Rounds(project / "build/rounds" / own).all()}
        assert {lock.hash for lock in Rounds(there / "build/rounds" / own).all()} == mine


@pytest.mark.usefixtures("tiny")
def test_a_variant_with_the_rounds_of_its_spec_leaves_their_hashes_unique(probec: Probec) -> None:
    data: Any = probec.json("build", SPEC, *LICENSED)

    for lock in data["locks"]:
        assert probec("verify", lock["hash"]) == 0, probec.err


@pytest.mark.usefixtures("tiny")
def test_files_of_another_build_are_never_reported_as_those_of_the_spec(
    probec: Probec, project: Path
) -> None:
    """Build an edited spec, then restore it without building: every step is up to date."""
    edit(project / SPEC, LICENSE, "license: mit\n")
    build(probec)
    edit(project / SPEC, "license: mit\n", LICENSE)
    message = "holds another build, of `probec build specs/tiny.yaml`"
    remedy = "`probec build specs/tiny.yaml` installs"

    assert probec("plan", SPEC) == 0
    assert message in probec.out
    assert remedy in probec.out
    assert "everything is up to date" not in probec.out
    assert probec("stats", SPEC) == 0
    assert message in probec.out
    assert message in probec.json("stats", SPEC)["notices"][0]
    for command in (("card", SPEC), ("card", SPEC, "--check")):
        assert probec(*command) == 1
        assert message in probec.err
        assert remedy in probec.err
    # A report is installed together with the rows that it shows.
    assert probec("report", SPEC) == 0
    assert probec("card", SPEC, "--check") == 0
    assert probec("plan", SPEC) == 0
    assert "everything is up to date" in probec.out


@pytest.mark.parametrize("command", ["plan", "stats", "verify-rows"])
@pytest.mark.usefixtures("tiny")
def test_changed_and_missing_files_of_a_dataset_are_named(
    command: str, probec: Probec, project: Path
) -> None:
    place = str(installed(project)) if command == "verify-rows" else SPEC
    card = installed(project) / "README.md"
    assert probec(command, place) == 0
    assert "installation" not in probec.out
    os.utime(card)
    probec(command, place)
    assert "changed or removed after their installation: README.md" in probec.out
    stamp = installed(project) / ".installed.json"
    stamp.write_text(json.dumps({"README.md": {"digest": "0", "bytes": 1}}), encoding="utf-8")
    probec(command, place)
    assert ("was installed by an earlier version" in probec.out) == (command != "verify-rows")


@pytest.mark.usefixtures("tiny")
def test_a_dataset_names_the_command_that_built_it(probec: Probec, project: Path) -> None:
    build(probec, *OTHER)

    assert probec("verify-rows", str(installed(project))) == 0
    assert (
        "these are the files of `probec build specs/tiny.yaml --set "
        "scoring.compare=target_response`, as installed"
    ) in probec.out
    found = probec.json("verify-rows", str(project / "build/datasets/tiny"))
    assert (found["build"], found["notices"]) == ("probec build specs/tiny.yaml", [])


@pytest.mark.usefixtures("tiny")
def test_the_first_plan_of_a_variant_names_the_changed_field(probec: Probec) -> None:
    assert probec("why", SPEC, "judge", "0.0", *OTHER) == 0
    assert "params.compare: atom_text -> target_response" in probec.out
