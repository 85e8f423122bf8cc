"""What to do with each outcome of a batched request, row by row."""

from __future__ import annotations

from enum import StrEnum

from compiler.llm.batches.api import Line

# A request that the server could not serve is asked again so often in all.
MAX_ATTEMPTS = 5
# What nobody has documented may be a passing fault, but is not believed in for long.
MAX_UNKNOWN_ATTEMPTS = 2


class Action(StrEnum):
    """What becomes of a request."""

    KEEP = "keep"
    AGAIN = "again"
    FAIL = "fail"
    PAUSE = "pause"


def decide(line: Line | None, attempt: int) -> Action:
    """The action for one result; None for a request without one. `attempt` counts from 1.

    succeeded: kept, billed, whatever its stop reason. The account's fault (credit, limits): pause,
    and the attempt does not count. The server's fault, expiry, cancellation, absence: again, a
    bounded number of times. The request's own fault: it fails at once.
    """
    if line is None or line.kind in ("expired", "canceled"):
        return Action.AGAIN if attempt < MAX_ATTEMPTS else Action.FAIL
    if line.kind == "succeeded" and line.reply is not None:
        return Action.KEEP
    if line.account:
        return Action.PAUSE
    if line.kind == "errored" and line.error_type:
        again = line.transient and attempt < MAX_ATTEMPTS
        return Action.AGAIN if again else Action.FAIL
    return Action.AGAIN if attempt < MAX_UNKNOWN_ATTEMPTS else Action.FAIL
