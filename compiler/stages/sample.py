"""Documents -> this round's doc-records: drawn, seeded, annotated, with their slots planned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from msgspec import Struct

from compiler.engine.stage import Inputs, Outputs, Part, Stage
from compiler.engine.store import plain
from compiler.keys import Json
from compiler.probes import annotate, sampling
from compiler.probes.ids import LETTERS
from compiler.probes.segment import segment
from compiler.probes.tokens import Tokenizer
from compiler.probes.units import identity
from compiler.records import DocRecord, Document, DocumentId, Reject, ShownSibling, Sibling, Skip
from compiler.spec.model import Spec, SplitRules, WrittenScope
from compiler.stages.context import Context
from compiler.stages.draws import Draws

VERSION = 4
# The parameters that come from the spec; a locked round keeps them.
DECLARED = ("seed", "siblings", "filters", "splits", "slots", "atoms")


class _Bound(Struct, frozen=True):
    """The configuration of a step."""

    spec: Spec
    draws: Draws
    rules: SplitRules
    written: tuple[WrittenScope, ...]


def stage(context: Context) -> Stage:
    """Bind the stage, one step per shard, whose key holds only the shard's own documents."""
    spec = context.spec
    written = tuple(context.written().values())
    bound = _Bound(spec, Draws(spec, context.locked, "ingest"), spec.splits, written)
    name = spec.source.tokenizer
    return Stage(
        name="sample",
        version=VERSION,
        depth=2,
        needs=("ingest.ids", "ingest.documents"),
        asides=("ingest.skips",),
        params={
            "seed": spec.seed,
            "siblings": spec.siblings.model_dump(mode="json"),
            "filters": spec.source.filters.model_dump(mode="json"),
            "splits": spec.splits.model_dump(mode="json"),
            "slots": [
                [name, scope.slots, scope.distance.max if scope.distance else None]
                for name, scope in spec.ordered_scopes()
            ],
            "atoms": [plain([s.unit, s.atom.model_dump(mode="json")]) for s in written],
            "tokenizer": context.tokenizer_files[name].digest,
            "segmenter": identity(scope.unit for scope in written),
        },
        run=partial(_run, bound, lambda: context.load_tokenizer(name)),
        narrow=partial(_narrow, bound),
    )


def _narrow(bound: _Bound, part: Part, inputs: Inputs) -> Mapping[str, Json]:
    drawn = _drawn(bound, part, inputs)
    return {
        "ingest.ids": {"round": part[0], "documents": {each.doc_id: each.digest for each in drawn}},
        "ingest.documents": "those of ingest.ids",
    }


def _drawn(bound: _Bound, part: Part, inputs: Inputs) -> list[DocumentId]:
    """Return the documents of one shard, in draw order."""
    index, shard = part
    drawn = bound.draws.of(index, inputs)
    return [drawn[place] for place in sampling.shards(len(drawn), bound.spec.shard_docs)[shard]]


def _run(
    bound: _Bound, load: Callable[[], Tokenizer], part: Part, inputs: Inputs, out: Outputs
) -> None:
    from compiler.rollouts.filters import usable

    tokenizer = load()
    drawn = _drawn(bound, part, inputs)
    records: list[DocRecord] = []
    rejects: list[Reject] = []
    skips: list[Skip] = []
    rows = [each.row for each in drawn]
    for source in inputs.rows_at("ingest.documents", rows, Document):
        found = usable(source, bound.spec.source.filters)
        skips.extend(found.skips)
        record = _record(bound, tokenizer, part[0], source, found.siblings)
        if found.siblings:
            records.append(record)
        else:
            rejects.extend(
                Reject(
                    part[0],
                    source.doc_id,
                    slot.index,
                    slot.scope,
                    "sample",
                    "no_usable_sibling",
                    f"{len(source.siblings)} siblings",
                )
                for slot in record.slots
            )
    out.rows("records", records)
    out.rows("rejects", rejects)
    out.rows("skips", skips)


def _record(
    bound: _Bound, tokenizer: Tokenizer, round_index: int, source: Document, kept: Sequence[Sibling]
) -> DocRecord:
    seed = sampling.row_seed(bound.spec.seed, round_index, source.doc_id)
    ranked = sorted(kept, key=lambda s: sampling.rank(seed, source.doc_id, "shown", s.idx))
    shown = ranked[: bound.spec.siblings.shown]
    return DocRecord(
        round=round_index,
        doc_id=source.doc_id,
        doc_source=source.doc_source,
        row_seed=seed,
        gen_start=len(source.prefix),
        n_available=len(kept),
        shown=tuple(
            _shown(bound, tokenizer, source, sibling, letter, seed)
            for letter, sibling in zip(LETTERS, shown, strict=False)
        ),
        others=tuple(ranked[bound.spec.siblings.shown :]),
        slots=sampling.plan_slots(bound.spec.ordered_scopes(), seed, source.doc_id),
    )


def _shown(
    bound: _Bound,
    tokenizer: Tokenizer,
    source: Document,
    sibling: Sibling,
    letter: str,
    seed: int,
) -> ShownSibling:
    text = source.prefix + sibling.continuation
    gen_start = len(source.prefix)
    return annotate.annotate(
        sibling.idx,
        letter,
        segment(text, gen_start),
        gen_start,
        tokenizer.encode(text),
        bound.rules,
        bound.written,
        seed,
    )
