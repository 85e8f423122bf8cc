"""Where the steps of a build run: from `--jobs` and `--cluster` to an executor."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from copy import copy
from functools import partial
from pathlib import Path

from compiler.commands import kit, wire
from compiler.commands.arguments import FEW_DOCUMENTS
from compiler.commands.wire import Project, Silent
from compiler.engine.executors import Bench, Executor, Workplace
from compiler.engine.executors.cluster import Cluster
from compiler.engine.executors.exchange import Exchange, Exchanged
from compiler.engine.executors.processes import Processes
from compiler.engine.plan import Graph
from compiler.errors import SpecError, UsageError
from compiler.stages import bound
from compiler.stages.context import Context


def executor(
    project: Project,
    context: Context,
    graph: Graph,
    args: argparse.Namespace,
    notice: Callable[[str], None],
) -> Executor | None:
    """The executor of a command line; None to run steps in this process.

    Raises:
        UsageError: the options contradict one another, or name a place that cannot be used.
    """
    if args.exchange is not None:
        return _exchanged(project, context, graph, args, notice)
    documents = sum(each.docs for each in project.spec.rounds)
    cores = _cores()
    jobs = args.jobs or (cores if documents >= FEW_DOCUMENTS else 1)
    frozen = copy(args)
    # A worker may have another working directory.
    frozen.overrides, frozen.spec = tuple(args.overrides), args.spec.resolve()
    frozen.build_dir = project.store.root.resolve()
    if args.source is not None and "://" not in args.source:
        frozen.source = str(Path(args.source).resolve())
    workplace = partial(_bench, frozen, project.log.path.parent.resolve())
    if args.cluster is not None:
        return _cluster(workplace, args)
    return Processes(workplace, jobs) if jobs > 1 else None


def _exchanged(
    project: Project,
    context: Context,
    graph: Graph,
    args: argparse.Namespace,
    notice: Callable[[str], None],
) -> Executor:
    if args.cluster is None:
        raise UsageError(
            "--exchange goes with --cluster",
            hint="leave it out, or name a cluster: --cluster local",
        )
    url = args.exchange if "://" in args.exchange else str(Path(args.exchange).resolve())
    if any(part.partition(":")[0] == "memory" for part in url.split("::")):
        raise UsageError(
            "the memory of this process is no exchange",
            where=url,
            hint="name a place that all machines reach, such as s3://bucket/folder",
        )
    exchange = Exchange.opened(url)

    def hire() -> Cluster:
        notice(f"files for the workers pass through {exchange.url}")
        name = kit.send(exchange, project, context, graph.stages)
        return _cluster(kit.workplace(exchange.url, name), args)

    return Exchanged(exchange, Bench(graph.store, graph.stages), graph.stages, hire, notice)


def _cluster(workplace: Workplace, args: argparse.Namespace) -> Cluster:
    local = _cores() if args.cluster == "local" else None
    return Cluster(workplace, args.cluster, args.jobs or local)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _bench(args: argparse.Namespace, state: Path) -> Bench:
    """What a worker rebuilds of the build: its spec, its store, the log to read, no provider asked.

    The spec was checked by the process that builds; here its overrides are complete.
    """
    draft = wire.read(args)
    if draft.spec is None:
        raise SpecError(draft.problems)
    project = wire.opened(draft.spec, draft.root, args.build_dir, state)
    project.locking = args.source is None
    return Bench(project.store, bound(project.context(Silent())))
