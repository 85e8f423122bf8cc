"""Requests of two builds by key, on hand-made graphs without prompts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from compiler.comparison.listing import Walk
from compiler.comparison.requests import Tally, compare
from compiler.engine.plan import Graph
from compiler.engine.scratch import Scratch
from compiler.engine.stage import Inputs, Outputs, Part, Stage
from compiler.engine.store import Store
from compiler.keys import Json
from compiler.llm.messages import Outcome, Reply, Request
from compiler.llm.providers.extractive import Extractive
from compiler.llm.responses import ResponseLog
from compiler.project.listing import Listing

Texts = Mapping[Part, list[tuple[str, str]]]


def request(text: str) -> Request:
    return Request("m", "", text, 1, None)


def walk(tmp_path: Path, name: str, texts: Texts) -> Walk:
    """Return a build of one paid stage, `ask`: for each part (place, text), one sample each."""
    log = ResponseLog(tmp_path / "log")
    listing = Listing(Extractive(), log)

    def weigh(part: Part, inputs: Inputs) -> None:
        for place, text in texts[part]:
            listing.price(request(text), range(1), place, "s")

    def run(part: Part, inputs: Inputs, out: Outputs) -> None:
        out.rows("replies", [text for _, text in texts[part]])

    def after(part: Part, inputs: Inputs, out: Outputs) -> None:
        out.rows("texts", inputs.rows("ask.replies", str))

    def last(part: Part, inputs: Inputs) -> None:
        for number, text in enumerate(inputs.rows("read.texts", str)):
            listing.price(request(f"again {text}"), range(1), f"{part} {number}", "s")

    def narrow(part: Part, inputs: Inputs) -> Mapping[str, Json]:
        return {"part": [*part]}

    stages = (
        Stage("ask", 1, 1, (), [name], run, narrow=narrow, weigh=weigh),
        Stage("read", 1, 1, ("ask.replies",), [name], after),
        Stage("tell", 1, 1, ("read.texts",), [name], run, weigh=last),
    )
    store = Scratch(tmp_path / f"layer-{name}", Store(tmp_path / "build"))
    return Walk(Graph(name, store, stages, list(texts)), log, {"ask": listing, "tell": listing})


def answered(tmp_path: Path, *texts: str) -> None:
    """Log replies to these requests."""
    listing = Listing(Extractive(), log := ResponseLog(tmp_path / "log"))
    for text in texts:
        (key,) = listing.keys(request(text), range(1))
        log.put(key, Reply(Outcome.OK, "x", "m", "", 1, 1, "", ""))
    log.close()


def tally(tmp_path: Path, a: Texts, b: Texts, stage: str = "ask") -> Tally:
    """Compare the two builds."""
    return compare(walk(tmp_path, "a", a), walk(tmp_path, "b", b)).tallies[stage]["s"]


def counts(found: Tally) -> tuple[int, int, int, int]:
    return found.same, found.changed, found.only_a, found.only_b


def test_requests_match_by_key_and_places_only_pair_the_different_ones(tmp_path: Path) -> None:
    a: Texts = {(0,): [("p", "one"), ("q", "two"), ("r", "three")]}
    b: Texts = {(0,): [("elsewhere", "one"), ("q", "2"), ("s", "four")]}

    assert counts(tally(tmp_path, a, b)) == (1, 1, 1, 1)


def test_parts_with_different_documents_are_compared_as_one(tmp_path: Path) -> None:
    a: Texts = {(0,): [("p", "one"), ("q", "two")], (1,): [("r", "three"), ("s", "four")]}
    b: Texts = {(0,): [("s", "four"), ("q", "2")], (1,): [("p", "one")], (2,): [("r", "three")]}

    assert counts(tally(tmp_path, a, b)) == (3, 1, 0, 0)


@pytest.mark.parametrize(("logged", "cached", "new"), [((), 0, 2), (("one",), 2, 1)])
def test_a_repeated_text_is_sent_once(
    logged: tuple[str, ...], cached: int, new: int, tmp_path: Path
) -> None:
    answered(tmp_path, *logged)
    b: Texts = {(0,): [("p", "one"), ("q", "two")], (1,): [("r", "one"), ("s", "two")]}
    found = tally(tmp_path, {(0,): [], (1,): []}, b)

    assert (found.b.calls, found.b.cached, found.b_new.calls) == (4, cached, new)
    assert counts(found) == (0, 0, 0, 4)


def test_stages_without_new_requests_run_and_later_requests_are_counted(tmp_path: Path) -> None:
    answered(tmp_path, "one", "two")
    a: Texts = {(0,): [("p", "one")], (1,): [("q", "two")]}
    b: Texts = {(0,): [("p", "one")], (1,): [("q", "three")]}
    compared = compare(one := walk(tmp_path, "a", a), other := walk(tmp_path, "b", b))

    assert counts(compared.tallies["ask"]["s"]) == (1, 1, 0, 0)
    told = compared.tallies["tell"]["s"]
    # The second part of B waits, so A's requests there cannot be compared.
    assert (counts(told), told.a.calls, told.b.calls) == ((1, 0, 0, 0), 2, 1)
    assert [planned.step.part for planned in other.waiting] == [(1,)]
    assert other.missing() == "1 reply of ask is not in the log"
    assert not one.waiting
    assert not (tmp_path / "build").exists()
