"""The progress events of a build, and a reporter that ignores them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from compiler.engine.execute import Listener
from compiler.llm.batches.journal import Shard
from compiler.llm.purse import Purse


class Reporter(Listener, Protocol):
    """A receiver of progress events from the engine and the providers; `cli.py` prints them."""

    def stages(self, names: Sequence[str]) -> None:
        """Report the stages that an execution goes through; none when it has ended."""

    def calls(self, role: str, done: int, wanted: int, round_index: int) -> None:
        """Report that `done` of `wanted` calls of a role have replies, those in the log included.

        `round_index`: the round of the latest reply.
        """

    def notice(self, text: str) -> None:
        """Report something that the user must know before the next step runs."""

    def batches(self, shards: list[Shard], purse: Purse, left: float | None) -> None:
        """Report the open batches of the stage and the US dollars of this run.

        `left`: estimated seconds until they end; None if unknown.
        """


class Silent:
    """A reporter that ignores every event."""

    def stage_started(self, stage: str, steps: int, stale: int) -> None:
        """Nothing."""

    def step_done(self, stage: str, part: str, seconds: float) -> None:
        """Nothing."""

    def stages(self, names: Sequence[str]) -> None:
        """Nothing."""

    def calls(self, role: str, done: int, wanted: int, round_index: int) -> None:
        """Nothing."""

    def notice(self, text: str) -> None:
        """Nothing."""

    def batches(self, shards: list[Shard], purse: Purse, left: float | None) -> None:
        """Nothing."""
