"""Lost slots and failed requests of a build: their causes, and the share that a spec allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compiler.engine.plan import Graph
from compiler.keys import Json
from compiler.probes.reasons import CHANGES, NO_UNIT, change_of
from compiler.project.project import Project
from compiler.records import RequestRow
from compiler.report.terminal import table
from compiler.spec.model import WrittenScope
from compiler.stages.asking import ASKING
from compiler.statistics.stats import Stats

# Score statuses of probes whose answers or verdicts failed, and the role at fault.
_UNSCORED = {"answer_failed": "answerer", "judge_failed": "judge"}
_SHOWN = 3
_CUT = 160


@dataclass(frozen=True, slots=True)
class Failed:
    """Requests of one role that ended without a message, with the same error text."""

    role: str
    error: str
    count: int

    def data(self) -> Json:
        """Convert to JSON."""
        return {"role": self.role, "error": self.error, "count": self.count}


@dataclass(frozen=True)
class Lost:
    """A group of slots, "written" or "templated", that lost more than the spec allows.

    `causes`: lost slots by reject reason or failed score status.
    """

    kind: str
    planned: int
    causes: Mapping[str, int]

    @property
    def lost(self) -> int:
        """The number of lost slots."""
        return sum(self.causes.values())

    @property
    def share(self) -> float:
        """The lost share of the group."""
        return self.lost / self.planned

    @property
    def largest(self) -> list[tuple[str, int]]:
        """The most frequent causes, each with its number of slots."""
        return sorted(self.causes.items(), key=lambda item: (-item[1], item[0]))[:_SHOWN]

    def __str__(self) -> str:
        causes = ", ".join(f"{count:,} {cause}" for cause, count in self.largest)
        share = f"{100 * self.share:.1f}%"
        return f"{self.lost:,} of {self.planned:,} {self.kind} slots ({share}: {causes})"


def over(project: Project, stats: Stats) -> list[Lost]:
    """List the groups of slots of which a larger share than `max_lost` is lost.

    Written and templated slots are separate groups: a generator of which no reply can be used
    costs fewer than half of all slots.
    """
    assert stats.build is not None
    planned: Counter[str] = Counter()
    causes: dict[str, Counter[str]] = {"written": Counter(), "templated": Counter()}
    for each in stats.build.ledger:
        written = isinstance(project.spec.scopes[each.scope], WrittenScope)
        kind = "written" if written else "templated"
        planned[kind] += each.planned
        for reasons in each.rejected.values():
            causes[kind].update(reasons)
        causes[kind].update({name: each.statuses.get(name, 0) for name in _UNSCORED})
    found = [Lost(kind, planned[kind], +counts) for kind, counts in causes.items()]
    return [each for each in found if each.lost > project.spec.max_lost * each.planned]


def errors(project: Project, graph: Graph | None = None) -> list[Failed]:
    """Count the failed requests of a dataset by role and error text, the most frequent first.

    `graph`: a finished build, to count only requests that it made; None for all of the dataset.
    """
    rows = project.log.failures(project.spec.name)
    if rows and graph is not None:
        used = _requests(graph)
        rows = [row for row in rows if row[0] in used]
    counts = Counter((role, error) for _, role, error in rows)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [Failed(role, error, count) for (role, error), count in ordered]


def _requests(graph: Graph) -> set[str]:
    names = [stage.name for stage in graph.stages if stage.name in ASKING]
    return {
        row.key
        for name in names
        for _, manifest in graph.manifests(name)
        for row in graph.store.rows(manifest.outputs["requests"], RequestRow)
    }


def summary(found: Sequence[Failed]) -> str:
    """Format the most frequent errors as a table; "" without any."""
    if not found:
        return ""
    rows = [(each.count, each.role, _cut(each.error)) for each in found[:_SHOWN]]
    more = len(found) - len(rows)
    lines = table(("failed requests", "role", "error"), rows)
    return f"{lines}\nand {more:,} other errors" if more > 0 else lines


def text(project: Project, groups: Sequence[Lost], failed: Sequence[Failed]) -> str:
    """Explain why a build failed, where to look, and what to do."""
    cause = groups[0].largest[0][0]
    role = _UNSCORED.get(cause, "generator")
    most = ""
    if failed:
        top = failed[0]
        most = f"; the most frequent error, of {top.count:,} {top.role} requests: {_cut(top.error)}"
    command = project.command.partition(" ")[2].partition(" ")[2]
    again = (
        f"`probec retry {command} --reason errored` sends the failed requests again"
        if failed
        else "after an edit of the prompt only requests that changed are sent"
    )
    look = (
        f"No request holds these slots: change {CHANGES[change_of(cause)]}"
        if cause == NO_UNIT
        else f"Inspect the {role}'s prompt and replies (`probec prompt {command} --role {role} "
        "--reply`)"
    )
    listed = " and ".join(map(str, groups))
    enough = _above(max(each.share for each in groups))
    return (
        f"FAILED: more slots are lost than max_lost ({project.spec.max_lost:g}) allows: {listed}"
        f"{most}. Nothing was installed or locked. {look}. Every paid reply is kept; {again}. To "
        f"accept the losses, set max_lost to {enough:g}, in the spec or with --set, and build "
        "again, which sends nothing"
    )


def _above(share: float) -> float:
    """Round a share up to two decimals."""
    return min(1.0, (int(share * 100) + 1) / 100)


def _cut(error: str) -> str:
    line = " ".join(error.split())
    return line if len(line) <= _CUT else f"{line[: _CUT - 3]}..."
