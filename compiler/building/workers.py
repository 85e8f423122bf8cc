"""The executor of a build's local steps, from `--jobs`, `--cluster` and `--exchange`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@contextmanager
def executor(
    project: Project,
    context: Context,
    graph: Graph,
    where: Workers,
    notice: Callable[[str], None],
) -> Iterator[Executor | None]:
    """Provide the executor for the options; None to run steps in this process.

    Raises:
        UsageError: the options contradict one another, or the exchange cannot be shared.
    """
    documents = project.declared.documents()
    jobs = where.jobs or (_cores() if documents >= FEW_DOCUMENTS else 1)
    if where.exchange is None and where.cluster is None and jobs <= 1:
        yield None
        return
    packed = kit.pack(project, context, graph.stages)
    if where.exchange is not None:
        yield _exchanged(packed, context, graph, where, notice)
        return
    try:
        place = kit.here(packed, context)
        if where.cluster is not None:
            yield _cluster(place, where.cluster, where.jobs)
        else:
            yield Processes(place, jobs)
    finally:
        shutil.rmtree(kit.own(project.store.root.resolve()), ignore_errors=True)


def _exchanged(
    packed: kit.Kit,
    context: Context,
    graph: Graph,
    where: Workers,
    notice: Callable[[str], None],
) -> Executor:
    cluster, url = where.cluster, where.exchange
    assert url is not None
    if cluster is None:
        raise UsageError(
            "--exchange needs --cluster",
            hint="leave it out, or name a cluster: --cluster local",
        )
    url = url if "://" in url else str(Path(url).resolve())
    chain = url.split("::") if "://" in url else []
    if any(part.partition(":")[0] == "memory" for part in chain):
        raise UsageError(
            "the memory of one process cannot be an exchange",
            where=url,
            hint="name a URL that all machines reach, such as s3://bucket/folder",
        )
    exchange = Exchange.opened(url)

    def hire() -> Cluster:
        notice(f"files for the workers are exchanged through {exchange.url}")
        return _cluster(kit.elsewhere(exchange, packed, context), cluster, where.jobs)

    return Exchanged(exchange, Bench(graph.store, graph.stages), graph.stages, hire, notice)


def _cluster(workplace: Workplace, address: str, jobs: int | None) -> Cluster:
    local = _cores() if address == "local" else None
    return Cluster(workplace, address, jobs or local)


def _cores() -> int:
    return len(os.sched_getaffinity(0))
