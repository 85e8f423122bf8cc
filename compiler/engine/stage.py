"""Stages and steps: a named, versioned pure pass, and that pass bound to one part of the work.

The work is cut into parts by a tree of integers. A stage's `depth` says how finely it is cut: 0 is
one step for all, 1 one per first-level part, 2 one per second-level part. A step needs the outputs
of every upstream step whose part contains its own or lies within it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeAlias

from compiler.engine.artifact import Artifact, Row, RowDigest, RowWriter
from compiler.engine.store import Store
from compiler.keys import Json

Part: TypeAlias = tuple[int, ...]


def label(part: Part) -> str:
    """`(0, 3)` as `0.3`; the whole as `all`."""
    return ".".join(str(number) for number in part) or "all"


class Unsettled(Exception):
    """Raised by a step that needs what only `prepare` and `settle` can bring."""


class Inputs:
    """What a step reads: for each need, the artifacts of the upstream steps, in part order."""

    def __init__(self, store: Store, needs: Mapping[str, list[tuple[Part, Artifact]]]) -> None:
        self._store = store
        self._needs = needs

    def rows(self, need: str, row: type[Row]) -> Iterator[Row]:
        """All rows of a need, streamed over its parts."""
        for _, artifact in self._needs[need]:
            yield from self._store.rows(artifact, row)

    def one(self, need: str) -> Artifact:
        """The only artifact of a need."""
        ((_, artifact),) = self._needs[need]
        return artifact

    def parts(self, need: str) -> list[tuple[Part, Artifact]]:
        """The artifacts of a need with their parts."""
        return list(self._needs[need])

    def rows_of(self, artifact: Artifact, row: type[Row]) -> Iterator[Row]:
        """All rows of one artifact."""
        return self._store.rows(artifact, row)

    def rows_at(self, need: str, numbers: Iterable[int], row: type[Row]) -> Iterator[Row]:
        """Single rows of the only artifact of a need."""
        return self._store.rows_at(self.one(need), numbers, row)

    def path(self, artifact: Artifact) -> Path:
        """The file of an artifact."""
        return self._store.path(artifact)


class Outputs:
    """What a step writes. Nothing exists for others until the step is committed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.artifacts: dict[str, Artifact] = {}

    def rows(self, name: str, rows: Iterable[object], frame_rows: int = 0) -> Artifact:
        """Store rows under a name; consumes `rows` as a stream."""
        self.artifacts[name] = self._store.write_rows(rows, frame_rows)
        return self.artifacts[name]

    def spool(self) -> AbstractContextManager[BinaryIO]:
        """A nameless file for what a step sets aside while it runs."""
        return self._store.spool()

    @contextmanager
    def appending(self, name: str) -> Iterator[RowWriter]:
        """A writer of rows that are stored under a name when the block ends."""
        with self._store.appending(partial(self.artifacts.__setitem__, name)) as writer:
            yield writer

    def file(
        self, name: str, suffix: str, write: Callable[[BinaryIO, RowDigest], None]
    ) -> Artifact:
        """Store a file of a foreign format.

        `write` gets the open file and a RowDigest: what is appended to the latter is the canonical
        content that gives the artifact its digest, whatever bytes the format makes of it.
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


@dataclass(frozen=True)
class Stage:
    """A pass over the work.

    `params`: everything of the configuration that can change the output, and nothing else.
    `templates`: name -> digest of every template used.
    `narrow`: when a step reads only a part of a large input, that part, which then replaces the
    input's digest in the key (and must determine what the step reads of it).
    `prepare`, `settle`: for a stage that asks the outside world. Where `run` raises Unsettled, the
    step is prepared; when all are, what was prepared is settled at once, and `run` then finds all
    it needs. `weigh` counts what `prepare` would ask, asking nothing.
    """

    name: str
    version: int
    depth: int
    needs: tuple[str, ...]
    params: Json
    run: Callable[[Part, Inputs, Outputs], None]
    templates: Mapping[str, str] = field(default_factory=dict)
    narrow: Callable[[Part, Inputs], Mapping[str, Json]] | None = None
    prepare: Callable[[Part, Inputs], None] | None = None
    settle: Callable[[], None] | None = None
    weigh: Callable[[Part, Inputs], None] | None = None

    def upstream(self) -> set[str]:
        """Names of the stages it needs."""
        return {need.partition(".")[0] for need in self.needs}


@dataclass(frozen=True)
class Step:
    """A stage bound to one part."""

    stage: Stage
    part: Part

    def __str__(self) -> str:
        return f"{self.stage.name} {label(self.part)}"
