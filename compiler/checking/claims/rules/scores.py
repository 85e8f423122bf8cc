"""Rules between what was scored, the histogram, and the figures that summarise it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from math import sqrt

from compiler.checking.claims.claim import ZERO, Amount, Claim, Claims
from compiler.checking.claims.rule import Trial, at_most, equals, figure, terms
from compiler.checking.claims.sums import amount, columns

_POOLED = {"hard": "HARD", "easy": "EASY"}
_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class _Bin:
    low: Decimal
    high: Decimal
    count: Claim
    share: Claim | None


def _histogram(claims: Claims) -> list[_Bin]:
    """The one histogram of all scored probes; none where a card has several and no way to tell."""
    blocks = [list(g) for _, g in groupby(claims.named("bin"), key=lambda claim: claim.block)]
    if len(blocks) != 1:
        return []
    shares = {claim.of: claim for claim in claims.named("bin_share")}
    bins = []
    for claim in blocks[0]:
        try:
            low, high = map(Decimal, (claim.get("bin") or "").strip("[)]").split(", "))
        except ArithmeticError:
            return []
        bins.append(_Bin(low, high, claim, shares.get(claim.of)))
    return bins


def _scored(claims: Claims) -> Claim | None:
    """How many probes the pooled figures are about."""
    return claims.one("scored")


def _eligible(claims: Claims) -> list[tuple[str, Claim]]:
    """The scopes whose answers a judge scores, with their probes."""
    built = claims.by("built", "scope")
    paths = claims.by("scoring_path", "scope")
    return [(s, built[s]) for s, path in paths.items() if "judge" in str(path.value) and s in built]


def scored_are_some_of_the_built(claims: Claims) -> Iterator[Trial]:
    """Scored <= probes of the judged scopes; with its statuses, a scope is all accounted for."""
    scored, eligible = _scored(claims), _eligible(claims)
    if scored is not None and eligible:
        parts = tuple(claim for _, claim in eligible)
        yield at_most(scored, Amount.of(*parts), f"probes of judged scopes: {terms(parts)}")
    for column in columns(claims, "unscored"):
        if not column.key_names <= {"scope", "status"} or "scope" not in column.key_names:
            continue
        for scope in sorted({claim.get("scope") or "" for claim in column.claims}):
            built, done = claims.one("built", scope=scope), amount(claims, "scored", scope=scope)
            rest = tuple(claim for claim in column.claims if claim.get("scope") == scope)
            if built is not None:
                parts = (*(done.claims if done is not None else ()), *rest)
                yield equals(built, Amount.of(*parts), f"scored + not scored: {terms(parts)}")


def the_unscored_are_explained(claims: Claims) -> Iterator[Trial]:
    """Probes of judged scopes that have no score are counted, with a status."""
    scored, eligible = _scored(claims), _eligible(claims)
    if scored is None or not eligible:
        return
    parts = tuple(claim for _, claim in eligible)
    total = Amount.of(*parts)
    missing = total.value - scored.number
    explained = sum((claim.number for claim in claims.named("unscored")), ZERO)
    holds = missing <= 0 or explained >= missing
    how = f"{terms(parts)} = {figure(total.value)}, so {figure(missing)} are not scored"
    if total.value:
        how += f" ({100 * missing / total.value:.1f}%)"
    rest = scored.number - sum((claim.number for claim in parts[:-1]), ZERO)
    if not holds and 0 < rest < parts[-1].number:
        names = " and ".join(scope for scope, _ in eligible[:-1])
        how += (
            f"; it would be all of {names} and {figure(rest)} of {parts[-1].written} "
            f"{eligible[-1][0]}"
        )
    expected = f"{figure(total.value)}, or a count of those without a score"
    yield Trial((scored, *parts), holds, scored, scored.written, expected, how)


def bins_make_the_scored(claims: Claims) -> Iterator[Trial]:
    """The bins of the histogram hold every scored probe once."""
    bins, scored = _histogram(claims), _scored(claims)
    if bins and scored is not None:
        parts = tuple(each.count for each in bins)
        yield equals(scored, Amount.of(*parts), f"sum of the bins: {terms(parts)}")


def shares_are_of_the_scored(claims: Claims) -> Iterator[Trial]:
    """Each percentage of the histogram is its count over the scored probes."""
    bins, scored = _histogram(claims), _scored(claims)
    total = sum((each.count.number for each in bins), ZERO)
    if scored is None or not scored.number or not total:
        return
    for each in bins:
        if each.share is None:
            continue
        exact = _HUNDRED * each.count.number / scored.number
        how = f"100 x {each.count.written} / {scored.written} = {exact:.3f}"
        of_bins = _HUNDRED * each.count.number / total
        if abs(of_bins - each.share.number) <= each.share.slack and total != scored.number:
            how += f"; it fits the sum of the bins, {figure(total)}: {of_bins:.3f}"
        yield equals(each.share, Amount(exact, ZERO, (each.count, scored)), how)


def bands_are_sums_of_bins(claims: Claims) -> Iterator[Trial]:
    """HARD and EASY are the bins below and above their thresholds."""
    bins = _histogram(claims)
    total = sum((each.count.number for each in bins), ZERO)
    hard, easy = claims.one("hard_below"), claims.one("easy_from")
    if not total:
        return
    for name, limit in (("hard", hard), ("easy", easy)):
        share = claims.one(name)
        if share is None or limit is None:
            continue
        below = name == "hard"
        inside = [b for b in bins if (b.high <= limit.number if below else b.low >= limit.number)]
        cut = [b.count.number for b in bins if b.low < limit.number < b.high]
        parts = tuple(each.count for each in inside)
        least = _HUNDRED * sum((claim.number for claim in parts), ZERO) / total
        if cut:
            # The threshold lies inside of a bin, of which any part may count.
            most = least + _HUNDRED * cut[0] / total
            holds = least - share.slack <= share.number <= most + share.slack
            expected, how = f"{least:.1f} to {most:.1f}", f"bins on its side of {limit.written}"
            yield Trial((share, *parts, limit), holds, share, share.written, expected, how)
            continue
        how = f"100 x ({terms(parts)}) / {figure(total)} = {least:.3f}"
        yield equals(share, Amount(least, ZERO, (*parts, limit)), how)


def the_mean_fits_the_bins(claims: Claims) -> Iterator[Trial]:
    """Mean and standard deviation of the maximum are possible, given the bins."""
    bins, mean, std = _histogram(claims), claims.one("mean"), claims.one("std")
    total = sum((each.count.number for each in bins), ZERO)
    if not total or mean is None:
        return
    counts = tuple(each.count for each in bins)
    low, high = (
        sum((each.count.number * edge for each, edge in pairs), ZERO) / total
        for pairs in ([(b, b.low) for b in bins], [(b, b.high) for b in bins])
    )
    holds = low - mean.slack <= mean.number <= high + mean.slack
    how = "every score at the lower edge of its bin, and every score at the upper edge"
    expected = f"{low:.3f} to {high:.3f}"
    yield Trial((mean, *counts), holds, mean, mean.written, expected, how)
    if std is None or not holds:
        return
    least, most = _spread(bins, float(total), float(mean.number))
    slack = float(std.slack + mean.slack) + 1e-9
    fits = least - slack <= float(std.number) <= most + slack
    how = f"the least and the most that scores in these bins with a mean of {mean.written} spread"
    expected = f"{least:.3f} to {most:.3f}"
    yield Trial((std, mean, *counts), fits, std, std.written, expected, how)


def _spread(bins: list[_Bin], total: float, mean: float) -> tuple[float, float]:
    """Least and most standard deviation of `total` scores in bins, given their mean.

    The most: all scores on edges; mass moves to the upper edge where it adds most (low + high)
    first. The least: every bin in one place, as near to a common level as its edges let it
    (bisection for the level that gives the mean). Divided by n; n - 1 differs by 1/(2n).
    """
    boxes = [(float(b.low), float(b.high), float(b.count.number)) for b in bins]
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


def pooled_figures_are_weighted(claims: Claims) -> Iterator[Trial]:
    """A pooled mean or share is that of the cells, weighted by how many they hold."""
    for column in columns(claims, "scored"):
        if not column.adds_up or not column.block or not column.key_names:
            continue
        weight = sum((claim.number for claim in column.claims), ZERO)
        for name in ("mean", *_POOLED):
            pooled = claims.one(name)
            cells = {claim.of: claim for claim in claims.named(name) if claim.block == column.block}
            counted = [claim for claim in column.claims if claim.number]
            if pooled is None or not weight or any(c.of not in cells for c in counted):
                continue
            pairs = [(cells[claim.of], claim) for claim in counted]
            value = sum((cell.number * n.number for cell, n in pairs), ZERO) / weight
            slack = sum((cell.slack * n.number for cell, n in pairs), ZERO) / weight
            taken = tuple(claim for pair in pairs for claim in pair)
            how = f"{len(pairs)} cells from line {column.block} on, weighted by scored: {value:.4f}"
            yield equals(pooled, Amount(value, slack, taken), how)


def shares_are_of_whole_probes(claims: Claims) -> Iterator[Trial]:
    """A percentage of n is a whole number of n (only where n is small enough to tell)."""
    counts = {(claim.block, claim.of): claim for claim in claims.named("scored") if claim.block}
    found = [
        (share, counts.get((share.block, share.of)))
        for name in _POOLED
        for share in claims.named(name)
        if share.block
    ]
    scored, documents = _scored(claims), claims.one("documents")
    # Only the first is pooled: a card may go on to speak of parts.
    pooled = [claims.one(name) for name in _POOLED]
    found += [(share, scored) for share in pooled if share is not None and not share.block]
    found += [(share, documents) for share in claims.named("same_split")]
    for share, of in found:
        if of is None or not of.number or share.slack * 2 * of.number >= _HUNDRED:
            continue
        number = (share.number * of.number / _HUNDRED).to_integral_value()
        exact = _HUNDRED * number / of.number
        how = f"{figure(number)} of {of.written} are {exact:.2f}%"
        yield equals(share, Amount(exact, ZERO, (of,)), how)


def spread_is_possible(claims: Claims) -> Iterator[Trial]:
    """Scores from 0 to 1 with mean m spread by at most sqrt(m (1 - m) n / (n - 1))."""
    means = {(claim.block, claim.of): claim for claim in claims.named("mean")}
    counts = {(claim.block, claim.of): claim for claim in claims.named("scored")}
    for std in claims.named("std"):
        mean, of = means.get((std.block, std.of)), counts.get((std.block, std.of))
        if mean is None or not 0 <= mean.number <= 1:
            continue
        n = float(of.number) if of is not None and of.number > 1 else 2.0
        m = float(mean.number)
        most = sqrt(m * (1 - m) * n / (n - 1))
        # Where the mean is near 0 or 1 its rounding moves the bound by its root.
        slack = float(std.slack) + sqrt(float(mean.slack))
        holds = float(std.number) <= most + slack
        how = f"mean {mean.written}, all scores from 0 to 1"
        taken = (std, mean) if of is None else (std, mean, of)
        yield Trial(taken, holds, std, std.written, f"at most {most:.3f}", how)
