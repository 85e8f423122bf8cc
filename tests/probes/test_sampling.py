"""Draws: stable, disjoint, balanced, and independent of other documents and slots."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.probes import sampling
from compiler.probes.sampling import Stream
from compiler.records import Side
from compiler.spec import load
from compiler.spec.declared import of_probes
from compiler.spec.model import TemplateScope, WrittenScope

ROOT = Path(__file__).parents[2]
ids = st.lists(st.text(st.characters(codec="utf-8"), min_size=1), unique=True)


@cache
def scopes() -> list[tuple[str, TemplateScope | WrittenScope]]:
    spec = load.read(ROOT / "specs/demo.yaml").spec
    assert spec is not None
    return of_probes(spec).ordered_scopes()


@given(ids, st.integers(0, 2**40), st.data())
def test_rounds_are_disjoint_and_independent_of_the_order_of_the_source(
    doc_ids: list[str], seed: int, data: st.DataObject
) -> None:
    sizes: list[int] = []
    left = len(doc_ids)
    while left and len(sizes) < 4:
        sizes.append(data.draw(st.integers(1, left)))
        left -= sizes[-1]
    drawn = sampling.draw(doc_ids, seed, sizes)
    flat = [doc_id for part in drawn for doc_id in part]

    assert [len(part) for part in drawn] == sizes
    assert len(set(flat)) == len(flat)
    assert set(flat) <= set(doc_ids)
    assert drawn == sampling.draw(data.draw(st.permutations(doc_ids)), seed, sizes)


@given(ids.filter(lambda found: len(found) > 2), st.integers(0, 9))
def test_a_new_round_does_not_change_the_earlier_ones(doc_ids: list[str], seed: int) -> None:
    assert sampling.draw(doc_ids, seed, [1])[0] == sampling.draw(doc_ids, seed, [1, 1])[0]


def test_too_large_rounds_are_an_error_with_both_counts() -> None:
    with pytest.raises(ValueError, match="rounds need 3 documents, but the source has 2"):
        sampling.draw(["a", "b"], 0, [2, 1])


@given(st.integers(1, 5000), st.integers(1, 600))
def test_shards_divide_a_round_evenly(documents: int, size: int) -> None:
    found = sampling.shards(documents, size)

    assert [place for shard in found for place in shard] == list(range(documents))
    assert max(map(len, found)) <= size
    assert max(map(len, found)) - min(map(len, found)) <= 1


def test_a_stream_is_pinned() -> None:
    """Draw the same values on every Python version, platform and hash seed."""
    stream = Stream("pin", 1)

    assert [stream.below(1000) for _ in range(5)] == [423, 396, 678, 261, 559]


def test_targets_are_balanced_in_every_document_and_overall() -> None:
    sides: Counter[tuple[str, Side]] = Counter()
    for number in range(400):
        slots = sampling.plan_slots(scopes(), number, f"doc-{number}")
        assert [slot.index for slot in slots] == list(range(16))
        for name, scope in scopes():
            own = [slot.target for slot in slots if slot.scope == name]
            assert abs(own.count("prefix") - own.count("suffix")) <= scope.slots % 2
        sides.update((slot.scope, slot.target) for slot in slots)
    for name, scope in scopes():
        share = sides[name, "suffix"] / (400 * scope.slots)
        assert 0.42 < share < 0.58, name


def test_distances_cover_near_mid_and_far_and_are_log_uniform() -> None:
    hints: Counter[str] = Counter()
    covered = 0
    for number in range(300):
        slots = sampling.plan_slots(scopes(), number, "d")
        own = [s.hint or 0 for s in slots if s.scope == "word"]
        bands = ["near" if h <= 3 else "mid" if h <= 15 else "far" for h in own]
        hints.update(bands)
        covered += len(set(bands)) == 3
        assert all(1 <= hint <= 63 for hint in own)
    total = sum(hints.values())
    for band in ("near", "mid", "far"):
        assert abs(hints[band] / total - 1 / 3) < 0.05, hints
    assert covered == 300


def test_an_added_slot_does_not_move_the_others() -> None:
    declared = dict(scopes())
    more = dict(declared)
    more["word"] = declared["word"].model_copy(update={"slots": 7})
    before = sampling.plan_slots([*declared.items()], 5, "d")
    after = sampling.plan_slots([*more.items()], 5, "d")

    for name in declared:
        old = [(s.target, s.hint) for s in before if s.scope == name]
        new = [(s.target, s.hint) for s in after if s.scope == name]
        assert new[: len(old)] == old


@given(st.text(max_size=30), st.integers(1, 20), st.sampled_from(("prefix", "suffix")))
def test_a_view_keeps_the_text_nearest_the_split(text: str, most: int, target: Side) -> None:
    seen = sampling.view(text, target, most, "nearest")

    assert len(seen) == min(len(text), most)
    assert text.endswith(seen) if target == "suffix" else text.startswith(seen)
    assert text.startswith(sampling.view(text, target, most, "start"))
    assert text.endswith(sampling.view(text, target, most, "end"))


@given(st.dictionaries(st.integers(1, 63), st.none(), max_size=10), st.integers(1, 63))
def test_nearest_has_the_smallest_distance(feasible: dict[int, None], wanted: int) -> None:
    found = sampling.nearest(feasible, wanted)

    if not feasible:
        assert found is None
    else:
        assert found is not None
        assert abs(found[0] - wanted) == min(abs(key - wanted) for key in feasible)


@given(st.integers(0, 60), st.integers(0, 60), st.text(max_size=5))
def test_an_order_is_a_permutation_whose_start_can_be_read_alone(
    n: int, taken: int, name: str
) -> None:
    order = list(Stream(name).order(n))

    assert sorted(order) == list(range(n))
    assert list(islice(Stream(name).order(n), taken)) == order[:taken]


def test_every_number_is_equally_likely_at_every_place() -> None:
    orders = [list(Stream("order", number).order(5)) for number in range(4000)]
    for place in (0, 2, 4):
        found = Counter(order[place] for order in orders)
        assert all(700 < found[number] < 900 for number in range(5))
