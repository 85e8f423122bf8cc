"""The cost ledger: what was expected beside what was billed, per role and round of a build."""

from __future__ import annotations

import msgspec

from compiler.keys import Json
from compiler.project.project import Project
from compiler.report.terminal import table


def money(project: Project) -> tuple[str, Json]:
    """(text, data) of everything that this build ever paid for; empty when nothing was."""
    rows = [row for row in project.log.spent() if row.build == project.spec.name]
    duplicates = [s for s in project.journal.suspects() if s[3] == "duplicate"]
    wasted = sum(each[4] for each in duplicates)
    data: Json = {
        "spent": msgspec.to_builtins(rows),
        "usd": sum(row.usd for row in rows),
        "duplicate_batches": [each[0] for each in duplicates],
        "duplicate_usd": wasted,
    }
    if not rows:
        return "", data
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
    text = table((*header, "US$ expected", "US$ billed"), lines)
    if duplicates:
        text += f"\nduplicate batches, billed beside these: {len(duplicates)}, about ${wasted:,.2f}"
    return text, data
