"""The passes of the compiler, in order. A new stage is one file here and one line below."""

from __future__ import annotations

from collections.abc import Callable

from compiler.engine.stage import Stage
from compiler.stages import (
    answer,
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

PIPELINE: tuple[Callable[[Context], Stage], ...] = (
    ingest.stage,
    sample.stage,
    generate.stage,
    finalize.stage,
    expand.stage,
    answer.stage,
    judge.stage,
    score.stage,
    publish.stage,
    release.stage,
)
