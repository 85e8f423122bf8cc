"""An opened project: one spec in its directory, with context, step graph and providers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cache, cached_property, partial
from pathlib import Path

from msgspec import Struct, field

from compiler.dataset.located import Located, locate, needs_network
from compiler.engine.lock import queued
from compiler.engine.plan import Graph
from compiler.engine.store import Store, write_atomic
from compiler.errors import SourceError, UsageError
from compiler.keys import Json
from compiler.llm.batches.clock import Clock, Pace, WallClock
from compiler.llm.batches.journal import Journal
from compiler.llm.batches.shards import BatchSettings, Limits
from compiler.llm.dispatch import Dispatcher
from compiler.llm.ledger import Spend
from compiler.llm.messages import Purpose
from compiler.llm.prices import CACHE_WRITE, Rate
from compiler.llm.providers import BATCHED, FREE, Settings, provider, replaying
from compiler.llm.purse import Purse
from compiler.llm.responses import ResponseLog
from compiler.probes import sampling, tokens
from compiler.probes.tokens import Tokenizer, TokenizerFile
from compiler.project import chain
from compiler.project.reporter import Reporter, Silent
from compiler.rounds.blobs import Blobs
from compiler.rounds.locks import Lock, Rounds, agreed
from compiler.spec.declared import Declared, of_probes
from compiler.spec.model import Spec
from compiler.spec.paid import Role
from compiler.stages import KINDS, bound
from compiler.stages.context import Context
from compiler.stages.kind import Kind
from compiler.templating.prompts import Library

PAID = "project's paid path"
"""The name of the lock that is held while requests are sent and results collected."""
SPENDING = "only one process of a project sends requests at a time: wait for it, or interrupt it"


class Project(Struct, dict=True):
    """One spec in its project. Sources, providers and databases are opened when first used."""

    declared: Declared
    root: Path
    store: Store
    log: ResponseLog
    journal: Journal
    # The files that the spec was read from: the spec first, then its parent.
    files: tuple[Path, ...] = ()
    # The suffix of the dataset's name, "" for the spec as written (see `project.variation`).
    variation: str = ""
    # The command that builds this dataset, for messages.
    command: str = "probec build SPEC"
    notices: list[str] = field(default_factory=list)
    clock: Clock = field(default_factory=WallClock)
    purse: Purse = field(default_factory=lambda: Purse(math.inf))
    wait: bool = True
    # Finished rounds are locked, and existing locks are obeyed. False in rehearsals and sweeps.
    locking: bool = True
    # The build is a pilot of a larger one, whose locks name the documents of these rounds.
    pilot: bool = False
    fixed: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    # Replies come from the response log alone, and templates from a lock or a kit.
    replay: bool = False
    # Templates by path from the project root; None to read them from its files.
    texts: Mapping[str, str] | None = None
    # The build under which costs are booked; None for the dataset's own.
    account: str | None = None
    # Tokenizers by name, instead of looking the name up.
    tokenizers: Mapping[str, TokenizerFile] = field(default_factory=dict)
    # The accounts of themselves that servers gave when requests were sent.
    accounts: dict[str, str] = field(default_factory=dict)

    @property
    def spec(self) -> Spec:
        """The spec of a project of probes.

        Raises:
            UsageError: it is of another kind.
        """
        return of_probes(self.declared)

    @property
    def kind(self) -> Kind:
        """The kind of the spec: its stages, roles and installed files."""
        return KINDS[self.declared.kind]()

    @property
    def state(self) -> Path:
        """The directory of replies, batches and blobs."""
        return self.log.path.parent

    @property
    def blobs(self) -> Blobs:
        """The store of what rounds need beside replies: documents, tokenizers and key lists."""
        return Blobs(self.state / "blobs")

    @property
    def dataset(self) -> str:
        """The name of its directory, heads and locks: that of the spec or of this variant."""
        return f"{self.declared.name}{self.variation}"

    @property
    def directory(self) -> Path:
        """The directory that its dataset is installed in."""
        return self.store.root / "datasets" / self.dataset

    @property
    def rounds(self) -> Rounds:
        """The locks of this dataset, in its build directory."""
        return Rounds(self.store.root / "rounds" / self.dataset)

    @property
    def written(self) -> Rounds:
        """The locks of the spec as written; a variant draws the documents that they name."""
        return Rounds(self.store.root / "rounds" / self.declared.name)

    def locks(self) -> list[Lock]:
        """Read the locks of this dataset; a variant adds those of its spec that it obeys."""
        own = self.rounds.all()
        fixed = {lock.identity.round for lock in own}
        return own + [lock for index, lock in self.held.items() if index not in fixed]

    def lock_path(self, lock: Lock) -> Path:
        """Return the path of a lock that this dataset obeys."""
        own = self.rounds.path(lock)
        return own if own.is_file() else self.written.path(lock)

    @property
    def limits(self) -> Limits:
        """The limits of one batch, and of all requests that wait at the provider."""
        batches = self.declared.batches
        return Limits(batches.max_requests, batches.max_bytes, batches.queue_requests)

    def ceiling(self, max_usd: float | None) -> float:
        """Return the US dollars that a run may spend: the spec's budget, or `max_usd` if lower."""
        budget = self.declared.budget.max_usd
        return budget if max_usd is None else min(max_usd, budget)

    def spent(self) -> list[Spend]:
        """Read all costs billed to builds of this dataset, by role, round and model."""
        return [row for row in self.log.spent() if row.build == self.declared.name]

    @cached_property
    def held(self) -> dict[int, Lock]:
        """The lock that fixes the documents of each locked round, by round.

        A variant draws the documents of its spec, unless it was locked with others before.
        """
        if not self.locking:
            return {}
        own = agreed(self.rounds.all(), self.rounds.folder)
        if not self.variation:
            return own
        found = {**agreed(self.written.all(), self.written.folder), **own}
        documents = [doc_id for lock in found.values() for doc_id in lock.identity.documents]
        return found if len(documents) == len(set(documents)) else own

    def locked(self) -> dict[int, Mapping[str, str]]:
        """Return the documents of locked rounds whose size is still that of the spec.

        A round of another size is left out: `build` refuses it, read-only commands do not.
        """
        sizes = {index: each.docs for index, each in enumerate(self.declared.rounds)}
        return {
            index: lock.identity.documents
            for index, lock in self.held.items()
            if sizes.get(index, len(lock.identity.documents)) == len(lock.identity.documents)
        }

    def locate(self, *, remember: bool) -> Located:
        """Locate the source.

        `remember`: store file digests by size and time, so that unchanged files are not read again.
        """
        memory = self._digests
        known: dict[str, Json] = {}
        if memory.is_file():
            try:
                read = json.loads(memory.read_text(encoding="utf-8"))
                known = read if isinstance(read, dict) else {}
            except ValueError:
                known = {}  # only a cache: the files are read again
        before = dict(known)
        source = self.declared.source
        above = getattr(source, "rollouts", None)
        if above is not None:
            found = chain.located(above, Path(source.path).parent.name, self.store, known)
        else:
            found = locate(source.path, source.revision, self.root, known)
        if remember and known != before:
            write_atomic(memory, json.dumps(known).encode("utf-8"))
        return found

    @property
    def _digests(self) -> Path:
        return self.store.root / "sources.json"

    def forget_digests(self) -> None:
        """Forget the stored file digests, so that the source's files are read again."""
        self._digests.unlink(missing_ok=True)

    def blocked(self) -> list[str]:
        """List the sources and tokenizers that must be fetched before steps can be planned."""
        found = []
        source = self.declared.source
        if needs_network(source.path):
            found.append(f"the source {source.path} must be read first, over the network")
        found.extend(
            f"the tokenizer {name} must be downloaded first"
            for name in sorted(self._tokenizer_names())
            if tokens.find(name, self.root, online=False) is None
        )
        return found

    def require_local(self) -> None:
        """Refuse to continue if planning would open a socket.

        Raises:
            UsageError: the source or a tokenizer must be fetched first.
        """
        blocked = self.blocked()
        if blocked:
            hint = "run `probec build` once, or name a local file with --source"
            raise UsageError("; ".join(blocked), hint=hint)

    def planned(self) -> Graph:
        """Return the step graph with every step planned; sends and fetches nothing.

        Raises:
            UsageError: the source or a tokenizer must be fetched first.
        """
        self.require_local()
        graph = self.graph(self.context(Silent()))
        graph.plan()
        return graph

    def context(
        self, reporter: Reporter, *, remember: bool = False, located: Located | None = None
    ) -> Context:
        """Bind the spec to its source, tokenizers and providers; may open sockets.

        `remember`: store the source's file digests; only with the build directory locked.
        `located`: the source, if it is known.

        Raises:
            SourceError: the source or a tokenizer cannot be found.
        """
        files: dict[str, TokenizerFile] = {}
        located = located or self.locate(remember=remember)
        for name in sorted(self._tokenizer_names()):
            found = self.tokenizers.get(name) or tokens.find(name, self.root, online=True)
            if found is None:
                raise SourceError(
                    f"no tokenizer {name}", hint="name the path of a tokenizer.json in the spec"
                )
            files[name] = found

        @cache
        def load_tokenizer(name: str) -> Tokenizer:
            return tokens.load(files[name])

        return self._context(
            reporter, located, files, load_tokenizer, {**self.fixed, **self.locked()}
        )

    def readers(self, reporter: Reporter) -> Context:
        """Bind the spec to its prompts and providers alone, to read finished rows.

        Neither the source nor a tokenizer is opened.
        """

        def load_tokenizer(name: str) -> Tokenizer:
            raise SourceError(f"the tokenizer {name} is not opened to read finished rows")

        nothing = Located(self.declared.source.path, (), "", None)
        return self._context(reporter, nothing, {}, load_tokenizer, {})

    def _context(
        self,
        reporter: Reporter,
        located: Located,
        files: Mapping[str, TokenizerFile],
        load_tokenizer: Callable[[str], Tokenizer],
        locked: Mapping[int, Mapping[str, str]],
    ) -> Context:
        return Context(
            self.declared,
            located,
            self._library("prompts"),
            self._library("templates"),
            files,
            load_tokenizer,
            {role: self._dispatcher(role, reporter) for role in self.kind.roles},
            {role: self.rate(role) for role in self.kind.roles},
            locked,
        )

    def tokenizer_files(self) -> dict[str, TokenizerFile]:
        """Find the tokenizers of the spec that are on this machine, by name@digest."""
        found = (tokens.find(name, self.root, online=False) for name in self._tokenizer_names())
        return {each.identity: each for each in found if each is not None}

    def _library(self, folder: str) -> Library:
        texts = None
        if self.texts is not None:
            below = f"{folder}/"
            texts = {
                path.removeprefix(below): text
                for path, text in self.texts.items()
                if path.startswith(below)
            }
        return Library(self.root / folder, texts, partial=self.replay)

    def graph(self, context: Context) -> Graph:
        """Build the step graph of the spec."""
        leaves = [
            (index, shard)
            for index, each in enumerate(self.declared.rounds)
            for shard in range(len(sampling.shards(each.docs, self.declared.shard_docs)))
        ]
        return Graph(self.dataset, self.store, bound(context), leaves, self.declared.name)

    def rate(self, role: Role) -> Rate:
        """Return the token prices of a role; zero for a free provider or an unpriced model."""
        use = getattr(self.declared.models, role)
        price = self.declared.prices.get(use.model)
        if use.provider in FREE or price is None:
            return Rate(0.0, 0.0)
        factor = price.batch if use.provider in BATCHED else 1.0
        write = CACHE_WRITE[use.cache or "5m"]
        live = 1 / factor if factor else 1.0
        return Rate(price.input * factor, price.output * factor, write, live)

    def _tokenizer_names(self) -> set[str]:
        return self.kind.tokenizers(self.declared)

    def _dispatcher(self, role: Role, reporter: Reporter) -> Dispatcher:
        use = getattr(self.declared.models, role)
        batches = self.declared.batches
        pace = Pace(batches.poll_seconds, 10 * batches.poll_seconds, self.wait)
        travel = BatchSettings(self.journal, self.limits, pace, self.clock, reporter)
        text = getattr(use, "text", None)
        settings = Settings(
            use.base_url,
            use.concurrency,
            use.read_timeout,
            self.purse,
            travel,
            self.accounts,
            self.root / text if text is not None else None,
            getattr(use, "revision", None),
        )
        rate, expected = self.rate(role), getattr(self.declared.expect.chosen, role)
        usd = rate.usd(expected.input, expected.output)
        name = self.account or self.declared.name
        purpose = Purpose(name, role, 0, use.provider, use.model, rate, usd)
        return Dispatcher(
            (replaying if self.replay else provider)(use.provider, settings),
            self.log,
            self.purse,
            purpose,
            partial(reporter.calls, role),
            self.journal.where,
            nullcontext if self.replay or use.provider in FREE else partial(self._paying, reporter),
        )

    @contextmanager
    def _paying(self, reporter: Reporter) -> Iterator[None]:
        """Be the only process of the project that sends requests; wait for the turn."""
        waiting = reporter.notice if self.wait else None
        with queued(self.journal.folder, PAID, self.command, SPENDING, waiting):
            yield


def opened(declared: Declared, root: Path, build: Path | None, state: Path | None) -> Project:
    """Open a checked spec in its project. `build`, `state`: directories if not the default ones."""
    build = build if build is not None else root / "build"
    state = state if state is not None else root / ".probec"
    log, journal = ResponseLog(state / "responses.sqlite"), Journal(state / "batches")
    return Project(declared, root, Store(build), log, journal)
