"""One tree of errors: what is wrong, where, and what to do next.

A message is a lower-case sentence that names the thing; a hint is the next command or edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

# Verdicts of `reproduce` and `verify` that are no errors of the command itself.
MISSING = 5
DRIFTED = 6
DAMAGED = 7


def in_a_line(error: Exception) -> str:
    """What a library's error says, in its first line; its kind where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


class ProbecError(Exception):
    """Anything a user can cause or remedy; `cli.py` prints it without a traceback."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        remedy = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.message}{remedy}"


class UsageError(ProbecError):
    """The command line asks for something that does not exist."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a spec or a template, with its place."""

    where: str
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        path = f"{self.path}: " if self.path else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.where}: {path}{self.message}{hint}"


class SpecError(ProbecError):
    """A spec, or what it refers to, is wrong. Carries every problem found, not the first one."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        count = len(problems)
        super().__init__(f"{count} problem{'s' if count != 1 else ''} in the spec")
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class PromptError(ProbecError):
    """A template cannot be parsed, or its variables do not match what it is given."""

    exit_code = 2


class SourceError(ProbecError):
    """The source documents cannot be read, or are not what the spec says."""


class StoreError(ProbecError):
    """The build directory or the response log cannot be read or written."""


class DamagedError(StoreError):
    """Something that is kept does not have the digest it was kept under: a byte was flipped."""

    exit_code = DAMAGED


class BusyError(StoreError):
    """Another process is writing the same build directory."""


class ProviderError(ProbecError):
    """A model provider cannot serve a request."""


class BudgetError(ProbecError):
    """The build would cost more than the spec or the command line allows."""

    exit_code = 3


class PausedError(ProviderError):
    """The account cannot go on (credit, spend limit, key); nothing more was sent."""

    exit_code = 4


class Interrupted(ProbecError):
    """The user pressed Ctrl-C; what was finished or sent is kept."""

    exit_code = 130


class WaitingError(ProbecError):
    """Batches are with the provider; running the same command again collects them."""

    exit_code = 75
