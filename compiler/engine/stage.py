"""Stages and steps: a named, versioned pure pass, and that pass bound to one part of the work.

The work is divided into parts, the nodes of a tree of integers. A stage's `depth` is the level that
it works on: 0 is one step for everything, 1 a step for each first-level part, 2 a step for each
second-level part. A step needs the outputs of every upstream step whose part contains its own or
lies within it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeAlias

from msgspec import Struct, field

from compiler.engine.artifact import Artifact, Row, RowDigest, RowWriter
from compiler.engine.store import Store
from compiler.keys import Json

Part: TypeAlias = tuple[int, ...]


def label(part: Part) -> str:
    """Format a part: `(0, 3)` as `0.3`, the root as `all`."""
    return ".".join(str(number) for number in part) or "all"


class Unsettled(Exception):
    """The signal of a step whose replies are not logged yet; see `Stage.prepare`."""


class Inputs:
    """The inputs of a step: for each need, the artifacts of upstream steps in part order.

    A need is `<stage>.<output>`.
    """

    def __init__(self, store: Store, needs: Mapping[str, list[tuple[Part, Artifact]]]) -> None:
        self._store = store
        self._needs = needs

    def rows(self, need: str, row: type[Row]) -> Iterator[Row]:
        """Yield all rows of a need, part by part."""
        for _, artifact in self._needs[need]:
            yield from self._store.rows(artifact, row)

    def one(self, need: str) -> Artifact:
        """Return the only artifact of a need."""
        ((_, artifact),) = self._needs[need]
        return artifact

    def parts(self, need: str) -> list[tuple[Part, Artifact]]:
        """Return the artifacts of a need with their parts."""
        return list(self._needs[need])

    def rows_of(self, artifact: Artifact, row: type[Row]) -> Iterator[Row]:
        """Yield all rows of one artifact."""
        return self._store.rows(artifact, row)

    def rows_at(self, need: str, numbers: Iterable[int], row: type[Row]) -> Iterator[Row]:
        """Yield single rows, by number, of the only artifact of a need."""
        return self._store.rows_at(self.one(need), numbers, row)

    def path(self, artifact: Artifact) -> Path:
        """Return the file of an artifact."""
        return self._store.path(artifact)


class Outputs:
    """The outputs of a step; no other step can read them before the step is committed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.artifacts: dict[str, Artifact] = {}

    def rows(self, name: str, rows: Iterable[object], frame_rows: int = 0) -> Artifact:
        """Store rows under a name, consuming them as a stream.

        `frame_rows`: rows in each compressed frame, for reading single rows; 0 cuts by size.
        """
        self.artifacts[name] = self._store.write_rows(rows, frame_rows)
        return self.artifacts[name]

    def spool(self) -> AbstractContextManager[BinaryIO]:
        """Open an anonymous temporary file, for data that a step needs while it runs."""
        return self._store.spool()

    @contextmanager
    def appending(self, name: str) -> Iterator[RowWriter]:
        """Yield a writer whose rows are stored under a name when the block ends."""
        with self._store.appending(partial(self.artifacts.__setitem__, name)) as writer:
            yield writer

    def file(
        self, name: str, suffix: str, write: Callable[[BinaryIO, RowDigest], None]
    ) -> Artifact:
        """Store a file of any format, such as parquet.

        `write` is called with the open file and a RowDigest. It must append the file's canonical
        content to the latter, which gives the artifact its digest whatever bytes the format makes.
        """
        with self._store.writing(suffix) as (out, path):
            canonical = RowDigest()
            write(out, canonical)
            out.flush()
            with path.open("rb") as written:
                found = hashlib.file_digest(written, "sha256").hexdigest()
            described = Artifact(canonical.hexdigest(), "", 0, canonical.rows, sha256=found)
            self.artifacts[name] = self._store.adopt(path, described, suffix)
        return self.artifacts[name]


class Stage(Struct, frozen=True):
    """A pass over the work.

    `params`: every part of the configuration that can change the output, and nothing else.
    `templates`: name -> digest, of every template used.
    `needs`: the inputs, as `<stage>.<output>`.
    `asides`: inputs that only messages of errors are made from, and so are in no step key. They are
    outputs of stages in `needs`.
    `narrow`: for a step that reads only a part of a large input, returns need -> key of that part;
    the value replaces the input's digest in the step key, so it must determine what is read.
    `prepare`, `settle`: for a stage that sends requests. `prepare` queues the requests of a step
    whose `run` raised Unsettled; after all such steps, one `settle` sends the queue, and `run` then
    finds every reply. `weigh` counts the requests that `prepare` would queue, and queues none.
    """

    name: str
    version: int
    depth: int
    needs: tuple[str, ...]
    params: Json
    run: Callable[[Part, Inputs, Outputs], None]
    templates: Mapping[str, str] = field(default_factory=dict)
    asides: tuple[str, ...] = ()
    narrow: Callable[[Part, Inputs], Mapping[str, Json]] | None = None
    prepare: Callable[[Part, Inputs], None] | None = None
    settle: Callable[[], None] | None = None
    weigh: Callable[[Part, Inputs], None] | None = None

    def upstream(self) -> set[str]:
        """Return the names of the stages whose outputs it needs."""
        return {need.partition(".")[0] for need in self.needs}


class Step(Struct, frozen=True):
    """A stage bound to one part."""

    stage: Stage
    part: Part

    def __str__(self) -> str:
        return f"{self.stage.name} {label(self.part)}"
