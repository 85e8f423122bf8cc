"""Hypothesis strategies that several test files share."""

from __future__ import annotations

from hypothesis import strategies as st

from compiler.keys import Json

texts = st.text(st.characters(codec="utf-8"), max_size=20)


def json_values() -> st.SearchStrategy[Json]:
    """Generate any value that a key may be computed from."""
    leaves = (
        st.none()
        | st.booleans()
        | st.integers(-(2**80), 2**80)
        | st.floats(allow_nan=False, allow_infinity=False)
        | texts
    )
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
        max_leaves=12,
    )


PROSE = st.sampled_from(
    [
        "The harbour was quiet that morning, and nobody spoke of the storm.",
        "Dr. Smith paid $3.50 for the map in No. 5!",
        "She asked why the lamp had been lit at noon?",
        "However, the engineers rebuilt the northern bridge within two years.",
        "- a list item without an end",
        "# A heading",
        "第二句话。",
        "naïve cafe\u0301 👩‍👩‍👧 parties are fun.",
        "He said “stop here.” Then he left the room, 42 men behind him.",
        "<b>bold</b> residue of a page &amp; more.",
        "مرحبا بالعالم.",
    ]
)
JOINS = st.sampled_from([" ", "\n", "\n\n", "  ", "\r\n", "\n \n", "\u00a0", ""])

# Letters, marks, joiners, digits and signs in any order, sometimes past the length limit.
ODD = st.builds(
    lambda parts, times: "".join(parts) * times,
    st.lists(
        st.one_of(
            st.sampled_from([*"ab'’-.,12 \n\x1c中", "e\u0301", "½", "𝒳", "😀", "\ud800", "Ⅷ"]),
            st.text(max_size=4),
        ),
        min_size=1,
        max_size=30,
    ),
    st.sampled_from([1, 40]),
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Generate text as found on the web and in the output of language models."""
    pieces = draw(st.lists(st.tuples(PROSE, JOINS), min_size=1, max_size=25))
    return "".join(piece + join for piece, join in pieces)
