"""The kit: the parts of a project sent to workers, from which each worker rebuilds its stages.

It holds everything that a stage declares, as the build read it: the resolved spec, the templates of
its stages, its tokenizers, the digest of its source and the documents of locked rounds. Workers
without shared storage get the tokenizers through the exchange, but neither the source nor replies.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from compiler.dataset.located import Located
from compiler.engine.executors import Bench, Workplace
from compiler.engine.executors.exchange import Exchange, Outpost, bring, on_a_worker
from compiler.engine.stage import Stage
from compiler.engine.store import Store, write_atomic
from compiler.errors import DamagedError
from compiler.keys import bytes_digest
from compiler.probes.tokens import TokenizerFile
from compiler.project.project import Project, opened
from compiler.project.reporter import Silent
from compiler.project.slices import texts
from compiler.rounds.locks import TokenizerUse
from compiler.spec.declared import parsed
from compiler.stages import bound
from compiler.stages.context import Context

FOLDER = "kit"
_KIT = "kit.json"


class Kit(Struct, frozen=True):
    """A project's parts for workers.

    `spec`: as JSON. `templates`: path from the project root -> text. `tokenizers`: by name; their
    bytes lie beside the kit under their digests. `locked`: round -> doc_id -> content digest.
    `build`, `state`: the directories of the store and of the response log.
    """

    spec: str
    root: str
    build: str
    state: str
    source: Located
    templates: dict[str, str]
    tokenizers: dict[str, TokenizerUse]
    locked: dict[int, Mapping[str, str]]


def pack(project: Project, context: Context, stages: Sequence[Stage]) -> Kit:
    """Collect the kit of a project, for workers that share the file system."""
    return Kit(
        # A source may lack a column that no file of the spec declares.
        project.declared.model_dump_json(exclude_unset=True),
        str(project.root.resolve()),
        str(project.store.root.resolve()),
        str(project.state.resolve()),
        context.located,
        texts(context, (stage.templates for stage in stages)),
        {
            name: TokenizerUse(file.digest, file.path.suffix)
            for name, file in context.tokenizer_files.items()
        },
        dict(context.locked),
    )


def own(build: Path) -> Path:
    """Return the directory of this process's kit."""
    return build / FOLDER / str(os.getpid())


def here(kit: Kit, context: Context) -> Workplace:
    """Write a kit to the build directory; return the set-up of workers that share it."""
    folder = own(Path(kit.build))
    for file in context.tokenizer_files.values():
        write_atomic(folder / file.digest, file.data)
    write_atomic(folder / _KIT, msgspec.json.encode(kit))
    return partial(_settle, folder)


def elsewhere(exchange: Exchange, kit: Kit, context: Context) -> Workplace:
    """Send a kit and its tokenizers to the exchange; return the set-up of workers there."""
    for file in context.tokenizer_files.values():
        exchange.send_bytes(file.data)
    source = Located("the exchange", (), kit.source.digest, kit.source.revision)
    name = exchange.send_bytes(msgspec.json.encode(replace(kit, source=source)))
    return partial(_settle_remotely, exchange.url, name)


def _settle(folder: Path) -> Bench:
    return Bench(*_unpack(_read(folder), folder))


def _settle_remotely(url: str, name: str) -> Outpost:
    with on_a_worker("at its start"):
        exchange = Exchange(url)
        place = exchange.cache()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        bring(exchange, name, place / _KIT)
        kit = _read(place)
        for use in kit.tokenizers.values():
            bring(exchange, use.digest, place / use.digest)
    build, state = str(place / "build"), str(place / "nothing")
    return Outpost(
        exchange, *_unpack(replace(kit, root=str(place), build=build, state=state), place)
    )


def _read(folder: Path) -> Kit:
    return msgspec.json.decode((folder / _KIT).read_bytes(), type=Kit)


def _unpack(kit: Kit, folder: Path) -> tuple[Store, Sequence[Stage]]:
    """Rebuild the store and the stages of a kit; providers only replay the response log."""
    spec = parsed(kit.spec)
    project = opened(spec, Path(kit.root), Path(kit.build), Path(kit.state))
    project.replay, project.locking, project.texts = True, False, kit.templates
    project.tokenizers = {
        name: TokenizerFile(
            name,
            Path(f"{use.digest}{use.suffix}"),
            use.digest,
            _intact(folder / use.digest),
        )
        for name, use in kit.tokenizers.items()
    }
    context = project.context(Silent(), located=kit.source)
    return project.store, bound(replace(context, locked=kit.locked))


def _intact(path: Path) -> bytes:
    """Read a tokenizer of a kit, whose file is named by its digest."""
    data = path.read_bytes()
    if bytes_digest(data) != path.name:
        raise DamagedError(
            "a tokenizer that was sent to the workers changed",
            where=str(path),
            hint="change nothing there while a build runs, and run the same command again",
        )
    return data
