"""The lens scope: exactly N contiguous tokens touching the split.

`abs_index` and `n_tokens_actual` are both N. The window is a slice of the text between two clean
token offsets, and counts N tokens by itself too.
"""

from __future__ import annotations

from bisect import bisect_left

from compiler.probes import leakage
from compiler.probes.alternatives import Lens
from compiler.probes.sampling import nearest
from compiler.probes.scopes.template import Workbench
from compiler.probes.windows import closing_of
from compiler.records import Probe, Reject, Slot

_MAX_TOKENS = 63


def build(slot: Slot, bench: Workbench) -> Probe | Reject:
    """The probe of one lens slot, or why there is none."""
    tokens = bench.tokens
    if not tokens.is_clean(bench.split):
        return bench.reject(slot, "no_window", f"{bench.split} cuts a token of this tokenizer")
    feasible = _windows(slot, bench)
    some = bool(feasible)
    complement = leakage.squash(bench.text[slice(*bench.other_side(slot.target))])
    while (found := nearest(feasible, slot.hint or 1)) is not None:
        count, (start, end) = found
        del feasible[count]
        atom = bench.text[start:end]
        bare = leakage.bare(atom)
        if (len(bare) >= 20 and bare in complement) or bench.tokenizer.count(atom) != count:
            continue
        closing = closing_of(atom) if slot.target == "prefix" else None
        like = Lens(bench.record.doc_id, atom, start, closing, count)
        stream = bench.stream(slot, "alternative")
        alternative = bench.pool.window(like, bench.tokenizer, bench.siblings, stream)
        if alternative is None:
            continue
        bench.used.add((slot.scope, start, end))
        return bench.probe(slot, start, end, count, alternative, count)
    reason = "no_alternative" if some else "no_window"
    return bench.reject(slot, reason, f"{slot.target} side at {bench.split}")


def _windows(slot: Slot, bench: Workbench) -> dict[int, tuple[int, int]]:
    """The windows that may be atoms, by token count."""
    tokens, text = bench.tokens, bench.text
    at = tokens.count_before(bench.split)
    clean, found = tokens.clean, {}
    # Every clean offset is at least one token from the next.
    place = bisect_left(clean, bench.split)
    near = slice(max(0, place - _MAX_TOKENS), place + _MAX_TOKENS + 1)
    for offset, before in zip(clean[near], tokens.before[near], strict=True):
        count = before - at if slot.target == "suffix" else at - before
        if not 1 <= count <= _MAX_TOKENS:
            continue
        start, end = sorted((bench.split, offset))
        atom = text[start:end]
        if any(map(str.isalnum, atom)) and (slot.scope, start, end) not in bench.used:
            found[count] = (start, end)
    return found
