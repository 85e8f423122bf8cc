"""Counts of neighbouring tokens, and the halves of a shard."""

from __future__ import annotations

from compiler.probes.collocations import Collocations, Place, after, before, held_out, pairs_in
from compiler.probes.lexicon import Lexicon
from compiler.words import tokens_in


def counted(*documents: str) -> Collocations:
    lexicon = Lexicon.current()
    return Collocations([pairs_in([lexicon.read(text)], lexicon) for text in documents], lexicon)


def test_a_document_counts_once_for_a_pair() -> None:
    counts = counted("The copper mine, the Copper mill.", "A copper mine; copper mine!")

    assert counts.count("the", "copper") == 1
    assert counts.count("copper", "mine") == 2
    assert counts.count("mine", ";") == 1
    assert counts.count("mine", "copper") == 0
    assert counts.count("copper", "never written") == 0


def test_neighbours_of_a_token_have_their_numbers_of_documents() -> None:
    counts, lexicon = counted("a copper mine", "a copper mill and a copper mine"), Lexicon.current()

    tokens, documents = counts.after("copper")
    assert {lexicon.known_words[t]: int(n) for t, n in zip(tokens, documents, strict=True)} == {
        "mine": 2,
        "mill": 1,
    }
    tokens, documents = counts.before("mine")
    assert [lexicon.known_words[t] for t in tokens] == ["copper"]
    assert documents.tolist() == [2]


def test_pairs_do_not_cross_texts() -> None:
    lexicon = Lexicon.current()
    texts = [lexicon.read("red copper"), lexicon.read("mine shaft")]
    counts = Collocations([pairs_in(texts, lexicon)], lexicon)

    assert counts.count("red", "copper") == 1
    assert counts.count("copper", "mine") == 0


def test_a_word_is_attested_at_both_edges_of_its_place() -> None:
    counts = counted("a copper mine", "the copper mill", "an iron mine")

    assert Place("the", "mine").attested("copper", counts) == 2
    assert Place("the", "mine").attested("Iron", counts) == 1
    assert Place("", "mine").attested("the old iron", counts) == 1
    assert Place("an", "").attested(" iron gate", counts) == 1


def test_edges_are_the_tokens_beside_an_offset() -> None:
    text = 'He said: "Go to Well-being Road," and left'
    start, end = text.index("Well"), text.index(",")

    assert (before(text, start), after(text, end)) == ("to", ",")
    assert (before(text, 0), after(text, len(text))) == ("", "")
    assert tokens_in('"Go, now!"') == ['"', "Go", ",", "now", "!", '"']


def test_half_of_a_shard_is_held_out_unless_it_is_small() -> None:
    names = [f"d{n}" for n in range(20)]

    held = held_out(names)
    assert len(held) == 10
    assert held < set(names)
    assert held_out(names[::-1]) == held
    assert held_out(names[:7]) == frozenset()
