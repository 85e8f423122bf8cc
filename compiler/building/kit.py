"""The kit: the parts of a project sent to workers, from which each worker rebuilds its stages.

It holds everything that a stage declares, as the build read it: the resolved spec, the templates of
its stages, its tokenizers, the digest of its source and the documents of locked rounds. Workers
without shared storage get the tokenizers through the exchange, but neither the source nor replies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec

from compiler.building.slices import texts
from compiler.dataset.located import Located
from compiler.engine.executors import Bench, Workplace
from compiler.engine.executors.exchange import Exchange, Outpost, bring, on_a_worker
from compiler.engine.stage import Stage
from compiler.engine.store import Store
from compiler.probes.tokens import TokenizerFile
from compiler.project.project import Project, opened
from compiler.project.reporter import Silent
from compiler.spec.model import Spec
from compiler.stages import bound
from compiler.stages.context import Context


@dataclass(frozen=True, slots=True)
class Kit:
    """A project's parts for workers.

    `spec`: as JSON. `templates`: path from the project root -> text. `tokenizers`, `digests`: name
    -> path, and name -> SHA-256. `locked`: round -> doc_id -> content digest. `build`, `state`: the
    directories of the store and of the response log.
    """

    spec: str
    root: str
    build: str
    state: str
    source: Located
    templates: dict[str, str]
    tokenizers: dict[str, str]
    digests: dict[str, str]
    locked: dict[int, Mapping[str, str]]


def pack(project: Project, context: Context, stages: Sequence[Stage]) -> Kit:
    """Collect the kit of a project, with paths for workers that share the file system."""
    files = context.tokenizer_files
    return Kit(
        project.spec.model_dump_json(),
        str(project.root.resolve()),
        str(project.store.root.resolve()),
        str(project.state.resolve()),
        context.located,
        texts(context, (stage.templates for stage in stages)),
        {name: str(file.path.resolve()) for name, file in files.items()},
        {name: file.digest for name, file in files.items()},
        dict(context.locked),
    )


def unpack(kit: Kit) -> tuple[Store, Sequence[Stage]]:
    """Rebuild the store and the stages of a kit; providers only replay the response log."""
    spec = Spec.model_validate_json(kit.spec)
    project = opened(spec, Path(kit.root), Path(kit.build), Path(kit.state))
    project.replay, project.locking, project.texts = True, False, kit.templates
    project.tokenizers = {
        name: TokenizerFile(name, Path(path), kit.digests[name])
        for name, path in kit.tokenizers.items()
    }
    context = project.context(Silent(), located=kit.source)
    return project.store, bound(replace(context, locked=kit.locked))


def here(kit: Kit) -> Workplace:
    """Return the set-up of a worker that shares the file system."""
    return partial(_settle, kit)


def elsewhere(exchange: Exchange, kit: Kit) -> Workplace:
    """Send a kit and its tokenizers to the exchange; return the set-up of workers there."""
    for path in kit.tokenizers.values():
        exchange.send(Path(path))
    away = replace(kit, source=Located("the exchange", (), kit.source.digest, kit.source.revision))
    return partial(_settle_away, exchange.url, exchange.send_bytes(msgspec.json.encode(away)))


def _settle(kit: Kit) -> Bench:
    return Bench(*unpack(kit))


def _settle_away(url: str, name: str) -> Outpost:
    with on_a_worker("at its start"):
        exchange = Exchange(url)
        place = exchange.cache()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        bring(exchange, name, place / "kit.json")
        kit = msgspec.json.decode((place / "kit.json").read_bytes(), type=Kit)
        tokenizers = {}
        for each, path in kit.tokenizers.items():
            digest = kit.digests[each]
            tokenizers[each] = str(place / f"{digest}{Path(path).suffix}")
            bring(exchange, digest, Path(tokenizers[each]))
    build, state = str(place / "build"), str(place / "nothing")
    kit = replace(kit, root=str(place), build=build, state=state, tokenizers=tokenizers)
    return Outpost(exchange, *unpack(kit))
