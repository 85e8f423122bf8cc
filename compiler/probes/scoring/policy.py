"""What a scoring policy is: how one answer, or a judge's words on it, becomes a number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Policy:
    """`number(text, truth)`: a score in [0, 1], or None when there is none.

    `judged`: `text` is a judge's verdict, and the truth is not looked at; else it is the answer.
    """

    judged: bool
    number: Callable[[str, str], float | None]
