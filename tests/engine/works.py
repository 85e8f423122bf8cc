"""Stages that a worker process can rebuild, with faults on demand."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from compiler.engine.executors import Bench
from compiler.engine.plan import Graph
from compiler.engine.stage import Inputs, Outputs, Part, Stage
from compiler.engine.store import Store
from compiler.errors import SourceError
from compiler.keys import Json


@dataclass(frozen=True)
class Number:
    """A row."""

    value: int


@dataclass(frozen=True)
class Doubles:
    """numbers -> doubles, one step a leaf. A file with an event's name triggers the event.

    `die`: the step on leaf 2 kills its process as many times as the file states;
    `fail`: it raises; `slow`: every step takes half a second.
    """

    root: Path
    leaves: int = 6
    factor: int = 2

    def __call__(self) -> Bench:
        """Return the stages and store, as a worker rebuilds them."""
        return Bench(Store(self.root / "build"), self.stages())

    def graph(self) -> Graph:
        """Return the graph of the stages."""
        leaves = [(leaf,) for leaf in range(self.leaves)]
        return Graph("works", Store(self.root / "build"), self.stages(), leaves)

    def stages(self) -> list[Stage]:
        """Return two stages by leaf and one for all leaves."""

        def narrow(part: Part, inputs: Inputs) -> Mapping[str, Json]:
            return {"leaf": part[0]}

        return [
            Stage("numbers", 1, 1, (), None, self._number, narrow=narrow),
            Stage("doubles", 1, 1, ("numbers.value",), {"factor": self.factor}, self._double),
            Stage("total", 1, 0, ("doubles.value",), None, self._total),
        ]

    def _number(self, part: Part, inputs: Inputs, out: Outputs) -> None:
        out.rows("value", [Number(part[0])])

    def _double(self, part: Part, inputs: Inputs, out: Outputs) -> None:
        with (self.root / f"ran-{part[0]}").open("a", encoding="utf-8") as ran:
            ran.write(f"{os.getpid()}\n")
        if (self.root / "slow").exists():
            time.sleep(0.5)
        die = self.root / "die"
        if part == (2,) and die.exists() and (left := int(die.read_text())):
            die.write_text(str(left - 1))
            os.kill(os.getpid(), signal.SIGKILL)
        if part == (2,) and (self.root / "fail").exists():
            raise SourceError("no good", where="leaf 2", hint="mend it")
        (number,) = inputs.rows("numbers.value", Number)
        out.rows("value", [Number(number.value * self.factor)])

    def _total(self, part: Part, inputs: Inputs, out: Outputs) -> None:
        out.rows("sum", [Number(sum(n.value for n in inputs.rows("doubles.value", Number)))])

    def processes(self) -> set[int]:
        """Return the ids of the processes in which the doubling steps ran."""
        return {int(pid) for each in self.root.glob("ran-*") for pid in each.read_text().split()}


class Quiet:
    """An observer that ignores every event."""

    def stage_started(self, stage: str, steps: int, stale: int) -> None:
        """Ignore the event."""

    def step_done(self, stage: str, part: str, seconds: float) -> None:
        """Ignore the event."""
