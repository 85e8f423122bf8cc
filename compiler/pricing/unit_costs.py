"""Tokens and US dollars of one call of a role: of earlier replies, else as the spec declares."""

from __future__ import annotations

from compiler.llm.ledger import Spend
from compiler.llm.purse import ENOUGH
from compiler.project.project import Project
from compiler.project.workload import calls_per_probe
from compiler.spec.model import WrittenScope
from compiler.spec.paid import ROLES, Role
from compiler.stages.asking import ASKING


def later_usd(project: Project) -> dict[str, float]:
    """Return the expected US dollars that one call of each role causes in later passes."""
    if not project.kind.measured:
        return dict.fromkeys(project.kind.roles, 0.0)
    spec = project.spec
    per_call = {role: call_usd(project, role) for role in ROLES}
    calls = dict.fromkeys(ROLES, 0.0)
    for name, scope in spec.ordered_scopes():
        if isinstance(scope, WrittenScope):
            for stage, count in calls_per_probe(spec, name).items():
                calls[ASKING[stage]] += scope.slots * count
    usd = sum(count * per_call[role] for role, count in calls.items())
    each_answer = calls["judge"] / calls["answerer"] if calls["answerer"] else 0.0
    return {
        "generator": spec.expect.chosen.built * usd,
        "answerer": per_call["judge"] * each_answer,
        "judge": 0.0,
    }


def call_usd(project: Project, role: Role) -> float:
    """Return the expected US dollars of one call: the mean of earlier calls, else as declared."""
    rate, rows = project.rate(role), _spent(project, role)
    calls = sum(row.calls for row in rows)
    if calls < ENOUGH or project.declared.expect.use is not None:
        return _declared_usd(project, role)
    # Tokens that went through the provider's cache have prices of their own.
    usd = sum(
        rate.usd(r.input_tokens, r.output_tokens, r.cache_write_tokens, r.cache_read_tokens)
        for r in rows
    )
    return usd / calls


def observed_usd(project: Project) -> dict[str, float]:
    """Return the mean cost of earlier calls by role, in US dollars at today's price.

    A role with fewer than `ENOUGH` earlier calls of its model is left out.
    """
    return {
        role: call_usd(project, role)
        for role in project.kind.roles
        if observed(project, role) is not None
    }


def declared(project: Project, role: Role, scope: str = "") -> tuple[int, int]:
    """Return the declared (input, output) tokens of one call about a scope; "" for no scope."""
    tokens: tuple[int, int] = getattr(project.declared.expect.chosen, role).of(scope)
    return tokens


def _declared_usd(project: Project, role: Role) -> float:
    """Return the US dollars of one call as declared: over scopes, the mean by their slots."""
    rate = project.rate(role)
    if not project.kind.measured:
        return rate.usd(*declared(project, role))
    spec = project.spec
    slots = {n: s.slots for n, s in spec.scopes.items() if isinstance(s, WrittenScope) and s.slots}
    if role == "generator" or not slots:
        return rate.usd(*declared(project, role))
    usd = sum(count * rate.usd(*declared(project, role, name)) for name, count in slots.items())
    return usd / sum(slots.values())


def _spent(project: Project, role: Role) -> list[Spend]:
    """Read the recorded usage of earlier replies of the same role and model."""
    model = getattr(project.declared.models, role).model
    return [s for s in project.log.spent() if s.role == role and s.model == model]


def observed(project: Project, role: Role) -> tuple[float, float] | None:
    """Return mean (input, output) tokens per call of earlier replies of the same role and model."""
    if project.declared.expect.use is not None:
        return None
    rows = _spent(project, role)
    calls = sum(row.calls for row in rows)
    if calls < ENOUGH:
        return None
    read = sum(r.input_tokens + r.cache_read_tokens + r.cache_write_tokens for r in rows)
    return read / calls, sum(row.output_tokens for row in rows) / calls
