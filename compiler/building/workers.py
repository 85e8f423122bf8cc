"""The executor of a build's local steps, from `--jobs`, `--cluster` and `--exchange`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from compiler.building import kit
from compiler.building.jobs import FEW_DOCUMENTS, Workers
from compiler.engine.executors import Bench, Executor, Workplace
from compiler.engine.executors.cluster import Cluster
from compiler.engine.executors.exchange import Exchange, Exchanged
from compiler.engine.executors.processes import Processes
from compiler.engine.plan import Graph
from compiler.errors import UsageError
from compiler.project.project import Project
from compiler.stages.context import Context


def executor(
    project: Project,
    context: Context,
    graph: Graph,
    where: Workers,
    notice: Callable[[str], None],
) -> Executor | None:
    """The executor for the options; None to run steps in this process.

    Raises:
        UsageError: the options contradict one another, or name a place that cannot be used.
    """
    documents = project.spec.documents()
    jobs = where.jobs or (_cores() if documents >= FEW_DOCUMENTS else 1)
    if where.exchange is None and where.cluster is None and jobs <= 1:
        return None
    packed = kit.pack(project, context, graph.stages)
    if where.exchange is not None:
        return _exchanged(packed, graph, where, notice)
    if where.cluster is not None:
        return _cluster(kit.here(packed), where.cluster, where.jobs)
    return Processes(kit.here(packed), jobs)


def _exchanged(
    packed: kit.Kit, graph: Graph, where: Workers, notice: Callable[[str], None]
) -> Executor:
    cluster, url = where.cluster, where.exchange
    assert url is not None
    if cluster is None:
        raise UsageError(
            "--exchange goes with --cluster",
            hint="leave it out, or name a cluster: --cluster local",
        )
    url = url if "://" in url else str(Path(url).resolve())
    chain = url.split("::") if "://" in url else []
    if any(part.partition(":")[0] == "memory" for part in chain):
        raise UsageError(
            "the memory of this process is no exchange",
            where=url,
            hint="name a place that all machines reach, such as s3://bucket/folder",
        )
    exchange = Exchange.opened(url)

    def hire() -> Cluster:
        notice(f"files for the workers pass through {exchange.url}")
        return _cluster(kit.elsewhere(exchange, packed), cluster, where.jobs)

    return Exchanged(exchange, Bench(graph.store, graph.stages), graph.stages, hire, notice)


def _cluster(workplace: Workplace, address: str, jobs: int | None) -> Cluster:
    local = _cores() if address == "local" else None
    return Cluster(workplace, address, jobs or local)


def _cores() -> int:
    return len(os.sched_getaffinity(0))
