"""`probec build`: bring the dataset up to date."""

from __future__ import annotations

import argparse
import math
import shutil

import msgspec

from compiler.commands import wire
from compiler.commands.estimate import estimate, total
from compiler.commands.result import Result
from compiler.commands.tables import summary
from compiler.commands.wire import Project, Reporter
from compiler.dataset import folder
from compiler.dataset.stats import Stats
from compiler.engine.execute import Outcome, execute
from compiler.engine.lock import locked
from compiler.engine.plan import Graph
from compiler.errors import BudgetError
from compiler.keys import Json

EXAMPLE = "probec build specs/demo.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The shared ones, and the wall."""
    wire.add_spec_arguments(parser)
    parser.add_argument(
        "--max-usd",
        type=usd,
        metavar="USD",
        help="a lower wall than the spec's budget.max_usd",
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
    for notice in project.notices:
        reporter.notice(notice)
    with locked(project.store.root):
        # What a killed build left half-written belongs to nobody once the lock is held.
        shutil.rmtree(project.store.root / "objects" / "tmp", ignore_errors=True)
        graph = project.graph(project.context(reporter, remember=True))
        _within_budget(project, graph, args.max_usd)
        try:
            outcome = execute(graph, reporter)
        finally:
            project.log.close()
        place = folder.install(project.store, graph, project.spec.name)
    stats = folder.stats(project.store, graph)
    digests = {f"{stage} {part}": digest for stage, part, digest in folder.output_digests(graph)}
    total_steps = sum(outcome.steps.values())
    ran = sum(outcome.ran.values())
    head = (
        f"everything is up to date: {total_steps} steps, none ran"
        if outcome.up_to_date
        else f"built: {ran} of {total_steps} steps ran"
    )
    text = f"{head}\n\n{summary(stats)}\n\ndataset: {folder.shown(place)}\n{_next(args)}"
    return Result(text, _data(place.as_posix(), outcome, stats, digests))


def _within_budget(project: Project, graph: Graph, max_usd: float | None) -> None:
    budget = project.spec.budget.max_usd
    wall = budget if max_usd is None else min(max_usd, budget)
    costs = total(estimate(project, graph.plan()))
    if costs > wall:
        raise BudgetError(
            f"this build may cost up to ${costs:,.2f}, the wall is ${wall:,.2f}",
            hint="see `probec plan`; raise budget.max_usd or --max-usd, or build fewer documents",
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


def _data(place: str, outcome: Outcome, stats: Stats, digests: dict[str, str]) -> Json:
    return {
        "dataset": place,
        "up_to_date": outcome.up_to_date,
        "steps": {**outcome.steps},
        "ran": {**outcome.ran},
        "seconds": {**outcome.seconds},
        "outputs": {**digests},
        "stats": msgspec.to_builtins(stats),
    }
