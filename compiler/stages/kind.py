"""The kind of a spec: everything that plan, build, locks and rebuilds need to know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from compiler.engine.stage import Stage
from compiler.keys import Json
from compiler.records import Document
from compiler.spec.declared import Declared
from compiler.spec.paid import Role
from compiler.stages.context import Context

if TYPE_CHECKING:
    from compiler.report.tree import Section, Table
    from compiler.rollouts.rows import CorpusText

_SHOWN = 3


class Loss(Struct, frozen=True):
    """Planned units of one group, such as "written slots", and the lost ones by cause."""

    group: str
    planned: int
    causes: Mapping[str, int]

    @property
    def lost(self) -> int:
        """The number of lost units."""
        return sum(self.causes.values())

    @property
    def share(self) -> float:
        """The lost share of the group."""
        return self.lost / self.planned if self.planned else 0.0

    @property
    def largest(self) -> list[tuple[str, int]]:
        """The most frequent causes, each with its number of units."""
        return sorted(self.causes.items(), key=lambda item: (-item[1], item[0]))[:_SHOWN]

    def __str__(self) -> str:
        causes = ", ".join(f"{count:,} {cause}" for cause, count in self.largest)
        share = f"{100 * self.share:.1f}%"
        return f"{self.lost:,} of {self.planned:,} {self.group} ({share}: {causes})"


class Kind(Struct, frozen=True):
    """One kind of spec.

    `pipeline`: its stages in order; a pass that a spec does not use binds to None. `asking`: the
    role that each stage with requests calls. `reader`: the stage that reads the source. `drawing`:
    the first stage over the documents of a round, and `fixed` its parameters that come from the
    spec, which a locked round keeps.

    `document`: the type of a document; `rows`: its rows as a source has them. `files`: the fields
    of a spec that files of its dataset depend on, where it is compared with a second spec, a
    variant of it or itself; `reduced`: those that rows depend on; `restored`: the spec of a lock,
    with placeholders for the others, over the documents in a file, and this number of rounds of
    this size.

    `result`: the output of `release` with the statistics of a build, and its type; `sections`,
    `summary`: their tables, all and those of `build --full`; `brief`: the lines at the end of a
    build; `failures`: the reasons for a finished build to fail that they hold, with the spec and
    its options for commands; `lost`: the losses that `max_lost` limits, and `advice`: where to look
    for one cause of them; `resent`: which requests an edit sends again. `calls`: calls per document
    of the stages whose requests need no reply. `measured`: usage per document is kept for
    estimates. `provided`: the overrides that give every role a provider. `content`: the content
    digest of a published file, by the settings of `publish`. `compared`: `probec diff` compares
    templates, requests and outcomes, beside the fields. `onward`: commands to propose after a
    build, with {spec} for the spec and its options, and their purposes.
    """

    pipeline: tuple[Callable[[Context], Stage | None], ...]
    asking: Mapping[str, Role]
    reader: str
    drawing: str
    fixed: tuple[str, ...]
    document: type[Document] | type[CorpusText]
    rows: Callable[..., Iterator[dict[str, Json]]]
    files: Callable[..., dict[str, Json]]
    reduced: Callable[..., dict[str, Json]]
    restored: Callable[[dict[str, Json], Path, int, int], dict[str, Json]]
    tokenizers: Callable[[Declared], set[str]]
    result: Callable[[], tuple[str, type]]
    sections: Callable[..., tuple[Section, ...]]
    summary: Callable[..., tuple[Table, ...]]
    brief: Callable[..., Iterator[str]]
    failures: Callable[..., list[str]]
    lost: Callable[..., Iterator[Loss]]
    advice: Callable[[str, str], str]
    resent: str
    calls: Callable[[Declared], Mapping[str, int]]
    measured: bool
    provided: Callable[[str], list[str]]
    content: Callable[[Path, dict[str, Json]], str]
    compared: bool
    onward: tuple[tuple[str, str], ...]

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles of its models, in the order in which they are called."""
        return tuple(dict.fromkeys(self.asking.values()))
