"""Pilots: documents, names and locks of their own, a price for the rest, and replies that serve."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from compiler.rehearsal.process import Rehearsal
from tests.conftest import Probec
from tests.e2e.test_build import SPEC
from tests.e2e.test_paid import ledger, paid, replies_of, server

__all__ = ["server"]


def documents(place: str | Path, index: int = 0) -> list[str]:
    path = Path(place) / f"data/train-round-{index:03d}.parquet"
    return list(dict.fromkeys(pq.read_table(path, columns=["doc_id"])["doc_id"].to_pylist()))


def usd_of(price: dict[str, Any], stage: str) -> float:
    return float(sum(e["usd"] for e in price["estimates"] if e["stage"] == stage))


def test_the_full_build_sends_none_of_a_pilots_requests_again(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    pilot: Any = probec.json("build", *paid(server), "--pilot", "3")
    sent = ledger(server)
    price = pilot["pilot"]["price"]
    planned: Any = probec.json("plan", *paid(server))["price"]
    assert probec("plan", *paid(server)) == 0
    shown = probec.out
    full: Any = probec.json("build", *paid(server))
    after = ledger(server)

    generate = next(e for e in price["estimates"] if e["stage"] == "generate")
    assert (generate["cached"], generate["calls"], generate["tokens"]) == (3, 3, "measured")
    calls = {row["role"]: row["calls"] for row in pilot["money"]["spent"]}
    for stage, role in (("answer", "answerer"), ("judge", "judge")):
        found = [e for e in price["estimates"] if e["stage"] == stage]
        # Half of the documents are left, so as much again as the pilot took.
        assert sum(e["cached"] for e in found) == sum(e["calls"] for e in found) == calls[role]
    paid_usd = {row["role"]: row["usd"] for row in pilot["money"]["spent"]}
    # The first request of each shape is sent live, at twice the price.
    assert paid_usd["judge"] * 0.95 < usd_of(price, "judge") < paid_usd["judge"]
    assert price["usd_low"] < price["usd"] < price["usd_high"]
    assert planned == price
    assert "measured on 3 documents of pilot tiny-pilot3" in shown
    assert sent["answered"].items() <= after["answered"].items()
    assert after["requests"] == len(replies_of(project))
    assert set(documents(pilot["dataset"])) < set(documents(full["dataset"]))
    assert full["stats"]["documents"] == 6
    rest: Any = probec.json("build", *paid(server), "--pilot", "3")["pilot"]
    assert (rest["price"]["usd"], ledger(server)) == (0, after)


def test_a_pilot_that_was_sent_live_serves_a_batched_build(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    probec.json("build", *paid(server, provider="anthropic"), "--pilot", "4")
    price: Any = probec.json("plan", *paid(server))["price"]
    for stage in ("generate", "answer", "judge"):
        own = [each for each in price["estimates"] if each["stage"] == stage]
        # Two documents are left of six.
        cached = sum(e["cached"] for e in own)
        assert 2 * sum(e["calls"] for e in own) == pytest.approx(cached, abs=4), stage
        assert {each["tokens"] for each in own} == {"measured"}


def test_a_pilot_has_a_name_of_its_own_and_ends_with_the_expected_rows(
    probec: Probec, project: Path
) -> None:
    assert probec("build", SPEC, "--pilot", "5") == 0
    lines = probec.out.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("pilot: 5 of 6 documents"))
    table = {line.split()[0]: line.split() for line in lines[start:] if line[:1].isalpha()}

    assert "no cost: no step sends a paid request" in lines[start:]
    # The only document of a shard has no other to take alternatives from.
    assert table["word"][1:3] == ["30", "24"]
    assert lines[-1].startswith("whole ")
    assert sorted(path.name for path in (project / "build/datasets").iterdir()) == ["tiny-pilot5"]
    assert sorted(path.name for path in (project / "build/rounds").iterdir()) == ["tiny-pilot5"]
    # The second round of the plan has two documents, of which the pilot has one.
    assert len(documents(project / "build/datasets/tiny-pilot5", 1)) == 1
    again: Any = probec.json("build", SPEC, "--pilot", "5")
    assert again["up_to_date"]
    assert again["pilot"]["documents"] == 5
    built: Any = probec.json("build", SPEC)
    assert set(documents(project / "build/datasets/tiny-pilot5", 1)) < set(
        documents(project / "build/datasets/tiny", 1)
    )
    rows = {each["scope"]: each for each in again["pilot"]["rows"]}
    for scope in built["stats"]["scopes"]:
        found = rows[scope["scope"]]
        assert found["low"] <= scope["built"] <= found["high"]


@pytest.mark.usefixtures("tiny")
def test_a_pilot_of_locked_rounds_draws_their_documents(probec: Probec, project: Path) -> None:
    locks = {path: path.read_bytes() for path in (project / "build/rounds/tiny").iterdir()}
    rows = (project / "specs/data/rollouts.jsonl").read_text(encoding="utf-8").splitlines(True)
    (project / "specs/data/tiny.jsonl").write_text("".join(rows), encoding="utf-8")
    probec.json("build", SPEC, "--pilot", "2")

    assert set(documents(project / "build/datasets/tiny-pilot2")) < set(
        documents(project / "build/datasets/tiny")
    )
    assert {p: p.read_bytes() for p in (project / "build/rounds/tiny").iterdir()} == locks


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ("0", "'0' is not a whole number of at least 1"),
        ("7", "--pilot 7: the plan has 6 documents (name at most 6, or build without --pilot)"),
    ],
)
def test_a_pilot_of_no_or_too_many_documents_is_refused(
    size: str, message: str, probec: Probec, project: Path
) -> None:
    assert probec("build", SPEC, "--pilot", size) == 2
    assert message in probec.err
    assert not (project / "build").exists()


def test_a_pilot_with_other_settings_prices_only_what_it_measured(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    probec.json("build", *paid(server), "--pilot", "4")
    longer = paid(server, "--set", "models.answerer.max_tokens=900", "--set", "scoring.rollouts=10")
    price: Any = probec.json("plan", *longer)["price"]
    tokens = {each["stage"]: each["tokens"] for each in price["estimates"]}
    judged = [each for each in price["estimates"] if each["stage"] == "judge"]
    usage: Any = json.loads((project / "build/usage/tiny-pilot4.json").read_text(encoding="utf-8"))
    measured = sum(
        cell["calls"]
        for each in usage["documents"]
        for cell in each["cells"].get("judge", {}).values()
    )

    assert tokens["generate"] == tokens["judge"] == "measured"
    assert tokens["answer"] in ("declared", "observed")
    # Twice the rollouts, half as many documents again; no reply to them is in the log.
    assert sum(each["calls"] for each in judged) == pytest.approx(3 * measured, rel=0.1)
    assert sum(each["cached"] for each in judged) == 0
