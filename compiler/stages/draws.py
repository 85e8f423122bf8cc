"""The documents of each round: as its lock names them, else drawn from the source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from compiler.dataset.sources import skipped
from compiler.engine.plan import Graph
from compiler.engine.stage import Inputs, Step
from compiler.errors import SourceError
from compiler.probes import sampling
from compiler.records import DocumentId, Skip
from compiler.spec.declared import Declared
from compiler.stages.context import Context

_NAMED = 5
_Document = TypeVar("_Document")


class Draws:
    """The documents of each round, drawn from those that no locked round has.

    `reader`: the stage that reads the source.
    """

    def __init__(
        self, spec: Declared, locked: Mapping[int, Mapping[str, str]], reader: str
    ) -> None:
        self._spec = spec
        self._locked = locked
        self._reader = reader
        # Every shard's key needs the order of its round, which hashes each of its documents.
        self._known: dict[tuple[str, int], list[DocumentId]] = {}

    def of(self, index: int, inputs: Inputs) -> list[DocumentId]:
        """Return the documents of a round in draw order."""
        source = inputs.one(f"{self._reader}.ids").digest
        if (source, index) not in self._known:
            ids = _ids(source, inputs, self._reader)
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
            skips = skipped(inputs.rows(f"{self._reader}.skips", Skip))
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


def drawn(context: Context, reader: str, index: int, step: Step, graph: Graph) -> list[DocumentId]:
    """Return the documents of a round in draw order. `step`: any step of it with made inputs."""
    return Draws(context.declared, context.locked, reader).of(index, graph.inputs(step))


def documents(
    context: Context,
    reader: str,
    kind: type[_Document],
    index: int,
    step: Step,
    graph: Graph,
) -> Iterator[_Document]:
    """Yield the documents of a round in draw order, with their text. `kind`: their type."""
    rows = [each.row for each in drawn(context, reader, index, step, graph)]
    yield from graph.inputs(step).rows_at(f"{reader}.documents", rows, kind)


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


def _ids(artifact_digest: str, inputs: Inputs, reader: str) -> dict[str, DocumentId]:
    """Return the ids by doc_id; read once per content, because every shard's key needs them."""
    if artifact_digest not in _ID_CACHE:
        _ID_CACHE.clear()
        rows = inputs.rows(f"{reader}.ids", DocumentId)
        _ID_CACHE[artifact_digest] = {row.doc_id: row for row in rows}
    return _ID_CACHE[artifact_digest]
