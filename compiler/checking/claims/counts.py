"""Rules between counts: documents, slots, probes, calls, tokens, dollars, batches."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_CEILING, Decimal
from itertools import product

from compiler.checking.claims.claim import (
    Amount,
    Claim,
    Claims,
    Trial,
    at_most,
    columns,
    equals,
    figure,
    parts_of,
    terms,
)

_ADDITIVE = (
    *("slots", "planned", "built", "rejected", "scored", "unscored"),
    *("calls", "tokens_in", "tokens_out", "usd"),
)
_REPEATED = ("probes", "documents", "slots", "scored", "rollouts", "hard_below", "easy_from")
_MILLION = Decimal(10**6)


def scopes_make_the_total(claims: Claims) -> Iterator[Trial]:
    """Compare the sum of all scopes with the total."""
    scopes, total = tuple(claims.by("built", "scope").values()), _total(claims)
    if total is not None and len(scopes) > 1:
        yield equals(total, Amount.of(*scopes), f"sum over scopes: {terms(scopes)}")


def slots_bound_probes(claims: Claims) -> Iterator[Trial]:
    """Compare probes with slots x documents, in total and for each scope."""
    for built, most, how in _slotted(claims):
        yield at_most(built, most, how)


def a_shortfall_has_reasons(claims: Claims) -> Iterator[Trial]:
    """Look for reasons where probes are fewer than slots x documents."""
    for built, most, how in _slotted(claims):
        missing = most.value - built.value
        holds = missing <= 0 or bool(claims.named("rejected"))
        how += f" - {built.written} leaves {figure(missing)} slots, and no reason is given for them"
        yield Trial((built, *most.claims), holds, built, figure(most.value), how)


def repeated_facts_agree(claims: Claims) -> Iterator[Trial]:
    """Compare the places of a card that state the same fact."""
    for name in _REPEATED:
        first, *again = claims.all(name) or (None,)
        for claim in again:
            if first is not None:
                yield equals(claim, Amount.of(first), f"line {first.line} states {first.written}")
    probes, built, examples = claims.one("probes"), claims.one("built"), claims.named("examples")
    if probes is not None and examples:
        how = f"num_examples of the front matter: {terms(examples)}"
        yield equals(probes, Amount.of(*examples), how)
    if probes is not None and built is not None:
        yield equals(probes, Amount.of(built), f"the total of the table on line {built.block}")


def parts_make_the_whole(claims: Claims) -> Iterator[Trial]:
    """Compare every count with the sums of its parts, and with later tables of the same parts."""
    for name in _ADDITIVE:
        found = columns(claims, name)
        for fine, coarse in product(found, found):
            rough, keyed = set(dict(coarse[0].of)), set(dict(fine[0].of))
            later = rough == keyed and coarse[0].block < fine[0].block
            if not (rough < keyed or later) or len({claim.of for claim in fine}) < len(fine):
                continue
            for whole in coarse:
                parts = parts_of(fine, whole.of)
                if parts:
                    how = f"the parts on line {parts[0].line} and below: {terms(parts)}"
                    yield equals(whole, Amount.of(*parts), how)


def calls_are_products(claims: Claims) -> Iterator[Trial]:
    """Compare calls with rollouts x scored probes, where the card multiplies."""
    rollouts, scored = claims.one("rollouts"), claims.one("scored")
    for calls in claims.named("calls"):
        each = claims.one("calls_each", **dict(calls.of))
        of = claims.one("calls_of", **dict(calls.of))
        if each is None or of is None or each.line != calls.line:
            continue
        product_of = Amount(each.value * of.value, (each, of))
        yield equals(calls, product_of, f"{each.written} x {of.written}")
        for factor, stated in ((each, rollouts), (of, scored)):
            if stated is not None:
                how = f"line {stated.line} states {stated.written} {stated.label}"
                yield equals(factor, Amount.of(stated), how)


def dollars_are_tokens_times_prices(claims: Claims) -> Iterator[Trial]:
    """Compare dollars with tokens x prices, for each role or in total, where all pay one price."""
    taken, sent = claims.by("tokens_in", "role"), claims.by("tokens_out", "role")
    price_in, price_out = claims.one("price_in"), claims.one("price_out")
    if price_in is None or price_out is None or not taken or taken.keys() != sent.keys():
        return
    if len({(claim.name, claim.value) for claim in claims.found if "price" in claim.name}) > 2:
        return
    roles = sorted(taken)
    stated = [([role], claims.one("usd", role=role)) for role in roles]
    if not any(usd for _, usd in stated):
        stated = [(roles, claims.one("usd"))]
    for some, usd in stated:
        if usd is None:
            continue
        pairs = [(taken[role], price_in) for role in some]
        pairs += [(sent[role], price_out) for role in some]
        cost = sum(tokens.value * price.value for tokens, price in pairs) / _MILLION
        slack = sum(tokens.slack * price.value for tokens, price in pairs) / _MILLION
        used = (*(tokens for tokens, _ in pairs), price_in, price_out)
        how = " + ".join(f"{tokens.written} x {price.written}" for tokens, price in pairs)
        yield equals(usd, Amount(cost, used, slack), f"{how} per million tokens")


def batches_hold_the_calls(claims: Claims) -> Iterator[Trial]:
    """Compare batches x requests per batch with the calls."""
    for chunks in claims.named("chunks"):
        calls, limit = claims.one("calls", role=chunks.get("role")), claims.one("batch_cap")
        if chunks.get("unit") == "requests":
            limit = claims.one("chunk_limit", **dict(chunks.of))
        if calls is None or limit is None or limit.value <= 0:
            continue
        least = (calls.value / limit.value).to_integral_value(ROUND_CEILING)
        room = figure(chunks.value * limit.value)
        how = f"{chunks.written} x {limit.written} requests hold {room} of {calls.written}"
        holds = chunks.value >= least
        yield Trial((chunks, limit, calls), holds, chunks, f"at least {figure(least)}", how)


def typical_can_be_seen(claims: Claims) -> Iterator[Trial]:
    """Compare the siblings that typical requires with the others that are shown."""
    threshold, shown = claims.one("typical_from"), claims.one("siblings_shown")
    if threshold is not None and shown is not None:
        others = Amount(shown.value - 1, (shown,), shown.slack)
        yield at_most(threshold, others, f"{shown.written} siblings shown, one of them chosen")


def _total(claims: Claims) -> Claim | None:
    """Return the stated total, or the size of the only split."""
    examples = claims.named("examples")
    return claims.one("probes") or (examples[0] if len(examples) == 1 else None)


def _slotted(claims: Claims) -> Iterator[tuple[Claim, Amount, str]]:
    """Return probes with slots x documents, for the total and each scope."""
    documents = claims.one("documents")
    pairs = [(_total(claims), claims.one("slots"))]
    built = claims.by("built", "scope")
    pairs += [(built.get(scope), slots) for scope, slots in claims.by("slots", "scope").items()]
    for probes, slots in pairs:
        if documents is not None and probes is not None and slots is not None:
            most = Amount(slots.value * documents.value, (slots, documents))
            yield probes, most, f"{slots.written} x {documents.written}"
