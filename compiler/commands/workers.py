"""Where the steps of a build run: from `--jobs` and `--cluster` to an executor."""

from __future__ import annotations

import argparse
import os
from copy import copy
from functools import partial
from pathlib import Path

from compiler.commands import wire
from compiler.commands.arguments import FEW_DOCUMENTS
from compiler.commands.wire import Project, Silent
from compiler.engine.executors import Bench, Executor
from compiler.engine.executors.cluster import Cluster
from compiler.engine.executors.processes import Processes
from compiler.errors import SpecError
from compiler.stages import bound


def executor(project: Project, args: argparse.Namespace) -> Executor | None:
    """The executor of a command line; None to run steps in this process."""
    documents = sum(each.docs for each in project.spec.rounds)
    cores = len(os.sched_getaffinity(0))
    jobs = args.jobs or (cores if documents >= FEW_DOCUMENTS else 1)
    frozen = copy(args)
    # A worker may have another working directory.
    frozen.overrides, frozen.spec = tuple(args.overrides), args.spec.resolve()
    frozen.build_dir = project.store.root.resolve()
    workplace = partial(_bench, frozen, project.log.path.parent.resolve())
    if args.cluster is not None:
        return Cluster(workplace, args.cluster, args.jobs or cores)
    return Processes(workplace, jobs) if jobs > 1 else None


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
