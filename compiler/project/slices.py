"""Slices, the parts of a spec and of a compiler version that determine a round; and its requests.

The stages of a round are those cut by round or shard, and the stages that these read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from compiler.engine.plan import Graph
from compiler.engine.stage import Part, Stage, Step
from compiler.engine.store import plain
from compiler.keys import text_digest
from compiler.llm.responses import ResponseLog
from compiler.rounds.locks import Slice
from compiler.stages.context import Context

_AT_ONCE = 500
FOLDERS = ("prompts", "templates")


def round_stages(stages: Sequence[Stage]) -> list[Stage]:
    """List the stages of a round: those cut by round or shard, and all that these read."""
    needed: set[str] = set()
    chosen: list[Stage] = []
    for stage in reversed(stages):
        if stage.depth > 0 or stage.name in needed:
            needed |= stage.upstream()
            chosen.append(stage)
    return chosen[::-1]


def slices(stages: Sequence[Stage]) -> dict[str, Slice]:
    """Return the slice of each of a round's stages: version, parameters and templates."""
    return {
        stage.name: Slice(
            stage.version, plain(stage.params) if stage.depth else None, dict(stage.templates)
        )
        for stage in round_stages(stages)
    }


def texts(context: Context, closures: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the text of every template of these closures, as this build read it.

    By path from the project root; a template that does not exist is left out.
    """
    libraries = zip(FOLDERS, (context.prompts, context.templates), strict=True)
    read = {
        (name, text_digest(text)): (f"{folder}/{name}", text)
        for folder, library in libraries
        for name, text in library.texts.items()
    }
    wanted = {item for each in closures for item in each.items() if item[1]}
    return dict(sorted(read[item] for item in wanted))


def parts_of(graph: Graph, stage: Stage, index: int) -> list[Part]:
    """List the parts of a stage that belong to a round."""
    return [step.part for step in graph.steps(stage) if step.part[:1] == (index,)]


def request_keys(context: Context, graph: Graph, step: Step) -> Iterator[tuple[str, str]]:
    """Yield (request key, place that it is about) of a step; sends no request."""
    if step.stage.weigh is None:
        return
    found: list[tuple[str, str]] = []
    try:
        for dispatcher in context.dispatchers.values():
            dispatcher.on_asked = lambda key, place: found.append((key, place))
        step.stage.weigh(step.part, graph.inputs(step))
    finally:
        for dispatcher in context.dispatchers.values():
            dispatcher.on_asked = None
    yield from found


def key_list(keys: Iterable[str]) -> bytes:
    """Encode request keys for storage: unique, sorted, 32 bytes each."""
    return b"".join(sorted({bytes.fromhex(key) for key in keys}))


def replies_digest(log: ResponseLog, keys: Sequence[str]) -> str | None:
    """Compute the digest of the replies to request keys, in their order; None if one is missing.

    Raises:
        DamagedError: a reply does not have its digest.
    """
    found = hashlib.sha256()
    for at in range(0, len(keys), _AT_ONCE):
        some = keys[at : at + _AT_ONCE]
        for key, reply in zip(some, log.get_all(some), strict=True):
            if reply is None:
                return None
            found.update(f"{key} {reply.digest()}\n".encode("ascii"))
    return found.hexdigest()


def keys_in(data: bytes) -> list[str]:
    """Decode a stored list of request keys."""
    return [data[at : at + 32].hex() for at in range(0, len(data), 32)]
