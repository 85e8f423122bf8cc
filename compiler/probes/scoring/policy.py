"""The type of scoring policies, which turn an answer or a verdict into a number."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct


class Policy(Struct, frozen=True):
    """A scoring policy. `number(text, truth)` returns a score in [0, 1], or None.

    `judged`: `text` is a judge's verdict and `truth` is ignored; else `text` is the answer.
    `version`: raised when the same texts give another number.
    """

    judged: bool
    number: Callable[[str, str], float | None]
    version: int = 1
