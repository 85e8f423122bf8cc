"""Different results of a batch under one custom id.

Nothing tells which of them answers the request, so none is used: the request counts as billed, its
outcome is unknown, and only the user sends it again.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from compiler.llm.batches.api import Line
from compiler.llm.messages import Outcome

CONFLICT = "conflicting_results"
"""The event of a custom id that has several different results."""


def differ(lines: Sequence[Line]) -> bool:
    """Return whether the results of one custom id are not all equal."""
    return any(line != lines[0] for line in lines)


def verdict(lines: Sequence[Line]) -> Line:
    """Return the result that stands for several different ones.

    If any of them was billed, it is the first of these, without its text and with the outcome
    `unknown`; otherwise the first result.
    """
    for line in lines:
        if line.reply is not None:
            error = f"{len(lines)} results under one custom id, which differ"
            reply = replace(line.reply, outcome=Outcome.UNKNOWN, text="", error=error)
            return replace(line, reply=reply)
    return lines[0]


def notice(batch_id: str | None, custom_ids: Sequence[str]) -> str:
    """Format the notice about the conflicts of a batch."""
    count = len(custom_ids)
    more = ", ..." if count > 3 else ""
    return (
        f"batch {batch_id} has different results under one custom id, for {count:,} "
        f"request{'s' if count != 1 else ''} ({', '.join(custom_ids[:3])}{more}): none of them is "
        "used, and the rows are rejected; `probec retry --reason unknown` sends these requests "
        "again"
    )
