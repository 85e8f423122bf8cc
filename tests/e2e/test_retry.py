"""Replies selected by the rejects that they led to."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from compiler.probes.reasons import CHANGES, EXCLUDED, REASONS, change_of
from tests.conftest import Probec
from tests.e2e.test_build import SPEC
from tests.e2e.test_prompt import change, log_of


def rejects(project: Path, name: str = "tiny") -> list[dict[str, Any]]:
    text = (project / f"build/datasets/{name}/rejects.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.usefixtures("tiny")
def test_a_reject_reason_selects_the_replies_that_led_to_it(probec: Probec, project: Path) -> None:
    documents = {row["doc_id"] for row in rejects(project) if row["reason"] == "slot_declined"}
    keys = {doc: probec.json("prompt", SPEC, "--doc", doc)["key"] for doc in documents}
    dry: Any = probec.json("retry", SPEC, "--reason", "slot_declined", "--dry-run")

    assert 0 < len(documents) < 6
    assert dry["retired"] == {"generate": len(documents)}
    assert probec.json("build", SPEC)["up_to_date"]
    assert probec("retry", SPEC, "--reason", "slot_declined") == 0
    assert f"{len(documents)} replies ({len(documents)} of generate) retired" in probec.out
    log = log_of(project)
    assert log.retired() == set(keys.values())
    log.close()
    ran: Any = probec.json("build", SPEC)["ran"]
    assert ran["generate"] > 0


@pytest.mark.usefixtures("tiny")
def test_a_reply_of_which_nothing_was_built_is_not_a_good_one(
    probec: Probec, project: Path
) -> None:
    unbuilt = ("retry", SPEC, "--reason", "unbuilt", "--dry-run")
    before: Any = probec.json(*unbuilt)
    shown: Any = probec.json("prompt", SPEC, "--reply")
    reply = json.loads(shown["reply"]["text"])
    change(project, shown["key"], text=json.dumps({**reply, "probes": []}))

    after: Any = probec.json(*unbuilt)
    assert after["retired"]["generate"] == before["retired"].get("generate", 0) + 1
    # How a reply ended, and the reject of all its slots, are two names of one reason.
    change(project, shown["key"], text="no")
    for reason in ("unparsed", "reply_unparsed"):
        found = probec.json("retry", SPEC, "--reason", reason, "--dry-run")
        assert found["retired"] == {"generate": 1}, reason


@pytest.mark.usefixtures("tiny")
def test_an_unknown_reason_lists_those_of_the_build_with_counts(
    probec: Probec, project: Path
) -> None:
    lost = {(row["doc_id"], row["reason"]) for row in rejects(project)}
    counts = Counter(reason for _, reason in lost)
    # No other reply could avoid the other reasons.
    listed = [f"{reason} {n}" for reason, n in counts.items() if not reason.startswith("no_")]

    assert probec("retry", SPEC, "--reason", "slot_lost") == 2
    assert "--reason 'slot_lost' names no reply" in probec.err
    assert listed
    assert all(each in probec.err for each in listed)
    assert "; all: truncated, refused" in probec.err
    assert probec("retry", SPEC, "--reason", "no_word") == 2
    assert "--reason 'no_word' does not depend on a reply" in probec.err


def test_replies_of_a_pilot_are_retried(probec: Probec, project: Path) -> None:
    probec.json("build", SPEC, "--pilot", "4")
    lost = {r["doc_id"] for r in rejects(project, "tiny-pilot4") if r["reason"] == "slot_declined"}
    reason = ("--reason", "slot_declined", "--dry-run")

    assert lost
    found = probec.json("retry", SPEC, "--pilot", "4", *reason)
    assert found["retired"] == {"generate": len(lost)}


def test_every_reject_reason_names_what_to_change() -> None:
    assert {change_of(reason) for reason in (*REASONS, EXCLUDED)} == set(CHANGES)
    assert change_of("reply_truncated") == "spec"
    assert change_of("reply_refused") == "model"
    assert change_of("later") == ""


@pytest.mark.usefixtures("tiny")
def test_rejects_are_grouped_by_what_to_change(probec: Probec, project: Path) -> None:
    lost = Counter(change_of(row["reason"]) for row in rejects(project))
    assert probec("stats", SPEC) == 0
    text = probec.out
    start = text.index("Rejected slots by what to change")
    table = text[start : text.index("\n\n", start)].splitlines()[3:]

    assert {line.split()[0]: int(line.split()[1]) for line in table} == lost
    assert "`probec prompt --reply`" in text
