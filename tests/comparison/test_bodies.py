"""A body as text loses nothing that could change its key."""

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
def test_two_bodies_with_one_text_are_one_body(one: Json, other: Json) -> None:
    first, second = canonical({"messages": one}), canonical({"messages": other})

    assert (bodies.text(first) == bodies.text(second)) == (first == second)


def test_texts_stand_below_what_is_short() -> None:
    body = canonical({"system": "one\ntwo", "max_tokens": 5, "messages": [{"content": "hi"}]})

    assert bodies.text(body) == (
        'max_tokens: 5\nmessages[0].content: "hi"\n----- system -----\none\ntwo'
    )
