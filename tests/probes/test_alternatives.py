"""Alternatives where there are few documents to draw from, or none."""

from __future__ import annotations

import gc
import weakref
from functools import cache

from compiler.probes import tokens
from compiler.probes.alternatives import Donor, Lens, Pool
from compiler.probes.lexicon import Lexicon
from compiler.probes.sampling import Stream
from compiler.probes.siblings import Siblings
from compiler.probes.tokens import Tokenizer
from tests.conftest import ROOT

OWN = "The harbour was quiet that morning, and nobody spoke of the storm."
OTHER = "The village was empty this evening, but somebody dreamt of a lantern."


@cache
def tokenizer() -> Tokenizer:
    found = tokens.find("specs/data/bpe-8k.json.gz", ROOT, online=False)
    assert found is not None
    return tokens.load(found)


def pool(*texts: str) -> Pool:
    name, lexicon = tokenizer().identity, Lexicon.current()
    donors = [
        Donor(f"d{n}", text, lexicon.read(text), {name: tokenizer().encode(text)})
        for n, text in enumerate(texts)
    ]
    return Pool(donors, lexicon)


def siblings_of(*texts: str) -> Siblings:
    return Siblings(texts, len(OWN), Lexicon.current())


def lens(text: str, question: str = "Which tokens follow?") -> Lens:
    return Lens("d0", text, 0, None, len(tokenizer().ids(text)), question)


def test_a_shard_without_documents_is_valid() -> None:
    pool()


def test_a_single_document_finds_no_alternative() -> None:
    alone, siblings = pool(OWN), siblings_of(OWN)

    assert alone.word("lantern", "Which?", "d0", siblings, Stream("a")) is None
    assert alone.window(lens("The"), tokenizer(), siblings, Stream("b")) is None


def test_a_word_that_no_sibling_uses_comes_from_the_other_document() -> None:
    both, siblings = pool(OWN, OTHER), siblings_of(OWN, f"{OWN} Village.")

    found = both.word("harbour", "Which lanterns?", "d0", siblings, Stream("a"))
    assert found is not None
    # Used by a sibling: village. In the question: lantern. The others have the same frequency.
    assert found[0] in {"empty", "evening", "somebody", "dreamt"}


def test_a_window_with_the_same_opening_is_in_no_sibling() -> None:
    both, name = pool(OWN, OTHER), tokenizer()

    # Only one window of the other document starts a line with a capital.
    found = both.window(lens("The harbour"), name, siblings_of(OWN), Stream("a"))
    assert found == ("The village", 1, 1)
    written = siblings_of(OWN, f"{OWN} The village.")
    assert both.window(lens("The harbour"), name, written, Stream("a")) is None


def test_a_window_that_would_fail_a_check_is_not_chosen() -> None:
    both, name = pool(OWN, OTHER), tokenizer()

    asked = lens("The harbour", "What follows: the village?")
    assert both.window(asked, name, siblings_of(OWN), Stream("a")) is None
    asked = lens("The harbour", "What follows: the villages?")
    assert both.window(asked, name, siblings_of(OWN), Stream("a")) is not None


def test_a_pool_is_freed_when_its_shard_is_done() -> None:
    gc.disable()
    try:
        both, siblings = pool(OWN, OTHER), siblings_of(OWN)
        assert both.word("harbour", "Which?", "d0", siblings, Stream("a")) is not None
        assert both.window(lens("The harbour"), tokenizer(), siblings, Stream("b")) is not None
        left = weakref.ref(both)
        # In a reference cycle, the pool and all of its texts would wait for the garbage collector.
        del both
        assert left() is None
    finally:
        gc.enable()
