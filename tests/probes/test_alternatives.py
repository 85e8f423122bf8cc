"""Alternatives where there are few documents to draw from, or none."""

from __future__ import annotations

import gc
import weakref
from functools import cache

from compiler.probes import tokens
from compiler.probes.alternatives import Donor, Lens, Pool
from compiler.probes.collocations import Place, held_out
from compiler.probes.lexicon import Lexicon
from compiler.probes.sampling import Stream
from compiler.probes.segment import SENTENCE
from compiler.probes.siblings import Siblings
from compiler.probes.tokens import Tokenizer
from tests.conftest import ROOT

OWN = "The harbour was quiet that morning, and nobody spoke of the storm."
OTHER = "The village was empty this evening, but somebody dreamt of a lantern."

HERE = Place("the", "was")


@cache
def tokenizer() -> Tokenizer:
    found = tokens.find("specs/data/bpe-8k.json.gz", ROOT, online=False)
    assert found is not None
    return tokens.load(found)


def pool(*texts: str) -> Pool:
    name, lexicon = tokenizer().identity, Lexicon.current()
    donors = [
        Donor(
            f"d{n}",
            text,
            lexicon.read(text),
            [lexicon.read(text)],
            {name: tokenizer().encode(text)},
        )
        for n, text in enumerate(texts)
    ]
    return Pool(donors, lexicon)


def siblings_of(*texts: str) -> Siblings:
    return Siblings(texts, len(OWN), Lexicon.current())


def lens(text: str, question: str = "Which tokens follow?") -> Lens:
    return Lens("d0", text, Place("", "spoke"), 0, None, len(tokenizer().ids(text)), question)


def test_a_shard_without_documents_is_valid() -> None:
    pool()


def test_a_single_document_finds_no_alternative() -> None:
    alone, siblings = pool(OWN), siblings_of(OWN)

    assert alone.word("lantern", HERE, "Which?", "d0", siblings, Stream("a")) is None
    assert alone.window(lens("The"), tokenizer(), siblings, Stream("b")) is None


def test_a_word_that_no_sibling_uses_comes_from_the_other_document() -> None:
    both, siblings = pool(OWN, OTHER), siblings_of(OWN, f"{OWN} Village.")

    found = both.word("harbour", HERE, "Which lanterns?", "d0", siblings, Stream("a"))
    # Used by a sibling: village. In the question: lantern. No other word stands between `the` and
    # `was`, and of the words between tokens of their classes, these are as long.
    assert found is not None
    assert found[0] in {"empty", "evening", "somebody", "dreamt"}


def test_a_window_with_the_same_opening_is_in_no_sibling() -> None:
    both, name = pool(OWN, OTHER), tokenizer()

    # Only one window of the other document starts a line with a capital.
    found = both.window(lens("The harbour"), name, siblings_of(OWN), Stream("a"))
    assert found == ("The village", 2, 1)
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
        assert both.word("harbour", HERE, "Which?", "d0", siblings, Stream("a")) is not None
        assert both.window(lens("The harbour"), tokenizer(), siblings, Stream("b")) is not None
        left = weakref.ref(both)
        # In a reference cycle, the pool and all of its texts would wait for the garbage collector.
        del both
        assert left() is None
    finally:
        gc.enable()


def test_a_word_is_one_that_other_documents_attest_at_its_place() -> None:
    shard = pool(
        OWN,
        "The market was quiet.",
        "A tin gallery opened.",
        "The dancers left; the tavern was lit.",
    )
    siblings = siblings_of(OWN)

    for number in range(8):
        found = shard.word("harbour", HERE, "Which?", "d0", siblings, Stream(number))
        assert found is not None
        assert found[0] in {"market", "tavern"}
        assert found[1:] == (0, 2)


def test_a_word_that_ends_alike_beside_one_neighbour_precedes_one_that_fits_both_only() -> None:
    shard = pool(OWN, "some quiet lanterns was", "an empty market was", "a narrow tavern was")
    place = Place("quiet", "was")
    found = shard.word("harbour", place, "Which?", "d0", siblings_of(OWN), Stream("a"))

    assert found is not None
    assert found[0] in {"market", "tavern"}
    assert found[1] == 1


def test_a_hyphenated_word_is_no_alternative_of_one_that_is_not() -> None:
    shard = pool(OWN, "the sea-wall was lit")

    assert shard.word("harbour", HERE, "Which?", "d0", siblings_of(OWN), Stream("a")) is None
    assert shard.word("hill-top", HERE, "Which?", "d0", siblings_of(OWN), Stream("a")) is not None


def test_an_alternative_is_attested_about_as_often_as_its_atom() -> None:
    often, rarely = ["the market was lit"] * 4, ["the tavern was lit"]
    shard = pool(OWN, *often, *rarely)
    atoms = {"harbour": "tavern"}
    for atom, expected in atoms.items():
        found = shard.word(atom, HERE, "Which?", "d0", siblings_of(OWN), Stream("a"))
        assert found is not None
        assert found[0] == expected
    shard = pool(OWN, *often, *rarely, *["the harbour was lit"] * 3)
    found = shard.word("harbour", HERE, "Which?", "d0", siblings_of(OWN), Stream("a"))
    assert found is not None
    assert found[0] == "market"


def test_addresses_markup_and_other_scripts_give_no_word() -> None:
    shard = pool(
        OWN,
        "the www.market.org was, the <tavern> was, the a/gallery was",
        "the гавань was, the 港口市 was",
    )

    assert shard.word("harbour", HERE, "Which?", "d0", siblings_of(OWN), Stream("a")) is None


def test_a_word_is_in_no_sibling_even_as_the_beginning_of_one() -> None:
    shard, siblings = pool(OWN, "the market was lit"), siblings_of(OWN, f"{OWN} Some marketeers.")

    assert shard.word("harbour", HERE, "Which?", "d0", siblings, Stream("a")) is None


def test_a_window_stands_beside_the_token_of_its_place_and_differs_there() -> None:
    own, other = "They walked to the harbour slowly", "We drove to a village in haste"
    shard, name = pool(own, other, "She sang of an evening in June"), tokenizer()
    at = own.index(" the")
    like = Lens("d0", " the harbour", Place("to", ""), name.encode(own).count_before(at), None,
                len(name.ids(" the harbour")), "Which?")  # fmt: skip

    found = shard.window(like, name, Siblings([own], 0, Lexicon.current()), Stream("a"))
    assert found is not None
    assert found[0].startswith(" a village"[: len(found[0])])
    assert found[1] == 0


def test_a_window_may_share_the_end_mark_of_its_atom_and_nothing_else() -> None:
    own, other = "They walked to the harbour.", "We drove to the village."
    shard, name = pool(own, other), tokenizer()
    left, right = (name.ids(text) for text in (" harbour.", " village."))
    assert len(left) == len(right)
    assert left[-1] == right[-1]
    at = own.index(" harbour")
    like = Lens("d0", " harbour.", Place("the", ""), name.encode(own).count_before(at), SENTENCE,
                len(left), "Which?")  # fmt: skip

    found = shard.window(like, name, Siblings([own], 0, Lexicon.current()), Stream("a"))
    assert found is not None
    assert found[0] == " village."


def test_held_out_documents_give_no_alternative() -> None:
    words = ["market", "tavern", "gallery", "station", "orchard", "chapel", "bakery", "library"]
    shard = pool(OWN, *(f"the {word} was lit" for word in words))
    held = held_out([f"d{n}" for n in range(len(words) + 1)])

    given = {
        found[0]
        for n in range(200)
        if (found := shard.word("harbour", HERE, "?", "d0", siblings_of(OWN), Stream(n)))
    }
    assert given
    assert given <= {word for n, word in enumerate(words, 1) if f"d{n}" not in held}
