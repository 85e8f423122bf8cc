"""Rules between calls, tokens, prices, dollars and batches."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_CEILING, Decimal

from compiler.checking.claims.claim import ZERO, Amount, Claim, Claims
from compiler.checking.claims.rule import Trial, at_most, equals, figure

_MILLION = Decimal(10**6)
_BYTES = {"mb": Decimal(10**6)}
# Usage falls on a multiple of five per call by chance; on four multiples of five hardly.
_ROUND = Decimal(5)
_NEAR = Decimal("0.00015")


def calls_are_products(claims: Claims) -> Iterator[Trial]:
    """Calls = rollouts x scored, where the card multiplies."""
    for calls in claims.named("calls"):
        each = claims.one("calls_each", **dict(calls.of))
        of = claims.one("calls_of", **dict(calls.of))
        if each is None or of is None or each.line != calls.line:
            continue
        product = Amount(each.number * of.number, ZERO, (each, of))
        yield equals(calls, product, f"{each.written} x {of.written}")
        rollouts = claims.one("rollouts")
        if rollouts is not None:
            how = f"line {rollouts.line} says {rollouts.written} rollouts"
            yield equals(each, Amount.of(rollouts), how)


def tokens_are_usage(claims: Claims) -> Iterator[Trial]:
    """Tokens are counted from replies: not the same round number for every call."""
    pairs = [
        (tokens, calls)
        for name in ("tokens_in", "tokens_out")
        for tokens in claims.named(name)
        for calls in claims.all("calls", **dict(tokens.of))
        if tokens.of and calls.number and tokens.number
    ]
    if len(pairs) < 2:
        return
    rates = [(tokens.number / calls.number, tokens, calls) for tokens, calls in pairs]
    assumed = all(
        abs(rate - _ROUND * (rate / _ROUND).to_integral_value())
        <= tokens.slack / calls.number + _NEAR * rate
        for rate, tokens, calls in rates
    )
    taken = tuple(claim for pair in pairs for claim in pair)
    what = ", ".join(
        f"{tokens.label} / {calls.label} = {figure(rate)}" for rate, tokens, calls in rates
    )
    how = f"{what}: constants assumed for each call, not usage" if assumed else what
    out = pairs[0][0]
    yield Trial(taken, not assumed, out, out.written, "tokens that replies reported", how)


def dollars_are_tokens_times_prices(claims: Claims) -> Iterator[Trial]:
    """Dollars = tokens x prices, for a role and in total."""
    roles = sorted(claims.by("tokens_in", "role").keys() & claims.by("tokens_out", "role").keys())
    costs: list[Amount] = []
    for role in roles:
        price_in, price_out = _prices(claims, role)
        tokens = [claims.one(name, role=role) for name in ("tokens_in", "tokens_out")]
        if price_in is None or price_out is None or None in tokens:
            return
        cost = ZERO
        slack = ZERO
        for count, price in zip(tokens, (price_in, price_out), strict=True):
            assert count is not None
            cost += count.number * price.number / _MILLION
            slack += count.slack * price.number / _MILLION
        known = tuple(claim for claim in tokens if claim is not None)
        costs.append(Amount(cost, slack, (*known, price_in, price_out)))
        told = claims.one("usd", role=role)
        if told is not None:
            how = f"{known[0].written} x {price_in.written} + {known[1].written} x "
            yield equals(told, costs[-1], f"{how}{price_out.written} a million")
    total = claims.one("usd")
    if total is not None and costs and claims.one("usd", role=roles[0]) is None:
        together = Amount(
            sum((cost.value for cost in costs), ZERO),
            sum((cost.slack for cost in costs), ZERO),
            tuple(dict.fromkeys(claim for cost in costs for claim in cost.claims)),
        )
        how = " + ".join(figure(cost.value) for cost in costs)
        yield equals(total, together, f"tokens x prices of {', '.join(roles)}: {how}")


def _prices(claims: Claims, role: str) -> tuple[Claim | None, Claim | None]:
    """The price of the role's model, or the one price that the card states."""
    model = claims.one("model", role=role)
    if model is not None:
        name = str(model.value).casefold()
        found = claims.one("price_in", model=name), claims.one("price_out", model=name)
        if None not in found:
            return found
    return claims.one("price_in"), claims.one("price_out")


def every_paid_role_is_priced(claims: Claims) -> Iterator[Trial]:
    """What is called the cost covers every role that asks a model."""
    generator, total = claims.one("generator"), claims.one("usd")
    by_role = claims.by("tokens_in", "role") or claims.by("usd", "role")
    if generator is None or not by_role or total is None:
        return
    known = ", ".join(sorted(by_role))
    yield Trial(
        (total, generator),
        "generator" in by_role,
        total,
        total.written,
        "a cost of the generator as well",
        f"tokens are stated for {known} only",
    )


def batches_hold_the_calls(claims: Claims) -> Iterator[Trial]:
    """Batches x requests a batch >= calls."""
    cap = claims.one("batch_cap")
    for chunks in claims.named("chunks"):
        role, unit = chunks.get("role") or "", chunks.get("unit")
        calls = claims.one("calls", role=role)
        limit = claims.one("chunk_limit", **dict(chunks.of)) if unit == "requests" else cap
        if calls is None or limit is None or not limit.number:
            continue
        room = chunks.number * limit.number
        least = (calls.number / limit.number).to_integral_value(ROUND_CEILING)
        how = f"{chunks.written} x {limit.written} requests hold {figure(room)} of {calls.written}"
        holds = chunks.number >= least
        expected = f"at least {figure(least)}"
        yield Trial((chunks, limit, calls), holds, chunks, chunks.written, expected, how)


def batches_hold_the_tokens(claims: Claims) -> Iterator[Trial]:
    """Batches x bytes a batch >= input tokens: a token is a byte at least."""
    for chunks in claims.named("chunks"):
        scale = _BYTES.get(chunks.get("unit") or "")
        limit = claims.one("chunk_limit", **dict(chunks.of))
        tokens = claims.one("tokens_in", role=chunks.get("role") or "")
        if scale is None or limit is None or tokens is None:
            continue
        room = Amount(chunks.number * limit.number * scale, ZERO, (chunks, limit))
        how = f"{chunks.written} x {limit.written} MB, at one byte a token at least"
        yield at_most(tokens, room, how)
