"""Rounds: locked when finished, never changed afterwards, and rebuilt from a hash elsewhere."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from msgspec.structs import replace

from compiler.building import workers
from compiler.engine.executors import Workplace
from compiler.engine.executors.processes import Processes
from compiler.keys import Json
from compiler.llm.messages import Request
from compiler.llm.providers.extractive import Extractive
from compiler.probes.sampling import draw
from compiler.probes.scoring.reduction import reduced
from compiler.rounds.locks import Lock, Rounds, seal
from compiler.stages import judge, score
from tests.conftest import Probec
from tests.e2e.test_build import SPEC, dataset, edit
from tests.e2e.test_sources import rows_of, write

ROUNDS = "[{docs: 4}, {docs: 2}]"


def locks(root: Path, name: str = "tiny") -> list[Lock]:
    return Rounds(root / "build/rounds" / name).all()


def build(probec: Probec, *args: str) -> list[str]:
    """Build; return the hashes of its rounds."""
    found: Any = probec.json("build", SPEC, *args)["locks"]
    return [each["hash"] for each in found]


def moved(project: Path, to: Path) -> Path:
    """Simulate another machine that has only the locks and `.probec/`."""
    (to / "build").mkdir(parents=True)
    shutil.move(project / "build/rounds", to / "build/rounds")
    shutil.rmtree(project / "build")
    shutil.move(project / ".probec", to / ".probec")
    return to


@pytest.fixture
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **more: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)


@pytest.fixture
def elsewhere(
    probec: Probec, project: Path, tmp_path: Path, no_sockets: None, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, list[str]]:
    """Build three rounds, then keep only locks and replies, without network."""
    edit(project / SPEC, ROUNDS, "[{docs: 3}, {docs: 2}, {docs: 2}]")
    hashes = build(probec)
    there = moved(project, tmp_path / "there")
    shutil.rmtree(project)
    monkeypatch.chdir(there)
    return there, hashes


def reproduced(probec: Probec, code: int, *args: str) -> dict[str, Any]:
    assert probec("reproduce", *args, "--json") == code, probec.out + probec.err
    found: dict[str, Any] = json.loads(probec.out)
    return found


def test_each_of_three_rounds_is_verified_on_another_machine_without_network(
    probec: Probec, elsewhere: tuple[Path, list[str]]
) -> None:
    there, hashes = elsewhere

    assert len(set(hashes)) == 3
    for index, hash_ in enumerate(hashes):
        found = reproduced(probec, 0, hash_[:10])
        assert (found["verdict"], found["hash"]) == ("verified", hash_)
        assert found["steps"] == len(locks(there)[index].identity.outputs)
        assert probec("reproduce", hash_) == 0
        assert probec.out.startswith(f"verified: round {index} of tiny")
        assert "no requests were sent" in probec.out
        assert probec("verify", hash_) == 0
        assert probec.out.startswith("intact")


@pytest.mark.usefixtures("tiny")
def test_a_reproduced_round_can_be_kept_and_equals_the_dataset(
    probec: Probec, project: Path, tmp_path: Path
) -> None:
    (first, *_) = build(probec)
    published = (project / "build/datasets/tiny/data/train-round-000.parquet").read_bytes()
    # No file is overwritten, least of all the prompts of a project.
    assert probec("reproduce", first, "--keep", ".") == 2
    assert "the directory of --keep is not empty" in probec.err
    assert probec("reproduce", first, "--keep", str(tmp_path / "kept")) == 0

    (again,) = (tmp_path / "kept/build/objects").rglob("*.parquet")
    assert again.read_bytes() == published


@pytest.mark.usefixtures("tiny")
def test_a_round_is_reproduced_by_worker_processes(
    probec: Probec, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first, *_) = build(probec)
    counts = []

    def started(workplace: Workplace, count: int) -> Processes:
        counts.append(count)
        return Processes(workplace, count)

    monkeypatch.setattr(workers, "Processes", started)

    assert reproduced(probec, 0, first, "--jobs", "2")["verdict"] == "verified"
    assert counts == [2]


def delete_reply(there: Path, key: str) -> None:
    with sqlite3.connect(there / ".probec/responses.sqlite") as log:
        assert log.execute("delete from reply where key = ?", (bytes.fromhex(key),)).rowcount == 1


def keys_of(there: Path, lock: Lock, stage: str) -> list[str]:
    """Return the request keys of a stage's first step, from the stored list."""
    from compiler.project.slices import keys_in
    from compiler.rounds.blobs import Blobs

    step = next(each for each in lock.identity.requests if each.startswith(stage))
    data = Blobs(there / ".probec/blobs").get(lock.identity.requests[step].digest)
    assert data is not None
    return keys_in(data)


@pytest.mark.parametrize("stage", ["generate", "answer", "judge"])
def test_missing_replies_are_counted_and_named(
    stage: str, probec: Probec, elsewhere: tuple[Path, list[str]]
) -> None:
    there, hashes = elsewhere
    gone = keys_of(there, locks(there)[1], stage)[:2]
    for key in gone:
        delete_reply(there, key)
    found = reproduced(probec, 5, hashes[1])

    assert found["verdict"] == "missing"
    assert sorted(each["name"] for each in found["missing"]) == gone
    assert {each["step"] for each in found["missing"]} == {f"{stage} 1.0"}
    assert all(each["place"].startswith("document ") for each in found["missing"])
    assert probec("reproduce", hashes[1]) == 5
    assert f"2 replies for {stage} 1.0 missing:" in probec.out
    assert gone[0][:12] in probec.out
    assert "probec cache pull" in probec.out
    assert reproduced(probec, 0, hashes[0])["verdict"] == "verified"
    assert probec("verify", hashes[1]) == 0
    assert "not here: 1 installed files, 2 replies" in probec.out


def test_missing_documents_and_tokenizers_are_named(
    probec: Probec, elsewhere: tuple[Path, list[str]]
) -> None:
    there, hashes = elsewhere
    identity = locks(there)[0].identity
    (use,) = identity.tokenizers.values()
    for name in (*identity.packs, use.digest):
        (there / f".probec/blobs/{name[:2]}/{name}.zst").unlink()
    found = reproduced(probec, 5, hashes[0])

    assert [each["what"] for each in found["missing"]] == [
        "documents",
        "tokenizer specs/data/bpe-8k.json.gz",
    ]


def test_a_bumped_stage_version_is_drift_and_named(
    probec: Probec, elsewhere: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, hashes = elsewhere
    monkeypatch.setattr(judge, "VERSION", judge.VERSION + 1)
    found = reproduced(probec, 6, hashes[2])

    assert found["verdict"] == "drifted"
    assert found["drifts"] == [f"field judge.version: {judge.VERSION - 1} -> {judge.VERSION}"]
    assert probec("reproduce", hashes[2]) == 6
    assert "every output is still the same" in probec.out


def test_a_stage_with_new_results_under_its_old_version_is_drift_and_named(
    probec: Probec, elsewhere: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, hashes = elsewhere
    monkeypatch.setattr(score, "reduced", lambda *args: structs.replace(reduced(*args), mean=0.5))
    found = reproduced(probec, 6, hashes[0])

    assert found["drifts"][0].startswith("output scores of score 0.0: ")
    assert {each.split(" of ")[1].split()[0] for each in found["drifts"]} == {"score", "publish"}


def test_requests_with_a_new_encoding_are_drift_and_not_missing(
    probec: Probec, elsewhere: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, hashes = elsewhere
    real = Extractive.encode

    def encode(self: Extractive, request: Request) -> dict[str, Json]:
        return {**real(self, request), "extra": 1}

    monkeypatch.setattr(Extractive, "encode", encode)
    found = reproduced(probec, 6, hashes[0])

    assert found["verdict"] == "drifted"
    assert found["drifts"][0].startswith("requests of generate 0.0: 3 (")


@pytest.mark.usefixtures("tiny")
def test_an_edited_prompt_changes_no_locked_round_and_is_named(
    probec: Probec, project: Path
) -> None:
    (first, *_) = build(probec)
    name = "prompts/judge/base/system.j2"
    edit(project / name, "grade an answer", "mark an answer")

    assert reproduced(probec, 0, first)["tree"] == [name]
    assert probec("reproduce", first) == 0
    assert f"templates that differ in this directory: {name};" in probec.out
    drifted = reproduced(probec, 6, first, "--tree")
    assert drifted["drifts"][0].startswith("field judge.templates.judge/base/system.j2: ")
    # Every input of the round is still available.
    assert drifted["missing"] == []
    assert probec("rounds", SPEC) == 0
    assert "stale  judge.templates.judge/base/system.j2: " in probec.out
    second = build(probec)[0]
    assert second != first
    assert reproduced(probec, 0, first)["verdict"] == "verified"
    assert reproduced(probec, 0, second)["verdict"] == "verified"
    table: Any = probec.json("rounds", SPEC)["rounds"]
    assert [(each["round"], each["state"]) for each in table] == [
        (0, "stale"), (0, "built"), (1, "stale"), (1, "built"),
    ]  # fmt: skip


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def edit_template(data: dict[str, Any]) -> None:
    data["identity"]["templates"]["prompts/judge/base/system.j2"] += " Be kind."


def edit_spec(data: dict[str, Any]) -> None:
    data["identity"]["spec"]["scoring"]["rollouts"] = 4


def edit_cost(data: dict[str, Any]) -> None:
    data["recorded"]["usd"] = 1000.0


def edit_hash(data: dict[str, Any]) -> None:
    data["parts"].clear()
    data["identity"]["documents"].clear()


@pytest.mark.parametrize(
    ("change", "culprit"),
    [
        (edit_template, "templates/prompts/judge/base/system.j2 does not match its digest"),
        (edit_spec, "spec/scoring does not match its digest"),
        (edit_cost, "the recorded facts do not match their digest"),
        (edit_hash, "does not match its digest"),
    ],
)
@pytest.mark.usefixtures("tiny")
def test_an_edited_lock_is_damaged_and_its_damage_is_located(
    change: Callable[[dict[str, Any]], None], culprit: str, probec: Probec, project: Path
) -> None:
    (first, *_) = build(probec)
    (path,) = (project / "build/rounds/tiny").glob("0-*.json")
    rewrite(path, change)

    for command in (("reproduce", first), ("verify", first), ("rounds", SPEC), ("build", SPEC)):
        assert probec(*command) == 7
        assert culprit in probec.err
        assert path.name in probec.err


def test_a_grown_or_reordered_source_and_a_new_round_keep_earlier_rows(
    probec: Probec, project: Path
) -> None:
    every = [
        json.loads(line)
        for line in (project / "specs/data/rollouts.jsonl").read_text("utf-8").splitlines()
    ]
    few = rows_of(project)
    first = build(probec)
    files = [project / f"build/datasets/tiny/data/train-round-00{n}.parquet" for n in (0, 1)]
    before = [file.read_bytes() for file in files]
    grown = [*reversed(every[40:120]), *reversed(few)]
    write(project, grown)
    seed = locks(project)[0].identity.seed
    had = sorted({str(row["doc_id"]) for row in few})
    have = sorted({str(row["doc_id"]) for row in grown})
    # Without locks, the same spec would draw different documents from the grown source.
    assert draw(have, seed, [4, 2]) != draw(had, seed, [4, 2])

    edit(project / SPEC, ROUNDS, "[{docs: 4}, {docs: 2}, {docs: 3}]")
    more = build(probec)
    assert more[:2] == first
    assert [file.read_bytes() for file in files] == before
    drawn = [set(lock.identity.documents) for lock in locks(project)]
    assert [len(each) for each in drawn] == [4, 2, 3]
    assert len(set.union(*drawn)) == 9
    assert {str(row["doc_id"]) for row in dataset(project)} <= set.union(*drawn)
    assert locks(project)[2].identity.source != locks(project)[0].identity.source
    for hash_ in more:
        assert reproduced(probec, 0, hash_)["verdict"] == "verified"


@pytest.mark.usefixtures("tiny")
def test_declaring_fewer_rounds_does_not_free_their_documents(
    probec: Probec, project: Path
) -> None:
    taken = set(locks(project)[1].identity.documents)
    for path in (project / "build/rounds/tiny").glob("0-*.json"):
        path.unlink()
    edit(project / SPEC, ROUNDS, "[{docs: 5}]")
    build(probec)

    assert not taken & set(locks(project)[0].identity.documents)
    table: Any = probec.json("rounds", SPEC)["rounds"]
    assert [each["reason"] for each in table] == ["", "the spec has no such round"]


def change_text(rows: list[dict[str, Any]], doc_id: str) -> None:
    next(row for row in rows if row["doc_id"] == doc_id)["continuation"] += " More."


def remove(rows: list[dict[str, Any]], doc_id: str) -> None:
    rows[:] = [row for row in rows if row["doc_id"] != doc_id]


@pytest.mark.parametrize(
    ("damage", "message"),
    [(change_text, "have changed: "), (remove, "are no longer in the source: ")],
)
@pytest.mark.usefixtures("tiny")
def test_a_changed_document_of_a_locked_round_is_an_error_that_names_it(
    damage: Callable[[list[dict[str, Any]], str], None],
    message: str,
    probec: Probec,
    project: Path,
) -> None:
    first, _ = build(probec)
    doc_id = sorted(locks(project)[0].identity.documents)[1]
    rows = rows_of(project)
    damage(rows, doc_id)
    write(project, rows)

    assert probec("build", SPEC) == 1
    assert f"documents of locked round 0 {message}{doc_id}" in probec.err
    assert "build/rounds" in probec.err
    # A locked round is stored and needs no source.
    assert reproduced(probec, 0, first)["verdict"] == "verified"


@pytest.mark.parametrize(
    ("override", "field"),
    [
        ("seed=7", "seed: 1000000000 -> 7"),
        ("rounds=[{docs: 5}, {docs: 2}]", "docs: 4 -> 5"),
        ("siblings.shown=2", "siblings.shown: 3 -> 2"),
        ("splits.margin_chars=99", "splits.margin_chars: 150 -> 99"),
        ("scopes.sentence.distance.max=5", "slots[2][2]: 12 -> 5"),
    ],
)
@pytest.mark.usefixtures("tiny")
def test_a_locked_round_is_not_drawn_with_other_settings(
    override: str, field: str, probec: Probec, project: Path
) -> None:
    for command in ("build", "plan"):
        assert probec(command, SPEC, "--set", override) == 2
        assert f"round 0 of tiny is locked with another {field}" in probec.err
        assert "rename the dataset" in probec.err
    assert build(probec, "--set", override, "--set", "name=other")


@pytest.mark.usefixtures("tiny")
def test_contradictory_locks_stop_every_command_that_reads_them(
    probec: Probec, project: Path
) -> None:
    own = Rounds(project / "build/rounds/tiny")
    one, two = own.all()
    swapped = seal(replace(one.identity, documents=two.identity.documents), one.recorded)
    path = own.save(swapped)

    assert probec("build", SPEC) == 1
    assert "two locks of round 0 name different documents" in probec.err
    own.path(one).unlink()
    assert probec("plan", SPEC) == 1
    assert "rounds 0 and 1 are locked with the same document" in probec.err
    assert path.name in probec.err


def test_rounds_shows_the_state_of_each_round(probec: Probec, project: Path) -> None:
    def states(*args: str) -> list[str]:
        found: Any = probec.json("rounds", SPEC, *args)["rounds"]
        return [each["state"] for each in found]

    assert states() == ["missing", "missing"]
    build(probec)
    assert states() == ["built", "built"]
    assert states("--set", "rounds=[{docs: 4}, {docs: 2}, {docs: 1}]") == [
        "built", "built", "missing",
    ]  # fmt: skip
    assert states("--set", "scoring.rollouts=3") == ["stale", "stale"]
    # Settings on which no row depends change no state.
    assert states("--set", "budget.max_usd=5", "--set", "models.judge.concurrency=3") == [
        "built", "built",
    ]  # fmt: skip
    (project / "specs/data/tiny.jsonl").unlink()
    assert states() == ["built", "built"]
    shutil.rmtree(project / "build/objects")
    assert states() == ["locked", "locked"]
    assert probec("rounds", SPEC) == 0
    assert "2 locked rounds, pairwise disjoint (6 documents in all)" in probec.out


@pytest.mark.usefixtures("tiny")
def test_a_unique_prefix_of_a_hash_names_its_round(probec: Probec, project: Path) -> None:
    first, second = build(probec)
    common = next(n for n in range(64) if first[n] != second[n])

    assert probec("verify", first[: common + 1]) == 0
    assert probec("verify", first) == 0
    assert probec("verify", "zz") == 2
    assert "is not a hash" in probec.err
    wrong = first[:-1] + ("0" if first[-1] != "0" else "1")
    assert probec("verify", wrong) == 2
    assert f"no round {wrong} here" in probec.err
    if common:
        assert probec("verify", first[:common]) == 2
        assert "names 2 rounds" in probec.err


def test_a_rehearsal_locks_nothing(probec: Probec, project: Path) -> None:
    probec.json("build", SPEC, "--source", "specs/data/tiny.jsonl")

    assert not (project / "build/rounds").exists()


def test_an_interrupted_build_leaves_no_lock_and_the_next_build_locks(
    probec: Probec, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(score, "reduced", fail)
        assert probec("build", SPEC) == 130
    assert not (project / "build/rounds").exists()
    assert len(build(probec)) == 2


@pytest.mark.usefixtures("tiny")
def test_files_that_a_lock_needs_are_restored_by_the_next_build(
    probec: Probec, project: Path
) -> None:
    """Delete `.probec`: paid replies are lost, and free ones are computed again."""
    hashes = build(probec)
    shutil.rmtree(project / ".probec")
    shutil.rmtree(project / "build/steps")
    assert probec("build", SPEC) == 0

    assert build(probec) == hashes
    assert reproduced(probec, 0, hashes[0])["verdict"] == "verified"
    table: Any = probec.json("rounds", SPEC)["rounds"]
    rows = Counter(row["round_idx"] for row in dataset(project))
    assert {each["round"]: each["probes"] for each in table} == dict(rows)
