"""Checks of everything that a paid build needs. They spend nothing on an account."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator

from compiler.building import trial
from compiler.llm.batches.states import OPEN
from compiler.llm.providers import BATCHED, FREE, PROVIDERS
from compiler.llm.providers.anthropic.checkup import Finding, environment, server
from compiler.project.project import Project
from compiler.spec.paid import ModelUse
from compiler.spec.rollouts import WriterUse

_SPACE = 10_000_000_000


def findings(project: Project, *, online: bool) -> list[Finding]:
    """Check the spec, the environment and, where `online`, the servers."""
    servers = _servers(project)
    found = [*_spec(project), *environment(needed=bool(servers))]
    if online and any(_tried(each.provider) for each in _uses(project)):
        found += trial.findings(project)
    if online:
        for base_url, models in servers.items():
            found += server(base_url, models)
    return found


def _spec(project: Project) -> Iterator[Finding]:
    spec = project.declared
    for role in project.kind.roles:
        use = getattr(spec.models, role)
        free = use.provider in FREE
        rate = project.rate(role)
        price = "free" if free else f"${rate.input:g} in, ${rate.output:g} out per million tokens"
        yield Finding(role, "ok", f"{use.model} through {use.provider}, {price}")
    if any(getattr(spec.models, role).provider in BATCHED for role in project.kind.roles):
        limits = spec.batches
        yield Finding(
            "batches",
            "ok",
            f"at most {limits.max_requests:,} requests and {limits.max_bytes:,} bytes each, "
            f"{limits.queue_requests:,} requests waiting at once",
        )
    open_shards = project.journal.shards(OPEN)
    if open_shards:
        text = f"{len(open_shards)} open from earlier runs; see `probec status`"
        yield Finding("journal", "note", text)
    yield Finding("budget", "ok", f"${spec.budget.max_usd:,.2f} a run")
    free_bytes = shutil.disk_usage(project.root).free
    enough = free_bytes >= _SPACE
    space = f"{free_bytes / 1e9:,.1f} GB free; requests and results of a full build take several GB"
    yield Finding("disk", "ok" if enough else "note", space)


def _tried(provider: str) -> bool:
    """Test if a provider is tried with two completions."""
    return PROVIDERS[provider].continues and provider not in FREE


def _uses(project: Project) -> list[ModelUse | WriterUse]:
    return [getattr(project.declared.models, role) for role in project.kind.roles]


def _servers(project: Project) -> dict[str | None, set[str]]:
    found: dict[str | None, set[str]] = defaultdict(set)
    for use in _uses(project):
        if use.provider not in FREE and not PROVIDERS[use.provider].continues:
            found[use.base_url].add(use.model)
    return found
