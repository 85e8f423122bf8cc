"""The build that a chained source comes from, which must be up to date."""

from __future__ import annotations

from pathlib import Path

from compiler.engine.plan import State
from compiler.errors import SourceError
from compiler.project import opening
from compiler.project.project import Project
from compiler.project.variant import Variant


def require(project: Project) -> None:
    """Refuse a project whose rollouts are of a spec with stale steps. Opens no socket.

    Raises:
        SourceError: a step of that spec would run.
        UsageError: its corpus or tokenizer must be fetched first.
    """
    path = getattr(project.declared.source, "rollouts", None)
    if path is None:
        return
    variant = Variant(Path(project.root / path), (), None, None, project.store.root)
    above = opening.project(variant, project.state)
    try:
        stale = [each for each in above.planned().plan() if each.state is not State.FRESH]
    finally:
        above.log.close()
        above.journal.close()
    if stale:
        reason = f": {stale[0].reason}" if stale[0].reason else ""
        raise SourceError(
            f"its rollouts are not up to date ({stale[0].step}{reason})",
            where=path,
            hint=f"run `probec build {path}`",
        )
