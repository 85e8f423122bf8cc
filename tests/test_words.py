"""Words are what one expression finds, however they are found."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from compiler import words
from compiler.words import WORD
from tests.strategies import documents

# Letters, marks, joiners, digits and signs in any order, and now and then long enough.
ODD = st.builds(
    lambda parts, times: "".join(parts) * times,
    st.lists(
        st.one_of(
            st.sampled_from([*"ab'’-.,12 \n", "e\u0301", "中", "½", "𝒳", "😀", "\ud800", "Ⅷ"]),
            st.text(max_size=4),
        ),
        min_size=1,
        max_size=30,
    ),
    st.sampled_from([1, 40]),
)


@given(st.one_of(ODD, documents(), documents().map(lambda text: text * 9)))
def test_spans_are_the_matches_of_the_expression(text: str) -> None:
    starts, ends = words.spans_of(text)

    assert list(zip(starts, ends, strict=True)) == [m.span() for m in WORD.finditer(text)]
    assert list(words.words_of(text)) == WORD.findall(text)


@given(st.one_of(ODD, documents().map(lambda text: text * 9)), st.data())
def test_what_is_between_two_offsets_is_what_a_cut_would_hold(
    text: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    found = [m.span() for m in WORD.finditer(text[start:end])]

    starts, ends = words.spans_between(text, start, end)
    assert [(a - start, b - start) for a, b in zip(starts, ends, strict=True)] == found
    assert words.count_between(text, start, end) == len(found)
    assert words.vocabulary(text, start, end) == set(WORD.findall(text[start:end]))
    assert words.stems(text, start, end) == words.stems(text[start:end])


def test_hyphenated_words_have_the_stems_of_their_parts() -> None:
    assert words.stems("well-known sea-faring men") >= {
        words.stem(each) for each in ("well-known", "well", "known", "sea", "faring", "men")
    }
