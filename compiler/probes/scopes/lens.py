"""The lens scope: exactly N contiguous tokens touching the split.

`abs_index` and `n_tokens_actual` are both N. The window is a slice of the text between two clean
token offsets, and also has N tokens when tokenised on its own.
"""

from __future__ import annotations

from bisect import bisect_left

from compiler.probes import leakage
from compiler.probes.scopes.template import Workbench
from compiler.records import Probe, Reject, Slot

_MAX_TOKENS = 63


def build(slot: Slot, bench: Workbench) -> Probe | Reject:
    """Build the probe of one lens slot, or its reject."""
    from compiler.probes.alternatives import Lens
    from compiler.probes.collocations import Place, after, before
    from compiler.probes.segment import closing_of

    if not bench.tokens.is_clean(bench.split):
        return bench.reject(slot, "no_window", f"{bench.split} cuts a token of this tokenizer")
    suffix = slot.target == "suffix"
    place = Place(
        before(bench.text, bench.split) if suffix else "",
        "" if suffix else after(bench.text, bench.split),
    )
    some = False
    for count, (start, end) in _windows(slot, bench):
        atom = bench.text[start:end]
        if not any(map(str.isalnum, atom)) or (slot.scope, start, end) in bench.used:
            continue
        some = True
        if _repeats(leakage.bare(atom), slot, bench) or bench.tokenizer.count(atom) != count:
            continue
        closing = closing_of(atom) if slot.target == "prefix" else None
        tokens = bench.tokens.count_before(start)
        question, _ = bench.question(slot, count)
        like = Lens(bench.record.doc_id, atom, place, tokens, closing, count, question)
        stream = bench.stream(slot, "alternative")
        alternative = bench.pool.window(like, bench.tokenizer, bench.siblings, stream)
        if alternative is None:
            continue
        bench.used.add((slot.scope, start, end))
        return bench.probe(slot, start, end, count, alternative, count)
    reason = "no_alternative" if some else "no_window"
    return bench.reject(slot, reason, f"{slot.target} side at {bench.split}")


def _repeats(bare: str, slot: Slot, bench: Workbench) -> bool:
    """Return whether the complement repeats an atom of at least 20 characters."""
    if len(bare) < 20:
        return False
    return bare in leakage.squash(bench.text[slice(*bench.other_side(slot.target))])


def _windows(slot: Slot, bench: Workbench) -> list[tuple[int, tuple[int, int]]]:
    """Return the windows on the slot's side with their token counts, nearest to the hint first.

    Those of generated text come first; of two equally near, the shorter one.
    """
    tokens, split = bench.tokens, bench.split
    place = bisect_left(tokens.clean, split)
    at = tokens.before[place]
    # Every clean offset is at least one token from the next.
    if slot.target == "suffix":
        side = slice(place + 1, place + _MAX_TOKENS + 1)
        offsets, befores = tokens.clean[side], tokens.before[side]
        found = [(before - at, (split, end)) for end, before in zip(offsets, befores, strict=True)]
    else:
        side = slice(max(0, place - _MAX_TOKENS), place)
        offsets, befores = tokens.clean[side], tokens.before[side]
        found = [
            (at - before, (start, split)) for start, before in zip(offsets, befores, strict=True)
        ]
    wanted = slot.hint or 1
    return sorted(
        (each for each in found if each[0] <= _MAX_TOKENS),
        key=lambda each: (
            not bench.is_generated(each[1][0]),
            abs(each[0] - wanted),
            each[0],
        ),
    )
