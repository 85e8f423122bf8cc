"""Losses and failed requests of a build: their causes, and the share that a spec allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from compiler.engine.plan import Graph
from compiler.keys import Json
from compiler.project.project import Project
from compiler.records import RequestRow
from compiler.report.screen import PLAIN, Screen
from compiler.report.terminal import table
from compiler.stages.kind import Loss

_SHOWN = 3
_CUT = 160


class Failed(Struct, frozen=True):
    """Requests of one role that ended without a message, with the same error text."""

    role: str
    error: str
    count: int

    def data(self) -> Json:
        """Convert to JSON."""
        return {"role": self.role, "error": self.error, "count": self.count}


def over(project: Project, stats: object) -> list[Loss]:
    """List the groups of which a larger share than `max_lost` is lost."""
    declared = project.declared
    found = project.kind.lost(declared, stats)
    return [each for each in found if each.lost > declared.max_lost * each.planned]


def errors(project: Project, graph: Graph | None = None) -> list[Failed]:
    """Count the failed requests of a dataset by role and error text, the most frequent first.

    `graph`: a finished build, to count only requests that it made; None for all of the dataset.
    """
    rows = project.log.failures(project.declared.name)
    if rows and graph is not None:
        used = _requests(project, graph)
        rows = [row for row in rows if row[0] in used]
    counts = Counter((role, error) for _, role, error in rows)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [Failed(role, error, count) for (role, error), count in ordered]


def _requests(project: Project, graph: Graph) -> set[str]:
    names = [stage.name for stage in graph.stages if stage.name in project.kind.asking]
    return {
        row.key
        for name in names
        for _, manifest in graph.manifests(name)
        for row in graph.store.rows(manifest.outputs["requests"], RequestRow)
    }


def summary(found: Sequence[Failed], screen: Screen = PLAIN) -> str:
    """Format the most frequent errors as a table; "" without any."""
    if not found:
        return ""
    rows = [(each.count, each.role, _cut(each.error)) for each in found[:_SHOWN]]
    more = len(found) - len(rows)
    lines = table(("failed requests", "role", "error"), rows, screen)
    return f"{lines}\nand {more:,} other errors" if more > 0 else lines


def variant(project: Project) -> str:
    """Return the spec of a project with its options, as after the name of a command."""
    return project.command.partition(" ")[2].partition(" ")[2]


def text(project: Project, groups: Sequence[Loss], failed: Sequence[Failed]) -> str:
    """Explain why a build failed, where to look, and what to do."""
    cause, allowed = groups[0].largest[0][0], project.declared.max_lost
    most = ""
    if failed:
        top = failed[0]
        most = f"; the most frequent error, of {top.count:,} {top.role} requests: {_cut(top.error)}"
    command = variant(project)
    again = (
        f"`probec retry {command} --reason errored` sends the failed requests again"
        if failed
        else project.kind.resent
    )
    listed = " and ".join(map(str, groups))
    enough = _above(max(each.share for each in groups))
    return (
        f"FAILED: more {groups[0].group.rpartition(' ')[2]} are lost than max_lost ({allowed:g}) "
        f"allows: {listed}{most}. Nothing was installed or locked. "
        f"{project.kind.advice(cause, command)}. Every paid reply is kept; {again}. To accept the "
        f"losses, set max_lost to {enough:g}, in the spec or with --set, and build again, which "
        "sends nothing"
    )


def _above(share: float) -> float:
    """Round a share up to two decimals."""
    return min(1.0, (int(share * 100) + 1) / 100)


def _cut(error: str) -> str:
    line = " ".join(error.split())
    return line if len(line) <= _CUT else f"{line[: _CUT - 3]}..."
