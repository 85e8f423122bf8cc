"""Places of stems, compared with the stems of each side."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from compiler import words
from compiler.probes.places import Places
from tests.strategies import documents

# Splits fall within hyphenated words and beside whitespace of every kind.
ODD = st.text(st.sampled_from("ab-’' \n\x1c\xa0.9"), min_size=2)


@given(st.one_of(ODD, documents().filter(lambda text: len(text) > 1)), st.data())
def test_each_side_holds_exactly_its_stems(text: str, data: st.DataObject) -> None:
    found = Places.of(text)
    wanted = [*words.stems(text), "nowhere"]
    for split in data.draw(st.lists(st.integers(1, len(text) - 1), min_size=1, max_size=4)):
        for side in ((0, split), (split, len(text))):
            there = words.stems(text, *side)
            assert found.held(wanted, *side).tolist() == [each in there for each in wanted]
