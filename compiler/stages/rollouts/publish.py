"""One round's kept continuations -> one parquet file, streamed shard by shard."""

from __future__ import annotations

from functools import partial

from compiler.dataset import rollout_columns
from compiler.dataset.rollout_columns import COLUMNS
from compiler.engine.stage import Inputs, Outputs, Part, Stage
from compiler.rollouts.rows import Rollout, RolloutFact
from compiler.spec.rollouts import RolloutsPublish
from compiler.stages.context import Context

VERSION = 1


def stage(context: Context) -> Stage:
    """Bind the stage, one step per round, so that a new round leaves earlier files unchanged."""
    publish = context.rollouts.publish
    return Stage(
        name="publish",
        version=VERSION,
        depth=1,
        needs=("filter.rows",),
        params={
            "columns": [*COLUMNS],
            "row_group_rows": publish.row_group_rows,
            "compression_level": publish.compression_level,
        },
        run=partial(_run, publish),
    )


def _run(publish: RolloutsPublish, part: Part, inputs: Inputs, out: Outputs) -> None:
    out.file(
        "rows",
        ".parquet",
        lambda file, canonical: rollout_columns.write(
            file,
            canonical,
            inputs.rows("filter.rows", Rollout),
            publish.row_group_rows,
            publish.compression_level,
        ),
    )
    rows = inputs.rows("filter.rows", Rollout)
    out.rows("facts", map(_fact, rows))


def _fact(row: Rollout) -> RolloutFact:
    return RolloutFact(
        row.doc_id,
        len(row.continuation),
        row.n_tokens,
        row.finish_reason,
        row.cut_reason,
        row.retokenizes,
        row.detached,
    )
