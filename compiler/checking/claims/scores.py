"""Rules between scored probes, their histogram, and the figures that summarise it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from math import sqrt

from compiler.checking.claims.claim import (
    Amount,
    Claim,
    Claims,
    Trial,
    amount,
    at_most,
    equals,
    figure,
    terms,
)

_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class _Bin:
    low: Decimal
    high: Decimal
    count: Claim
    share: Claim | None


def _histogram(claims: Claims) -> tuple[list[_Bin], Amount]:
    """Return the bins and their sum; none unless each bin begins where the last one ends."""
    shares = {claim.of: claim for claim in claims.named("bin_share")}
    bins: list[_Bin] = []
    for claim in claims.named("bin"):
        low, high = map(Decimal, claim.get("bin").strip("[)]").split(","))
        bins.append(_Bin(low, high, claim, shares.get(claim.of)))
    if any(left.high != right.low for left, right in pairwise(bins)):
        bins = []
    return bins, Amount.of(*(each.count for each in bins))


def _judged(claims: Claims) -> tuple[Claim, ...]:
    """Return the probes of the scopes whose answers a judge scores."""
    return tuple(claim for claim in claims.by("built", "scope").values() if claim.judged)


def scored_are_some_of_the_built(claims: Claims) -> Iterator[Trial]:
    """Compare scored with built probes, and scored + unscored of a scope with its probes."""
    scored, judged = claims.one("scored"), _judged(claims)
    if scored is not None and judged:
        yield at_most(scored, Amount.of(*judged), f"probes of judged scopes: {terms(judged)}")
    unscored = [c for c in claims.named("unscored") if dict(c.of).keys() <= {"scope", "status"}]
    for scope, built in claims.by("built", "scope").items():
        done = amount(claims, "scored", scope=scope)
        rest = tuple(claim for claim in unscored if claim.get("scope") == scope)
        if done is not None and rest:
            parts = (*done.claims, *rest)
            yield equals(built, Amount.of(*parts), f"scored + not scored: {terms(parts)}")


def the_unscored_are_counted(claims: Claims) -> Iterator[Trial]:
    """Look for a count of the probes of judged scopes that have no score."""
    scored, judged = claims.one("scored"), _judged(claims)
    if scored is None or not judged:
        return
    total = Amount.of(*judged)
    missing = total.value - scored.value
    how = f"{terms(judged)} = {figure(total.value)}, so {figure(missing)} are not scored"
    how += f" ({_HUNDRED * missing / total.value:.1f}%)" if total.value else ""
    holds = missing <= Amount.of(*claims.named("unscored")).value
    expected = f"{figure(total.value)}, or a count of those without a score"
    yield Trial((scored, *judged), holds, scored, expected, how)


def bins_make_the_scored(claims: Claims) -> Iterator[Trial]:
    """Compare the sum of the bins with the scored probes."""
    scored = claims.one("scored")
    bins, total = _histogram(claims)
    if bins and scored is not None:
        yield equals(scored, total, f"sum of the bins: {terms(total.claims)}")


def shares_are_of_the_scored(claims: Claims) -> Iterator[Trial]:
    """Compare each percentage of the histogram with its count over the scored probes."""
    scored = claims.one("scored")
    bins, total = _histogram(claims)
    if scored is None or not scored.value or not total.value:
        return
    for each in bins:
        if each.share is None:
            continue
        exact = _HUNDRED * each.count.value / scored.value
        how = f"100 x {each.count.written} / {scored.written} = {exact:.3f}"
        of_bins = _HUNDRED * each.count.value / total.value
        if abs(of_bins - each.share.value) <= each.share.slack and total.value != scored.value:
            how += f"; it fits the sum of the bins, {figure(total.value)}: {of_bins:.3f}"
        yield equals(each.share, Amount(exact, (each.count, scored)), how)


def bands_are_sums_of_bins(claims: Claims) -> Iterator[Trial]:
    """Compare HARD and EASY with the bins below and above their thresholds."""
    bins, total = _histogram(claims)
    for name, limit in (("hard", claims.one("hard_below")), ("easy", claims.one("easy_from"))):
        share = claims.one(name)
        if not total.value or share is None or limit is None:
            continue
        edge = limit.value
        parts = tuple(
            each.count
            for each in bins
            if (each.high <= edge if name == "hard" else each.low >= edge)
        )
        # Any part of a bin with the threshold inside may count.
        cut = tuple(each.count for each in bins if each.low < edge < each.high)
        least = _HUNDRED * Amount.of(*parts).value / total.value
        most = _HUNDRED * Amount.of(*parts, *cut).value / total.value
        holds = least - share.slack <= share.value <= most + share.slack
        expected = f"{figure(least)} to {figure(most)}" if cut else figure(least)
        how = f"100 x ({terms((*parts, *cut))}) / {figure(total.value)}"
        yield Trial((share, *parts, *cut, limit), holds, share, expected, how)


def the_mean_fits_the_bins(claims: Claims) -> Iterator[Trial]:
    """Compare mean and standard deviation with their bounds, given the bins.

    The bins hold the maximum of all rollouts: after early stopping, the expected maximum of the few
    that every row has is no mean of theirs.
    """
    rollouts, std = claims.one("rollouts"), claims.one("std")
    mean = claims.one("mean")
    if mean is None and rollouts is not None:
        mean = claims.one("mean", rollouts=rollouts.written)
    bins, total = _histogram(claims)
    if mean is None or total.value <= 0:
        return
    low = sum(each.count.value * each.low for each in bins) / total.value
    high = sum(each.count.value * each.high for each in bins) / total.value
    holds = low - mean.slack <= mean.value <= high + mean.slack
    how = "every score at the lower edge of its bin, and every score at the upper edge"
    yield Trial((mean, *total.claims), holds, mean, f"{low:.3f} to {high:.3f}", how)
    if std is None or not holds:
        return
    least, most = _spread(bins, float(total.value), float(mean.value))
    slack = float(std.slack + mean.slack) + 1e-9
    fits = least - slack <= float(std.value) <= most + slack
    how = f"least and greatest spread of scores in these bins with a mean of {mean.written}"
    yield Trial((std, mean, *total.claims), fits, std, f"{least:.3f} to {most:.3f}", how)


def _spread(bins: list[_Bin], total: float, mean: float) -> tuple[float, float]:
    """Return the least and greatest standard deviation of scores in bins, given their mean.

    Greatest: all scores on edges; scores move to the upper edge where it adds most (low + high)
    first. Least: every bin in one place, as near to a common level as its edges allow (bisection
    for the level that gives the mean). Divided by n; n - 1 differs by 1/(2n).
    """
    boxes = [(float(b.low), float(b.high), float(b.count.value)) for b in bins]
    need = mean * total - sum(low * n for low, _, n in boxes)
    squares = sum(low * low * n for low, _, n in boxes)
    for low, high, n in sorted(boxes, key=lambda box: -(box[0] + box[1])):
        moved = min(max(need, 0.0), (high - low) * n)
        squares += moved * (low + high)
        need -= moved
    most = squares / total - mean * mean
    floor, roof = min(box[0] for box in boxes), max(box[1] for box in boxes)
    for _ in range(60):
        level = (floor + roof) / 2
        placed = sum(min(max(level, low), high) * n for low, high, n in boxes)
        floor, roof = (level, roof) if placed < mean * total else (floor, level)
    least = sum(min(max(roof, low), high) ** 2 * n for low, high, n in boxes) / total - mean * mean
    return sqrt(max(least, 0.0)), sqrt(max(most, 0.0) * total / max(total - 1, 1))
