"""Splits drawn by the row seed, where the generator's reply gives none.

Templated probes need a sibling and a split, but nothing that only a model can write, so a mistake
of the generator never costs one.
"""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import replace

from compiler.probes.sampling import Stream
from compiler.records import Boundary, Choice, DocRecord, Group, ShownSibling, Splits

RATIONALE = "drawn by the row seed, because the generator chose none"


def completed(
    record: DocRecord, choice: Choice | None, groups: Collection[Group], model: str
) -> Choice | None:
    """Return the choice with a split for each of the groups that its sibling offers one for.

    Without a choice, the sibling is drawn too, from those with splits for the most groups. None if
    no sibling offers any. `model`: the generator.
    """
    if choice is None:
        sibling = _sibling(record, groups)
        if sibling is None:
            return None
        none = Splits(None, None, None, None)
        choice = Choice(record.doc_id, sibling.idx, none, none, RATIONALE, RATIONALE, model, "")
    sibling = next(each for each in record.shown if each.idx == choice.sibling)
    drawn = {
        group: _stream(record, group).pick(places)
        for group in groups
        if choice.splits.get(group) is None and (places := _places(sibling, group))
    }
    return replace(
        choice,
        splits=replace(choice.splits, **{group: each.offset for group, each in drawn.items()}),
        split_tokens=replace(
            choice.split_tokens, **{group: each.tokens for group, each in drawn.items()}
        ),
        drawn=tuple(sorted(drawn)),
    )


def _sibling(record: DocRecord, groups: Collection[Group]) -> ShownSibling | None:
    counts = [sum(bool(_places(each, group)) for group in groups) for each in record.shown]
    most = max(counts, default=0)
    best = [each for each, n in zip(record.shown, counts, strict=True) if n == most]
    return _stream(record, "sibling").pick(best) if most else None


def _places(sibling: ShownSibling, group: Group) -> list[Boundary]:
    return [each for each in sibling.boundaries if group in each.groups]


def _stream(record: DocRecord, purpose: str) -> Stream:
    return Stream(record.row_seed, record.doc_id, "split", purpose)
