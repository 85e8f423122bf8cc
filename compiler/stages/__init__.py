"""The kinds of spec, each with its stages in order.

A new stage is one file here and one line in the pipeline of its kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from compiler.engine.stage import Stage
from compiler.records import Document
from compiler.stages import (
    answer,
    audit,
    control,
    expand,
    finalize,
    generate,
    ingest,
    judge,
    probes,
    publish,
    release,
    sample,
    score,
)
from compiler.stages.asking import ASKING
from compiler.stages.context import Context
from compiler.stages.kind import Kind

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


@cache
def _probes() -> Kind:
    return Kind(
        pipeline=PIPELINE,
        asking=ASKING,
        reader="ingest",
        drawing="sample",
        fixed=sample.DECLARED,
        document=Document,
        rows=probes.rows,
        files=probes.varied,
        reduced=probes.reduced,
        restored=probes.restored,
        tokenizers=probes.tokenizers,
        result=probes.result,
        sections=probes.sections,
        summary=probes.summary,
        brief=probes.brief,
        failures=probes.failures,
        lost=probes.lost,
        advice=probes.advice,
        resent="after an edit of the prompt only requests that changed are sent",
        calls=lambda _: {"generate": 1},
        measured=True,
        provided=probes.provided,
        content=probes.content,
        compared=True,
        onward=probes.ONWARD,
    )


@cache
def _rollouts() -> Kind:
    from compiler.report import rollouts as report
    from compiler.rollouts.rows import CorpusText
    from compiler.stages import rollouts
    from compiler.stages.rollouts import kind, prefix

    return Kind(
        pipeline=rollouts.PIPELINE,
        asking=rollouts.ASKING,
        reader="corpus",
        drawing="prefix",
        fixed=prefix.DECLARED,
        document=CorpusText,
        rows=kind.rows,
        files=kind.files,
        reduced=kind.reduced,
        restored=kind.restored,
        tokenizers=kind.tokenizers,
        result=kind.result,
        sections=report.sections,
        summary=report.summary,
        brief=report.brief,
        failures=kind.failures,
        lost=kind.lost,
        advice=kind.advice,
        resent="an edit of `filters` sends no request",
        calls=kind.calls,
        measured=False,
        provided=kind.provided,
        content=kind.content,
        compared=False,
        onward=kind.ONWARD,
    )


# The modules of a kind load when a spec of it is opened.
KINDS: Mapping[str, Callable[[], Kind]] = {"probes": _probes, "rollouts": _rollouts}


def bound(context: Context) -> list[Stage]:
    """Bind the stages of one build, in order."""
    pipeline = KINDS[context.declared.kind]().pipeline
    return [stage for bind in pipeline if (stage := bind(context)) is not None]
