"""Documents -> this round's doc-records: drawn, seeded, annotated, with their slots planned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial

from compiler.engine.stage import Inputs, Outputs, Part, Stage
from compiler.engine.store import plain
from compiler.errors import SourceError
from compiler.keys import Json
from compiler.probes import annotate, document, sampling
from compiler.probes.segment import IDENTITY, segment
from compiler.probes.tokens import Tokenizer
from compiler.records import DocRecord, Document, DocumentId, Reject, ShownSibling, Sibling, Skip
from compiler.spec.model import Siblings, Spec, SplitRules, WrittenScope
from compiler.stages.context import Context

VERSION = 1


@dataclass(frozen=True)
class _Bound:
    """What a step works with beside its inputs."""

    spec: Spec
    siblings: Siblings
    rules: SplitRules
    written: tuple[WrittenScope, ...]


def stage(context: Context) -> Stage:
    """One step a shard. Its key holds the shard's own documents, not the whole source."""
    spec = context.spec
    written = tuple(context.written().values())
    bound = _Bound(spec, spec.siblings, spec.splits, written)
    name = spec.source.tokenizer
    return Stage(
        name="sample",
        version=VERSION,
        depth=2,
        needs=("ingest.ids", "ingest.documents"),
        params={
            "seed": spec.seed,
            "siblings": spec.siblings.model_dump(mode="json"),
            "splits": spec.splits.model_dump(mode="json"),
            "slots": [
                [name, scope.slots, scope.distance.max if scope.distance else None]
                for name, scope in spec.ordered_scopes()
            ],
            "atoms": [plain([s.unit, s.atom.model_dump(mode="json")]) for s in written],
            "tokenizer": context.tokenizer_files[name].digest,
            "segmenter": IDENTITY,
        },
        run=partial(_run, bound, lambda: context.load_tokenizer(name)),
        narrow=partial(_narrow, spec),
    )


def _narrow(spec: Spec, part: Part, inputs: Inputs) -> Mapping[str, Json]:
    drawn = _drawn(spec, part, inputs)
    return {
        "ingest.ids": {"round": part[0], "documents": {each.doc_id: each.digest for each in drawn}},
        "ingest.documents": "those of ingest.ids",
    }


def _drawn(spec: Spec, part: Part, inputs: Inputs) -> list[DocumentId]:
    """The documents of one shard, in draw order."""
    round_index, shard = part
    sizes = tuple(each.docs for each in spec.rounds)
    artifact = inputs.one("ingest.ids")
    ids = _ids(artifact.digest, inputs)
    try:
        drawn = _draw(artifact.digest, tuple(ids), spec.seed, sizes)
    except ValueError as error:
        raise SourceError(
            str(error), where="rounds", hint="lower rounds[].docs, or give a larger source"
        ) from error
    places = sampling.shards(sizes[round_index], spec.shard_docs)[shard]
    return [ids[drawn[round_index][place]] for place in places]


_ID_CACHE: dict[str, dict[str, DocumentId]] = {}


def _ids(artifact_digest: str, inputs: Inputs) -> dict[str, DocumentId]:
    """The ids by doc_id; read once per content, since every shard's key needs them."""
    if artifact_digest not in _ID_CACHE:
        _ID_CACHE.clear()
        rows = inputs.rows("ingest.ids", DocumentId)
        _ID_CACHE[artifact_digest] = {row.doc_id: row for row in rows}
    return _ID_CACHE[artifact_digest]


@lru_cache(maxsize=2)
def _draw(
    artifact_digest: str, ids: tuple[str, ...], seed: int, sizes: tuple[int, ...]
) -> list[list[str]]:
    return sampling.draw(ids, seed, sizes)


def _run(
    bound: _Bound, load: Callable[[], Tokenizer], part: Part, inputs: Inputs, out: Outputs
) -> None:
    tokenizer = load()
    drawn = _drawn(bound.spec, part, inputs)
    records: list[DocRecord] = []
    rejects: list[Reject] = []
    skips: list[Skip] = []
    rows = [each.row for each in drawn]
    for source in inputs.rows_at("ingest.documents", rows, Document):
        kept, skipped = document.usable(source, bound.siblings)
        skips.extend(skipped)
        record = _record(bound, tokenizer, part[0], source, kept)
        if kept:
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
                    f"{len(skipped)} siblings",
                )
                for slot in record.slots
            )
    out.rows("records", records)
    out.rows("rejects", rejects)
    out.rows("skips", skips)


def _record(
    bound: _Bound, tokenizer: Tokenizer, round_index: int, source: Document, kept: list[Sibling]
) -> DocRecord:
    seed = sampling.row_seed(bound.spec.seed, round_index, source.doc_id)
    ranked = sorted(kept, key=lambda s: sampling.rank(seed, source.doc_id, "shown", s.idx))
    shown = ranked[: bound.siblings.shown]
    return DocRecord(
        round=round_index,
        doc_id=source.doc_id,
        doc_source=source.doc_source,
        row_seed=seed,
        gen_start=len(source.prefix),
        n_available=len(kept),
        shown=tuple(_shown(bound, tokenizer, source, sibling, seed) for sibling in shown),
        others=tuple(ranked[bound.siblings.shown :]),
        slots=sampling.plan_slots(bound.spec.ordered_scopes(), seed, source.doc_id),
    )


def _shown(
    bound: _Bound, tokenizer: Tokenizer, source: Document, sibling: Sibling, seed: int
) -> ShownSibling:
    text = document.full_text(source, sibling)
    gen_start = len(source.prefix)
    return annotate.annotate(
        sibling.idx,
        segment(text, gen_start),
        gen_start,
        tokenizer.encode(text),
        bound.rules,
        bound.written,
        seed,
    )
