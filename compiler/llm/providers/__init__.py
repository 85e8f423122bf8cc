"""The providers by name. A new one is one file here and one entry below."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from compiler.errors import ProviderError
from compiler.llm.batches.api import BatchApi
from compiler.llm.batches.clock import WallClock
from compiler.llm.messages import Provider
from compiler.llm.providers import anthropic, extractive, replay
from compiler.llm.providers.anthropic.batch import BatchSettings
from compiler.llm.providers.anthropic.client import Client
from compiler.llm.providers.anthropic.endpoint import Endpoint
from compiler.llm.purse import Purse


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a provider, apart from the requests; none is part of a request key.

    `patience`: seconds without a byte after which a live request has timed out.
    """

    base_url: str | None
    concurrency: int
    patience: float
    purse: Purse
    batches: BatchSettings


@dataclass(frozen=True, slots=True)
class Entry:
    """A provider in the registry.

    `free`: it costs nothing and needs no price. `batched`: it bills at the batch price.
    """

    open: Callable[[Settings], Provider]
    free: bool = False
    batched: bool = False


PROVIDERS: Mapping[str, Entry] = {
    "extractive": Entry(lambda _: extractive.Extractive(), free=True),
    "replay": Entry(lambda _: replay.Replay(), free=True),
    "anthropic": Entry(
        lambda s: anthropic.Live(
            Client(s.base_url, s.patience),
            s.concurrency,
            s.purse,
            s.batches.watcher.notice,
            s.batches.journal,
            s.batches.clock,
        )
    ),
    "anthropic-batch": Entry(
        lambda s: anthropic.Batch(Client(s.base_url, s.patience), s.batches, s.purse), batched=True
    ),
}

BATCHED = frozenset(name for name, entry in PROVIDERS.items() if entry.batched)
FREE = frozenset(name for name, entry in PROVIDERS.items() if entry.free)

parse_result = Endpoint.parse
"""Parses one line of archived results, without a connection."""


@contextmanager
def batch_api(endpoint: str) -> Iterator[BatchApi]:
    """Open the batch endpoint at an address, to list and to cancel its batches."""
    client = Client(endpoint)
    try:
        yield Endpoint(client, WallClock())
    finally:
        client.close()


def provider(name: str, settings: Settings) -> Provider:
    """Return the provider with a name.

    Raises:
        ProviderError: the name is unknown.
    """
    if name not in PROVIDERS:
        raise ProviderError(f"unknown provider {name!r}", hint=f"have: {', '.join(PROVIDERS)}")
    return PROVIDERS[name].open(settings)


def replaying(name: str, settings: Settings) -> Provider:
    """Return a provider with the request keys of the named one, which sends no requests."""
    return replay.Replay(provider(name, settings).encode)
