"""Documents -> this round's doc-records: drawn, seeded, annotated, with their slots planned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from compiler.engine.plan import Graph
from compiler.engine.stage import Inputs, Outputs, Part, Stage, Step
from compiler.engine.store import plain
from compiler.errors import SourceError
from compiler.keys import Json
from compiler.probes import annotate, document, sampling
from compiler.probes.ids import LETTERS
from compiler.probes.segment import identity, segment
from compiler.probes.tokens import Tokenizer
from compiler.records import DocRecord, Document, DocumentId, Reject, ShownSibling, Sibling, Skip
from compiler.spec.model import Spec, SplitRules, WrittenScope
from compiler.stages.context import Context

VERSION = 3
# The parameters that come from the spec; a locked round keeps them.
DECLARED = ("seed", "siblings", "filters", "splits", "slots", "atoms")
_NAMED = 5


@dataclass(frozen=True)
class _Bound:
    """The configuration of a step."""

    spec: Spec
    draws: _Draws
    rules: SplitRules
    written: tuple[WrittenScope, ...]


def stage(context: Context) -> Stage:
    """Bind the stage, one step per shard, whose key holds only the shard's own documents."""
    spec = context.spec
    written = tuple(context.written().values())
    bound = _Bound(spec, _Draws(spec, context.locked), spec.splits, written)
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
            "segmenter": identity(),
        },
        run=partial(_run, bound, lambda: context.load_tokenizer(name)),
        narrow=partial(_narrow, bound),
    )


def drawn(context: Context, index: int, step: Step, graph: Graph) -> list[DocumentId]:
    """Return the documents of a round in draw order. `step`: any step of it with made inputs."""
    return _Draws(context.spec, context.locked).of(index, graph.inputs(step))


def documents(context: Context, index: int, step: Step, graph: Graph) -> Iterator[Document]:
    """Yield the documents of a round in draw order, with their text."""
    rows = [each.row for each in drawn(context, index, step, graph)]
    yield from graph.inputs(step).rows_at("ingest.documents", rows, Document)


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


class _Draws:
    """The documents of each round: as locked, else drawn from those that no locked round has."""

    def __init__(self, spec: Spec, locked: Mapping[int, Mapping[str, str]]) -> None:
        self._spec = spec
        self._locked = locked
        # Every shard's key needs the order of its round, which hashes each of its documents.
        self._known: dict[tuple[str, int], list[DocumentId]] = {}

    def of(self, index: int, inputs: Inputs) -> list[DocumentId]:
        """Return the documents of a round in draw order."""
        source = inputs.one("ingest.ids").digest
        if (source, index) not in self._known:
            ids = _ids(source, inputs)
            if index in self._locked:
                _refuse_changed(index, self._locked[index], ids)
                order = sampling.shuffled(list(self._locked[index]), self._spec.seed)
                self._known[source, index] = [ids[each] for each in order]
            else:
                self._draw(source, ids, inputs)
        return self._known[source, index]

    def _draw(self, source: str, ids: Mapping[str, DocumentId], inputs: Inputs) -> None:
        taken = frozenset[str]().union(*self._locked.values())
        free = [each for each in ids if each not in taken]
        # Locked rounds draw nothing.
        sizes = [0 if n in self._locked else r.docs for n, r in enumerate(self._spec.rounds)]
        try:
            drawn = sampling.draw(free, self._spec.seed, sizes)
        except ValueError as error:
            from compiler.dataset.sources import skipped

            skips = skipped(inputs.rows("ingest.skips", Skip))
            lost = [f"{len(taken):,} more in locked rounds"] if taken else []
            lost += [skips] if skips else []
            raise SourceError(
                "; ".join([str(error), *lost]),
                where="rounds",
                hint="lower rounds[].docs, or use a larger source",
            ) from error
        for index, order in enumerate(drawn):
            if index not in self._locked:
                self._known[source, index] = [ids[each] for each in order]


def _refuse_changed(index: int, locked: Mapping[str, str], ids: Mapping[str, DocumentId]) -> None:
    for what, names in (
        ("are no longer in the source", [each for each in locked if each not in ids]),
        (
            "have changed",
            [each for each, was in locked.items() if each in ids and ids[each].digest != was],
        ),
    ):
        if names:
            listed = ", ".join(sorted(names)[:_NAMED])
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            raise SourceError(
                f"documents of locked round {index} {what}: {listed}{more}",
                where="source",
                hint="restore them, rename the dataset, or delete the locks of that round under "
                "build/rounds to draw it again, which changes its rows",
            )


_ID_CACHE: dict[str, dict[str, DocumentId]] = {}


def _ids(artifact_digest: str, inputs: Inputs) -> dict[str, DocumentId]:
    """Return the ids by doc_id; read once per content, because every shard's key needs them."""
    if artifact_digest not in _ID_CACHE:
        _ID_CACHE.clear()
        rows = inputs.rows("ingest.ids", DocumentId)
        _ID_CACHE[artifact_digest] = {row.doc_id: row for row in rows}
    return _ID_CACHE[artifact_digest]


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
    text = document.full_text(source, sibling)
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
