"""The events of a build that a user may see, and the reporter that shows none of them."""

from __future__ import annotations

from typing import Protocol

from compiler.engine.execute import Listener
from compiler.llm.batches.journal import Shard
from compiler.llm.purse import Purse


class Reporter(Listener, Protocol):
    """Hears how a build goes, from the engine and from the providers. `cli.py` shows it."""

    def calls(self, role: str, done: int, wanted: int) -> None:
        """So many of a role's calls are answered."""

    def notice(self, text: str) -> None:
        """Something the user must know before it runs."""

    def batches(self, shards: list[Shard], purse: Purse, left: float | None) -> None:
        """How the batches of the stage stand, and the money of this run."""


class Silent:
    """Says nothing."""

    def stage_started(self, stage: str, steps: int, stale: int) -> None:
        """Nothing."""

    def step_done(self, stage: str, part: str, seconds: float) -> None:
        """Nothing."""

    def calls(self, role: str, done: int, wanted: int) -> None:
        """Nothing."""

    def notice(self, text: str) -> None:
        """Nothing."""

    def batches(self, shards: list[Shard], purse: Purse, left: float | None) -> None:
        """Nothing."""
