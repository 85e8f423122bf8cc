"""The price of a build as text for a terminal."""

from __future__ import annotations

from compiler.pricing.estimate import Quote
from compiler.report.screen import PLAIN, Screen
from compiler.report.terminal import table
from compiler.spec.declared import Declared

_SCORING = ("answer", "judge", "answer_rest", "judge_rest")
_AUDITS = ("control", "audit")


def text(spec: Declared, costs: Quote, screen: Screen = PLAIN) -> str:
    """Format the price of every stage and scope, the number of batches, and the totals."""
    if not costs.estimates:
        return "no cost: no step sends a paid request"
    rows = [
        (
            e.stage,
            e.scope or "-",
            e.calls + e.cached + e.in_flight,
            e.cached,
            e.in_flight,
            e.calls,
            f"{e.bytes / 1_000_000:,.1f}",
            e.input_tokens,
            e.output_tokens,
            *cells(e.usd, e.low, e.high),
            f"{e.basis}, tokens {e.tokens}",
        )
        for e in costs.estimates
    ]
    header = (
        *(
            "stage",
            "scope",
            "requests",
            "in the log",
            "in flight",
            "new",
            "MB",
            "tokens in",
            "tokens out",
        ),
        *("US$", "interval", "how known"),
    )
    models = {e.role: f"{e.role}: {e.model} through {e.provider}" for e in costs.estimates}
    lines = ["\n".join(models.values()), table(header, rows, screen)]
    if costs.batches:
        limits = spec.batches
        lines.append(
            table(
                ("batches", f"by {limits.max_requests:,} requests",
                 f"by {limits.max_bytes / 1_000_000:,.0f} MB", "needed"),
                [(stage, n, m, max(n, m)) for stage, (n, m) in costs.batches.items()],
                screen,
            )
        )  # fmt: skip
    flying, flying_usd = costs.in_flight()
    ceiling = sum(e.ceiling for e in costs.estimates)
    lines += map(screen.wrapped, costs.notices)
    if flying:
        lines.append(
            screen.wrapped(
                f"in flight: {flying:,} request{'s' if flying > 1 else ''} in open batches, "
                f"expected to cost ${flying_usd:,.2f}, not in these totals; the next build "
                "collects them"
            )
        )
    sums = []
    if any(each.stage in _SCORING for each in costs.estimates):
        sums.append(f"scoring (answer and judge): {dollars(*costs.usd(*_SCORING))}")
    if costs.usd(*_AUDITS)[0]:
        sums.append(f"baselines, anchors, judging again: {dollars(*costs.usd(*_AUDITS))}")
    sums.append(f"total: {dollars(*costs.usd())}; the budget is ${spec.budget.max_usd:,.2f}")
    sums.append(f"if every reply were as long as max_tokens: ${ceiling:,.2f}")
    lines.append("\n".join(sums))
    return "\n\n".join(lines)


def dollars(expected: float, low: float, high: float) -> str:
    """Format an expected amount of US dollars with its interval."""
    return f"${expected:,.2f} (${low:,.2f} to ${high:,.2f})"


def cells(expected: float, low: float, high: float) -> tuple[str, str]:
    """Format an expected amount and its interval for two columns of a table."""
    return f"{expected:,.2f}", f"{low:,.2f} .. {high:,.2f}"
