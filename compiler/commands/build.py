"""`probec build`: bring the dataset up to date."""

from __future__ import annotations

import argparse
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from compiler.commands import wire, workers
from compiler.commands.estimate import later_usd, observed_usd, quote
from compiler.commands.locking import lock_rounds, refuse_changed
from compiler.commands.money import money
from compiler.commands.result import Result
from compiler.commands.tables import summary
from compiler.commands.wire import Project, Reporter
from compiler.dataset import folder
from compiler.dataset.rounds import Lock
from compiler.dataset.stats import Stats
from compiler.engine.execute import Outcome, execute
from compiler.engine.lock import locked
from compiler.engine.plan import Graph
from compiler.errors import Interrupted, ProbecError
from compiler.keys import Json
from compiler.llm.batches.states import SENT
from compiler.llm.providers import FREE
from compiler.llm.purse import Purse
from compiler.stages.context import ROLES, Context

EXAMPLE = "probec build specs/demo.yaml"
SPENDING = "only one build of a project spends at a time: wait for it, or Ctrl-C it first"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The shared ones, the wall, and whether to wait."""
    wire.add_spec_arguments(parser)
    workers.add_arguments(parser)
    parser.add_argument(
        "--max-usd",
        type=usd,
        metavar="USD",
        help="a lower wall than the spec's budget.max_usd",
    )
    parser.add_argument(
        "--detach",
        action="store_true",
        help="submit and exit 75 instead of waiting for batches; run again to collect",
    )


def usd(text: str) -> float:
    """A finite amount of at least 0."""
    value = float(text)
    if not math.isfinite(value) or value < 0:
        raise ValueError(text)
    return value


def run(args: argparse.Namespace, reporter: Reporter) -> Result:
    """Build, install the dataset directory, and summarise."""
    project = wire.project(args)
    project.wait = not args.detach
    return make(project, args, reporter, _next(args))


def make(project: Project, args: argparse.Namespace, reporter: Reporter, onward: str) -> Result:
    """Build a project. `onward`: what the user may want to do next."""
    budget = project.spec.budget.max_usd
    wall = budget if args.max_usd is None else min(args.max_usd, budget)
    project.purse = Purse(wall, later_usd(project), observed_usd(project))
    for notice in project.notices:
        reporter.notice(notice)
    with alone(project):
        # What a killed build left half-written belongs to nobody once the lock is held.
        shutil.rmtree(project.store.root / "objects" / "tmp", ignore_errors=True)
        context = project.context(reporter, remember=True)
        graph = project.graph(context)
        refuse_changed(project, graph)
        _announce(project, graph, wall, reporter)
        with running(project, context):
            crew = workers.executor(project, context, graph, args, reporter.notice)
            outcome = execute(graph, reporter, crew)
        place = folder.install(project.store, graph, project.spec.name)
        locks = lock_rounds(project, context, graph) if project.locking else []
        project.log.close()
        left = project.journal.shards(SENT)
        project.journal.close()
    if left:
        reporter.notice(
            f"{len(left)} batches that this build does not need are with the provider; "
            "`probec status --collect` brings them in when they have ended, as does the spec that "
            "sent them"
        )
    stats = folder.stats(project.store, graph)
    digests = {f"{stage} {part}": digest for stage, part, digest in folder.output_digests(graph)}
    total_steps = sum(outcome.steps.values())
    ran = sum(outcome.ran.values())
    head = (
        f"everything is up to date: {total_steps} steps, none ran"
        if outcome.up_to_date
        else f"built: {ran} of {total_steps} steps ran"
    )
    bill, bill_data = money(project)
    failures = _failures(project, stats)
    place_line = f"dataset: {folder.shown(place)}\n{_locked(locks)}{onward}".strip()
    parts = [head, summary(stats), bill, place_line, *failures]
    data = _data(place.as_posix(), outcome, stats, digests)
    data["money"] = bill_data
    data["locks"] = [{"round": each.identity.round, "hash": each.hash} for each, _ in locks]
    data["failures"] = [*failures]
    return Result("\n\n".join(part for part in parts if part), data, 1 if failures else 0)


def _failures(project: Project, stats: Stats) -> list[str]:
    """What the build holds against itself: scores by a judge that cannot tell truth from error."""
    anchors = project.spec.scoring.anchors
    return [
        f"FAILED: in scope {each.scope} the judge scores the truth only {each.gap.value:.2f} above "
        f"the wrong alternative ({each.gap.n} probes; scoring.anchors.min_gap asks for "
        f"{anchors.min_gap}). Its scores there mean little: look at `probec prompt --role judge`, "
        "and at what it compares with (scoring.compare)"
        for each in stats.judge.gaps
        if anchors is not None and each.gap.value is not None and each.gap.value < anchors.min_gap
    ]


def _locked(locks: list[tuple[Lock, bool]]) -> str:
    return "".join(
        f"round {lock.identity.round}: {lock.hash[:12]}{' (locked now)' if new else ''}\n"
        for lock, new in locks
    )


@contextmanager
def running(project: Project, context: Context) -> Iterator[None]:
    """Run steps: an interruption or error says how to go on, and what is open is closed."""
    try:
        yield
    except KeyboardInterrupt:
        raise _interrupted(project) from None
    except ProbecError as error:
        error.hint = error.hint or "run the same command again; what was finished is kept"
        raise
    finally:
        for dispatcher in context.dispatchers.values():
            dispatcher.close()
        project.log.close()
        project.journal.close()


@contextmanager
def alone(project: Project) -> Iterator[None]:
    """Hold the build directory, and the project's paid path if this build may spend."""
    with locked(project.store.root):
        if _spends(project):
            with locked(project.journal.folder, "project's paid path", SPENDING):
                yield
        else:
            yield


def _spends(project: Project) -> bool:
    """Whether any role of the build is played by a provider that costs something."""
    return any(getattr(project.spec.models, role).provider not in FREE for role in ROLES)


def _announce(project: Project, graph: Graph, wall: float, reporter: Reporter) -> None:
    """Say what may be spent before any of it is."""
    if not _spends(project):
        return
    costs = quote(project, graph.plan())
    expected, low, high = costs.usd()
    if costs.estimates:
        reporter.notice(
            f"may cost ${expected:,.2f} (${low:,.2f} to ${high:,.2f}), less what is in the log "
            f"or in flight; the wall is ${wall:,.2f}; `probec plan` counts exactly"
        )


def _interrupted(project: Project) -> Interrupted:
    """What Ctrl-C leaves: finished steps, and batches that the provider goes on with."""
    sent = project.journal.shards(SENT)
    if not sent:
        return Interrupted(
            "interrupted; finished steps and replies are kept",
            hint="run the same command to go on",
        )
    ids = ", ".join(shard.batch_id or f"shard {shard.id}, not yet confirmed" for shard in sent[:5])
    return Interrupted(
        f"detached from {len(sent)} batch{'es' if len(sent) > 1 else ''} that the provider goes on "
        f"with ({ids}{', ...' if len(sent) > 5 else ''})",
        hint="run the same command to collect them; `probec status` shows them, `probec cancel` "
        "stops them",
    )


def _next(args: argparse.Namespace) -> str:
    """Commands that make sense now, with the options that this build had."""
    options = [str(args.spec)]
    for flag, value in (("--provider", args.provider), ("--source", args.source)):
        options += [flag, value] if value is not None else []
    if args.build_dir is not None:
        options += ["--build-dir", str(args.build_dir)]
    spec = " ".join(options)
    lines = (
        (f"probec stats {spec}", "these numbers again"),
        (f"probec prompt {spec} --role judge", "exactly what the judge was sent"),
        (f"probec plan {spec} --set calibration.level=2", "what a change would run"),
    )
    width = max(len(command) for command, _ in lines)
    return "\n".join(["next:", *(f"  {c.ljust(width)}   {what}" for c, what in lines)])


def _data(place: str, outcome: Outcome, stats: Stats, digests: dict[str, str]) -> dict[str, Json]:
    return {
        "dataset": place,
        "up_to_date": outcome.up_to_date,
        "steps": {**outcome.steps},
        "ran": {**outcome.ran},
        "seconds": {**outcome.seconds},
        "outputs": {**digests},
        "stats": msgspec.to_builtins(stats),
    }
