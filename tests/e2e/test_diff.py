"""`probec diff` and `prompt --against`, checked against builds, datasets and server ledgers."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compiler.comparison.outcomes import BANDS
from compiler.rehearsal.process import Rehearsal
from tests.conftest import Probec, installed
from tests.e2e.test_build import SPEC, dataset, edit
from tests.e2e.test_paid import MODEL, ledger

ROLES = ("generator", "answerer", "judge")


def rows(data: dict[str, Any], *stages: str) -> list[dict[str, Any]]:
    """Return the rows of these stages, or all."""
    found: list[dict[str, Any]] = data["requests"]["rows"]
    return [row for row in found if not stages or row["stage"] in stages]


def compared(probec: Probec, *args: str) -> dict[str, Any]:
    """Return the JSON result of `probec diff`."""
    return probec.json("diff", *args)


def prompted(probec: Probec, *args: str) -> dict[str, Any]:
    """Return the JSON result of `probec prompt`."""
    return probec.json("prompt", *args)


def total(data: dict[str, Any], name: str, *stages: str) -> int:
    return sum(row[name] or 0 for row in rows(data, *stages))


def variant(project: Path, role: str, old: str, new: str) -> str:
    """Write `prompts/<role>/other`, which is base with one phrase replaced."""
    shutil.copytree(project / f"prompts/{role}/base", project / f"prompts/{role}/other")
    edit(project / f"prompts/{role}/other/system.j2", old, new)
    return f"prompts/{role}/other"


def commit(project: Path) -> None:
    (project / ".gitignore").write_text("build/\n.probec/\n", encoding="utf-8")
    git(project, "init", "-q")
    git(project, "add", "-A")
    git(project, "-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "first")


def git(project: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=project, check=True, capture_output=True, text=True
    )
    return done.stdout


def files(*roots: Path) -> dict[str, tuple[int, int]]:
    """Return every file below these directories with its size and modification time."""
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns)
        for root in roots
        for path in root.rglob("*")
        # SQLite creates these files when it reads.
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


@pytest.mark.usefixtures("tiny")
def test_a_level_changes_every_generator_request_at_a_reported_place(
    probec: Probec, project: Path
) -> None:
    had = files(project / "build", project / ".probec")
    base = (project / "specs/base.yaml").read_text(encoding="utf-8").splitlines()
    line = 1 + next(n for n, each in enumerate(base) if each.strip() == "level: 0")
    data = compared(probec, SPEC, "--set", "calibration.level=-1")

    assert data["spec"] == [
        {
            "path": "calibration.level",
            "change": "changed",
            "old": 0,
            "new": -1,
            "old_where": f"specs/base.yaml:{line}",
            "new_where": "--set calibration.level",
        }
    ]
    assert data["templates"] == []
    (generate,) = rows(data, "generate")
    assert (generate["a"], generate["changed"], generate["new"]) == (6, 6, 6)
    assert generate["basis"] == "counted"
    assert {row["basis"] for row in rows(data, "answer", "judge")} == {"B estimated"}
    assert data["requests"]["open"] == ["answer", "judge"]
    requests: Any = data["requests"]
    assert requests["reasons"]["answer"] == "B: 6 replies of generate are not in the log"
    (example,) = requests["examples"]
    assert "+Probes have been slightly too hard." in example["diff"]
    assert generate["b_input"] > generate["a_input"]
    assert data["absent"] == {
        "outcomes": "B is not built: 6 replies of generate are not in the log"
    }
    assert data["unbuilt"] == {"B": "probec build specs/tiny.yaml --set calibration.level=-1"}
    # The comparison sends nothing and writes nothing beside builds and replies.
    assert files(project / "build", project / ".probec") == had
    assert probec("diff", SPEC, "--set", "calibration.level=-1") == 0
    assert "+Probes have been slightly too hard." in probec.out
    assert "not compared: B is not built" in probec.out
    assert "\n  probec build specs/tiny.yaml --set calibration.level=-1\n" in probec.out


def test_the_generators_requests_are_counted_before_any_build(
    probec: Probec, project: Path
) -> None:
    data = compared(probec, SPEC, "--set", "siblings.shown=2")
    (generate,) = rows(data, "generate")

    assert (generate["basis"], generate["a"], generate["b"]) == ("counted", 6, 6)
    assert 0 < generate["changed"] <= 6
    assert generate["same"] + generate["changed"] == 6
    assert not (project / "build").exists() or not files(project / "build")
    assert not (project / ".probec/responses.sqlite").exists()


@pytest.mark.usefixtures("tiny")
def test_the_comparison_does_not_depend_on_the_shard_size(probec: Probec) -> None:
    data = compared(probec, SPEC, "--set", "shard_docs=2", "--set", "name=other")

    # Alternatives depend on the shard, but no request holds one of a templated scope.
    assert total(data, "same", "generate") == total(data, "b", "generate") == 6
    assert total(data, "changed") == 0
    assert total(data, "new") == 0
    assert "two datasets, tiny and other" in str(data["notices"])


@pytest.mark.usefixtures("tiny")
def test_a_new_round_adds_only_requests_for_its_documents(probec: Probec) -> None:
    data = compared(probec, SPEC, "--set", "rounds=[{docs: 4}, {docs: 2}, {docs: 2}]")
    (generate,) = rows(data, "generate")

    assert (generate["same"], generate["only_b"], generate["new"]) == (6, 2, 2)
    assert (generate["changed"], generate["only_a"]) == (0, 0)
    fewer = compared(probec, SPEC, "--set", "rounds=[{docs: 4}]")
    (generate,) = rows(fewer, "generate")
    assert (generate["same"], generate["only_a"], generate["new"]) == (4, 2, 0)
    assert total(fewer, "new") == 0
    assert fewer["outcomes"]["only_a"] > 0


@pytest.fixture
def server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forked_servers: None
) -> Iterator[Rehearsal]:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # The server's clock stands still: a batch ends only when the test advances it.
    with Rehearsal.start(tmp_path / "server", latency=100.0, speed=0) as found:
        yield found


def finished(probec: Probec, server: Rehearsal, *args: str) -> int:
    """Build, batch by batch, to the end; return the number of passes."""
    for passes in range(10):
        code = probec("build", *args, "--detach")
        if code == 0:
            return passes
        assert code == 75, probec.err
        server.advance(100)
    raise AssertionError("the build does not end")


def settings(server: Rehearsal, flag: str) -> list[str]:
    """Let the server's model play all roles."""
    values = ["budget.max_usd=50", "batches.poll_seconds=0.01", "models.answerer.concurrency=4"]
    for role in ROLES:
        values += [
            f"models.{role}.provider=anthropic-batch",
            f"models.{role}.model={MODEL}",
            f"models.{role}.base_url={server.base_url}",
        ]
    return [part for value in values for part in (flag, value)]


def asked(server: Rehearsal) -> int:
    """Count the requests that the server has received in all."""
    found: list[dict[str, Any]] = ledger(server)["batches"]
    # The first request of a new shape is sent live, so that an invalid one fails alone.
    return sum(int(batch["n"]) for batch in found) + int(ledger(server)["messages"])


@pytest.mark.parametrize(
    "change",
    [
        ("scoring.compare=target_response",),
        ("scoring.rollouts=7",),
        ("scoring.view.max_chars=700",),
        ("calibration.level=2",),
        ("siblings.shown=2", "rounds=[{docs: 4}, {docs: 3}]"),
    ],
)
def test_the_counted_requests_are_those_that_the_server_receives(
    change: tuple[str, ...], probec: Probec, project: Path, server: Rehearsal
) -> None:
    """Compare, pass by pass, the count for the next pass of B with the size of its batch."""
    build = [SPEC, *settings(server, "--set")]
    diff = [SPEC, *settings(server, "--set-both")]
    sets = [part for each in change for part in ("--set", each)]
    assert finished(probec, server, *build) == 3
    # Settings of sampling may change only for a round without a lock.
    shutil.rmtree(project / "build/rounds")
    told: Counter[str] = Counter()
    received, passes = asked(server), 0
    while True:
        data = compared(probec, *diff, *sets)
        counted = [row for row in rows(data) if row["basis"] == "counted"]
        wanted = next((row["stage"] for row in counted if row["new"]), None)
        if wanted is None:
            break
        new = sum(row["new"] for row in counted if row["stage"] == wanted)
        told[wanted] += new
        passes += 1
        assert passes <= 3
        assert probec("build", *build, *sets, "--detach") == 75
        assert asked(server) - received == new
        received += new
        server.advance(100)
        # Paid replies are collected; a budget of zero keeps the next pass from being sent.
        assert probec("build", *build, *sets, "--max-usd", "0") in (0, 3)
        assert asked(server) == received
    assert finished(probec, server, *build, *sets) == 0
    after = compared(probec, *diff, *sets, "--depth", "requests")

    assert asked(server) == received
    assert after["requests"]["exact"]
    # Exactly these requests differ from A's: the build of A paid for all that are shared.
    for stage in ("generate", "answer", "judge"):
        changed = total(after, "changed", stage) + total(after, "only_b", stage)
        assert changed == told[stage], stage
    assert total(after, "new") == 0
    assert sum(told.values()) > 0


def test_dollars_cover_the_new_requests_and_the_estimate_is_right(
    probec: Probec, server: Rehearsal
) -> None:
    build = [SPEC, *settings(server, "--set")]
    diff = [SPEC, *settings(server, "--set-both")]
    assert finished(probec, server, *build) == 3
    paid = ledger(server)["usd"]
    sets = ["--set", "scoring.rollouts=7"]
    data = compared(probec, *diff, *sets)
    before = asked(server)
    finished(probec, server, *build, *sets)

    # The judge's are estimated from the share of new answers, which is exact here.
    assert {row["basis"] for row in rows(data, "judge")} == {"B estimated"}
    assert asked(server) - before == total(data, "new") == data["requests"]["new"]
    low, high = (sum(row[name] for row in rows(data)) for name in ("low", "high"))
    assert low < ledger(server)["usd"] - paid < high
    assert low < data["requests"]["usd"] < high
    # The transport is not part of a request: step keys differ, request keys are the same.
    live = [part for role in ROLES for part in ("--set", f"models.{role}.provider=anthropic")]
    moved = compared(probec, *diff, *live)
    assert len(moved["spec"]) == 3
    assert moved["requests"]["exact"]
    assert total(moved, "same") == total(moved, "a") == total(moved, "b")
    assert (total(moved, "new"), moved["outcomes"]["flipped"]) == (0, 0)
    assert moved["outcomes"]["paired"] > 0
    same = compared(probec, *diff, "--set", "publish.license=mit", "--depth", "requests")
    assert sum(row["usd"] for row in rows(same)) == 0
    assert sum(row["a_usd"] for row in rows(same)) == sum(row["b_usd"] for row in rows(same)) > 0


@pytest.mark.usefixtures("tiny")
def test_a_prompt_directory_is_compared_as_the_spec_with_that_variant(
    probec: Probec, project: Path
) -> None:
    other = variant(project, "judge", "grade an answer", "mark an answer")
    data = compared(probec, SPEC, other)

    (template,) = data["templates"]
    assert (template["name"], template["old"], template["new"]) == (
        "prompts/judge/*/system.j2",
        "prompts/judge/base/system.j2",
        "prompts/judge/other/system.j2",
    )
    assert "-You grade an answer" in template["diff"]
    assert "+You mark an answer" in template["diff"]
    assert total(data, "same", "generate", "answer") == total(data, "b", "generate", "answer")
    assert total(data, "changed", "judge") == total(data, "b", "judge") > 0
    assert data["requests"]["exact"]
    assert compared(probec, other, SPEC)["requests"]["differing"] == total(data, "changed")
    alone = compared(probec, other, "--spec", SPEC)
    assert alone["templates"] == data["templates"]
    both = compared(probec, "prompts/judge/base", other, "--spec", SPEC)
    assert both["requests"]["differing"] == total(data, "changed")


def test_a_revision_is_read_from_git_and_the_working_tree_is_unchanged(
    probec: Probec, project: Path
) -> None:
    commit(project)
    edit(project / "specs/base.yaml", "seed: 1000000000", "seed: 1000000007")
    edit(project / "prompts/generator/_parts/example.j2", "one plan", "a plan")
    edit(project / "templates/probes/word.j2", "what is the", "which is the")
    (project / "prompts/generator/base/system.j2").write_text(
        (project / "prompts/generator/base/system.j2").read_text() + "More.\n", encoding="utf-8"
    )
    before = git(project, "status", "--porcelain")
    short = git(project, "rev-parse", "HEAD").strip()[:7]
    data = compared(probec, f"{SPEC}@HEAD")

    (field,) = data["spec"]
    assert (field["path"], field["old"], field["new"]) == ("seed", 1000000000, 1000000007)
    assert field["old_where"] == f"{short}:specs/base.yaml:3"
    assert field["new_where"] == "specs/base.yaml:3"
    assert [each["name"] for each in data["templates"]] == [
        "prompts/generator/*/system.j2",
        "prompts/generator/_parts/example.j2",
        "templates/probes/word.j2",
    ]
    assert git(project, "status", "--porcelain") == before
    again = compared(probec, f"{SPEC}@HEAD", f"{SPEC}@HEAD")
    assert not again["differs"]
    level = ["--set", "calibration.level=1"]
    assert compared(probec, f"{SPEC}@HEAD", f"{SPEC}@HEAD", *level)["differs"]


def test_a_spec_of_a_revision_extends_the_base_of_that_revision(
    probec: Probec, project: Path
) -> None:
    deep = project / "specs/deep/tiny.yaml"
    deep.parent.mkdir()
    text = (project / SPEC).read_text(encoding="utf-8")
    deep.write_text(text.replace("extends: base.yaml", "extends: ../base.yaml"), encoding="utf-8")
    commit(project)
    edit(project / "specs/base.yaml", "seed: 1000000000", "seed: 1000000007")
    for name in ("specs/deep/tiny.yaml", str(deep)):
        data = compared(probec, f"{name}@HEAD", "--depth", "requests")
        assert [(each["path"], each["old"]) for each in data["spec"]] == [("seed", 1000000000)]
        assert total(data, "b", "generate") == 6


@pytest.mark.usefixtures("tiny")
def test_a_committed_build_is_found_from_its_revision(probec: Probec, project: Path) -> None:
    """Expect no new requests, because a revision shares the current replies and artifacts."""
    commit(project)
    edit(project / "prompts/judge/base/system.j2", "grade an answer", "mark an answer")
    data = compared(probec, SPEC, f"{SPEC}@HEAD")

    assert total(data, "new") == 0
    assert total(data, "changed") == total(data, "b", "judge") > 0
    assert data["absent"] == {
        "outcomes": f"A is not built: {total(data, 'b', 'judge')} replies of judge are not in "
        "the log"
    }


@pytest.mark.usefixtures("tiny")
def test_a_round_is_compared_by_its_lock(probec: Probec, project: Path) -> None:
    spec = compared(probec, SPEC, "--set", "seed=5", "--depth", "spec")["spec"]
    assert [each["path"] for each in spec] == ["seed"]
    assert probec("diff", SPEC, "abcdef12") == 2
    assert "no round abcdef12 here" in probec.err
    name = "prompts/judge/base/system.j2"
    old = (project / name).read_text(encoding="utf-8")
    (project / name).write_text(old.replace("grade an answer", "mark an answer"), encoding="utf-8")
    other = ["--set", "calibration.level=-1", "--set", "scoring.rollouts=3"]
    locks: Any = probec.json("build", SPEC, *other)["locks"]
    (project / name).write_text(old, encoding="utf-8")
    first, second = (each["hash"] for each in locks)
    for given in (first[:8], first):
        data = compared(probec, SPEC, given)
        changes = {each["path"]: each["new"] for each in data["spec"]}
        assert (changes["calibration.level"], changes["scoring.rollouts"]) == (-1, 3)
        assert set(changes) <= {"calibration.level", "scoring.rollouts"}
        assert [each["name"] for each in data["templates"]] == ["prompts/judge/*/system.j2"]
        assert "too hard" in data["requests"]["examples"][0]["diff"]
    assert probec("diff", SPEC, second[:8], "--depth", "spec") == 0
    assert (
        "B is the spec and templates of round 1, here over all 2 rounds of the spec" in probec.out
    )
    assert probec("diff", first, second) == 2
    assert "a round needs a spec" in probec.err
    (path,) = (project / "build/rounds").glob(f"*/*-{first[:8]}*.json")
    path.write_text("{}", encoding="utf-8")
    assert probec("diff", SPEC, first[:8]) == 7
    assert path.name in probec.err


def test_outcomes_equal_those_recomputed_from_the_two_datasets(
    probec: Probec, project: Path
) -> None:
    """Recompute them from the parquet files, without the compiler's own code."""
    sets = ["--set", "scoring.view.max_chars=300", "--set", "scoring.bands.hard=0.3"]
    twice = "scoring.rejudge={share: 1.0, times: 2}"
    probec.json("build", SPEC, "--set", twice)
    old, first = scored(dataset(project)), again(project)
    probec.json("build", SPEC, "--set", twice, *sets)
    new, second = scored(dataset(project)), again(project)
    sets += ["--set-both", twice]
    data = compared(probec, SPEC, *sets)
    found: Any = data["outcomes"]
    pairs = [(old[key], new[key]) for key in sorted(old.keys() & new.keys())]

    assert found["paired"] == len(pairs) > 10
    assert found["documents"] == len({key[0] for key in old.keys() & new.keys()})
    flips = Counter((band(x[1], 0.4), band(y[1], 0.3)) for x, y in pairs)
    assert found["flips"] == [[flips[i, j] for j in range(3)] for i in range(3)]
    paired = old.keys() & new.keys()
    for side, rows, tops, hard in (("a", old, first, 0.4), ("b", new, second, 0.3)):
        changes = [band(rows[key][1], hard) != band(tops[key], hard) for key in paired]
        assert found[f"noise_{side}"]["n"] == len(pairs)
        assert found[f"noise_{side}"]["value"] == pytest.approx(sum(changes) / len(pairs), abs=1e-6)
    for place, name in ((0, "mean"), (1, "max")):
        (shift,) = (s for s in found["shifts"] if (s["scope"], s["score"]) == ("", name))
        mean = sum(y[place] - x[place] for x, y in pairs) / len(pairs)
        assert shift["shift"]["value"] == pytest.approx(mean, abs=1e-6)
        # At most six documents are too few for an interval, so there is none.
        assert shift["shift"]["low"] is None
    lines = (installed(project) / "rejects.jsonl").read_text().splitlines()
    rejects = Counter((r["scope"], r["reason"]) for r in map(json.loads, lines))
    assert {(e["scope"], e["reason"]): e["b"] for e in found["lost"]} == dict(rejects)
    assert data["differs"]
    assert probec("diff", SPEC, *sets) == 0
    assert all(band_name in probec.out for band_name in BANDS)
    assert f"none ({found['documents']} documents)" in probec.out
    assert "band changes when judged again: A " in probec.out
    verdict = f"no verdict: {found['documents']} documents are too few for an interval; max score "
    assert str(data["verdict"]).startswith(verdict)
    # The verdict comes first, before anything that a reader must interpret.
    assert (
        probec.out.index(verdict) < probec.out.index("A \\ B") < probec.out.index("spec: 2 fields")
    )


def test_probes_in_another_band_have_the_texts_and_scores_of_both_datasets(
    probec: Probec, project: Path
) -> None:
    sets = ["--set", "scoring.view.max_chars=300", "--set", "scoring.bands.hard=0.2"]
    probec.json("build", SPEC)
    old: dict[Any, Any] = {row["probe_id"]: row for row in dataset(project)}
    data = compared(probec, SPEC, *sets, "--build", "--probes", "2")
    new: dict[Any, Any] = {row["probe_id"]: row for row in dataset(project)}
    found: Any = data["moved"]
    outcomes: Any = data["outcomes"]

    moved = {
        key: abs(max(row["bb_answer_rollout_scores"]) - max(new[key]["bb_answer_rollout_scores"]))
        for key, row in old.items()
        if key in new and None not in (row["band"], new[key]["band"])
        and row["band"] != new[key]["band"]
    }  # fmt: skip
    assert len(moved) == outcomes["flipped"] > 2
    sizes = [moved[each["probe_id_a"]] for each in found]
    assert sizes == sorted(moved.values(), reverse=True)[:2]
    for each in found:
        for side, known in (("a", old), ("b", new)):
            row, told = known[each[f"probe_id_{side}"]], each[side]
            assert told["band"] == row["band"]
            assert told["question"] == row["verbalizer_prompt"]
            answers, scores = zip(*told["answers"], strict=True)
            assert list(answers) == row["bb_answer_rollout_answers"]
            assert list(scores) == row["bb_answer_rollout_scores"]
    assert probec("diff", SPEC, *sets, "--probes", "1", "--html", "diff.html") == 0
    page = (project / "diff.html").read_text(encoding="utf-8")
    assert found[0]["probe_id_a"] in probec.out
    assert found[1]["probe_id_a"] not in probec.out
    assert f"1 of {len(moved)} probes in another band, largest first" in probec.out
    assert found[0]["probe_id_a"] in page
    assert str(data["verdict"]).replace(">", "&gt;") in page
    assert page.index("<h2>Outcomes") < page.index("<h2>Spec")
    # A table that is wider than a phone scrolls in its own box; the one of fields is broken.
    boxes = ('<div class="scroll" tabindex="0"><table', '<div class="fields"><table')
    assert page.count("<table") == sum(map(page.count, boxes)) > 4


@pytest.mark.usefixtures("tiny")
def test_build_refuses_a_side_whose_dataset_would_replace_another(
    probec: Probec, project: Path
) -> None:
    commit(project)
    had = files(project / "build")

    assert probec("diff", f"{SPEC}@HEAD", "--build") == 2
    assert "--build does not build A, a git revision or a round" in probec.err
    assert probec("diff", SPEC, "--set", "seed=4", "--probes", "-1") == 2
    assert "--probes -1 is negative" in probec.err
    assert files(project / "build") == had


def again(project: Path) -> dict[tuple[str, int], float]:
    """Return the maximum score of each probe whose answers were judged a second time."""
    lines = (installed(project) / "audits.jsonl").read_text().splitlines()
    return {
        (row["doc_id"], row["slot"]): max(row["scores"])
        for row in map(json.loads, lines)
        if row["kind"] == "again_1"
    }


def scored(table: list[dict[str, Any]]) -> dict[tuple[str, int], tuple[float, float]]:
    return {
        (row["doc_id"], row["slot_idx"]): (row["bb_answer_score_mean"], row["bb_answer_score_max"])
        for row in table
        if row["score_status"] == "scored"
    }


def band(score: float, hard: float) -> int:
    return 0 if score < hard else 2 if score >= 0.8 else 1


def test_probes_that_were_stopped_early_are_compared_at_equal_rollouts(
    probec: Probec, project: Path
) -> None:
    both = ("scoring.bands={hard: 0.05, easy: 0.2}",)
    sets = ["--set", "scoring.stop={after: 2}", "--set-both", *both]
    probec.json("build", SPEC, "--set", *both)
    old = {(row["doc_id"], row["slot_idx"]): row for row in dataset(project)}
    stopped = [*sets[:2], "--set", *both]
    probec.json("build", SPEC, *stopped)
    new = {(row["doc_id"], row["slot_idx"]): row for row in dataset(project)}
    decided = {key for key, row in new.items() if row["score_status"] == "decided"}
    assert decided
    data = compared(probec, SPEC, *sets)
    found: Any = data["outcomes"]

    # The same replies in the same order: no difference and no lost slots.
    assert (found["compared"], found["rollouts_a"], found["rollouts_b"]) == (2, 5, 5)
    assert {shift["shift"]["value"] for shift in found["shifts"]} == {0.0}
    assert found["paired"] == sum(row["bb_answer_rollout_scores"] is not None
                                  for row in old.values())  # fmt: skip
    assert found["flips"][2][2] >= len(decided)
    assert not [each for each in found["lost"] if each["reason"] == "decided"]
    assert probec("diff", SPEC, *sets) == 0
    assert "of the first 2 rollouts of each probe (A has up to 5, B 5)" in probec.out
    costs = {each["role"]: each["calls"] for each in found["usage_b"]}
    built: Any = probec.json("stats", SPEC, *stopped)
    used = {each["stage"]: each["calls"] for each in built["build"]["usage"]}
    assert (costs["answerer"], costs["judge"]) == (used["answer"], used["judge"])


def test_outcomes_need_no_artifacts_when_all_replies_are_in_the_log(
    probec: Probec, project: Path
) -> None:
    sets = ["--set", "scoring.view.max_chars=300"]
    probec("build", SPEC)
    probec("build", SPEC, *sets)
    whole = compared(probec, SPEC, *sets)
    shutil.rmtree(project / "build")
    bare = compared(probec, SPEC, *sets)

    assert bare["outcomes"] == whole["outcomes"]
    assert bare["requests"] == whole["requests"]
    assert not (project / "build").exists()


@pytest.mark.usefixtures("tiny")
def test_the_page_is_self_contained_and_escapes_the_text_of_documents(
    probec: Probec, project: Path, tmp_path: Path
) -> None:
    other = variant(project, "judge", "grade an answer", "<script>alert(1)</script> an answer")
    page = tmp_path / "page.html"
    data = compared(probec, SPEC, other, "--html", str(page))
    text = page.read_text(encoding="utf-8")

    assert data["page"] == str(page)
    assert "<script" not in text
    assert "&lt;<em>script" in text or "<em>&lt;script" in text
    for reference in ("http:", "https:", "src=", "<link", "@import", "url("):
        assert reference not in text, reference
    assert f"{total(data, 'changed', 'judge'):,}" in text
    assert "prefers-color-scheme: dark" in text
    assert text.count("<figure") == len(data["templates"]) + 1
    assert probec("diff", SPEC, "--set", "rounds=[{docs: 99}]") == 0
    assert "requests: not compared: rounds: rounds need 99 documents" in probec.out
    # The page is also written when there is less to show.
    for args in ((SPEC, "--set", "calibration.level=-1"), (SPEC, other, "--depth", "spec")):
        assert probec("diff", *args, "--html", str(page)) == 0
    (project / "templates/diff.html.j2").write_text("{{ nonesuch }}", encoding="utf-8")
    assert probec("diff", SPEC, other, "--html", str(page)) == 2
    assert "diff.html.j2: cannot be rendered" in probec.err


@pytest.mark.parametrize("depth", ["spec", "templates", "requests", "outcomes"])
def test_the_comparison_ends_at_the_given_depth(depth: str, probec: Probec) -> None:
    names = ["spec", "templates", "requests", "outcomes"]
    if depth == "outcomes":
        args = [SPEC, "--set", "calibration.level=1", "--depth", depth]
        assert probec("diff", *args) == 2
        assert "A is not built: 6 replies of generate are not in the log" in probec.err
        assert "probec build" in probec.err
        return
    data = compared(probec, SPEC, "--set", "calibration.level=1", "--depth", depth)
    assert [name for name in names if data[name] is not None] == names[: names.index(depth) + 1]


def test_the_exit_code_reports_a_difference_only_with_exit_code(probec: Probec) -> None:
    level = ["diff", SPEC, "--set", "calibration.level=1", "--depth", "requests"]
    same = ["diff", SPEC, "--set", "calibration.level=0", "--depth", "requests"]

    assert [probec(*level), probec(*same)] == [0, 0]
    assert [probec(*level, "--exit-code"), probec(*same, "--exit-code")] == [1, 0]


def test_overrides_of_a_and_b_and_of_both(probec: Probec) -> None:
    data = compared(
        probec, SPEC, "--set-a", "calibration.level=-1", "--set", "calibration.level=1",
        "--set-both", "scoring.rollouts=3", "--depth", "spec",
    )  # fmt: skip
    assert [(each["path"], each["old"], each["new"]) for each in data["spec"]] == [
        ("calibration.level", -1, 1)
    ]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((SPEC,), "both sides are the same spec"),
        ((SPEC, "nothing"), "'nothing' names no side of a comparison"),
        ((SPEC, "nowhere.yaml"), "no such spec"),
        ((SPEC, "specs"), "not a prompt directory"),
        (("prompts/judge/base",), "name B, or --spec SPEC"),
        (("prompts/judge/base", "prompts/judge/base"), "a prompt directory needs a spec"),
        ((f"{SPEC}@HEAD",), "not in a git repository"),
        ((SPEC, "--set", "seed=x"), "seed"),
        ((SPEC, "--set-a", "nowhere=1"), "unknown key"),
        ((SPEC, "specs/qwen3.5-9b.yaml", "--depth", "requests"), "must be read first"),
    ],
)
def test_sides_that_cannot_be_compared_are_one_clear_error(
    args: tuple[str, ...], message: str, probec: Probec
) -> None:
    assert probec("diff", *args) == 2
    assert message in probec.err
    assert "Traceback" not in probec.err


@pytest.mark.parametrize(
    ("side", "message"),
    [
        (f"{SPEC}@nope", "unknown revision 'nope'"),
        (f"{SPEC}@--help", "unknown revision '--help'"),
        ("specs/later.yaml@HEAD", "no specs/later.yaml at "),
        ("specs/broken.yaml@HEAD", ":specs/broken.yaml:1: "),
    ],
)
def test_an_unavailable_revision_is_one_clear_error(
    side: str, message: str, probec: Probec, project: Path
) -> None:
    (project / "specs/broken.yaml").write_text("extends: nowhere.yaml\n", encoding="utf-8")
    commit(project)
    shutil.copy(project / SPEC, project / "specs/later.yaml")

    assert probec("diff", side, SPEC) == 2
    assert message in probec.err
    assert "Traceback" not in probec.err


def test_two_datasets_with_different_sources_are_reported_to_share_no_pair(
    probec: Probec, project: Path
) -> None:
    lines = (project / "specs/data/rollouts.jsonl").read_text(encoding="utf-8").splitlines(True)
    (project / "specs/data/late.jsonl").write_text("".join(lines[100:160]), encoding="utf-8")
    probec("build", SPEC)
    other = project / "specs/late.yaml"
    other.write_text(
        (project / SPEC).read_text().replace("tiny.jsonl", "late.jsonl").replace("tiny", "late"),
        encoding="utf-8",
    )
    probec("build", str(other))
    data = compared(probec, SPEC, "specs/late.yaml")

    assert "two sources" in str(data["notices"])
    assert total(data, "same") == total(data, "changed") == 0
    assert total(data, "only_b", "generate") == 6
    outcomes: Any = data["outcomes"]
    assert (outcomes["paired"], outcomes["shifts"]) == (0, [])
    assert outcomes["only_a"] > 0
    assert probec("diff", SPEC, "specs/late.yaml") == 0


@pytest.mark.usefixtures("tiny")
def test_a_prompt_against_another_is_the_diff_of_the_sent_texts(
    probec: Probec, project: Path
) -> None:
    other = variant(project, "answerer", "Commit to one", "Decide on one")
    doc = str(dataset(project)[0]["doc_id"])
    data = prompted(probec, SPEC, "--doc", doc, "--role", "answerer", "--against", other)
    against: Any = data["against"]

    assert data["key"] != against["key"]
    assert "Commit to one" in json.dumps(data["body"])
    assert "Decide on one" in json.dumps(against["body"])
    text = str(data["diff"])
    assert text.splitlines()[0] == f"--- {SPEC} ({str(data['key'])[:12]})"
    changed = [line for line in text.splitlines()[2:] if line.startswith(("-", "+"))]
    assert len(changed) == 2
    assert prompted(probec, SPEC, "--doc", doc, "--role", "answerer")["key"] == data["key"]

    assert probec("prompt", SPEC, "--against", SPEC) == 0
    assert probec.out.startswith("the same request, key of sample 0: ")
    assert probec("prompt", SPEC, "--set", "calibration.level=2", "--against", SPEC) == 0
    assert "\n-Probes have been too easy" in probec.out
    # A directory is rendered with the spec's own settings.
    generator = variant(project, "generator", "evaluate a method", "test a method")
    args = ("prompt", SPEC, "--set", "calibration.level=2", "--against", generator)
    assert probec(*args) == 0
    assert "Probes have been too easy" not in probec.out
    assert "evaluate a method" in probec.out


@pytest.mark.usefixtures("tiny")
def test_a_prompt_that_one_side_lacks_is_an_error_that_names_the_side(
    probec: Probec, project: Path
) -> None:
    sets = project / "specs/unbuilt.yaml"
    sets.write_text(
        (project / SPEC)
        .read_text()
        .replace(
            "provider: extractive, model: extractive-4, prompt: generator", "prompt: generator"
        ),
        encoding="utf-8",
    )
    assert probec("prompt", SPEC, "--role", "judge", "--against", "specs/unbuilt.yaml") == 1
    assert "specs/unbuilt.yaml: the input of the judge is not built yet" in probec.err
    assert probec("prompt", SPEC, "--against", "nothing") == 2
    assert "'nothing' names no side of a comparison" in probec.err
