"""Slices, the parts of a spec and of a compiler version that determine a round; and its requests.

The stages of a round are those cut by round or shard, and the stages that these read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from compiler.engine.plan import Graph
from compiler.engine.stage import Part, Stage, Step
from compiler.engine.store import plain
from compiler.keys import text_digest
from compiler.rounds.locks import Slice
from compiler.spec.model import Spec
from compiler.stages.context import Context

# Fields on which no row depends: where the source is, prices, and how requests are sent. The lock
# names the round's documents by content.
_APART: tuple[tuple[str, ...], ...] = (
    ("rounds",),
    ("prices",),
    ("expect",),
    ("batches",),
    ("budget",),
    ("rehearsal",),
    ("calibration", "select"),
    ("calibration", "evidence"),
    ("source", "path"),
    ("source", "revision"),
    ("source", "columns"),
    ("source", "license"),
    ("source", "homepage"),
    ("publish", "license"),
    ("publish", "languages"),
)
_TRAVEL = ("base_url", "concurrency", "read_timeout")
# Left out where they are not sent, so that rounds from before they existed keep their hashes.
_SAMPLING = ("sampling", "top_p", "top_k")
FOLDERS = ("prompts", "templates")


def spec_slice(spec: Spec) -> dict[str, object]:
    """Reduce a spec to the fields that rows depend on, and to the calibration level in use."""
    tree: dict[str, object] = spec.model_dump(mode="json")
    for *above, last in _APART:
        place = tree
        for name in above:
            place = _table(place[name])
        del place[last]
    for use in _table(tree["models"]).values():
        unsent = _table(use)["sampling"] == "default"
        for name in (*_TRAVEL, *(_SAMPLING if unsent else ())):
            del _table(use)[name]
    calibration = _table(tree["calibration"])
    used = str(spec.calibration.level)
    calibration["levels"] = {used: _table(calibration["levels"])[used]}
    return tree


def _table(value: object) -> dict[str, object]:
    assert isinstance(value, dict)
    return value


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


def keys_in(data: bytes) -> list[str]:
    """Decode a stored list of request keys."""
    return [data[at : at + 32].hex() for at in range(0, len(data), 32)]
