"""The policy for the results of batched requests."""

from __future__ import annotations

from enum import StrEnum

from compiler.llm.batches.api import Line

# Attempts in all for a request that the server could not serve.
MAX_ATTEMPTS = 5
# Attempts in all after a result of an undocumented kind, which may be transient.
MAX_UNKNOWN_ATTEMPTS = 2


class Action(StrEnum):
    """The action on a request after its result."""

    KEEP = "keep"
    AGAIN = "again"
    FAIL = "fail"
    PAUSE = "pause"


def decide(line: Line | None, attempt: int) -> Action:
    """Return the action for one result, or for a missing one (None). `attempt` counts from 1.

    - succeeded: keep, whatever the stop reason, since it was billed;
    - fault of the account (credit, limits): pause, and the attempt does not count;
    - fault of the server, expiry, no result: again, `MAX_ATTEMPTS` in all;
    - fault of the request: fail at once;
    - undocumented: again, `MAX_UNKNOWN_ATTEMPTS` in all.
    """
    if line is None or line.kind == "expired":
        return Action.AGAIN if attempt < MAX_ATTEMPTS else Action.FAIL
    if line.kind == "succeeded" and line.reply is not None:
        return Action.KEEP
    if line.account:
        return Action.PAUSE
    if line.kind == "errored" and line.error_type:
        again = line.transient and attempt < MAX_ATTEMPTS
        return Action.AGAIN if again else Action.FAIL
    return Action.AGAIN if attempt < MAX_UNKNOWN_ATTEMPTS else Action.FAIL
