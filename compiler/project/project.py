"""One spec in its directory, with the objects that a command needs: context, graph, providers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from pathlib import Path

from compiler.dataset.located import Located, locate, needs_network
from compiler.engine.plan import Graph
from compiler.engine.store import Store, write_atomic
from compiler.errors import SourceError, UsageError
from compiler.keys import Json
from compiler.llm.batches.clock import Clock, WallClock
from compiler.llm.batches.journal import Journal
from compiler.llm.batches.runner import Pace
from compiler.llm.batches.shards import Limits
from compiler.llm.dispatch import Dispatcher
from compiler.llm.ledger import Spend
from compiler.llm.messages import Purpose
from compiler.llm.prices import CACHE_WRITE, Rate
from compiler.llm.providers import BATCHED, FREE, Settings, provider, replaying
from compiler.llm.providers.anthropic.batch import BatchSettings
from compiler.llm.purse import Purse
from compiler.llm.responses import ResponseLog
from compiler.probes import sampling, tokens
from compiler.probes.prompts import Library
from compiler.probes.tokens import Tokenizer, TokenizerFile
from compiler.project.reporter import Reporter, Silent
from compiler.rounds.blobs import Blobs
from compiler.rounds.locks import Lock, Rounds, agreed
from compiler.spec.model import Spec
from compiler.stages import bound
from compiler.stages.context import ROLES, Context, Role


@dataclass
class Project:
    """One spec in its project, with its doors still closed."""

    spec: Spec
    root: Path
    store: Store
    log: ResponseLog
    journal: Journal
    # What the spec was read from, itself first.
    files: tuple[Path, ...] = ()
    notices: list[str] = field(default_factory=list)
    clock: Clock = field(default_factory=WallClock)
    purse: Purse = field(default_factory=lambda: Purse(math.inf))
    wait: bool = True
    # Whether finished rounds are locked and locks are obeyed; a rehearsal does neither.
    locking: bool = True
    # Whether replies come from the response log alone, and templates from a lock.
    replay: bool = False
    # Templates by path from the project root, where they are not read from its files.
    texts: Mapping[str, str] | None = None
    # Tokenizers that are not looked up by name.
    tokenizers: Mapping[str, TokenizerFile] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        """Where replies, batches and what rounds need are kept."""
        return self.log.path.parent

    @property
    def blobs(self) -> Blobs:
        """What rounds need beside replies."""
        return Blobs(self.state / "blobs")

    @property
    def rounds(self) -> Rounds:
        """The locks of this dataset, in its build directory."""
        return Rounds(self.store.root / "rounds" / self.spec.name)

    @property
    def limits(self) -> Limits:
        """The limits of one batch, and of all that wait at the provider."""
        batches = self.spec.batches
        return Limits(batches.max_requests, batches.max_bytes, batches.queue_requests)

    def ceiling(self, max_usd: float | None) -> float:
        """Decide the most that a run may spend: the spec's budget, or `max_usd` where lower."""
        budget = self.spec.budget.max_usd
        return budget if max_usd is None else min(max_usd, budget)

    def spent(self) -> list[Spend]:
        """Read everything that builds of this dataset have paid, by role, round and model."""
        return [row for row in self.log.spent() if row.build == self.spec.name]

    @cached_property
    def held(self) -> dict[int, Lock]:
        """The lock that names the documents of each locked round."""
        return agreed(self.rounds.all(), self.rounds.folder) if self.locking else {}

    def _locked(self) -> dict[int, Mapping[str, str]]:
        """The documents of locked rounds, where the spec still asks for that draw.

        Where it does not, a build refuses; what only looks may look.
        """
        sizes = {index: each.docs for index, each in enumerate(self.spec.rounds)}
        return {
            index: lock.identity.documents
            for index, lock in self.held.items()
            if sizes.get(index, len(lock.identity.documents)) == len(lock.identity.documents)
        }

    def locate(self, *, remember: bool) -> Located:
        """Find the source. File digests are known again by size and time if a build remembered."""
        memory = self.store.root / "sources.json"
        known: dict[str, Json] = {}
        if memory.is_file():
            try:
                read = json.loads(memory.read_text(encoding="utf-8"))
                known = read if isinstance(read, dict) else {}
            except ValueError:
                known = {}  # a cache only: what is not remembered is read again
        before = dict(known)
        source = self.spec.source
        found = locate(source.path, source.revision, self.root, known)
        if remember and known != before:
            write_atomic(memory, json.dumps(known).encode("utf-8"))
        return found

    def blocked(self) -> list[str]:
        """What an offline plan cannot know: why the source or a tokenizer must be fetched first."""
        found = []
        source = self.spec.source
        if needs_network(source.path):
            found.append(f"the source {source.path} must be read first, over the network")
        found.extend(
            f"the tokenizer {name} must be downloaded first"
            for name in sorted(self._tokenizer_names())
            if tokens.find(name, self.root, online=False) is None
        )
        return found

    def require_local(self) -> None:
        """Refuse what would open sockets.

        Raises:
            UsageError: the source or a tokenizer must be fetched first.
        """
        blocked = self.blocked()
        if blocked:
            hint = "build once, or name a local file with --source"
            raise UsageError("; ".join(blocked), hint=hint)

    def planned(self) -> Graph:
        """The steps with what is known of each; asks and fetches nothing.

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

        `remember`: write down the source's digest; only who holds the build's lock may.
        `located`: the source, when it need not be looked for.
        """
        files: dict[str, TokenizerFile] = {}
        located = located or self.locate(remember=remember)
        for name in sorted(self._tokenizer_names()):
            found = self.tokenizers.get(name) or tokens.find(name, self.root, online=True)
            if found is None:
                raise SourceError(f"no tokenizer {name}", hint="name a path of a tokenizer.json")
            files[name] = found

        @cache
        def load_tokenizer(name: str) -> Tokenizer:
            return tokens.load(files[name])

        return Context(
            self.spec,
            located,
            self._library("prompts"),
            self._library("templates"),
            files,
            load_tokenizer,
            {role: self._dispatcher(role, reporter) for role in ROLES},
            {role: self.rate(role) for role in ROLES},
            self._locked(),
        )

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
        """The steps of the build."""
        leaves = [
            (index, shard)
            for index, each in enumerate(self.spec.rounds)
            for shard in range(len(sampling.shards(each.docs, self.spec.shard_docs)))
        ]
        return Graph(self.spec.name, self.store, bound(context), leaves)

    def rate(self, role: Role) -> Rate:
        """What a role's tokens cost; nothing for a free provider."""
        use = getattr(self.spec.models, role)
        price = self.spec.prices.get(use.model)
        if use.provider in FREE or price is None:
            return Rate(0.0, 0.0)
        factor = price.batch if use.provider in BATCHED else 1.0
        write = CACHE_WRITE[use.cache or "5m"]
        live = 1 / factor if factor else 1.0
        return Rate(price.input * factor, price.output * factor, write, live)

    def _tokenizer_names(self) -> set[str]:
        scopes = self.spec.scopes.values()
        names = {getattr(scope, "tokenizer", None) for scope in scopes} | {
            self.spec.source.tokenizer
        }
        return {name for name in names if name is not None}

    def _dispatcher(self, role: Role, reporter: Reporter) -> Dispatcher:
        use = getattr(self.spec.models, role)
        batches = self.spec.batches
        pace = Pace(batches.poll_seconds, 10 * batches.poll_seconds, self.wait)
        travel = BatchSettings(self.journal, self.limits, pace, self.clock, reporter)
        settings = Settings(use.base_url, use.concurrency, self.purse, travel)
        rate, expected = self.rate(role), getattr(self.spec.expect, role)
        usd = rate.usd(expected.input, expected.output)
        purpose = Purpose(self.spec.name, role, 0, use.provider, use.model, rate, usd)
        return Dispatcher(
            (replaying if self.replay else provider)(use.provider, settings),
            self.log,
            self.purse,
            purpose,
            partial(reporter.calls, role),
            self.journal.where,
        )


def opened(spec: Spec, root: Path, build: Path | None, state: Path | None) -> Project:
    """A checked spec in its project. `build`, `state`: its directories if not the default ones."""
    build = build if build is not None else root / "build"
    state = state if state is not None else root / ".probec"
    log, journal = ResponseLog(state / "responses.sqlite"), Journal(state / "batches")
    return Project(spec, root, Store(build), log, journal)
