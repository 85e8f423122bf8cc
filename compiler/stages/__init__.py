"""The fourteen passes of the compiler, in order.

A new stage is one file here and one line below.
"""

from __future__ import annotations

from collections.abc import Callable

from compiler.engine.stage import Stage
from compiler.stages import (
    answer,
    audit,
    control,
    expand,
    finalize,
    generate,
    ingest,
    judge,
    publish,
    release,
    sample,
    score,
)
from compiler.stages.context import Context

# A pass that the spec does not use binds to None and is left out.
PIPELINE: tuple[Callable[[Context], Stage | None], ...] = (
    ingest.stage,
    sample.stage,
    generate.stage,
    finalize.stage,
    expand.stage,
    answer.stage,
    judge.stage,
    answer.rest,
    judge.rest,
    control.stage,
    audit.stage,
    score.stage,
    publish.stage,
    release.stage,
)


def bound(context: Context) -> list[Stage]:
    """Bind the stages of one build, in order."""
    return [stage for bind in PIPELINE if (stage := bind(context)) is not None]
