"""The cost ledger of a dataset: expected and billed US dollars by role and round."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from compiler.keys import Json
from compiler.llm import intents
from compiler.llm.intents import Count
from compiler.llm.ledger import Spend
from compiler.project.project import Project
from compiler.report.screen import PLAIN, Screen
from compiler.report.terminal import table


class Bill(Struct, frozen=True):
    """All costs billed to builds of a dataset.

    `duplicates`: ids of batches that the provider ran a second time, billed for about `wasted` US
    dollars, which are not in the rows. `unlogged`: sendings of live requests of the project that
    may have been billed and brought no reply into the log.
    """

    rows: tuple[Spend, ...]
    duplicates: tuple[str, ...]
    wasted: float
    unlogged: Count

    def data(self) -> Json:
        """Convert to JSON."""
        return {
            "spent": msgspec.to_builtins([*self.rows]),
            "usd": sum(row.usd for row in self.rows),
            "duplicate_batches": [*self.duplicates],
            "duplicate_usd": self.wasted,
            "unlogged_live_requests": self.unlogged.requests,
            "unlogged_live_usd": self.unlogged.usd,
        }


def bill(project: Project) -> Bill:
    """Read the bill of a dataset from the response log and the batch journal."""
    duplicates = [s for s in project.journal.suspects() if s[3] == "duplicate"]
    return Bill(
        tuple(project.spent()),
        tuple(each[0] for each in duplicates),
        sum(each[4] for each in duplicates),
        intents.unlogged(project.journal),
    )


def line(found: Bill) -> str:
    """Format a bill in one line; "" if nothing was billed."""
    if not found.rows:
        return lost(found)
    expected, usd = sum(row.expected_usd for row in found.rows), sum(row.usd for row in found.rows)
    calls = sum(row.calls for row in found.rows)
    wasted = f", ${found.wasted:,.2f} more for duplicate batches" if found.duplicates else ""
    billed = f"billed: ${usd:,.4f} for {calls:,} requests (${expected:,.4f} expected){wasted}"
    return f"{billed}\n{lost(found)}".rstrip()


def lost(found: Bill) -> str:
    """Report requests that may have been billed without a reply; "" without any."""
    if not found.unlogged.requests:
        return ""
    return f"may have been billed in addition, without a reply in the log: {found.unlogged.text()}"


def text(found: Bill, screen: Screen = PLAIN) -> str:
    """Format a bill as a table; "" if nothing was billed."""
    rows, unlogged = found.rows, lost(found)
    if not rows:
        return unlogged
    lines: list[tuple[object, ...]] = [
        (
            row.role,
            row.round,
            row.model,
            row.calls,
            row.input_tokens + row.cache_write_tokens + row.cache_read_tokens,
            row.output_tokens,
            f"{row.expected_usd:,.4f}",
            f"{row.usd:,.4f}",
        )
        for row in rows
    ]
    expected, usd = sum(row.expected_usd for row in rows), sum(row.usd for row in rows)
    calls = sum(row.calls for row in rows)
    lines.append(("all", "", "", calls, "", "", f"{expected:,.4f}", f"{usd:,.4f}"))
    header = ("paid for", "round", "model", "calls", "tokens in", "tokens out")
    shown = table((*header, "US$ expected", "US$ billed"), lines, screen)
    if found.duplicates:
        shown += (
            f"\nduplicate batches, billed in addition: {len(found.duplicates)}, about "
            f"${found.wasted:,.2f}"
        )
    return f"{shown}\n{unlogged}".rstrip()
