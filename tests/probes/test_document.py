"""Looping siblings: the fast test compared with counting."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from compiler.probes.document import repeated_share, repeats
from tests.strategies import documents

WORDS = st.lists(st.sampled_from("the a sea boat was is and quiet 第二 lamp".split()), max_size=60)


@given(
    st.one_of(WORDS.map(" ".join), documents(), st.text(max_size=40)),
    st.integers(1, 6),
    st.sampled_from((0.0, 0.1, 0.3, 0.5, 0.7, 1.0)),
)
def test_the_fast_test_for_repeats_agrees_with_counting_windows(
    text: str, times: int, share: float
) -> None:
    looping = " ".join([text] * times)
    assert repeats(looping, share) == (repeated_share(looping) > share)
