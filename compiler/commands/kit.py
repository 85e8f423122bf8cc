"""What of a project goes to workers that see none of its files, and a project made of that.

The spec as resolved, the templates it uses, its tokenizers, and the documents of locked rounds: all
that steps on shards of documents declare. Not the source, not a reply, not a path of this machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import msgspec

from compiler.commands import wire
from compiler.commands.slices import slices, texts
from compiler.commands.wire import Project, Silent
from compiler.dataset.located import Located
from compiler.dataset.rounds import TokenizerUse
from compiler.engine.executors import Workplace
from compiler.engine.executors.exchange import Exchange, Outpost, bring, on_a_worker
from compiler.engine.stage import Stage
from compiler.engine.store import write_atomic
from compiler.probes.tokens import TokenizerFile
from compiler.spec.model import Spec
from compiler.stages import bound
from compiler.stages.context import Context


@dataclass(frozen=True, slots=True)
class Kit:
    """`spec`: as JSON. `source`, `revision`: the source's digest and commit, not its place.

    `templates`: path from the project root -> text. `tokenizers`: by name; each file is at the
    exchange under its digest. `locked`: round -> doc_id -> content digest.
    """

    spec: str
    source: str
    revision: str | None
    templates: dict[str, str]
    tokenizers: dict[str, TokenizerUse]
    locked: dict[int, Mapping[str, str]]


def send(exchange: Exchange, project: Project, context: Context, stages: Sequence[Stage]) -> str:
    """Leave a project's kit at the exchange; returns its name there."""
    for each in context.tokenizer_files.values():
        exchange.send(each.path)
    kit = Kit(
        project.spec.model_dump_json(),
        context.located.digest,
        context.located.revision,
        texts(project.root, slices(stages).values()),
        {
            name: TokenizerUse(file.digest, "".join(file.path.suffixes[-1:]))
            for name, file in context.tokenizer_files.items()
        },
        dict(context.locked),
    )
    return exchange.send_bytes(msgspec.json.encode(kit))


def workplace(url: str, name: str) -> Workplace:
    """What a worker calls: all that it is told is where the exchange is and which kit to take."""
    return partial(_settle, url, name)


def _settle(url: str, name: str) -> Outpost:
    with on_a_worker("at its start"):
        exchange = Exchange(url)
        place = exchange.cache()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        bring(exchange, name, place / "kit.json")
        kit = msgspec.json.decode((place / "kit.json").read_bytes(), type=Kit)
        tokenizers = {
            name: TokenizerFile(name, place / f"{use.digest}{use.suffix}", use.digest)
            for name, use in kit.tokenizers.items()
        }
        for each in tokenizers.values():
            bring(exchange, each.digest, each.path)
    for path, text in kit.templates.items():
        write_atomic(place / path, text.encode("utf-8"))
    spec = Spec.model_validate_json(kit.spec)
    project = wire.opened(spec, place, place / "build", place / "nothing")
    # No step that is sent here asks: what would is bound, to be named, and never run.
    project.replay, project.locking, project.tokenizers = True, False, tokenizers
    context = project.context(
        Silent(), located=Located("the exchange", (), kit.source, kit.revision)
    )
    return Outpost(exchange, project.store, bound(replace(context, locked=kit.locked)))
