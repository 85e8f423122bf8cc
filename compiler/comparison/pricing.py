"""Token and dollar cost of the compared requests, on either side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from compiler.comparison.listing import Walk
from compiler.comparison.report import RequestRow, Requests
from compiler.comparison.requests import Compared, Tally, stages
from compiler.llm.dispatch import Priced
from compiler.pricing.estimate import BYTES_PER_TOKEN, Estimate, quote
from compiler.project.project import Project
from compiler.stages.asking import ASKING

_BASES = {
    (False, False): "counted",
    (True, False): "A estimated",
    (False, True): "B estimated",
    (True, True): "estimated",
}
_Prices = dict[tuple[str, str], Estimate]
_Volumes = Mapping[str, Mapping[str, Priced]]


class _Side(Struct, frozen=True):
    """One side's estimates by stage and scope.

    `everything`: all counted requests; `waiting`: requests that depend on missing replies; `new`:
    counted requests that a build would send.
    """

    project: Project
    everything: _Prices
    waiting: _Prices
    new: _Prices


def priced(
    compared: Compared, projects: tuple[Project, Project], walks: tuple[Walk, Walk]
) -> Requests:
    """Price the compared requests: the rows of the depth `requests`."""
    tallies = compared.tallies
    # One ratio of tokens per byte for both sides: else A's prompts would be priced by their billed
    # tokens and B's by a typical ratio, and the difference would not be one of wording.
    measure = {
        stage: _tokens_per_byte(projects[0], stage, found) for stage, found in tallies.items()
    }
    sides = []
    for project, walk, name in zip(projects, walks, "ab", strict=True):
        volumes = {
            stage: {scope: _all(getattr(tally, name)) for scope, tally in found.items()}
            for stage, found in tallies.items()
        }
        new = {
            stage: {scope: getattr(tally, f"{name}_new") for scope, tally in found.items()}
            for stage, found in tallies.items()
        }
        waiting = quote(project, walk.waiting, {}, free=True).estimates
        sides.append(
            _Side(
                project,
                _counted(project, volumes, measure),
                {(each.stage, each.scope): each for each in waiting},
                _counted(project, new, measure),
            )
        )
    a, b = sides
    a, b = _like(a, b), _like(b, a)
    rows: list[RequestRow] = []
    before = ""
    for stage in tallies:
        alike = _alike(walks, stage)
        scopes = dict.fromkeys(
            [*tallies[stage], *(s for side in sides for at, s in side.waiting if at == stage)]
        )
        found = []
        for scope in _ordered(scopes, projects[1]):
            carried = alike and (stage, scope) not in a.waiting
            share = _sent(rows, before, scope) if carried else 1.0
            found.append(_row(stage, scope, tallies[stage].get(scope, Tally()), a, b, share))
        rows += found
        before = stage
    return Requests(
        tuple(rows), tuple(compared.examples), _reasons(walks), tuple(_open(rows, walks))
    )


def _alike(walks: tuple[Walk, Walk], stage: str) -> bool:
    """Test if a stage makes the same requests of the same inputs on both sides."""
    found = [each for walk in walks for each in walk.graph.stages if each.name == stage]
    if len(found) != len(walks):
        return False
    one, other = found
    return one.params == other.params and one.templates == other.templates


def _open(rows: Sequence[RequestRow], walks: tuple[Walk, Walk]) -> Iterator[str]:
    """Yield the stages with uncounted requests that may differ. The others have equal inputs."""
    moved = any((r.changed, r.only_a, r.only_b) != (0, 0, 0) for r in rows if r.counted)
    alike = True
    for stage in stages(*walks):
        alike = alike and _alike(walks, stage)
        if (moved or not alike) and any(not r.counted for r in rows if r.stage == stage):
            yield stage


def _sent(rows: Sequence[RequestRow], stage: str, scope: str) -> float:
    """Return the share of B's requests of a stage that is new; the rest leads to known requests."""
    own = [r for r in rows if r.stage == stage and r.scope in ("", scope)]
    total = sum(r.b for r in own)
    return sum(r.new for r in own) / total if total else 1.0


def _row(stage: str, scope: str, tally: Tally, a: _Side, b: _Side, share: float) -> RequestRow:
    """Make one row. `share`: of B's uncounted requests, the share that is taken to be new."""
    place = (stage, scope)
    both = [
        [each for each in (side.everything.get(place), side.waiting.get(place)) if each is not None]
        for side in (a, b)
    ]
    waits_a, waits_b = a.waiting.get(place), b.waiting.get(place)
    waiting = waits_b.calls if waits_b is not None else 0
    later = round(waiting * share)
    now = [(each, 1.0) for each in (b.new.get(place),) if each is not None]
    now += [(each, share) for each in (waits_b,) if each is not None]
    counted = waits_a is None and waits_b is None
    whole_a, whole_b = (sum(each.calls for each in found) for found in both)
    return RequestRow(
        stage=stage,
        scope=scope,
        basis=_BASES[waits_a is not None, waits_b is not None],
        a=whole_a,
        b=whole_b,
        same=tally.same if counted or tally.same else None,
        changed=tally.changed if counted or tally.changed else None,
        only_a=tally.only_a if counted else None,
        only_b=tally.only_b if counted else None,
        known=tally.b.cached + waiting - later,
        new=tally.b_new.calls + later,
        tokens=next((each.tokens for found in both for each in found), "bytes"),
        a_input=sum(each.input_tokens for each in both[0]),
        b_input=sum(each.input_tokens for each in both[1]),
        a_output=sum(each.output_tokens for each in both[0]),
        b_output=sum(each.output_tokens for each in both[1]),
        a_usd=sum(each.usd for each in both[0]),
        b_usd=sum(each.usd for each in both[1]),
        usd=sum(each.usd * part for each, part in now),
        low=sum(each.low * part for each, part in now),
        high=sum(each.high * part for each, part in now),
    )


def _like(side: _Side, other: _Side) -> _Side:
    """Estimate a side's uncounted requests from the other side, if that is counted.

    Probes that the other side built are a better estimate than `expect` of the spec.
    """
    expected = {
        (each.stage, each.scope): each for each in quote(other.project, None, free=True).estimates
    }
    share = _built(side.project) / _built(other.project)
    waiting = dict(side.waiting)
    for place, guess in side.waiting.items():
        known, whole = other.everything.get(place), expected.get(place)
        if place in other.waiting or known is None or whole is None or not whole.calls * share:
            continue
        times = guess.calls / whole.calls / share
        calls = round(known.calls * times)
        read, written = round(known.input_tokens * times), round(known.output_tokens * times)
        usd = side.project.rate(ASKING[place[0]]).usd(read, written)
        spread = side.project.spec.expect.spread
        # At most every slot becomes a probe.
        most = guess.calls / _built(side.project) / calls if calls else 1.0
        waiting[place] = replace(
            guess, calls=calls, input_tokens=read, output_tokens=written, tokens="other side",
            usd=usd, low=usd * (1 - spread), high=usd * max(1.0, most) * (1 + spread),
        )  # fmt: skip
    return replace(side, waiting=waiting)


def _built(project: Project) -> float:
    """Return the share of slots that a spec expects to become probes."""
    return project.spec.expect.chosen.built or 1.0


def _counted(project: Project, volumes: _Volumes, measure: Mapping[str, float]) -> _Prices:
    """Price counted requests, with input tokens from the bytes of their bodies."""
    found: _Prices = {}
    for each in quote(project, [], volumes, free=True).estimates:
        rate = project.rate(ASKING[each.stage])
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


def _all(volume: Priced) -> Priced:
    """Return the volume as if none of its requests were cached."""
    return replace(volume, cached=0)


def _tokens_per_byte(project: Project, stage: str, tallies: Mapping[str, Tally]) -> float:
    """Return input tokens per byte: of A's billed requests if there are enough, else of English."""
    volumes = {stage: {scope: _all(tally.a) for scope, tally in tallies.items()}}
    estimates = quote(project, [], volumes, free=True).estimates
    size = sum(tally.a.bytes for tally in tallies.values())
    observed = all(each.tokens == "observed" for each in estimates)
    if not size or not observed:
        return 1 / BYTES_PER_TOKEN
    return sum(each.input_tokens for each in estimates) / size


def _ordered(scopes: Mapping[str, object], project: Project) -> list[str]:
    """Order scopes as in the spec, followed by those of the other side only."""
    own = [name for name, _ in project.spec.ordered_scopes() if name in scopes]
    return [*own, *(scope for scope in scopes if scope not in own)]


def _reasons(walks: tuple[Walk, Walk]) -> dict[str, str]:
    """Return the reason that each estimated stage is estimated."""
    found: dict[str, list[str]] = {}
    for name, walk in zip("AB", walks, strict=True):
        for stage in dict.fromkeys(each.step.stage.name for each in walk.waiting):
            found.setdefault(stage, []).append(f"{name}: {walk.missing()}")
    return {stage: "; ".join(reasons) for stage, reasons in found.items()}
