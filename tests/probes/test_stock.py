"""Numbered words of a shard, compared with the plain definitions on words and stems."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from compiler.probes.lexicon import Lexicon
from compiler.probes.stock import Stock
from compiler.words import WORD, is_content, is_plain, script, stem, stems
from tests.strategies import documents

WORDS = st.sampled_from(
    "boat Boats boating sea-boat harbour Harbour harbours NATO quiet quietly lamp lamps 第二句话 "
    "ships shipped ship shipping naïve storms storm don’t well-known".split()
)
TEXTS = st.lists(st.one_of(st.lists(WORDS, max_size=12).map(" ".join), documents()), max_size=6)


def content(text: str) -> set[str]:
    """Return the content words of the plain chunks."""
    chunks = filter(is_plain, text.split())
    return {word for chunk in chunks for word in WORD.findall(chunk) if is_content(word)}


def case(word: str) -> str:
    if word.isupper() and len(word) > 1:
        return "upper"
    return "title" if word[:1].isupper() else "lower"


def is_alike(word: str, wanted: str) -> bool:
    return (
        abs(len(word) - len(wanted)) <= 3
        and case(word) == case(wanted)
        and any(map(word.__contains__, "-'’")) == any(map(wanted.__contains__, "-'’"))
        and script(word) == script(wanted)
    )


def stocked(texts: list[str]) -> tuple[Stock, Lexicon]:
    lexicon = Lexicon()
    return Stock([lexicon.read(text) for text in texts], lexicon), lexicon


@given(TEXTS, st.lists(documents(), max_size=2), st.sets(st.integers(0, 5)))
def test_unwritten_words_are_those_whose_stem_is_in_no_text(
    texts: list[str], written: list[str], places: set[int]
) -> None:
    stock, lexicon = stocked(texts)
    among = [place for place in places if place < len(texts)]
    stood = frozenset[str]().union(*map(stems, written))
    chunks = lexicon.read(" ".join(written))
    found = [stock.words[number] for number in stock.unwritten(stock.held(among), chunks)]
    every = set[str]().union(*(content(texts[place]) for place in among))
    assert found == sorted(word for word in every if stem(word) not in stood)


@given(TEXTS, WORDS, st.lists(WORDS, max_size=3).map(" ".join))
def test_similar_words_have_the_requested_shape_and_no_stem_of_the_question(
    texts: list[str], wanted: str, question: str
) -> None:
    stock, _ = stocked(texts)
    found = stock.alike(wanted, np.arange(len(stock.words)), question)

    assert [stock.words[number] for number in found] == [
        word
        for word in sorted(set().union(*map(content, texts)))
        if is_alike(word, wanted) and stem(word) not in stems(question)
    ]


@given(TEXTS)
def test_the_nearest_documents_share_the_most_and_the_rarest_stems(texts: list[str]) -> None:
    stock, _ = stocked(texts)
    held = [{stem(word) for word in content(text)} for text in texts]
    for own in range(len(texts)):
        scores = [0.0] * len(texts)
        for root in sorted(held[own]):
            holders = [place for place, stems_of in enumerate(held) if root in stems_of]
            if 1 < len(holders) <= max(2, len(texts) // 4):
                for place in holders:
                    scores[place] += math.log(len(texts) / len(holders))
        scores[own] = 0
        ranked = sorted(range(len(texts)), key=lambda place: (-scores[place], place))[:8]
        assert stock.nearest(own) == tuple(place for place in ranked if scores[place] > 0)
