"""Words equal the matches of one regular expression, however they are found."""

from __future__ import annotations

import sys
import unicodedata
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from compiler import words
from compiler.words import WORD
from tests.strategies import ODD, documents


@given(st.one_of(ODD, documents(), documents().map(lambda text: text * 9)))
def test_spans_are_the_matches_of_the_expression(text: str) -> None:
    starts, ends = words.spans_of(text)

    assert list(zip(starts, ends, strict=True)) == [m.span() for m in WORD.finditer(text)]
    assert list(words.words_of(text)) == WORD.findall(text)
    tokens = [text[start:end] for start, end in zip(*words.token_spans(text), strict=True)]
    assert tokens == words.tokens_in(text)


@given(st.one_of(ODD, documents().map(lambda text: text * 9)), st.data())
def test_words_between_two_offsets_equal_those_of_the_cut_text(
    text: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    found = [m.span() for m in WORD.finditer(text[start:end])]

    starts, ends = words.spans_between(text, start, end)
    assert [(a - start, b - start) for a, b in zip(starts, ends, strict=True)] == found
    assert words.count_between(text, start, end) == len(found)
    assert words.stems(text, start, end) == words.stems(text[start:end])


@given(st.one_of(ODD, documents()), st.data())
def test_sizes_of_spans_equal_those_of_the_cut_text(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))

    sizes = words.sizes_between(text, [(start, end), (0, len(text))])
    assert sizes == [words.size_between(part, 0, len(part)) for part in (text[start:end], text)]


@given(st.one_of(ODD, documents().map(lambda text: text * 9)), st.data())
def test_stems_by_chunk_equal_those_of_the_words(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))

    assert words.stems(text, start, end) == {
        words.stem("-".join(parts[first:last]))
        for parts in (word.split("-") for word in WORD.findall(text, start, end))
        for first, last in combinations(range(len(parts) + 1), 2)
    }
    assert words.stems(text) == {
        stem for chunk in text.split() for stem in words.chunk_stems(chunk)
    }


def test_no_folded_word_has_whitespace_in_it() -> None:
    """Fold any text: words are split at whitespace, and folded words are joined with spaces."""
    for char in map(chr, range(sys.maxunicode + 1)):
        if char.isspace():
            assert not WORD.fullmatch(f"a{char}a"), char
            assert not WORD.fullmatch(f"1{char}1"), char
        else:
            assert not any(map(str.isspace, char.casefold())), char


def test_short_chunks_are_memoized() -> None:
    asked: list[str] = []

    def size(chunk: str) -> int:
        asked.append(chunk)
        return len(chunk)

    chunks = words.Chunks(size)

    long = "x" * 1000
    assert [chunks[each] for each in ("ab", long, "ab", long)] == [2, 1000, 2, 1000]
    assert asked == ["ab", long, long]


def test_hyphenated_words_have_the_stems_of_their_parts() -> None:
    assert words.stems("well-known sea-faring men") >= {
        words.stem(each) for each in ("well-known", "well", "known", "sea", "faring", "men")
    }


@given(st.one_of(ODD, documents().map(lambda text: text * 9)))
def test_content_stems_by_chunk_equal_those_of_the_words(text: str) -> None:
    assert words.content_stems(text) == {
        words.stem(word) for word in WORD.findall(text) if words.is_content(word)
    }


def test_composed_and_decomposed_forms_are_one_word() -> None:
    composed, apart = "Judiciál cafés", unicodedata.normalize("NFD", "Judiciál cafés")
    assert apart != composed

    assert words.stems(apart) == words.stems(composed)
    assert words.content_stems(apart) == words.content_stems(composed)
    assert words.stem("ﬁnding") == words.stem("finding")
    assert not words.is_content("coｕld")
