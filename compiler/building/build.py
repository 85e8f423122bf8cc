"""A build: steps executed, the dataset installed, rounds locked, and the result reported."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from compiler.building import chain, folder, kit, losses, recovery, workers
from compiler.building.jobs import Workers
from compiler.building.locking import lock_rounds, refuse_changed
from compiler.building.losses import Failed
from compiler.building.receipt import Receipt, Request
from compiler.building.watch import Watch
from compiler.engine.execute import Outcome, execute
from compiler.engine.lock import building
from compiler.engine.plan import Graph
from compiler.errors import ChangedError, Interrupted, ProbecError
from compiler.keys import Json
from compiler.llm import intents
from compiler.llm.batches import cancellations
from compiler.llm.batches.states import SENT
from compiler.llm.providers import FREE
from compiler.llm.purse import Purse
from compiler.pricing import money, pace, usage
from compiler.pricing.estimate import quote
from compiler.pricing.money import Bill
from compiler.pricing.quotes import dollars
from compiler.pricing.unit_costs import later_usd, observed_usd
from compiler.project import defaults
from compiler.project.project import Project
from compiler.project.reporter import Reporter
from compiler.report import terminal
from compiler.report.screen import Screen
from compiler.rounds.locks import Lock
from compiler.stages.context import Context
from compiler.stages.kind import Loss

_NO_REPLIES = (
    "rounds are locked here, but the response log is empty: every reply that a step needs is "
    "requested again (restore .probec, or run `probec cache pull URL ROUND`)"
)


def make(
    project: Project,
    reporter: Reporter,
    max_usd: float | None,
    where: Workers,
    onward: str = "",
    asked: Request | None = None,
    tables: Screen | None = None,
) -> Receipt:
    """Build a project.

    `max_usd`: a lower ceiling than the spec's. `where`: the workers of the local stages. `onward`:
    commands to propose after the result. `asked`: the command line, if its next run may be answered
    from a receipt. `tables`: the terminal for all tables of the result; None for a short result.
    """
    ceiling = project.ceiling(max_usd)
    project.purse = Purse(ceiling, later_usd(project), observed_usd(project))
    for notice in project.notices:
        reporter.notice(notice)
    chain.require(project)
    with alone(project):
        context = project.context(reporter, remember=True)
        graph = project.graph(context)
        refuse_changed(project, graph)
        if project.held and project.log.is_empty():
            reporter.notice(_NO_REPLIES)
        for notice in recovery.notices(project.log, project.journal):
            reporter.notice(notice)
        if _spends(project):
            cancellations.begin(project.journal)
            _report_lost(project, reporter)
        _announce(project, context, graph, ceiling, reporter)
        with (
            running(project, context),
            workers.executor(project, context, graph, where, reporter.notice) as crew,
        ):
            before, begun = _sent(project), project.clock.now()
            reporter.stages([stage.name for stage in graph.stages])
            outcome = execute(graph, reporter, crew)
            reporter.stages(())
        if not project.kind.measured:
            pace.save(project, _sent(project) - before, project.clock.now() - begun)
        stats = folder.result(project, graph)
        # A dataset that lost more than its spec allows is neither installed nor locked.
        over = losses.over(project, stats)
        place = folder.install(project, graph) if not over else None
        if not over:
            defaults.record(project, context)
        locks = lock_rounds(project, context, graph) if project.locking and not over else []
        errors = losses.errors(project, graph)
        if project.kind.measured and (
            project.pilot or (_spends(project) and not outcome.up_to_date)
        ):
            usage.save(project, context)
        left = project.journal.shards(SENT)
        close(project)
        watch = Watch(asked, project, context, graph, [lock for lock, _ in locks])
        remember = not left and not over and watch.begin()
        made = _Made(project, place, outcome, locks, stats, errors, over, onward, tables)
        digests = {f"{s} {part}": digest for s, part, digest in folder.output_digests(graph)}
        bill = money.bill(project)
        close(project)
        result = made.result(digests, bill)
        if remember:
            watch.keep(made.again().result(digests, bill))
    if left:
        reporter.notice(
            f"{len(left)} batches at the provider are not needed by this build; `probec status "
            "--collect` collects them when they have ended, as does a build of the spec that sent "
            "them"
        )
    return result


def close(project: Project) -> None:
    """Close the log and the journal."""
    project.log.close()
    project.journal.close()


@dataclass(frozen=True)
class _Made:
    """A finished build, before its result is formatted.

    `place`: its directory, None if it was not installed. `locks`: (lock, is it new) by round.
    `errors`: of its requests. `over`: groups of slots that lost too many.
    """

    project: Project
    place: Path | None
    outcome: Outcome
    locks: list[tuple[Lock, bool]]
    stats: object
    errors: Sequence[Failed]
    over: Sequence[Loss]
    onward: str
    tables: Screen | None

    def again(self) -> _Made:
        """Return the result of the next build if nothing changes in between: no step runs."""
        steps = self.outcome.steps
        outcome = Outcome(steps, dict.fromkeys(steps, 0), dict.fromkeys(steps, 0.0))
        return replace(self, outcome=outcome, locks=[(lock, False) for lock, _ in self.locks])

    def result(self, digests: dict[str, str], bill: Bill) -> Receipt:
        """Format the result as text and JSON."""
        outcome = self.outcome
        total_steps = sum(outcome.steps.values())
        head = (
            f"everything is up to date: {total_steps} steps, none ran"
            if outcome.up_to_date
            else f"built: {sum(outcome.ran.values())} of {total_steps} steps ran"
        )
        kind = self.project.kind
        failures = [
            *([losses.text(self.project, self.over, self.errors)] if self.over else []),
            *kind.failures(self.project.declared, self.stats, losses.variant(self.project)),
        ]
        locked = any(new for _, new in self.locks)
        short = outcome.up_to_date and not locked and self.tables is None
        parts = self._line(head, bill) if short else self._parts(head, bill)
        parts += failures
        data: dict[str, Json] = {
            "dataset": self.place.as_posix() if self.place is not None else None,
            "up_to_date": outcome.up_to_date,
            "steps": {**outcome.steps},
            "ran": {**outcome.ran},
            "seconds": {**outcome.seconds},
            "outputs": {**digests},
            "stats": msgspec.to_builtins(self.stats),
            "money": bill.data(),
            "locks": [{"round": each.identity.round, "hash": each.hash} for each, _ in self.locks],
            "errors": [each.data() for each in self.errors],
            "failures": [*failures],
        }
        return Receipt("\n\n".join(part for part in parts if part), data, 1 if failures else 0)

    def _line(self, head: str, bill: Bill) -> list[str]:
        """Format the result of a no-op build: one line, and what went wrong before."""
        place = f"; dataset: {folder.shown(self.place)}" if self.place is not None else ""
        return [head + place, money.lost(bill), losses.summary(self.errors)]

    def _parts(self, head: str, bill: Bill) -> list[str]:
        """Format the parts of the result of a build: a few lines, or all tables."""
        place = f"dataset: {folder.shown(self.place)}" if self.place is not None else ""
        errors, kind = losses.summary(self.errors), self.project.kind
        if self.tables is not None:
            drawn = [terminal.render(each, self.tables) for each in kind.summary(self.stats)]
            costs = money.text(bill, self.tables)
            return [
                head,
                *drawn,
                costs,
                errors,
                f"{place}\n{_locked(self.locks)}{self.onward}".strip(),
            ]
        lines = [
            head,
            place,
            *kind.brief(self.stats),
            _rounds(self.locks),
            money.line(bill),
            errors,
        ]
        return ["\n".join(filter(None, lines)), self.onward if self.place is not None else ""]


def _locked(locks: list[tuple[Lock, bool]]) -> str:
    return "".join(
        f"round {lock.identity.round}: {lock.hash[:12]}{' (locked now)' if new else ''}\n"
        for lock, new in locks
    )


def _rounds(locks: list[tuple[Lock, bool]]) -> str:
    """List the rounds of a dataset in one line; "" without locks."""
    listed = ", ".join(
        f"{lock.identity.round} {lock.hash[:12]}{' (locked now)' if new else ''}"
        for lock, new in locks[:4]
    )
    more = f" and {len(locks) - 4} more" if len(locks) > 4 else ""
    return f"rounds: {listed}{more}" if locks else ""


@contextmanager
def running(project: Project, context: Context) -> Iterator[None]:
    """Run steps; add a remedy to an interruption or error, and close providers, log and journal."""
    try:
        yield
    except KeyboardInterrupt:
        raise _interrupted(project) from None
    except ProbecError as error:
        if isinstance(error, ChangedError):
            # On a file system without times of change, a stored digest may be the wrong one.
            project.forget_digests()
        error.hint = error.hint or "run the same command again; finished steps are kept"
        raise
    finally:
        for dispatcher in context.dispatchers.values():
            dispatcher.close()
        project.log.close()
        project.journal.close()


@contextmanager
def alone(project: Project) -> Iterator[None]:
    """Lock the project's dataset; builds of other datasets may run in the same build directory."""
    root = project.store.root

    def tidy() -> None:
        # No other build runs, so temporary files can only be those of a killed one.
        for path in (root / "objects" / "tmp", root / kit.FOLDER):
            shutil.rmtree(path, ignore_errors=True)

    with building(root, project.dataset, project.command, tidy):
        yield


def _sent(project: Project) -> int:
    """Count the billed requests of all builds of the dataset."""
    return sum(each.calls for each in project.spent())


def _spends(project: Project) -> bool:
    """Test if any role of the build has a provider that is not free."""
    return any(
        getattr(project.declared.models, role).provider not in FREE for role in project.kind.roles
    )


def _report_lost(project: Project, reporter: Reporter) -> None:
    """Report the live requests that an earlier run left without a reply."""
    lost = intents.close_lost(project.journal, project.log.__contains__)
    if lost.requests:
        reporter.notice(
            f"an earlier run ended before the replies to {lost.text()} came: they may have been "
            "billed, and a build that needs them sends them again"
        )


def _announce(
    project: Project, context: Context, graph: Graph, ceiling: float, reporter: Reporter
) -> None:
    """Report the expected cost before anything is spent."""
    if not _spends(project):
        return
    costs = quote(project, graph.plan(), basis=usage.basis(project, context, graph))
    if costs.estimates:
        reporter.notice(
            f"may cost {dollars(*costs.usd())}, less what is in the log or in flight; the ceiling "
            f"is ${ceiling:,.2f}; `probec plan` counts exactly"
        )


def _interrupted(project: Project) -> Interrupted:
    """Return the error of an interrupted build, which names the batches that are still running."""
    sent = project.journal.shards(SENT)
    if not sent:
        return Interrupted(
            "interrupted; finished steps and replies are kept",
            hint="run the same command to resume",
        )
    ids = ", ".join(shard.batch_id or f"shard {shard.id}, not yet confirmed" for shard in sent[:5])
    return Interrupted(
        f"detached from {len(sent)} batch{'es' if len(sent) > 1 else ''} still running at the "
        f"provider ({ids}{', ...' if len(sent) > 5 else ''})",
        hint="run the same command to collect them; `probec status` shows them, `probec cancel` "
        "cancels them",
    )
