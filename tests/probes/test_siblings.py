"""Texts that no alternative may repeat, compared with the definition on each whole text."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from compiler.probes import leakage
from compiler.probes.lexicon import Lexicon
from compiler.probes.siblings import Siblings
from tests.strategies import documents

ODD = st.text(st.sampled_from("aB1 .\n\t’-\u0301\u00a8\u00a0é中ﬁ\u1161\u0338\x1c\x1f"), max_size=40)
TEXT = st.one_of(ODD, documents(), st.tuples(documents(), ODD).map("".join))


def runs_of(text: str) -> set[tuple[str, ...]]:
    words = leakage.as_words(text).split()
    return {tuple(words[at : at + 4]) for at in range(len(words) - 3)}


@given(TEXT, st.lists(TEXT, max_size=4), st.lists(TEXT, max_size=3))
@example("One two three four", [" five six", ". Seven"], ["two three four five", "one two three"])
@example("a ", ["\x1cb", "c"], [])
@example("a ", ["\u0301b", "\u00a8"], [])
def test_siblings_agree_with_a_search_in_whole_texts(
    prefix: str, continuations: list[str], windows: list[str]
) -> None:
    texts = [prefix + each for each in continuations]
    lexicon = Lexicon()
    siblings = Siblings(texts, len(prefix), lexicon)
    runs = set().union(*map(runs_of, texts))

    assert siblings.squashed == [leakage.squash(each) for each in texts]
    for place, text in enumerate(texts):
        assert siblings.chunks(place).tolist() == lexicon.read(text).tolist()
    assert set(siblings.all_chunks) == {n for each in texts for n in lexicon.read(each)}
    cuts = [each[at : at + size] for each in texts for at in range(0, 60, 7) for size in (5, 30)]
    for window in (*windows, *cuts):
        written = leakage.verbatim_in(window, siblings.squashed)
        held = any(window in text for text in texts)
        assert siblings.hold(window) == held
        wrote = held or written or bool(runs & runs_of(window))
        assert siblings.never_wrote(window) != wrote
