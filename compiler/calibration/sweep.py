"""A sweep over calibration levels: their price, builds and comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from compiler.building.build import alone, running
from compiler.calibration import levels
from compiler.calibration.levels import Level
from compiler.engine.artifact import Artifact
from compiler.engine.execute import execute_together
from compiler.keys import Json, digest
from compiler.llm.purse import Purse
from compiler.pricing.estimate import Quote, count, quote
from compiler.pricing.quotes import dollars
from compiler.pricing.unit_costs import later_usd, observed_usd
from compiler.project.project import Project
from compiler.project.reporter import Reporter
from compiler.records import AuditScore
from compiler.report import numbers
from compiler.stages.context import Context
from compiler.statistics.levels import Level as Rows
from compiler.statistics.levels import SweepStats, compare
from compiler.statistics.observations import joined
from compiler.statistics.packing import Packed, unpack


@dataclass(frozen=True)
class Costs:
    """The price of every level. Requests shared with an earlier level are counted once."""

    quotes: Mapping[int, Quote]
    documents: int

    def usd(self) -> tuple[float, float, float]:
        """Sum (expected, low, high) US dollars over all levels."""
        each = [quoted.usd() for quoted in self.quotes.values()]
        return sum(e[0] for e in each), sum(e[1] for e in each), sum(e[2] for e in each)

    def data(self) -> Json:
        """Convert to JSON."""
        expected, low, high = self.usd()
        return {
            "documents": self.documents,
            "levels": {str(level): quoted.data() for level, quoted in self.quotes.items()},
            "usd": expected,
            "usd_low": low,
            "usd_high": high,
        }


@dataclass(frozen=True)
class Swept:
    """A finished sweep. `evidence`: a digest of everything that the choice depends on."""

    stats: SweepStats
    documents: int
    evidence: str

    def data(self) -> dict[str, Json]:
        """Convert to JSON."""
        stats: dict[str, Json] = msgspec.to_builtins(self.stats)
        return {**stats, "documents": self.documents, "evidence": self.evidence}


@dataclass(frozen=True)
class _AtLevel:
    """A listener that names the level in the progress of its steps."""

    reporter: Reporter
    level: int

    def stage_started(self, stage: str, steps: int, stale: int) -> None:
        """Report the stage at the level."""
        self.reporter.stage_started(f"{stage}, level {numbers.level(self.level)}", steps, stale)

    def step_done(self, stage: str, part: str, seconds: float) -> None:
        """Report the step at the level."""
        self.reporter.step_done(f"{stage}, level {numbers.level(self.level)}", part, seconds)


def price(project: Project, chosen: Sequence[int], docs: int, reporter: Reporter) -> Costs:
    """Price the levels without sending a request."""
    with _opened(project, chosen, docs, reporter, remember=False) as (_, built):
        return _price(project, built, docs)


def sweep(
    project: Project, chosen: Sequence[int], docs: int, max_usd: float | None, reporter: Reporter
) -> Swept:
    """Build every level and compare them. `max_usd`: a lower ceiling than the spec's."""
    ceiling = project.ceiling(max_usd)
    later = later_usd(levels.with_question_alone(project))
    project.purse = Purse(ceiling, later, observed_usd(project))
    with _opened(project, chosen, docs, reporter, remember=True) as (context, built):
        expected, low, high = _price(project, built, docs).usd()
        if expected:
            reporter.notice(
                f"{len(built)} levels on {docs} documents may cost {dollars(expected, low, high)}; "
                f"the ceiling is ${ceiling:,.2f}"
            )
        with running(project, context):
            graphs = [each.graph for each in built.values()]
            reporter.stages([stage.name for stage in graphs[0].stages])
            execute_together(graphs, [_AtLevel(reporter, each) for each in built])
            reporter.stages(())
    stats = _compared(project, built, docs)
    return Swept(stats, docs, _evidence(project, built, stats, docs))


@contextmanager
def _opened(
    project: Project, chosen: Sequence[int], docs: int, reporter: Reporter, *, remember: bool
) -> Iterator[tuple[Context, Mapping[int, Level]]]:
    """Open the levels, with the build directory locked."""
    # A sweep is not a round: it neither obeys nor writes locks.
    project.locking = False
    question = levels.with_question_alone(project)
    with alone(project):
        context = project.context(reporter, remember=remember)
        yield context, {each: levels.level(question, context, each, docs) for each in chosen}


def _price(project: Project, built: Mapping[int, Level], docs: int) -> Costs:
    found = {}
    for number, each in built.items():
        steps = each.graph.plan()
        counted = count(each.context, each.graph, steps)
        found[number] = quote(replace(project, declared=each.spec), steps, counted, free=True)
    for dispatcher in next(iter(built.values())).context.dispatchers.values():
        dispatcher.close()
    return Costs(found, docs)


def _compared(project: Project, built: Mapping[int, Level], docs: int) -> SweepStats:
    spec = project.spec
    found = {}
    for number, each in built.items():
        facts = map(unpack, project.store.rows(_facts(each), Packed))
        audits = (
            row
            for _, manifest in each.graph.manifests("score")
            for row in project.store.rows(manifest.outputs["audits"], AuditScore)
        )
        found[number] = Rows(joined(facts), docs * spec.written_slots(), audits)
    bands = spec.scoring.bands
    return compare(found, bands.hard, bands.easy, spec.calibration.select)


def _evidence(project: Project, built: Mapping[int, Level], found: SweepStats, docs: int) -> str:
    """Return the digest of the rows of every level, the rule and the choice."""
    rows: dict[str, Json] = {str(number): _facts(each).digest for number, each in built.items()}
    rule = project.spec.calibration.select.model_dump(mode="json")
    payload: Json = {"rows": rows, "rule": rule, "documents": docs, "chosen": found.chosen}
    return digest("calibration", payload)


def _facts(built: Level) -> Artifact:
    (_, manifest), *_ = built.graph.manifests("publish")
    return manifest.outputs["facts"]
