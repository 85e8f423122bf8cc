"""Measured usage of builds: the requests, tokens and rows of each document, kept for estimates.

A paid build and a pilot write `usage/<name>.json` in the build directory. An estimate takes the
tokens of a role from the file with the most documents that has the role's model, prompt and
settings, whatever the build was called.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from compiler.engine.plan import Graph
from compiler.engine.stage import Part, Step
from compiler.engine.store import plain, write_atomic
from compiler.errors import DamagedError
from compiler.keys import Json, digest
from compiler.llm.providers import FREE
from compiler.probes import sampling
from compiler.project.listing import Listing
from compiler.project.project import Project
from compiler.project.slices import slices
from compiler.project.workload import calls_per_probe
from compiler.records import DocTexts, Reject
from compiler.spec.model import Spec
from compiler.spec.paid import ROLES, Role
from compiler.stages.asking import ASKING
from compiler.stages.context import Context
from compiler.templating.prompts import Library

FOLDER = "usage"
# Fewest documents of a build that are measured, in whole shards; a pilot is measured whole.
FEWEST = 100
# Stages whose requests about a document depend on no other document of its shard.
_ALONE = ("generate", "answer", "judge", "answer_rest", "judge_rest")
_AT_ONCE = 500


class Cell(msgspec.Struct, frozen=True):
    """Calls of one stage and scope about one document, and their tokens as billed."""

    calls: int = 0
    input: int = 0
    output: int = 0
    written: int = 0
    read: int = 0

    @property
    def prompt(self) -> int:
        """Input tokens, those of the provider's prompt cache included."""
        return self.input + self.written + self.read

    @classmethod
    def total(cls, cells: Iterable[Cell]) -> Cell:
        """Return the sum of cells."""
        each: list[tuple[int, ...]] = [msgspec.structs.astuple(cell) for cell in cells]
        return cls(*(sum(column) for column in zip(*each, strict=True))) if each else cls()


class DocumentUsage(msgspec.Struct, frozen=True):
    """One document: its cells by stage and scope, and its rows by scope."""

    cells: dict[str, dict[str, Cell]]
    rows: dict[str, int]


class Usage(msgspec.Struct, frozen=True):
    """The measured documents of a build.

    `pilot`: rounds of the pilot, empty for other builds. `slots`: by scope; `calls`: per written
    probe, by stage; `like`: digest of everything that the tokens of a role depend on; `made`:
    digest of everything that the requests of a stage depend on, by stage.
    """

    name: str
    pilot: tuple[int, ...]
    documents: tuple[DocumentUsage, ...]
    slots: dict[str, int]
    calls: dict[str, float]
    like: dict[str, str]
    made: dict[str, str]

    def cells(self, stage: str, scope: str) -> list[Cell]:
        """Return the cell of each document; an empty one where no request was sent."""
        return [each.cells.get(stage, {}).get(scope, Cell()) for each in self.documents]

    def scopes(self, stage: str) -> set[str]:
        """Return the scopes that a stage sent requests about."""
        return {scope for each in self.documents for scope in each.cells.get(stage, {})}

    def rows(self, scope: str) -> list[int]:
        """Return the number of rows of each document."""
        return [each.rows.get(scope, 0) for each in self.documents]

    @property
    def label(self) -> str:
        """Name the build in messages."""
        return f"{'pilot' if self.pilot else 'build'} {self.name}"


class Basis(Struct, frozen=True):
    """The measured usage that estimates of a project are made from.

    `roles`: the usage for each role that has one. `served`: the pilot whose replies the build
    takes from the log, and `stages` those to which this applies.
    """

    roles: Mapping[Role, Usage]
    served: Usage | None = None
    stages: tuple[str, ...] = ()

    def of(self, stage: str) -> Usage | None:
        """Return the usage for a stage; None where its role was not measured."""
        role = ASKING.get(stage)
        return self.roles.get(role) if role is not None else None

    def built(self) -> Usage | None:
        """Return the usage that losses are taken from: that of the generator."""
        return self.roles.get("generator")

    def notices(self) -> list[str]:
        """Name the source of measured tokens."""
        by_build: dict[str, list[str]] = {}
        for role, each in self.roles.items():
            size = f"{len(each.documents):,} document{'s' if len(each.documents) > 1 else ''}"
            by_build.setdefault(f"on {size} of {each.label}", []).append(role)
        found = [
            f"tokens of {', '.join(roles)} and their losses: measured {where}"
            for where, roles in by_build.items()
        ]
        if self.served is not None:
            found.append(
                f"in the log: the replies of {self.served.label}, which this build does not send "
                f"again ({', '.join(self.stages)})"
            )
        return found


def save(project: Project, context: Context) -> None:
    """Measure a finished build and keep the result, if any document could be measured."""
    found = measure(project, context)
    if found.documents:
        path = project.store.root / FOLDER / f"{found.name}.json"
        write_atomic(path, msgspec.json.encode(found) + b"\n")


def read(project: Project, name: str) -> Usage | None:
    """Return the measured usage of a build, None if there is none."""
    return next((each for each in _known(project) if each.name == name), None)


def measure(project: Project, context: Context) -> Usage:
    """Measure a finished build from its requests, its rows, and the replies in the log.

    A document is left out if one of its replies is damaged or missing, as after a pull of rounds
    without their replies.
    """
    listings = {
        role: Listing(dispatcher.provider, project.log)
        for role, dispatcher in context.dispatchers.items()
    }
    context = replace(context, dispatchers=listings)
    graph = project.graph(context)
    graph.plan()
    parts = _parts(project.spec, None if project.pilot else FEWEST)
    drawn = [doc for part in parts for doc in _drawn(graph, part)]
    cells: dict[str, dict[str, dict[str, Cell]]] = {doc: {} for doc in drawn}
    lost: set[str] = set()
    for stage, role in ASKING.items():
        if getattr(project.spec.models, role).provider not in FREE:
            for doc, scope, cell in _read(project, graph, listings[role], stage, parts):
                if cell is None:
                    lost.add(doc)
                elif doc in cells:
                    own = cells[doc].setdefault(stage, {})
                    own[scope] = Cell.total((own.get(scope, Cell()), cell))
    rows = _rows(project, graph, parts, cells)
    kept = [doc for doc in drawn if doc not in lost]
    spec = project.spec
    return Usage(
        spec.name,
        tuple(each.docs for each in spec.rounds) if project.pilot else (),
        tuple(DocumentUsage(cells[doc], rows[doc]) for doc in kept),
        {name: scope.slots for name, scope in spec.ordered_scopes()},
        calls_per_probe(spec),
        {role: like(project, role) for role in ROLES},
        made(context, graph),
    )


def basis(
    project: Project, context: Context | None = None, graph: Graph | None = None
) -> Basis | None:
    """Return the measured usage for a project; None if the spec prices with a named set.

    `context`, `graph`: to find a pilot whose replies serve the build.
    """
    if project.declared.expect.use is not None:
        return None
    if not project.kind.measured:
        return Basis({})
    known = sorted(_known(project), key=lambda each: (-len(each.documents), each.name))
    roles: dict[Role, Usage] = {}
    for role in ROLES:
        wanted = like(project, role)
        found = next((each for each in known if each.like.get(role) == wanted), None)
        if found is not None:
            roles[role] = found
    if context is None or graph is None:
        return Basis(roles)
    spec = project.spec
    pilots = [each for each in known if each.name != spec.name and _begins(spec, each.pilot)]
    now = made(context, graph) if pilots else {}
    for each in pilots:
        stages = [s for s in _ALONE if s in now and each.made.get(s) == now[s]]
        if stages:
            return Basis(roles, each, tuple(stages))
    return Basis(roles)


def like(project: Project, role: Role) -> str:
    """Return the digest of everything that the tokens of a role's calls depend on."""
    spec = project.spec
    use = getattr(spec.models, role)
    travel = {"provider", "base_url", "concurrency", "read_timeout", "prompt"}
    settings: dict[str, Json] = {
        "model": use.model_dump(mode="json", exclude=travel),
        "templates": dict(Library(project.root / "prompts").prompt_closure(use.prompt)),
        "source": spec.source.path,
        "generator": {
            "siblings": spec.siblings.model_dump(mode="json"),
            "filters": spec.source.filters.model_dump(mode="json"),
            "slots": {name: plain(scope.slots) for name, scope in spec.ordered_scopes()},
        },
        "answerer": {"view": spec.scoring.view.model_dump(mode="json")},
        "judge": {"compare": plain(spec.scoring.compare), "judging": spec.scoring.judging},
    }
    for other in ROLES:
        if other != role:
            del settings[other]
    return digest("usage", settings)


def made(context: Context, graph: Graph) -> dict[str, str]:
    """Return the digest of everything that the requests of each stage depend on, but documents."""
    found: dict[str, str] = {}
    above: list[Json] = [context.located.digest, context.spec.source.path]
    for name, each in slices(graph.stages).items():
        above.append([name, _without_provider(plain(each))])
        found[name] = digest("requests", [*above])
    return {name: value for name, value in found.items() if name in _ALONE}


def _without_provider(value: Json) -> Json:
    """Return the slice of a stage without its provider: a batch sends the bodies of live calls."""
    if isinstance(value, dict):
        return {k: _without_provider(each) for k, each in value.items() if k != "provider"}
    return value


def _known(project: Project) -> Iterator[Usage]:
    for path in sorted((project.store.root / FOLDER).glob("*.json")):
        try:
            yield msgspec.json.decode(path.read_bytes(), type=Usage)
        except (OSError, msgspec.DecodeError):
            continue  # of another version: the next build of that name writes it again


def _begins(spec: Spec, pilot: Sequence[int]) -> bool:
    """Test if the rounds of a pilot are the beginning of a spec's rounds."""
    rounds = [each.docs for each in spec.rounds]
    if not pilot or len(pilot) > len(rounds):
        return False
    return rounds[: len(pilot) - 1] == [*pilot[:-1]] and pilot[-1] <= rounds[len(pilot) - 1]


def _parts(spec: Spec, fewest: int | None) -> list[Part]:
    """List the shards of a spec, or the first that hold at least `fewest` documents."""
    found: list[Part] = []
    docs = 0
    for index, each in enumerate(spec.rounds):
        for shard, places in enumerate(sampling.shards(each.docs, spec.shard_docs)):
            if fewest is None or docs < fewest:
                found.append((index, shard))
                docs += len(places)
    return found


def _drawn(graph: Graph, part: Part) -> list[str]:
    """List the documents of a shard, those without a usable sibling included."""
    manifest = graph.manifest("sample", part)
    assert manifest is not None, "a finished build has every step"
    records, rejects = manifest.outputs["records"], manifest.outputs["rejects"]
    found = [row.doc_id for row in graph.store.rows(records, DocTexts)]
    found += [row.doc_id for row in graph.store.rows(rejects, Reject)]
    return list(dict.fromkeys(found))


def _read(
    project: Project, graph: Graph, listing: Listing, stage: str, parts: Sequence[Part]
) -> Iterator[tuple[str, str, Cell | None]]:
    """Yield (document, scope, cell) of every request of a stage; no cell without a reply."""
    bound = next((each for each in graph.stages if each.name == stage), None)
    seen: set[bytes] = set()
    for part in parts if bound is not None else ():
        assert bound is not None
        assert bound.weigh is not None
        bound.weigh(part, graph.inputs(Step(bound, part)))
        listed = iter(listing.take())
        while some := [*islice(listed, _AT_ONCE)]:
            # A request that two samples or documents share is paid for once.
            new = [each for each in some if each.key not in seen]
            seen.update(each.key for each in new)
            for each in new:
                doc = each.place.removeprefix("document ").partition(" slot ")[0]
                try:
                    reply = project.log.get(each.key.hex())
                except DamagedError:
                    reply = None
                if reply is None:
                    yield doc, each.scope, None
                    continue
                read, written = reply.cache_read_tokens, reply.cache_write_tokens
                cell = Cell(1, reply.input_tokens, reply.output_tokens, written, read)
                yield doc, each.scope, cell


def _rows(
    project: Project, graph: Graph, parts: Sequence[Part], wanted: Mapping[str, object]
) -> dict[str, dict[str, int]]:
    """Count the rows of some documents by scope. `parts`: the shards that hold them."""
    from compiler.statistics.packing import Packed, unpack

    found: dict[str, dict[str, int]] = {doc: {} for doc in wanted}
    for index in dict.fromkeys(part[0] for part in parts):
        manifest = graph.manifest("publish", (index,))
        assert manifest is not None, "a finished build has every step"
        for packed in project.store.rows(manifest.outputs["facts"], Packed):
            rows = unpack(packed)
            for doc, scope in zip(rows.ids().tolist(), rows.scopes.tolist(), strict=True):
                own = found.get(doc)
                if own is not None:
                    own[scope] = own.get(scope, 0) + 1
    return found
