"""Locks written for finished rounds, and the refusal to draw a locked round differently."""

from __future__ import annotations

import hashlib
import platform
import re
import time
from collections import deque
from collections.abc import Iterator
from importlib.metadata import version
from itertools import islice

import msgspec
from msgspec.structs import replace

from compiler.dataset import parquet
from compiler.engine.explain import changes
from compiler.engine.plan import Graph
from compiler.engine.stage import Part, Stage, Step
from compiler.engine.store import Manifest, plain
from compiler.errors import UsageError
from compiler.keys import Json, bytes_digest
from compiler.project.project import Project
from compiler.project.slices import (
    key_list,
    keys_in,
    parts_of,
    replies_digest,
    round_stages,
    slices,
    texts,
)
from compiler.records import RequestRow
from compiler.rounds.locks import (
    SCHEMA,
    Asked,
    Drawn,
    Identity,
    Lock,
    Recorded,
    Slice,
    TokenizerUse,
    seal,
)
from compiler.stages import draws
from compiler.stages.context import Context
from compiler.version import __version__

# Documents per pack: a few megabytes, so that an interrupted transfer loses little.
_PACK = 64
# Packs in memory that wait to be compressed.
_AHEAD = 4
_LIBRARIES = ("pyarrow", "sentencex", "tokenizers", "zstandard")
_ENCODER = msgspec.json.Encoder(order="deterministic")


def refuse_changed(project: Project, graph: Graph | None) -> None:
    """Refuse a spec that would draw or sample a locked round differently.

    `graph`: None where only the spec itself is known.

    Raises:
        UsageError: a locked round would change; it names the round and the field's two values.
    """
    spec, kind = project.declared, project.kind
    for index, lock in project.held.items():
        if index >= len(spec.rounds):
            continue
        was: dict[str, Json] = {"docs": len(lock.identity.documents), "seed": lock.identity.seed}
        now: dict[str, Json] = {
            "docs": spec.rounds[index].docs,
            "seed": spec.seed,
        }
        stage = next((s for s in graph.stages if s.name == kind.drawing), None) if graph else None
        if stage is not None:
            before, params = plain(lock.identity.stages[stage.name].params), stage.params
            assert isinstance(before, dict)
            assert isinstance(params, dict)
            was |= {name: before.get(name) for name in kind.fixed}
            now |= {name: params[name] for name in kind.fixed}
        found = min(changes(was, plain(now)), default=None)
        if found is not None:
            raise UsageError(
                f"round {index} of {spec.name} is locked with another {found}",
                where=str(project.lock_path(lock)),
                hint="restore the old value, rename the dataset, add a round instead, or delete "
                "the locks of that round to build it again",
            )


def lock_rounds(project: Project, context: Context, graph: Graph) -> list[tuple[Lock, bool]]:
    """Lock every round of a finished build; return (lock, is it new) by round."""
    found = []
    before = project.rounds.all()
    for index in range(len(project.declared.rounds)):
        sealed = _Sealing(project, context, graph, index)
        lock = sealed.existing([lock for lock in before if lock.identity.round == index])
        new = lock is None
        if lock is None:
            lock = sealed.lock()
            project.rounds.save(lock)
        elif not sealed.keeps(lock):
            # `.probec` was deleted: store the round's documents, tokenizers and keys again.
            sealed.lock()
        found.append((lock, new))
    return found


class _Sealing:
    """The locking of one round of a finished build."""

    def __init__(self, project: Project, context: Context, graph: Graph, index: int) -> None:
        self._project = project
        self._context = context
        self._graph = graph
        self._index = index
        self._stages = round_stages(graph.stages)
        self._blobs = project.blobs

    def existing(self, locks: list[Lock]) -> Lock | None:
        """Find the lock among the round's that has the identity of this build, if there is one.

        Requests and document packs are left out: they follow from the rest, and are expensive.
        """
        packs, total, requests = (), Asked(0, ""), dict[str, Asked]()
        wanted = plain(self._identity(packs, total, requests))
        for lock in locks:
            rest = replace(lock.identity, packs=packs, asked=total, requests=requests)
            if not any(changes(plain(rest), wanted)):
                return lock
        return None

    def keeps(self, lock: Lock) -> bool:
        """Test if all blobs that the round needs are stored."""
        return all(name in self._blobs for name in lock.needs())

    def lock(self) -> Lock:
        """Store the blobs that the round needs, and return its lock."""
        total, requests = self._requests()
        for file in self._context.tokenizer_files.values():
            self._blobs.put(file.data)
        identity = self._identity(self._packs(), total, requests)
        return seal(identity, self._recorded(self._replies(requests)))

    def _identity(
        self, packs: tuple[str, ...], total: Asked, requests: dict[str, Asked]
    ) -> Identity:
        project, spec = self._project, self._project.declared
        held = project.held.get(self._index)
        made = slices(self._graph.stages)
        return Identity(
            SCHEMA,
            spec.name,
            self._index,
            spec.seed,
            {**project.kind.reduced(spec)},
            texts(self._context, (each.templates for each in made.values())),
            # The first lock fixes the source: one that grew since does not change the round.
            held.identity.source if held else self._drawn_from(),
            self._documents(),
            packs,
            {
                name: TokenizerUse(file.digest, file.path.suffix)
                for name, file in sorted(self._context.tokenizer_files.items())
            },
            made,
            total,
            requests,
            {
                name: {output: a.digest for output, a in sorted(manifest.outputs.items())}
                for name, manifest in self._manifests().items()
            },
        )

    def _drawn_from(self) -> Drawn:
        return Drawn(self._context.located.revision, self._context.located.digest)

    def _documents(self) -> dict[str, str]:
        return {each.doc_id: each.digest for each in draws.drawn(*self._sampled())}

    def _sampled(self) -> tuple[Context, str, int, Step, Graph]:
        kind = self._project.kind
        stage = next(stage for stage in self._stages if stage.name == kind.drawing)
        part = parts_of(self._graph, stage, self._index)[0]
        return self._context, kind.reader, self._index, Step(stage, part), self._graph

    def _packs(self) -> tuple[str, ...]:
        from concurrent.futures import Future, ThreadPoolExecutor

        kind = self._project.kind
        context, reader, index, step, graph = self._sampled()
        rows: Iterator[object] = draws.documents(context, reader, kind.document, index, step, graph)
        names, ahead = list[str](), deque[Future[str]]()
        # A pack is compressed and written while the next documents are read.
        with ThreadPoolExecutor(1) as packer:
            while pack := list(islice(rows, _PACK)):
                data = b"".join(_ENCODER.encode(row) + b"\n" for row in pack)
                ahead.append(packer.submit(self._blobs.put, data))
                if len(ahead) > _AHEAD:
                    names.append(ahead.popleft().result())
            names += [each.result() for each in ahead]
        return tuple(names)

    def _requests(self) -> tuple[Asked, dict[str, Asked]]:
        total: set[bytes] = set()
        found: dict[str, Asked] = {}
        for stage, part in self._parts():
            if stage.weigh is None:
                continue
            step = Step(stage, part)
            rows = self._project.store.rows(self._made(step).outputs["requests"], RequestRow)
            data = key_list(row.key for row in rows)
            self._project.log.seal(keys_in(data))
            found[str(step)] = Asked(len(data) // 32, self._blobs.put(data))
            total.update(data[at : at + 32] for at in range(0, len(data), 32))
        return Asked(len(total), bytes_digest(b"".join(sorted(total)))), found

    def _replies(self, requests: dict[str, Asked]) -> dict[str, str]:
        """Return the digest of the replies to the requests of each step whose replies are logged.

        After the log was lost, stored steps may be locked without their replies.
        """
        found = {}
        for step, use in requests.items():
            keys = keys_in(self._blobs.get(use.digest) or b"")
            digest = replies_digest(self._project.log, keys)
            if digest is not None:
                found[step] = digest
        return found

    def _parts(self) -> list[tuple[Stage, Part]]:
        return [
            (stage, part)
            for stage in self._stages
            for part in parts_of(self._graph, stage, self._index)
        ]

    def _manifests(self) -> dict[str, Manifest]:
        steps = (Step(stage, part) for stage, part in self._parts())
        return {str(step): self._made(step) for step in steps}

    def _made(self, step: Step) -> Manifest:
        manifest = self._graph.manifest(step.stage.name, step.part)
        assert manifest is not None, "a finished build has every step"
        return manifest

    def _recorded(self, replies: dict[str, str]) -> Recorded:
        project, name = self._project, self._project.declared.name
        mine = re.compile(rf"{re.escape(name)} \w+ round {self._index}")
        shards = [
            shard
            for shard in project.journal.shards()
            if shard.batch_id and any(mine.fullmatch(each) for each in shard.label.split(", "))
        ]
        times = [project.journal.first_sent(shard) for shard in shards]
        paid = [s for s in project.log.spent() if (s.build, s.round) == (name, self._index)]
        project.journal.close()
        manifests = self._manifests()
        published = self._graph.manifest("publish", (self._index,))
        files = {}
        for manifest in manifests.values():
            for artifact in manifest.outputs.values():
                with project.store.path(artifact).open("rb") as source:
                    files[artifact.file] = hashlib.file_digest(source, "sha256").hexdigest()
        return Recorded(
            built_at=utc(project.clock.now()),
            submitted_at=tuple(utc(at) for at in sorted(times)),
            batches=tuple(str(shard.batch_id) for shard in shards),
            calls=sum(each.calls for each in paid),
            usd=sum((each.usd for each in paid), 0.0),
            rows=parquet.count(project.store.path(published.outputs["rows"])) if published else 0,
            source=project.declared.source.path,
            tool=__version__,
            python=platform.python_version(),
            libraries={library: version(library) for library in _LIBRARIES},
            steps={step: manifest.key for step, manifest in manifests.items()},
            files=dict(sorted(files.items())),
            replies=replies,
            servers=dict(sorted(project.accounts.items())),
            variation=project.variation,
        )


def utc(seconds: float) -> str:
    """Format seconds since the epoch as ISO 8601 in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def same_libraries(recorded: Recorded) -> bool:
    """Test if the libraries here are those recorded, so that they write files of the same bytes."""
    return all(version(name) == was for name, was in recorded.libraries.items())


def slice_changes(was: dict[str, Slice], now: dict[str, Slice]) -> list[str]:
    """List the fields of stage slices that differ, each as `judge.version: 1 -> 2`."""
    return [str(each) for each in sorted(changes(plain(was), plain(now)))]
