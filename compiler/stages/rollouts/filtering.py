"""Continuations as they came -> those that are kept, cut and measured, and the rejected ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from compiler.engine.stage import Inputs, Outputs, Part, Stage
from compiler.probes.tokens import Tokenizer
from compiler.rollouts import copies, detached, sentences
from compiler.rollouts.filters import Filtered, filtered
from compiler.rollouts.measures import measured
from compiler.rollouts.rows import (
    Calibration,
    Continued,
    Cut,
    Prefix,
    Raw,
    Rejected,
    Repeat,
    Rollout,
)
from compiler.spec.rollouts import RolloutsSpec
from compiler.stages.context import Context
from compiler.stages.rollouts.calibrate import is_detached, weights
from compiler.stages.rollouts.prefix import tokenizer

VERSION = 1
_SOUND = ("ok", "truncated")
_SILENT = ("ok", "truncated", "empty")


def stage(context: Context) -> Stage:
    """Bind the stage, one step per shard. It sends no request."""
    spec = context.rollouts
    name = spec.model.tokenizer
    return Stage(
        name="filter",
        version=VERSION,
        depth=2,
        needs=(
            *("prefix.prefixes", "distinct.repeats", "continue.texts"),
            "calibrate.calibration",
        ),
        params={
            "filters": spec.filters.model_dump(mode="json"),
            "siblings": spec.siblings.model_dump(mode="json"),
            "tokenizer": context.tokenizer_files[name].digest if name is not None else None,
        },
        run=partial(_run, spec, lambda: tokenizer(context)),
    )


@dataclass(frozen=True)
class _Bench:
    """The configuration of one step."""

    spec: RolloutsSpec
    encoder: Tokenizer | None
    calibration: Calibration


def _run(
    spec: RolloutsSpec,
    load: Callable[[], Tokenizer | None],
    part: Part,
    inputs: Inputs,
    out: Outputs,
) -> None:
    (calibration,) = inputs.rows("calibrate.calibration", Calibration)
    bench = _Bench(spec, load(), calibration)
    texts = {each.doc_id: each for each in inputs.rows("continue.texts", Continued)}
    repeats = {each.doc_id for each in inputs.rows("distinct.repeats", Repeat)}
    rows: list[Rollout] = []
    rejects: list[Rejected] = []
    cuts: list[Cut] = []
    for prefix in inputs.rows("prefix.prefixes", Prefix):
        lost = "prefix_duplicate" if prefix.doc_id in repeats else prefix.reason
        if lost:
            rejects += [
                Rejected(part[0], prefix.doc_id, idx, lost, 0) for idx in range(spec.siblings.n)
            ]
            continue
        own = _document(bench, prefix, texts[prefix.doc_id].siblings, part[0])
        rows += own.rows
        rejects += own.rejects
        cuts += own.cuts
    out.rows("rows", rows)
    out.rows("rejects", rejects)
    out.rows("cuts", cuts)


@dataclass(frozen=True)
class _Own:
    """The outcome of one document."""

    rows: list[Rollout]
    rejects: list[Rejected]
    cuts: list[Cut]


def _document(bench: _Bench, prefix: Prefix, siblings: tuple[Raw, ...], index: int) -> _Own:
    def rejected(idx: int, reason: str) -> Rejected:
        return Rejected(index, prefix.doc_id, idx, reason, len(siblings[idx].text))

    usable = [idx for idx, raw in enumerate(siblings) if raw.outcome in _SILENT]
    rejects = [
        rejected(idx, "sibling_errored")
        for idx, raw in enumerate(siblings)
        if raw.outcome not in _SILENT
    ]
    more = {"detached": _tail(bench, prefix.text)}
    raws = (siblings[idx].text if siblings[idx].outcome in _SOUND else "" for idx in usable)
    kept: list[tuple[int, Filtered]] = []
    for idx, each in zip(
        usable, filtered(prefix.text, raws, bench.spec.filters, more), strict=True
    ):
        if each.reason:
            rejects.append(rejected(idx, each.reason))
        else:
            kept.append((idx, each))
    if len(kept) < bench.spec.siblings.keep_min:
        rejects += [rejected(idx, "too_few_siblings") for idx, _ in kept]
        return _Own([], sorted(rejects, key=lambda each: each.doc_idx), [])
    rows = [
        _row(bench, prefix, siblings[idx], idx, each, [o.text for i, o in kept if i != idx])
        for idx, each in kept
    ]
    cuts = [Cut(name, chars) for _, each in kept for name, chars in each.cuts]
    return _Own(rows, sorted(rejects, key=lambda each: each.doc_idx), cuts)


def _tail(bench: _Bench, prefix: str) -> Callable[[str], str]:
    """Return the filter of detached tails behind a prefix; it cuts only if the spec says so."""
    rule = bench.spec.filters.detached

    def kept(text: str) -> str:
        if rule is None or rule.action != "cut":
            return text
        found = detached.cohesion(prefix, text, weights(bench.calibration), rule.min_tail)
        if found is None or not is_detached(found, bench.calibration.threshold):
            return text
        return text[: sentences.end_before(text, found.at) or found.at].rstrip()

    return kept


def _row(
    bench: _Bench, prefix: Prefix, raw: Raw, idx: int, found: Filtered, others: list[str]
) -> Rollout:
    text, rule = found.text, bench.spec.filters.detached
    tail = rule.min_tail if rule is not None else 0
    cohesion = (
        detached.cohesion(prefix.text, text, weights(bench.calibration), tail)
        if rule is not None
        else None
    )
    return Rollout(
        doc_id=prefix.doc_id,
        doc_source=prefix.doc_source,
        prefix=prefix.text,
        continuation=text,
        doc_idx=idx,
        seed=raw.seed,
        source_model=raw.model,
        finish_reason=raw.finish,
        n_tokens=raw.tokens,
        prefix_tokens=prefix.tokens,
        retokenizes=_retokenizes(bench.encoder, prefix.text, text),
        raw_chars=len(raw.text),
        # A leak that was replaced by a paragraph break leaves no beginning of the reply.
        cut_char=len(text) if found.cuts and raw.text.startswith(text) else None,
        cut_reason=found.cuts[0][0] if found.cuts else None,
        **measured(text)._asdict(),
        cohesion_min=round(cohesion.least, 6) if cohesion is not None else None,
        cohesion_at=cohesion.at if cohesion is not None else None,
        sibling_overlap=round(copies.overlap(text, others, 3), 6),
        detached=is_detached(cohesion, bench.calibration.threshold) if rule is not None else None,
    )


def _retokenizes(encoder: Tokenizer | None, prefix: str, text: str) -> bool | None:
    """Test if the tokens of the whole text begin with those of the prefix."""
    if encoder is None:
        return None
    own = list(encoder.ids(prefix))
    return list(encoder.ids(prefix + text)[: len(own)]) == own
