"""A place that a dataset is pushed to, and the dataset as it is pushed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from compiler.publishing.files import Changes, File, There


@dataclass(frozen=True)
class Publication:
    """A dataset as it is pushed.

    `files`: by name at the target. `rounds`: the hash of each locked round. `globs`: the patterns
    by which the card names data files. `message`: title and description of a commit.
    """

    name: str
    folder: Path
    files: Mapping[str, File]
    rounds: Mapping[int, str]
    globs: tuple[str, ...]
    message: tuple[str, str]

    def tags(self) -> dict[int, str]:
        """Return the tag of each locked round."""
        return {index: f"round-{index}-{hash_[:12]}" for index, hash_ in self.rounds.items()}


@dataclass(frozen=True)
class State:
    """A target before a push.

    `files`: by name. `head`: the commit that was read, None if the place has no commits. `notes`:
    what a push would create.
    """

    files: Mapping[str, There]
    head: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sent:
    """The result of a push. `commits`: in order; `tags`: created; `pull_request`: its address."""

    commits: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    pull_request: str | None = None


class Target(Protocol):
    """A place that a dataset is pushed to."""

    url: str

    def read(self) -> State:
        """Read what is there.

        Raises:
            ProbecError: it cannot be read.
        """

    def refuse(self, publication: Publication, state: State) -> None:
        """Raise PublishError if a push would contradict what is there."""

    def send(self, publication: Publication, changes: Changes, state: State) -> Sent:
        """Send the changes; without any, only what else is missing, such as a tag.

        Raises:
            ProbecError: the target refused, or the transfer failed.
        """
