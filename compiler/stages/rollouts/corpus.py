"""Rows of a corpus -> its texts, readable one by one, and their ids."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from compiler.dataset.corpus import Texts
from compiler.dataset.source_columns import CorpusNames
from compiler.engine.artifact import row_digest
from compiler.engine.stage import Inputs, Outputs, Part, Stage
from compiler.records import DocumentId
from compiler.rollouts.rows import CorpusText
from compiler.spec.rollouts import Corpus
from compiler.stages.context import Context

VERSION = 1


def stage(context: Context) -> Stage:
    """Bind the stage, a single step over the whole corpus."""
    corpus = context.rollouts.corpus
    return Stage(
        name="corpus",
        version=VERSION,
        depth=0,
        needs=(),
        params={
            "source": context.located.digest,
            "columns": corpus.columns.model_dump(mode="json"),
            "where": {column: [*values] for column, values in sorted(corpus.where.items())},
            "min_chars": corpus.min_chars,
        },
        run=partial(_run, context, corpus),
    )


def _run(context: Context, corpus: Corpus, part: Part, inputs: Inputs, out: Outputs) -> None:
    columns = CorpusNames(**corpus.columns.model_dump(), beside=tuple(sorted(corpus.where)))
    where = {column: tuple(values) for column, values in corpus.where.items()}
    found = Texts(context.located, columns, where, corpus.min_chars, copies=out.spool)
    ids: list[DocumentId] = []

    def texts() -> Iterator[CorpusText]:
        for row, each in enumerate(found):
            ids.append(DocumentId(each.doc_id, row_digest(each), row))
            yield each

    out.rows("documents", texts(), frame_rows=1)
    out.rows("ids", ids)
    out.rows("skips", found.skips)
