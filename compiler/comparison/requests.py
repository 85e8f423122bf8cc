"""Requests of two builds, matched by key: same, changed, or in one build only.

Requests with equal keys are the same. The others are paired by document, slot and sample: a pair is
a change, and a request without a partner is in one build only. Steps are compared part by part, so
that memory holds the keys of one shard as long as shards have the same documents; bodies are not
kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from compiler.comparison import bodies
from compiler.comparison.hunks import Hunk, hunks
from compiler.comparison.listing import FINISHING, Walk, Wanted
from compiler.engine.stage import Part
from compiler.llm.dispatch import Priced
from compiler.project.listing import Listed

# Stages that no request depends on.
_LATER = frozenset({*FINISHING, "publish", "release"})


_NONE = Wanted([])


@dataclass
class Tally:
    """The requests of one stage and scope.

    `a`, `b`: all requests of either side, of which `cached` need not be sent; `a_new`, `b_new`:
    those that a build would send now, each key once. A request without a partner counts in `only_a`
    or `only_b` if all requests of the other side are known.
    """

    same: int = 0
    changed: int = 0
    only_a: int = 0
    only_b: int = 0
    a: Priced = field(default_factory=Priced)
    b: Priced = field(default_factory=Priced)
    a_new: Priced = field(default_factory=Priced)
    b_new: Priced = field(default_factory=Priced)


@dataclass(frozen=True)
class Example:
    """One changed request: its stage, place, sample and keys, and the hunks between its bodies."""

    stage: str
    place: str
    sample: int
    old_key: str
    new_key: str
    hunks: tuple[Hunk, ...]


@dataclass
class Compared:
    """Tallies by stage and scope, and one example for each stage with a change."""

    tallies: dict[str, dict[str, Tally]] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Left:
    """A request without an equal on the other side, and its part."""

    request: Listed
    part: Part


def compare(a: Walk, b: Walk) -> Compared:
    """Walk both builds and compare their requests."""
    compared = Compared()
    asking = {*a.asking(), *b.asking()}
    for stage in stages(a, b):
        if stage in asking:
            compared.tallies[stage] = _stage(a, b, stage, compared.examples)
        elif stage not in _LATER:
            a.make(stage)
            b.make(stage)
    return compared


def stages(a: Walk, b: Walk) -> list[str]:
    """Merge the stages of both builds, in their order."""
    own, other = ([stage.name for stage in walk.graph.stages] for walk in (a, b))
    found: list[str] = []
    for name in own:
        # Stages of the other build only come before the next common stage.
        while name in other and other[0] != name:
            found.append(other.pop(0))
        if name in other:
            other.remove(name)
        found.append(name)
    return [*found, *other]


def _stage(a: Walk, b: Walk, stage: str, examples: list[Example]) -> dict[str, Tally]:
    tallies: dict[str, Tally] = defaultdict(Tally)
    left_a: list[_Left] = []
    left_b: list[_Left] = []
    pair: tuple[_Left, _Left] | None = None
    parts_a, parts_b = set(a.parts(stage)), set(b.parts(stage))
    known_a = known_b = True
    for part in sorted(parts_a | parts_b):
        one = a.requests(stage, part) if part in parts_a else _NONE
        other: Wanted | None = _NONE
        if one is not None and part in parts_a & parts_b and b.twin(a, stage, part):
            other = b.follow(a, stage, part, one)
        elif part in parts_b:
            other = b.requests(stage, part)
        _count(one, tallies, "a")
        _count(other, tallies, "b")
        known_a, known_b = known_a and one is not None, known_b and other is not None
        rest_a, rest_b = _unequal(_rows(one, part), _rows(other, part), tallies)
        changed, rest_a, rest_b = _changed(rest_a, rest_b, tallies)
        pair = pair or changed
        left_a += rest_a
        left_b += rest_b
    # Shards may hold other documents on either side: match what is left across parts.
    left_a, left_b = _unequal(left_a, left_b, tallies)
    changed, left_a, left_b = _changed(left_a, left_b, tallies)
    pair = pair or changed
    for left in left_a if known_b else ():
        tallies[left.request.scope].only_a += 1
    for left in left_b if known_a else ():
        tallies[left.request.scope].only_b += 1
    if pair is not None:
        examples.append(_example(a, b, stage, *pair))
    return dict(tallies)


def _rows(step: Wanted | None, part: Part) -> list[_Left]:
    return [] if step is None else [_Left(each, part) for each in step.requests]


def _count(step: Wanted | None, tallies: dict[str, Tally], side: str) -> None:
    if step is None:
        return
    sent = set(step.first)
    for each in step.requests:
        tally = tallies[each.scope]
        volume, new = (tally.a, tally.a_new) if side == "a" else (tally.b, tally.b_new)
        _add(volume, each)
        volume.cached += each.key not in step.missing
        if each.key in sent:
            sent.remove(each.key)
            _add(new, each)


def _add(volume: Priced, each: Listed) -> None:
    volume.calls += 1
    volume.bytes += each.bytes
    volume.system += each.system


def _unequal(
    a: Iterable[_Left], b: list[_Left], tallies: dict[str, Tally]
) -> tuple[list[_Left], list[_Left]]:
    """Count requests with equal keys as same; return the rest of both sides."""
    waiting: dict[bytes, int] = defaultdict(int)
    for each in b:
        waiting[each.request.key] += 1
    matched: dict[bytes, int] = defaultdict(int)
    rest_a = []
    for each in a:
        key = each.request.key
        if waiting.get(key, 0) > matched[key]:
            matched[key] += 1
        else:
            rest_a.append(each)
    rest_b = []
    for each in b:
        key = each.request.key
        if matched.get(key, 0):
            matched[key] -= 1
            tallies[each.request.scope].same += 1
        else:
            rest_b.append(each)
    return rest_a, rest_b


def _changed(
    a: list[_Left], b: list[_Left], tallies: dict[str, Tally]
) -> tuple[tuple[_Left, _Left] | None, list[_Left], list[_Left]]:
    """Count pairs with equal place and sample as changed.

    Returns the first pair, and the rest of both sides.
    """
    by_place = {(each.request.place, each.request.sample): each for each in a}
    first: tuple[_Left, _Left] | None = None
    rest = []
    for each in b:
        partner = by_place.pop((each.request.place, each.request.sample), None)
        if partner is None:
            rest.append(each)
            continue
        tallies[each.request.scope].changed += 1
        first = first or (partner, each)
    return first, list(by_place.values()), rest


def _example(a: Walk, b: Walk, stage: str, old: _Left, new: _Left) -> Example:
    place, sample = new.request.place, new.request.sample
    before = bodies.text(a.body(stage, old.part, old.request.place, old.request.sample))
    after = bodies.text(b.body(stage, new.part, place, sample))
    keys = old.request.key.hex(), new.request.key.hex()
    return Example(stage, place, sample, *keys, hunks(before, after))
