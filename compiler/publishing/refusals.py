"""Errors of the Hub's library, with a remedy and an exit code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

from compiler.errors import PausedError, ProbecError, PublishError, in_a_line

_AGAIN = "run the same command again: files that arrived are not sent twice"


class Response(Protocol):
    """An answer of the Hub."""

    status_code: int
    headers: Mapping[str, str]


def response(error: BaseException) -> Response | None:
    """Return the Hub's answer behind an error; None if there was none."""
    cause: BaseException | None = error
    while cause is not None:
        answer: Response | None = getattr(cause, "response", None)
        if answer is not None:
            return answer
        cause = cause.__cause__
    return None


def line(error: Exception) -> str:
    """Return the first line of an error without the signatures in addresses."""
    return re.sub(r"\?\S*", "", in_a_line(error))


def converted(error: Exception, url: str, doing: str) -> ProbecError:
    """Convert an error of the library."""
    answer = response(error)
    if answer is None:
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        return PublishError(f"the connection failed {doing}: {line(cause)}", where=url, hint=_AGAIN)
    status, seconds = answer.status_code, answer.headers.get("Retry-After")
    if status in (401, 403):
        what = "the Hub knows no such token" if status == 401 else "the token may not write here"
        return PausedError(
            f"{what} ({status}) {doing}",
            where=url,
            hint="log in with `hf auth login`, or set HF_TOKEN to a token that may write there",
        )
    known = {
        404: ("there is no such dataset, or the token cannot see it", "check the name"),
        409: (
            "it conflicts with a change by someone else",
            "run the same command again: it reads the head first",
        ),
        412: (
            "someone else has committed since its head was read",
            "look at that commit, and run the same command again",
        ),
        429: (
            "the rate limit of the Hub is reached",
            f"wait {seconds + ' seconds' if seconds else 'some minutes'}, and {_AGAIN}",
        ),
    }
    message, hint = known.get(status, ("the Hub failed", _AGAIN))
    if status not in known and status < 500:
        message = f"the Hub refused: {line(error)}"
    return PublishError(f"{message} ({status}) {doing}", where=url, hint=hint)
