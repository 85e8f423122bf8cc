"""Prefixes of texts, and the seeds and texts of their continuations."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.embedded import trigrams
from compiler.errors import ProviderError
from compiler.llm.messages import Outcome, Request
from compiler.llm.providers.completions import completion_body, completion_reply
from compiler.rollouts import copies, prefixes
from compiler.spec.rollouts import PrefixRules, Sampling
from compiler.stages.rollouts.continuing import request_seed

TEXT = "\n\n".join(
    f"The {noun} of the island was built by hand. Nobody knew why it stood there. It fell at last."
    for noun in ("tower", "bridge", "harbour", "chapel", "library", "market", "school", "mill")
)
BOUNDARIES: tuple[Literal["word", "sentence", "paragraph"], ...] = (
    *("word", "sentence"),
    "paragraph",
)


@given(st.sampled_from(BOUNDARIES), st.integers(1, 400), st.integers(0, 300), st.floats(0, 0.999))
def test_a_prefix_ends_at_its_boundary_within_half_of_the_text(
    boundary: Literal["word", "sentence", "paragraph"], least: int, more: int, drawn: float
) -> None:
    rules = PrefixRules(unit="chars", min=least, max=least + more, boundary=boundary)

    end = prefixes.cut(TEXT, rules, drawn, None)

    if end is None:
        return
    assert least <= end <= min(least + more, len(TEXT) // 2)
    assert not TEXT[end - 1].isspace()
    assert TEXT[end].isspace()
    if boundary != "word":
        assert TEXT[end - 1] == "."
    if boundary == "paragraph":
        assert TEXT[end : end + 2] == "\n\n"


def test_a_prefix_has_the_greatest_length_up_to_the_drawn_one() -> None:
    rules = PrefixRules(unit="share", min=10, max=50, boundary="sentence")
    ends = {prefixes.cut(TEXT, rules, drawn / 10, None) for drawn in range(10)}

    assert len(ends) > 3
    assert prefixes.cut("Short. Text.", PrefixRules(min=50, max=60), 0.5, None) is None


def test_siblings_and_neighbouring_documents_have_distinct_seeds_of_31_bits() -> None:
    seeds = [request_seed(7, f"doc-{doc}", sibling) for doc in range(200) for sibling in range(6)]

    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert request_seed(8, "doc-0", 0) != seeds[0]


def test_the_stub_repeats_a_seed_and_shares_no_text_between_seeds(tmp_path: Path) -> None:
    file = Path(__file__).parents[2] / "specs/data/corpus.jsonl.gz"
    model = trigrams.read(file, hashlib.sha256(file.read_bytes()).hexdigest())
    prompt = "The government of the island has a treaty with its neighbours."

    texts = [model.continuation(prompt, seed, 120)[0] for seed in (1, 2, 3)]

    assert texts[0] == model.continuation(prompt, 1, 120)[0]
    assert copies.overlap(texts[0], texts[1:], 5) < 0.05
    assert all(text.count(".") >= 2 for text in texts)
    other = tmp_path / "text.jsonl"
    other.write_text(json.dumps({"text": "One. Two."}) + "\n", encoding="utf-8")
    with pytest.raises(ProviderError, match="has the SHA-256"):
        trigrams.read(other, "0" * 64)


def test_every_sampling_parameter_is_in_the_body() -> None:
    parameters = Sampling(max_tokens=20).model_dump(mode="json", exclude={"max_tokens"})
    body = completion_body(
        Request("m", "", "text", 20, None, sampling=(*parameters.items(), ("seed", 3)))
    )

    assert {*Sampling.model_fields} <= body.keys()
    assert body["repeat_penalty"] == body["repetition_penalty"]
    assert (body["n"], body["stream"], body["seed"]) == (1, False, 3)


@pytest.mark.parametrize(
    ("choice", "outcome"),
    [
        ({"text": "So.", "finish_reason": "stop"}, Outcome.OK),
        ({"text": "So", "finish_reason": "length"}, Outcome.TRUNCATED),
        ({"text": "", "finish_reason": "stop"}, Outcome.EMPTY),
        ({"text": "So", "finish_reason": "abort"}, Outcome.UNKNOWN),
        ({"text": None, "finish_reason": "stop"}, Outcome.UNKNOWN),
        ({}, Outcome.UNKNOWN),
    ],
)
def test_a_completion_has_the_outcome_of_its_end(
    choice: dict[str, str | None], outcome: Outcome
) -> None:
    assert completion_reply({"choices": [{**choice}], "model": "m"}, "id").outcome is outcome
