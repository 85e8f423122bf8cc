"""Numbered chunks of text, compared with the plain definitions on words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler import words
from compiler.probes import lexicon
from compiler.probes.lexicon import UNKNOWN, Lexicon
from tests.strategies import documents

ODD = st.text(st.sampled_from("ab-’' \n\x1c\xa0.9,é中ßA"), max_size=30)
TEXTS = st.lists(st.one_of(ODD, documents()), max_size=4)


@given(TEXTS)
def test_words_and_stems_of_a_text_equal_those_of_its_chunks(texts: list[str]) -> None:
    known = Lexicon()
    # Texts are read one after another, as shards are, and compared when all are known.
    read = [known.read(text) for text in texts]
    for text, chunks in zip(texts, read, strict=True):
        found = words.WORD.findall(text)
        assert len(chunks) == len(text.split())
        assert known.words(chunks).tolist() == [known.known_word(w.casefold()) for w in found]
        assert set(known.stems(chunks)) == {known.known_stem(each) for each in words.stems(text)}
        content = {known.content_words[number] for number in known.content(chunks)}
        plain = [w for each in filter(words.is_plain, text.split()) for w in words.words_in(each)]
        assert content == set(filter(words.is_content, plain))
        assert UNKNOWN not in known.words(chunks)


def test_a_word_in_no_chunk_is_unknown() -> None:
    known = Lexicon()
    known.read("a harbour")
    assert known.known_word("boat") == known.known_stem("boat") == UNKNOWN


def test_an_interrupted_lexicon_is_not_reused(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Lexicon.current()
    monkeypatch.setattr(lexicon, "chunk_stems", interrupt)
    with pytest.raises(KeyboardInterrupt):
        before.read("neverreadbefore")
    monkeypatch.undo()

    after = Lexicon.current()
    assert after is not before
    assert after is Lexicon.current()
    assert len(after.words(after.read("neverreadbefore, but now"))) == 3


def interrupt(_: str) -> tuple[str, ...]:
    raise KeyboardInterrupt
