"""The prompt command before a build, without a reply, and with the outcome of every slot."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from compiler.llm.messages import Reply
from compiler.llm.responses import ResponseLog
from tests.conftest import Probec
from tests.e2e.test_build import SPEC
from tests.e2e.test_paid import MODEL

ROLES = ("generator", "answerer", "judge")


def anthropic(*roles: str) -> list[str]:
    """Return overrides that give these roles a provider which is not free."""
    pairs = [(role, each) for role in roles for each in ("provider=anthropic", f"model={MODEL}")]
    return [part for role, each in pairs for part in ("--set", f"models.{role}.{each}")]


def rows(project: Path, name: str = "tiny") -> list[dict[str, Any]]:
    paths = sorted((project / f"build/datasets/{name}/data").glob("*.parquet"))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def log_of(project: Path) -> ResponseLog:
    return ResponseLog(project / ".probec/responses.sqlite")


def change(project: Path, key: str, **values: object) -> None:
    log = log_of(project)
    old = log.get(key)
    assert isinstance(old, Reply)
    log.retire([key])
    if values:
        log.put(key, replace(old, **values))
    log.close()


def damage(project: Path, key: str) -> None:
    with sqlite3.connect(project / ".probec/responses.sqlite") as db:
        db.execute("update reply set value = ? where key = ?", (b"\0", bytes.fromhex(key)))


def outcomes(shown: dict[str, Any]) -> Sequence[tuple[str, str]]:
    slots: Any = shown["slots"]
    return [(e["scope"], "built" if e["probe_id"] else e["reason"] or e["detail"]) for e in slots]


def test_the_prompt_for_small_models_ends_with_a_reply_to_fill_in(
    probec: Probec, project: Path
) -> None:
    small = "--set", "models.generator.prompt=generator/small"
    body: Any = probec.json("prompt", SPEC, *small)["body"]
    form = json.loads(body["user"][body["user"].rindex('\n{"sibling"') :])

    assert form["probes"]
    for probe in form["probes"]:
        assert f'<unit slot="{probe["slot"]}">{probe["unit"]}</unit>' in body["user"]
        assert all(probe[key].startswith("<") for key in ("question", "answer", "alternative"))
    assert set(form["splits"].values()) <= set(re.findall(r"A\.split\d+", body["user"]))
    # It has the tags that the embedded model reads, so it can be rehearsed.
    probec.json("build", SPEC, *small, "--set", "max_lost=1", "--pilot", "1")
    shown = probec.json("prompt", SPEC, *small, "--set", "max_lost=1", "--reply")
    assert ("sentence", "built") in outcomes(shown)


def test_requests_are_rendered_before_any_build(probec: Probec, project: Path) -> None:
    before: list[Any] = [probec.json("prompt", SPEC, "--role", role) for role in ROLES]

    assert not (project / "build").exists()
    assert not (project / ".probec").exists()
    assert before[0]["notices"] == []
    assert before[2]["notices"] == [
        f"the reply of the {role} is of the provider extractive, made for this command"
        for role in ("generator", "answerer")
    ]
    assert probec("build", SPEC) == 0
    after: list[Any] = [probec.json("prompt", SPEC, "--role", role) for role in ROLES]
    assert [each["key"] for each in before] == [each["key"] for each in after]
    assert all(each["notices"] == [] for each in after)
    # The last round is rendered too, and by the name of its document.
    doc = rows(project)[-1]["doc_id"]
    assert probec.json("prompt", SPEC, "--doc", doc)["doc_id"] == doc


def test_a_role_without_replies_names_both_remedies(probec: Probec) -> None:
    paid = anthropic("generator", "answerer")
    assert probec("prompt", SPEC, *paid) == 0
    assert probec("prompt", SPEC, *paid, "--role", "judge") == 1
    assert "has no reply of the generator in the log" in probec.err
    assert "--provider extractive" in probec.err
    assert probec("prompt", SPEC, *paid, "--role", "judge", "--provider", "extractive") == 0
    assert "# the reply of the answerer is of the provider extractive" in probec.out
    assert probec("prompt", SPEC, *anthropic("answerer"), "--role", "judge") == 1
    assert "has no reply of the answerer in the log" in probec.err


@pytest.mark.usefixtures("tiny")
def test_a_reply_is_shown_with_the_outcome_of_every_slot(probec: Probec, project: Path) -> None:
    shown: Any = probec.json("prompt", SPEC, "--reply")
    doc = shown["doc_id"]
    built = {row["slot_idx"]: row for row in rows(project) if row["doc_id"] == doc}
    lines = (project / "build/datasets/tiny/rejects.jsonl").read_text().splitlines()
    rejects = {row["slot"]: row for row in map(json.loads, lines) if row["doc_id"] == doc}

    assert shown["rung"] == "strict"
    assert json.loads(shown["reply"]["text"])["probes"]
    assert len(shown["slots"]) == 16
    for slot in shown["slots"]:
        row, reject = built.get(slot["slot"]), rejects.get(slot["slot"])
        assert slot["probe_id"] == (row["probe_id"] if row else None)
        assert slot["flags"] == (row["flags"] if row else [])
        assert (slot["reason"], slot["detail"]) == (
            (reject["reason"], reject["detail"]) if reject else (None, "")
        )
    assert probec("prompt", SPEC, "--reply", "--doc", doc) == 0
    assert "read by the rung strict" in probec.out
    assert next(iter(built.values()))["probe_id"] in probec.out


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("role", ["answerer", "judge"])
def test_answers_verdicts_and_scores_are_shown_by_rollout(
    role: str, probec: Probec, project: Path
) -> None:
    row = next(row for row in reversed(rows(project)) if row["bb_answer_rollout_scores"])
    place = ("--doc", row["doc_id"], "--slot", str(row["slot_idx"]), "--role", role)
    shown: Any = probec.json("prompt", SPEC, "--reply", *place)

    assert [each["score"] for each in shown["rollouts"]] == pytest.approx(
        row["bb_answer_rollout_scores"]
    )
    assert [each["answer"]["text"].strip() for each in shown["rollouts"]] == row[
        "bb_answer_rollout_answers"
    ]
    assert probec("prompt", SPEC, "--reply", *place) == 0
    assert f"----- score 4: {row['bb_answer_rollout_scores'][4]:.3f} -----" in probec.out


@pytest.mark.usefixtures("tiny")
def test_damaged_missing_and_unusable_replies_say_how_to_get_one(
    probec: Probec, project: Path
) -> None:
    paid: Any = probec.json("prompt", SPEC, "--reply")
    key, doc = paid["key"], paid["doc_id"]
    change(project, key, text="I would rather not.")
    shown: Any = probec.json("prompt", SPEC, "--reply", "--doc", doc)
    assert (shown["reply"]["text"], shown["rung"]) == ("I would rather not.", None)
    # Templated slots do not depend on the reply.
    templated = "templated: needs the replies of its whole shard"
    assert {outcome for _, outcome in outcomes(shown)} == {"reply_unparsed", templated}
    assert probec("prompt", SPEC, "--doc", doc, "--role", "judge") == 2
    assert "has no written probe: reply_unparsed" in probec.err

    damage(project, key)
    assert probec("prompt", SPEC, "--reply", "--doc", doc) == 0
    assert "----- reply: damaged: the reply to request" in probec.out
    assert "--reason damaged" in probec.out
    assert "the reply is damaged" in probec.out
    assert probec("prompt", SPEC, "--doc", doc, "--role", "judge") == 7

    # A request of another model has no reply yet.
    absent: Any = probec.json("prompt", SPEC, "--reply", "--doc", doc, *anthropic("generator"))
    assert (absent["reply"]["state"], absent["reply"]["text"]) == ("missing", None)
    assert "`probec build` sends the request" in absent["reply"]["note"]
    assert {outcome for _, outcome in outcomes(absent)} == {"the reply is missing"}


@pytest.mark.usefixtures("tiny")
def test_documents_and_slots_that_are_not_there_are_explained(
    probec: Probec, project: Path
) -> None:
    doc = str(rows(project)[0]["doc_id"])
    source = (project / "specs/data/tiny.jsonl").read_text(encoding="utf-8").splitlines()
    drawn = {row["doc_id"] for row in rows(project)}
    spare = next(json.loads(x)["doc_id"] for x in source if json.loads(x)["doc_id"] not in drawn)
    rejects = (project / "build/datasets/tiny/rejects.jsonl").read_text().splitlines()
    lost = next(r for r in map(json.loads, rejects) if r["scope"] == "sentence")

    for args, message in (
        (("--doc", "nobody"), "document 'nobody' was not drawn and is not in the source"),
        (("--doc", spare), f"document {spare!r} was not drawn (more documents are drawn by"),
        (("--role", "judge", "--doc", doc, "--slot", "0"), "slot 0: its scope word is templated"),
        (("--role", "judge", "--doc", doc, "--slot", "99"), "no written probe in slot 99"),
        (("--slot", "10"), "--slot needs --role answerer or judge"),
        (("--reply", "--against", SPEC), "--reply does not go with --against"),
        (
            ("--role", "judge", "--doc", lost["doc_id"], "--slot", str(lost["slot"])),
            f"slot {lost['slot']} of document '{lost['doc_id']}' was rejected: {lost['reason']}",
        ),
    ):
        assert probec("prompt", SPEC, *args) == 2, args
        assert message in probec.err
