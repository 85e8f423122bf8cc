"""What compared requests come to, in tokens and dollars on either side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from compiler.commands.estimate import BYTES_PER_TOKEN, STAGES, Estimate, quote
from compiler.commands.wire import Project
from compiler.comparison.listing import Walk
from compiler.comparison.report import RequestRow, Requests
from compiler.comparison.requests import Compared, Tally
from compiler.llm.dispatch import Priced

_Prices = dict[tuple[str, str], Estimate]
_Volumes = Mapping[str, Mapping[str, Priced]]


@dataclass(frozen=True)
class _Side:
    """One side's prices by stage and scope: all requests, and those that are not there."""

    everything: _Prices
    waiting: _Prices
    new: _Prices


def priced(
    compared: Compared, projects: tuple[Project, Project], walks: tuple[Walk, Walk]
) -> Requests:
    """The rows of the third depth."""
    tallies = compared.tallies
    # One measure of tokens per byte for both sides, or the wording of A would be counted in what
    # its replies were billed for and that of B in what a tokenizer usually makes of it.
    measure = {
        stage: _tokens_per_byte(projects[0], stage, found) for stage, found in tallies.items()
    }
    sides = []
    for project, walk, name in zip(projects, walks, "ab", strict=True):
        volumes = {
            stage: {scope: getattr(tally, name) for scope, tally in found.items()}
            for stage, found in tallies.items()
        }
        new = {
            stage: {scope: getattr(tally, f"{name}_new") for scope, tally in found.items()}
            for stage, found in tallies.items()
        }
        waiting = quote(project, walk.waiting, {}, free=True).estimates
        sides.append(
            _Side(
                _counted(project, volumes, measure),
                {(each.stage, each.scope): each for each in waiting},
                _counted(project, new, measure),
            )
        )
    a, b = sides
    rows = []
    for stage in tallies:
        scopes = dict.fromkeys(
            [*tallies[stage], *(s for side in sides for at, s in side.waiting if at == stage)]
        )
        rows += [
            _row(stage, scope, tallies[stage].get(scope, Tally()), a, b)
            for scope in _ordered(scopes, projects[1])
        ]
    return Requests(tuple(rows), tuple(compared.examples), _reasons(walks))


def _row(stage: str, scope: str, tally: Tally, a: _Side, b: _Side) -> RequestRow:
    place = (stage, scope)
    both = [
        [each for each in (side.everything.get(place), side.waiting.get(place)) if each is not None]
        for side in (a, b)
    ]
    waits_a, waits_b = a.waiting.get(place), b.waiting.get(place)
    later = waits_b.calls if waits_b is not None else 0
    now = [each for each in (b.new.get(place), waits_b) if each is not None]
    counted = waits_a is None and waits_b is None
    whole_a, whole_b = (sum(each.calls for each in found) for found in both)
    return RequestRow(
        stage=stage,
        scope=scope,
        basis="counted" if counted else "estimated",
        a=whole_a,
        b=whole_b,
        same=tally.same if counted or tally.same else None,
        changed=tally.changed if counted or tally.changed else None,
        only_a=tally.only_a if counted else None,
        only_b=tally.only_b if counted else None,
        known=tally.b.calls - tally.b_new.calls,
        new=tally.b_new.calls + later,
        tokens=next((each.tokens for found in both for each in found), "bytes"),
        a_input=sum(each.input_tokens for each in both[0]),
        b_input=sum(each.input_tokens for each in both[1]),
        a_output=sum(each.output_tokens for each in both[0]),
        b_output=sum(each.output_tokens for each in both[1]),
        a_usd=sum(each.usd for each in both[0]),
        b_usd=sum(each.usd for each in both[1]),
        usd=sum(each.usd for each in now),
        low=sum(each.low for each in now),
        high=sum(each.high for each in now),
    )


def _counted(project: Project, volumes: _Volumes, measure: Mapping[str, float]) -> _Prices:
    """The prices of these requests, with input tokens by their real bytes."""
    found: _Prices = {}
    for each in quote(project, [], volumes, free=True).estimates:
        rate = project.rate(STAGES[each.stage])
        tokens = round(volumes[each.stage][each.scope].bytes * measure[each.stage])
        more = rate.usd(tokens, 0) - rate.usd(each.input_tokens, 0)
        found[each.stage, each.scope] = replace(
            each,
            input_tokens=tokens,
            usd=each.usd + more,
            low=max(0.0, each.low + more),
            high=each.high + more,
        )
    return found


def _tokens_per_byte(project: Project, stage: str, tallies: Mapping[str, Tally]) -> float:
    """Input tokens per byte of a body: as billed for A's where enough was, else as English has."""
    volumes = {stage: {scope: tally.a for scope, tally in tallies.items()}}
    estimates = quote(project, [], volumes, free=True).estimates
    size = sum(tally.a.bytes for tally in tallies.values())
    observed = all(each.tokens == "observed" for each in estimates)
    if not size or not observed:
        return 1 / BYTES_PER_TOKEN
    return sum(each.input_tokens for each in estimates) / size


def _ordered(scopes: Mapping[str, object], project: Project) -> list[str]:
    """Scopes as the spec orders them, then those that only the other side has."""
    own = [name for name, _ in project.spec.ordered_scopes() if name in scopes]
    return [*own, *(scope for scope in scopes if scope not in own)]


def _reasons(walks: tuple[Walk, Walk]) -> dict[str, str]:
    """Why a stage is estimated."""
    found: dict[str, list[str]] = {}
    for name, walk in zip("AB", walks, strict=True):
        for stage in dict.fromkeys(each.step.stage.name for each in walk.waiting):
            found.setdefault(stage, []).append(f"{name}: {walk.missing()}")
    return {stage: "; ".join(reasons) for stage, reasons in found.items()}
