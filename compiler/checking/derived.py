"""Recomputation of the columns of a row that follow from its others (V30).

Only rows that this project built follow these definitions, so rows without `probe_id` are not
checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.dataset.columns import COLUMNS, band_of, identity, origin
from compiler.dataset.rows import PublishedRow
from compiler.dataset.scopes import Rules
from compiler.probes.scopes.written import index_of
from compiler.probes.segment import Segments, split_kind, word_count
from compiler.probes.tokens import Tokens
from compiler.records import Probe
from compiler.spec.model import WrittenScope
from compiler.spec.scoring import BASELINES


@dataclass(frozen=True)
class Known:
    """Inputs of the recomputation besides the row; columns that need a missing one are skipped.

    `segments`: of its text; `rules`: of its scope; `tokens`: of its text by the source's tokenizer;
    `bands`: HARD below the first, EASY from the second.
    """

    segments: Segments
    rules: Rules | None
    tokens: Tokens | None
    bands: tuple[float, float] | None


def differences(row: PublishedRow, probe: Probe, known: Known) -> Iterator[str]:
    """Yield the columns of a row that disagree with its text, its scores and its ids."""
    if "probe_id" not in row.values:
        return
    for name, value in _expected(row, probe, known):
        if name in row.values and not _has(row, name, value):
            yield f"{name} {row.values[name]!r:.60}, recomputed {value!r:.60}"
    yield from _nulls(row, probe, known.rules)
    hint, seen = row.number("signed_index_hint"), row.number("context_chars_seen")
    if hint is not None and hint * _sign(probe) < 1:
        yield f"signed_index_hint {hint} of a {probe.target} target"
    if seen is not None and not 0 <= seen <= len(row.text("context")):
        yield f"context_chars_seen {seen} of {len(row.text('context'))}"


def _expected(row: PublishedRow, probe: Probe, known: Known) -> Iterator[tuple[str, object]]:
    segments, rules, tokens = known.segments, known.rules, known.tokens
    split, gen_start = row.number("split_char_offset"), row.number("gen_start_char")
    assert split is not None
    suffix, sign = probe.target == "suffix", _sign(probe)
    start, end = (split, probe.atom_start) if suffix else (probe.atom_end, split)
    yield "actual_word_distance_from_split", sign * word_count(segments.text, start, end)
    index = probe.abs_index
    if isinstance(rules, WrittenScope):
        atom = probe.atom_start, probe.atom_end
        index = index_of(rules.unit, segments, probe.target, split, atom)
        yield "abs_index", index
    yield "signed_index", sign * index if index is not None else None
    if gen_start is not None:
        yield "atom_origin", origin(probe.atom_start, probe.atom_end, gen_start)
        yield "split_region", "generated" if split >= gen_start else "source"
    yield "split_kind", split_kind(segments.text, split)
    if tokens is not None:
        clean = tokens.is_clean(split)
        yield "split_is_token_boundary", clean
        if clean:
            yield "split_token_idx", tokens.count_before(split)
    scores = [s for s in row.items("bb_answer_rollout_scores") or () if isinstance(s, int | float)]
    if known.bands is not None:
        yield "band", band_of(max(scores), *known.bands) if scores else None
    round_idx, slot = row.number("round_idx"), row.number("slot_idx")
    if round_idx is not None and slot is not None:
        yield "probe_id", identity(round_idx, probe.doc_id, slot)


def _nulls(row: PublishedRow, probe: Probe, rules: Rules | None) -> Iterator[str]:
    """Yield columns without a required value, and columns with a value that must be null."""
    for column in COLUMNS:
        if not column.nullable and column.name in row.values and _is_null(row, column.name):
            yield f"{column.name} is null"
    if rules is None:
        return
    written = isinstance(rules, WrittenScope)
    for name in _TEMPLATED if written else _WRITTEN:
        if name in row.values and not _is_null(row, name):
            kind = "written" if written else "templated"
            yield f"{name} {row.values[name]!r:.60} of a {kind} probe"
    if not written and (probe.n_tokens is None) != (probe.tokenizer is None):
        yield f"n_tokens_actual {probe.n_tokens} by tokenizer {probe.tokenizer!r}"


# Columns of templated probes only, and of written probes only.
_TEMPLATED = (
    *("template_id", "tokenizer", "n_tokens_actual", "alternative_level", "alternative_pool"),
    *("atom_attested", "alternative_attested"),
)
_WRITTEN = (
    *("typicality", "sibling_support", "synergy_check", "distribution_check", "difficulty_check"),
    *("k_rollouts", "answerer_model", "judge_model", "context_chars_seen", "band"),
    *("bb_answer_response_scores", *(f"{name}_scores" for name in BASELINES)),
)


def _is_null(row: PublishedRow, name: str) -> bool:
    value = row.values.get(name)
    return value is None or value != value


def _has(row: PublishedRow, name: str, value: object) -> bool:
    """Return whether a row has a value, also if its file stores integers and nulls as floats."""
    stated = row.values[name]
    if isinstance(value, int) and not isinstance(value, bool):
        return row.number(name) == value
    # NaN stands for null, and differs from itself.
    return stated == value or (value is None and stated != stated)


def _sign(probe: Probe) -> int:
    return 1 if probe.target == "suffix" else -1
