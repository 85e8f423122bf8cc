"""Source rows -> documents with their siblings, readable one by one, and their ids."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from compiler.dataset.located import Located
from compiler.dataset.source_columns import ColumnNames, column_names
from compiler.engine.artifact import row_digest
from compiler.engine.stage import Inputs, Outputs, Part, Stage
from compiler.engine.store import plain
from compiler.records import Document, DocumentId
from compiler.stages.context import Context

if TYPE_CHECKING:
    from compiler.dataset.sources import Grouped

VERSION = 3


def stage(context: Context) -> Stage:
    """Bind the stage, a single step, because the source is grouped as a whole."""
    columns = column_names(context.spec)
    return Stage(
        name="ingest",
        version=VERSION,
        depth=0,
        needs=(),
        params={"source": context.located.digest, "columns": plain(columns.identity())},
        run=partial(_run, context.located, columns),
    )


def _run(located: Located, columns: ColumnNames, part: Part, inputs: Inputs, out: Outputs) -> None:
    from compiler.dataset.sources import Grouped

    ids: list[DocumentId] = []

    def documents(grouped: Grouped) -> Iterator[Document]:
        for row, document in enumerate(grouped):
            ids.append(DocumentId(document.doc_id, row_digest(document), row))
            yield document

    with out.spool() as spool:
        grouped = Grouped(located, columns, spool, copies=out.spool)
        out.rows("documents", documents(grouped), frame_rows=1)
    out.rows("ids", ids)
    out.rows("skips", grouped.skips)
