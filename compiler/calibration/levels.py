"""The calibration levels of a sweep, each a separate build over the same documents."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from compiler.engine.plan import Graph
from compiler.errors import UsageError
from compiler.project.project import Project
from compiler.spec.model import Round, Spec
from compiler.spec.scoring import NoContext
from compiler.stages.context import Context

DOCUMENTS = 100


@dataclass(frozen=True)
class Level:
    """The build of one level."""

    spec: Spec
    context: Context
    graph: Graph


def chosen(spec: Spec, wanted: str | None) -> list[int]:
    """List the declared levels in a range, `LOW..HIGH` or one number; all of them if None.

    Raises:
        UsageError: it is not a range, or contains no declared level.
    """
    declared = sorted(spec.calibration.levels)
    if wanted is None:
        return declared
    first, dots, last = wanted.partition("..")
    try:
        low, high = int(first), int(last if dots else first)
    except ValueError:
        raise UsageError(
            f"--levels {wanted!r} is not a range", hint="write it as --levels=-3..3"
        ) from None
    found = [level for level in declared if low <= level <= high]
    if not found:
        raise UsageError(
            f"no declared level from {low} to {high}",
            hint=f"choose from {', '.join(map(str, declared))}",
        )
    return found


def documents(spec: Spec, wanted: int | None) -> int:
    """Return the number of documents of each level: `wanted`, or at most DOCUMENTS if None.

    Raises:
        UsageError: it is below 1.
    """
    docs = min(DOCUMENTS, spec.documents()) if wanted is None else wanted
    if docs < 1:
        raise UsageError(f"--docs {docs} is below 1", hint=f"name at least 1, better {DOCUMENTS}")
    return docs


def level(project: Project, context: Context, number: int, docs: int) -> Level:
    """Open the build of one level over the first `docs` documents."""
    spec = project.spec
    varied = spec.model_copy(
        update={
            "name": f"{spec.name}.level{number:+d}",
            "rounds": [Round(docs=docs)],
            "calibration": spec.calibration.model_copy(update={"level": number, "evidence": None}),
        }
    )
    own = replace(context, declared=varied)
    return Level(varied, own, replace(project, declared=varied).graph(own))


def with_question_alone(project: Project) -> Project:
    """Add the baseline without context, which every level is compared by."""
    spec = project.spec
    baselines = spec.scoring.baselines
    if baselines.no_context is not None:
        return project
    baselines = baselines.model_copy(update={"no_context": NoContext()})
    scoring = spec.scoring.model_copy(update={"baselines": baselines})
    return replace(project, declared=spec.model_copy(update={"scoring": scoring}))
