"""Tokenizers of a rehearsal on another source."""

from __future__ import annotations

from compiler.spec.load import read
from tests.conftest import ROOT

STAND_IN = "specs/data/bpe-8k.json.gz"


def tokenizers(*overrides: str) -> tuple[object, object]:
    draft = read(ROOT / "specs/qwen3.5-9b.yaml", overrides, rehearse_source="rollouts.jsonl")
    return draft.at("source", "tokenizer"), draft.at("scopes", "lens", "tokenizer")


def test_a_rehearsal_replaces_the_tokenizers_that_no_override_names() -> None:
    assert tokenizers() == (STAND_IN, STAND_IN)
    assert tokenizers("source.tokenizer=mine.json") == ("mine.json", STAND_IN)
    assert tokenizers("scopes.lens.tokenizer=mine.json") == (STAND_IN, "mine.json")
