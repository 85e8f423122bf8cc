"""The tree of errors, each with a message, a place, a remedy and an exit code.

A message is a lower-case sentence that names the thing; a hint is the next command or edit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import ClassVar

# Exit codes for the outcomes of `reproduce` and `verify` that are not errors of the command.
MISSING = 5
DRIFTED = 6
DAMAGED = 7


def in_a_line(error: Exception) -> str:
    """Return the first line of a library's error message, or its type if it has no message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def known(name: str, have: Iterable[str]) -> str:
    """Return a hint for an unknown name: the nearest known one, and all of them."""
    names = [*have]
    return f"{nearest(name, names)}have: {', '.join(names)}"


def nearest(name: str, have: Iterable[str]) -> str:
    """Ask if the nearest known name was meant; "" if none is near."""
    near = get_close_matches(name, [*have], 1)
    return f"did you mean {near[0]}? " if near else ""


def nearest_file(
    path: str | Path, suffixes: tuple[str, ...] = ("",), root: Path | None = None
) -> str:
    """Ask if a file beside a missing one was meant; "" if none has a similar name.

    `suffixes`: the endings of the files that can be meant; `root`: the directory from which the
    path is read, if not the working directory.
    """
    missing, base = Path(path), root or Path()
    try:
        # The first directory that does not exist is the misspelled one, if any.
        above = reversed(missing.parents)
        wrong = next((each for each in above if not (base / each).exists()), missing)
        ends = suffixes if wrong == missing else ("",)
        beside = [e.name for e in (base / wrong).parent.iterdir() if e.name.endswith(ends)]
        near = get_close_matches(wrong.name, beside, 1)
        found = [wrong.parent / each / missing.relative_to(wrong) for each in near]
        return f"did you mean {found[0]}? " if found and (base / found[0]).exists() else ""
    except OSError:
        return ""


class ProbecError(Exception):
    """An error that a user can cause or remedy; `cli.py` prints it without a traceback."""

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
    """The command line is wrong, or names something that does not exist."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a spec or a template, with its place and remedy."""

    where: str
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        path = f"{self.path}: " if self.path else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.where}: {path}{self.message}{hint}"


class SpecError(ProbecError):
    """An invalid spec, or an invalid file that it refers to. Carries every problem found."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        count = len(problems)
        super().__init__(f"{count} problem{'s' if count != 1 else ''} in the spec")
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class PromptError(ProbecError):
    """A template that cannot be read or rendered, or whose variables do not match its role."""

    exit_code = 2


class SourceError(ProbecError):
    """Source documents or a tokenizer that cannot be read or contradict the spec."""


class ChangedError(SourceError):
    """A source file that changed after a build took its digest."""


class StoreError(ProbecError):
    """A build directory or response log that cannot be read or written."""


class DamagedError(StoreError):
    """Stored bytes that do not have the digest under which they were stored."""

    exit_code = DAMAGED


class BusyError(StoreError):
    """A build directory that another process is writing."""


class PublishError(ProbecError):
    """A dataset that may not be published, or a target that refused it."""


class ProviderError(ProbecError):
    """A request that a model provider cannot serve."""


class BudgetError(ProbecError):
    """A build that would cost more than the spec or the command line allows."""

    exit_code = 3


class PausedError(ProviderError):
    """An account that cannot continue (credit, spend limit, key); sending has stopped."""

    exit_code = 4


class Interrupted(ProbecError):
    """An interruption by Ctrl-C; finished steps and sent requests are kept."""

    exit_code = 130


class WaitingError(ProbecError):
    """Batches in flight with the provider; the same command collects them when run again."""

    exit_code = 75
