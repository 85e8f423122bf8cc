"""Request bodies as text, with everything that can change their keys."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from compiler.comparison import bodies
from compiler.keys import Json, canonical

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(0, 9)
    | st.text("ab: \n1", max_size=4)
    | st.just("null"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xy"), inner),
    max_leaves=4,
)


@given(VALUES, VALUES)
def test_equal_texts_mean_equal_bodies(one: Json, other: Json) -> None:
    first, second = canonical({"messages": one}), canonical({"messages": other})

    assert (bodies.text(first) == bodies.text(second)) == (first == second)


def test_long_texts_follow_the_short_fields() -> None:
    body = canonical({"system": "one\ntwo", "max_tokens": 5, "messages": [{"content": "hi"}]})

    assert bodies.text(body) == (
        'max_tokens: 5\nmessages[0].content: "hi"\n----- system -----\none\ntwo'
    )
